"""The names of sessions, which Codex keeps in ``session_index.jsonl`` beside its folders:
``{"id", "thread_name", "updated_at"}`` a line, the last one of an id is right."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

from ..jsonl import BadLine, decode
from ..text import identifier, string

__all__ = ["name_of"]

_INDEX = "session_index.jsonl"
_FOLDERS = ("sessions", "archived_sessions")
#: Bytes. The newest names stand last.
_MOST = 8 * 1024 * 1024


def name_of(path: Path, session: str) -> str | None:
    """The name that somebody gave to the session in the file ``path``."""
    for folder in path.parents:
        if folder.name in _FOLDERS:
            index = folder.parent / _INDEX
            try:
                facts = index.stat()
                return _names(str(index), facts.st_size, facts.st_mtime_ns).get(session)
            except OSError:
                return None
    return None


@functools.lru_cache(maxsize=2)
def _names(index: str, size: int, changed: int) -> Mapping[str, str]:
    """As they were when the file had this size and time."""
    names: dict[str, str] = {}
    with Path(index).open("rb") as file:
        file.seek(max(0, size - _MOST))
        for line in file.read(_MOST).split(b"\n"):
            try:
                entry = decode(line)
            except BadLine:
                continue
            id, name = identifier(entry.get("id")), string(entry.get("thread_name"))
            if id and name:
                names[id] = name[:300]
    return names
