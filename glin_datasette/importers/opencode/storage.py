"""opencode's older storage: a JSON file for each session, message and part.

Below the data folder, ``storage/session/<project>/<session>.json`` is what an import
reads; the rest of it lies in ``storage/message/<session>/`` and ``storage/part/<message>/``.
The first versions had all three below ``project/<folder>/storage/session/``, as
``info/<session>.json``, ``message/<session>/`` and ``part/<session>/<message>/``.

Files are named by their ids, which sort by time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Skipped
from ..jsonl import MAX_LINE, BadLine, decode
from .identify import session_id
from .layout import MESSAGE_FILE, PART_FILE, files_in, is_first_layout, messages_of, parts_of
from .reader import Facts, MessageOf, read_session

__all__ = ["read"]


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The session with its messages, anew whenever anything has changed."""
    kept = start.state.get("reverted")
    reverted = dict(kept) if isinstance(kept, dict) else {}
    info = _load(path)
    if isinstance(info, Skipped):
        yield info
    elif session := session_id(info):
        facts = Facts(
            id=session,
            parent=info.get("parentID"),
            directory=info.get("directory"),
            worktree=_worktree(path),
            title=info.get("title"),
            version=info.get("version"),
            revert=info.get("revert"),
        )
        yield from read_session(facts, _read_messages(path, session), reverted)
    elif info:
        yield Skipped(None, "not a session of opencode")
    yield Checkpoint(state={"reverted": reverted} if reverted else {})


def _worktree(path: Path) -> object:
    """The top of the project, which has a file of its own."""
    if is_first_layout(path):
        return None
    project = path.parent.parent.parent / "project" / f"{path.parent.name}.json"
    found = _load(project) if project.is_file() else {}
    return None if isinstance(found, Skipped) else found.get("worktree")


def _read_messages(path: Path, session: str) -> Iterator[MessageOf | Skipped]:
    for id, file in files_in(messages_of(path, session), MESSAGE_FILE):
        info = _load(file)
        if isinstance(info, Skipped):
            yield info
        elif info:
            yield MessageOf(id, info, _read_parts(parts_of(path, session, id)))


def _read_parts(folder: Path) -> Iterator[tuple[str, dict[str, Any]] | Skipped]:
    for id, file in files_in(folder, PART_FILE):
        part = _load(file)
        if isinstance(part, Skipped):
            yield part
        elif part:
            yield id, part
        # A large one is not held while the next one is read.
        del part


def _load(path: Path) -> dict[str, Any] | Skipped:
    """The object in a file, or why there is none. A file that is gone is an empty object."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_LINE + 1)
    except FileNotFoundError:
        return {}
    if len(raw) > MAX_LINE:
        return Skipped(None, f"{path.name}: longer than {MAX_LINE // 1024 // 1024} MiB")
    if not raw.strip():
        return Skipped(None, f"{path.name}: empty")
    try:
        return decode(raw)
    except BadLine as problem:
        return Skipped(None, f"{path.name}: {problem}")
