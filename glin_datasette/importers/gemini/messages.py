"""One message of a session, as the messages of the archive that it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ...models import Kind
from ..base import Item, Unknown
from ..session import Session
from ..text import count, identifier, normalise_time, string
from .kinds import ROLES
from .parts import Content, as_text, read_parts

__all__ = ["say_message"]

_MAX_MODEL = 200
#: What the client says in the user's place, to go on.
_CLIENT = re.compile(r"System: Please continue\.|<(state_snapshot|session_context)>", re.ASCII)
#: What some thoughts begin with, written out.
_ESCAPED = re.compile(r"(?:\\n|\s)+")
_EXIT = re.compile(r"^Exit Code: [1-9]\d*$", re.MULTILINE)


def say_message(session: Session, record: dict[str, Any], id: str) -> Iterator[Item]:
    """Say what a message holds. ``id``: what it is called in the archive.

    Its counts of tokens stand on the first of what it holds.
    """
    kind = string(record.get("type")) or "(none)"
    role = ROLES.get(kind)
    if role is None:
        yield Unknown(f"message {kind[:50]}")
        return
    ts = normalise_time(record.get("timestamp"))
    content = read_parts(record.get("content"))
    yield from map(Unknown, content.strange)
    if role == "assistant":
        yield from _reply(session, record, content, id, ts)
        return
    text = content.text
    if role == "user":
        # What was typed, where the content holds the files that it mentions as well.
        text = read_parts(record.get("displayContent")).text.strip() or text
        if _CLIENT.match(text):
            role = "system"
    files = content.attachments
    if text.strip() or files:
        shape: Kind = "text" if text.strip() else "attachment"
        yield from session.say(
            role, shape, text, id=id, ts=ts, attachments=files, is_error=kind == "error"
        )


def _reply(
    session: Session, record: dict[str, Any], content: Content, id: str, ts: str | None
) -> Iterator[Item]:
    model = string(record.get("model"))
    only: dict[str, Any] = {"model": model[:_MAX_MODEL] if model else None}
    facts = only | _tokens(record.get("tokens"))
    for number, (thought, moment) in enumerate(_thoughts(record, content), 1):
        yield from session.say(
            "assistant", "thinking", thought, id=f"{id}#thought-{number}", ts=moment or ts, **facts
        )
        facts = only
    if content.text.strip() or content.attachments:
        yield from session.say(
            "assistant",
            "text",
            content.text,
            id=id,
            ts=ts,
            attachments=content.attachments,
            **facts,
        )
        facts = only
    calls = record.get("toolCalls")
    for number, call in enumerate(calls if isinstance(calls, list) else [], 1):
        if isinstance(call, dict):
            yield from _call(session, call, id, number, ts, facts)
            facts = only


def _thoughts(record: dict[str, Any], content: Content) -> Iterator[tuple[str, str | None]]:
    thoughts = record.get("thoughts")
    for thought in thoughts if isinstance(thoughts, list) else []:
        if isinstance(thought, dict):
            words = [string(thought.get("subject")), string(thought.get("description"))]
            told = [
                _ESCAPED.sub("", word, count=1) if _ESCAPED.match(word) else word
                for word in words
                if word
            ]
            if any(told):
                yield "\n\n".join(filter(None, told)), normalise_time(thought.get("timestamp"))
    for text in content.thoughts:
        if text.strip():
            yield text, None


def _tokens(value: object) -> dict[str, int | None]:
    """The counts of a reply. The service counts its thoughts beside the output, and what a
    tool put into the prompt beside the input."""
    if not isinstance(value, dict):
        return {}
    given = {name: count(value.get(name)) for name in ("input", "output", "thoughts", "tool")}
    if given["input"] is None and given["output"] is None:
        return {}
    return {
        "token_in": (given["input"] or 0) + (given["tool"] or 0),
        "token_out": (given["output"] or 0) + (given["thoughts"] or 0),
        "token_cached": count(value.get("cached")),
    }


def _call(
    session: Session,
    call: dict[str, Any],
    id: str,
    number: int,
    ts: str | None,
    facts: dict[str, Any],
) -> Iterator[Item]:
    own = identifier(call.get("id"))
    name = identifier(call.get("name"))
    moment = normalise_time(call.get("timestamp")) or ts
    base = f"{id}#call-{own or number}"
    # Without an id of its own, call and result still belong together.
    pair = own or base
    yield from session.say(
        "assistant",
        "tool_call",
        id=base,
        ts=ts,
        tool_name=name,
        tool_call_id=pair,
        tool_input=call.get("args"),
        **facts,
    )
    result = _result(call)
    if result is None:
        return
    content, failed = result
    yield from map(Unknown, content.strange)
    failed = failed or (name == "run_shell_command" and bool(_EXIT.search(content.text)))
    yield from session.say(
        "tool",
        "tool_result",
        content.text,
        id=f"{base}-result",
        ts=moment,
        tool_call_id=pair,
        is_error=failed,
        attachments=content.attachments,
    )


def _result(call: dict[str, Any]) -> tuple[Content, bool] | None:
    """What a call returned, and whether it failed; ``None`` while it runs."""
    content, failed = Content(), call.get("status") == "error"
    result = call.get("result")
    answered = result is not None and result != []
    for part in result if isinstance(result, list) else [result]:
        answer = part.get("functionResponse") if isinstance(part, dict) else None
        if not isinstance(answer, dict):
            found = read_parts(part)
        else:
            response = answer.get("response")
            told = response if isinstance(response, dict) else {"output": response}
            failed = failed or "error" in told
            output = told.get("output", told.get("error", told.get("content", told or None)))
            found = read_parts(answer.get("parts"))
            found.texts.insert(0, as_text(output))
        content.texts += filter(None, found.texts)
        content.attachments += found.attachments
        content.strange += found.strange
    if not content.texts:
        shown = call.get("error") or call.get("resultDisplay")
        if isinstance(shown, str) and shown:
            content.texts.append(shown)
            answered = True
    if not answered and call.get("status") not in ("success", "error", "cancelled"):
        return None
    if not content.texts and call.get("status") == "cancelled":
        content.texts.append("cancelled")
    return content, failed
