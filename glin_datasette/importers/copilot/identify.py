"""Telling the files of Copilot from those of other formats."""

from __future__ import annotations

import re
from pathlib import Path

from ..documents import outline
from ..jsonl import BadLine, decode
from ..records import cut_line, records_in
from .kinds import KNOWN

__all__ = ["is_chat", "is_log"]

_BEGINS = re.compile(
    rb'\{(?:"[a-zA-Z]+"\s*:\s*(?:null|true|false|"[^"\\]*")\s*,\s*){0,6}?'
    rb'"type"\s*:\s*"([a-z_]+\.[a-z_]+)"'
)
#: Members that only a chat session of VS Code has.
_MEMBERS = frozenset({"requesterUsername", "responderUsername"})
_LOG = re.compile(rb'\s*\{\s*"kind"\s*:\s*0\s*,\s*"v"\s*:\s*(?=\{)')
_PATHS = frozenset(
    {"creationDate", "customTitle", "hasPendingEdits", "initialLocation", "inputState"}
    | {"pendingRequests", "repoData", "requests", "responderUsername", "sessionId"}
)


def is_log(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is an event. VS Code keeps events that look alike,
    of the chats that it has in another form as well."""
    if "GitHub.copilot-chat" in path.parts:
        return False
    others = False
    for record in records_in(head):
        kind = record.get("type")
        if isinstance(kind, str) and kind in KNOWN and isinstance(record.get("data"), dict):
            return True
        others = True
    begins = _BEGINS.match(cut_line(head))
    return not others and begins is not None and begins[1].decode() in KNOWN


def is_chat(head: bytes) -> bool:
    """By the members of a session, or by one of the first changes to one."""
    if begins := _LOG.match(head):
        _, keys = outline(head[begins.end() :])
        return bool(keys & (_PATHS | {"version"}))
    if _is_session(outline(head)[1]):
        return True
    return any(_is_change(line) for line in head.split(b"\n", 50)[:50])


def _is_session(keys: frozenset[str]) -> bool:
    return bool(keys & _MEMBERS) or keys >= {"creationDate", "requests", "sessionId"}


def _is_change(line: bytes) -> bool:
    try:
        record = decode(line)
    except BadLine:
        return False
    if record.get("kind") == 0:
        value = record.get("v")
        return isinstance(value, dict) and _is_session(frozenset(value))
    keys = record.get("k")
    return (
        record.get("kind") in (1, 2, 3)
        and isinstance(keys, list)
        and bool(keys)
        and isinstance(keys[0], str)
        and keys[0] in _PATHS
    )
