"""One part of an opencode message -> messages of the archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from ...models import Attachment, Role
from ..base import Item, Unknown
from ..session import Session, base64_size
from ..text import epoch_time, identifier, string

__all__ = ["Told", "say_error", "say_part"]

#: Kinds of parts that hold nothing to keep. The text of a prompt names the agent, too.
_QUIET = frozenset({"agent", "patch", "snapshot", "step-finish", "step-start"})

_DATA_URL = re.compile(r"data:[^,]{0,200},", re.ASCII)
_DRIVE = re.compile(r"/[A-Za-z]:")


@dataclass(slots=True)
class Told:
    """What a message tells about each of its parts."""

    role: Role
    ts: str | None
    model: str | None


def say_part(session: Session, told: Told, id: str, part: dict[str, Any]) -> Iterator[Item]:
    """The messages that a part is. ``id`` is the part's own."""
    kind = string(part.get("type")) or "(none)"
    ts = _time(part, "start") or told.ts
    if kind == "text":
        # What opencode adds to a prompt by itself: files that it read, reminders.
        own = part.get("synthetic") is True or part.get("ignored") is True
        role: Role = "system" if own else told.role
        model = told.model if role == "assistant" else None
        yield from session.say(role, "text", string(part.get("text")), id=id, ts=ts, model=model)
    elif kind == "reasoning":
        text = string(part.get("text"))
        yield from session.say("assistant", "thinking", text, id=id, ts=ts, model=told.model)
    elif kind == "tool":
        yield from _tool(session, told, id, part)
    elif kind == "file":
        yield from _file(session, told, id, part)
    elif kind == "subtask":
        prompt, title = string(part.get("prompt")), string(part.get("description"))
        yield from session.say("user", "text", prompt, id=id, ts=ts, title=title)
    elif kind == "compaction":
        how = "automatically" if part.get("auto") is True else "on request"
        yield from session.say("system", "text", f"Conversation compacted {how}", id=id, ts=ts)
    elif kind == "retry":
        yield from say_error(session, id, _time(part, "created") or ts, part.get("error"))
    elif kind not in _QUIET:
        yield Unknown(f"part {kind}"[:60])


def say_error(session: Session, id: str, ts: str | None, error: object) -> Iterator[Item]:
    """Why a reply, or an attempt at one, failed."""
    error = error if isinstance(error, dict) else {}
    data = error.get("data")
    reason = string(data.get("message")) if isinstance(data, dict) else None
    text = ": ".join(filter(None, [string(error.get("name")), reason]))
    yield from session.say("system", "text", text, id=id, ts=ts, is_error=True)


def _tool(session: Session, told: Told, id: str, part: dict[str, Any]) -> Iterator[Item]:
    state = part.get("state")
    state = state if isinstance(state, dict) else {}
    name = identifier(part.get("tool")) or "tool"
    call = identifier(part.get("callID")) or id
    yield from session.say(
        "assistant",
        "tool_call",
        id=id,
        ts=_time(state, "start") or told.ts,
        model=told.model,
        tool_name=name,
        tool_call_id=call,
        tool_input=state.get("input"),
    )
    status = state.get("status")
    if status in ("completed", "error"):
        failed = status == "error"
        files = state.get("attachments")
        found = [_attachment(each) for each in files] if isinstance(files, list) else []
        yield from session.say(
            "tool",
            "tool_result",
            string(state.get("error" if failed else "output")) or "",
            id=f"{id}#result",
            ts=_time(state, "end") or told.ts,
            tool_name=name,
            tool_call_id=call,
            is_error=failed,
            attachments=[each for each in found if each],
        )


def _file(session: Session, told: Told, id: str, part: dict[str, Any]) -> Iterator[Item]:
    attachment = _attachment(part)
    if attachment is None:
        return
    url = string(part.get("url")) or ""
    linked = url if url.startswith(("https://", "http://")) else None
    source = part.get("source")
    path = string(source.get("path")) if isinstance(source, dict) else None
    yield from session.say(
        told.role,
        "attachment",
        linked,
        id=id,
        ts=told.ts,
        files=[found] if (found := _local(url) or path) else [],
        attachments=[attachment],
    )


def _attachment(part: object) -> Attachment | None:
    """The file that a part is. Its bytes are there if its URL holds them."""
    if not isinstance(part, dict) or not (media_type := string(part.get("mime"))):
        return None
    name, url = string(part.get("filename")), part.get("url")
    if not isinstance(url, str) or not (head := _DATA_URL.match(url)):
        return Attachment(media_type=media_type, name=name)
    text = url[head.end() :]
    if head[0].lower().endswith(";base64,"):
        return Attachment(media_type=media_type, name=name, size=base64_size(text), data=text)
    data = unquote_to_bytes(text.encode("utf-8", "replace"))
    return Attachment(media_type=media_type, name=name, size=len(data), data=data)


def _local(url: str) -> str | None:
    """The path that a ``file:`` URL names."""
    if not url.startswith("file:"):
        return None
    try:
        path = unquote(urlsplit(url).path)
    except ValueError:
        return None
    return path[1:] if _DRIVE.match(path) else path


def _time(holder: dict[str, Any], name: str) -> str | None:
    time = holder.get("time")
    return epoch_time(time.get(name)) if isinstance(time, dict) else None
