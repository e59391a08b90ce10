"""One entry of a pi session -> messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...models import Attachment, Kind
from ..base import Item, Said, Unknown
from ..session import Session, base64_size
from ..text import count, digest, epoch_time, identifier, normalise_time, one_line, string

__all__ = ["key_of", "say_entry"]

#: Characters of a text that tell it from another one of the same moment.
_GIST = 200

#: What pi puts around files and skills that were named with a prompt.
_WRAPPED = re.compile(r'<(file|skill) name="([^"\n]{1,300})"[^>\n]{0,600}>.*?</\1>\s*', re.DOTALL)


def key_of(entry: dict[str, Any]) -> str:
    """What names an entry everywhere: its kind, its times, and how its text begins."""
    message = _dict(entry.get("message"))
    role = message.get("role")
    facts = [
        entry.get("type"),
        entry.get("timestamp"),
        "custom" if role == "hookMessage" else role,
        message.get("timestamp"),
        message.get("toolCallId"),
        message.get("command"),
        _gist(message.get("content", entry.get("content", entry.get("summary")))),
    ]
    return digest(json.dumps([_scalar(fact) for fact in facts]))


def say_entry(session: Session, entry: dict[str, Any], key: str) -> Iterator[Item]:
    """The messages that an entry is."""
    kind = entry["type"]
    written = normalise_time(entry.get("timestamp"))
    if kind == "message":
        message = _dict(entry.get("message"))
        yield from _message(session, message, key, epoch_time(message.get("timestamp")) or written)
    elif kind == "custom_message":
        yield from _added(session, entry, key, written)
    elif kind == "compaction":
        before = count(entry.get("tokensBefore"))
        title = f"Conversation compacted ({before} tokens before)" if before else None
        yield from _summary(session, title or "Conversation compacted", entry, key, written)
    elif kind == "branch_summary":
        yield from _summary(session, "Came back from a branch", entry, key, written)


def _message(session: Session, message: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
    role = message.get("role")
    if role == "user":
        text, files = _content(message.get("content"))
        kind: Kind = "text" if text else "attachment"
        title = _title(text)
        yield from session.say("user", kind, text, id=key, ts=ts, title=title, attachments=files)
    elif role == "assistant":
        yield from _reply(session, message, key, ts)
    elif role == "toolResult":
        text, files = _content(message.get("content"))
        yield from session.say(
            "tool",
            "tool_result",
            text,
            id=key,
            ts=ts,
            tool_name=identifier(message.get("toolName")),
            tool_call_id=identifier(message.get("toolCallId")),
            is_error=message.get("isError") is True,
            attachments=files,
        )
    elif role == "bashExecution":
        yield from _shell(session, message, key, ts)
    elif role in ("custom", "hookMessage"):
        yield from _added(session, message, key, ts)
    elif role == "compactionSummary":
        yield from _summary(session, "Conversation compacted", message, key, ts)
    elif role == "branchSummary":
        yield from _summary(session, "Came back from a branch", message, key, ts)
    else:
        yield Unknown(f"role {string(role) or '(none)'}"[:60])


def _reply(session: Session, message: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
    model, tokens = identifier(message.get("model")), _tokens(message.get("usage"))
    content = message.get("content")
    blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
    for number, block in enumerate(blocks):
        for item in _block(session, _dict(block), f"{key}#{number}", ts, model):
            if tokens and isinstance(item, Said):
                item, tokens = _counted(item, tokens), None
            yield item
    if message.get("stopReason") in ("aborted", "error"):
        text = string(message.get("errorMessage"))
        for item in session.say("system", "text", text, id=f"{key}#error", ts=ts, is_error=True):
            if tokens and isinstance(item, Said):
                item, tokens = _counted(item, tokens), None
            yield item


def _block(
    session: Session, block: dict[str, Any], id: str, ts: str | None, model: str | None
) -> Iterator[Item]:
    kind = block.get("type")
    if kind == "text":
        text = string(block.get("text"))
        yield from session.say("assistant", "text", text, id=id, ts=ts, model=model)
    elif kind == "thinking":
        text = string(block.get("thinking"))
        yield from session.say("assistant", "thinking", text, id=id, ts=ts, model=model)
    elif kind == "toolCall":
        yield from session.say(
            "assistant",
            "tool_call",
            id=id,
            ts=ts,
            model=model,
            tool_name=identifier(block.get("name")),
            tool_call_id=identifier(block.get("id")),
            tool_input=block.get("arguments"),
        )
    else:
        yield Unknown(f"block {string(kind) or '(none)'}"[:60])


def _shell(session: Session, message: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
    """A command that the user ran."""
    yield from session.say(
        "user",
        "tool_call",
        id=key,
        ts=ts,
        tool_name="bash",
        tool_call_id=key,
        tool_input={"command": string(message.get("command")) or ""},
    )
    lines = [message["output"]] if isinstance(message.get("output"), str) else []
    code = message.get("exitCode")
    failed = type(code) is int and 0 < code < 1000
    if message.get("cancelled") is True:
        lines.append("(cancelled)")
    elif failed:
        lines.append(f"(exit code {code})")
    yield from session.say(
        "tool",
        "tool_result",
        "\n".join(line.rstrip("\n") for line in lines),
        id=f"{key}#result",
        ts=ts,
        tool_name="bash",
        tool_call_id=key,
        is_error=failed,
    )


def _added(session: Session, holder: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
    """What an extension put into the conversation."""
    text, files = _content(holder.get("content"))
    yield from session.say("system", "text", text, id=key, ts=ts, attachments=files)


def _summary(
    session: Session, title: str, holder: dict[str, Any], key: str, ts: str | None
) -> Iterator[Item]:
    text = "\n\n".join(filter(None, [title, string(holder.get("summary"))]))
    yield from session.say("system", "text", text, id=key, ts=ts)


def _content(content: object) -> tuple[str, list[Attachment]]:
    """The text and the images of a message."""
    if isinstance(content, str):
        return content, []
    texts, files = [], []
    for block in content if isinstance(content, list) else ():
        if not isinstance(block, dict):
            continue
        if block.get("type") == "text" and isinstance(text := block.get("text"), str):
            texts.append(text)
        elif block.get("type") == "image" and isinstance(data := block.get("data"), str):
            media_type = string(block.get("mimeType")) or "image"
            files.append(Attachment(media_type=media_type, size=base64_size(data), data=data))
    return "\n".join(texts), files


def _title(text: str) -> str | None:
    """What a prompt would name a conversation: not what pi put before it."""
    rest, names, at = text, [], 0
    while found := _WRAPPED.match(text, at):
        names.append(found[2])
        at = found.end()
        rest = text[at:]
    return one_line(rest) or (names[0] if names else None)


def _tokens(usage: object) -> tuple[int, int, int] | None:
    """All input, all output, and the part of the input that came from a cache. ``input``
    leaves out what came from there or went there."""
    facts = _dict(usage)
    fresh, read, written, out = (
        count(facts.get(name)) or 0 for name in ("input", "cacheRead", "cacheWrite", "output")
    )
    return (fresh + read + written, out, read) if fresh or read or written or out else None


def _counted(item: Said, tokens: tuple[int, int, int]) -> Said:
    message = replace(item.message, token_in=tokens[0], token_out=tokens[1], token_cached=tokens[2])
    return Said(item.conversation, message)


def _gist(content: object) -> object:
    first = content[0] if isinstance(content, list) and content else content
    if isinstance(first, dict):
        return next((first[name] for name in ("text", "thinking", "id") if name in first), None)
    return first


def _scalar(value: object) -> object:
    if isinstance(value, str):
        return value[:_GIST]
    return value if isinstance(value, int | float) else None


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
