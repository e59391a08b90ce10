"""opencode's older storage: a JSON file for each session, message and part.

Below the data folder, ``storage/session/<project>/<session>.json`` is what an import
reads; the rest of it lies in ``storage/message/<session>/`` and ``storage/part/<message>/``.
The first versions had all three below ``project/<folder>/storage/session/``, as
``info/<session>.json``, ``message/<session>/`` and ``part/<session>/<message>/``.

Files are named by their ids, which sort by time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Importer, Item, Skipped
from ..jsonl import MAX_LINE, BadLine, decode
from .places import data_folder
from .reader import SOURCE, Facts, MessageOf, read_session

__all__ = ["OpencodeStorage"]

_SESSION = re.compile(r"ses_\w{1,100}", re.ASCII)
_MESSAGE_FILE = re.compile(r"(msg_\w{1,100})\.json", re.ASCII)
_PART_FILE = re.compile(r"(prt_\w{1,100})\.json", re.ASCII)

#: Members that tell a session's document from others that have an id.
_KEYS = frozenset({"directory", "projectID", "slug", "time", "title", "version"})
_BEGINS = re.compile(
    rb'\s*\{\s*"id"\s*:\s*"ses_\w{1,100}"\s*,\s*'
    rb'"(?:directory|parentID|projectID|slug|time|title|version)"\s*:'
)


class OpencodeStorage(Importer):
    """Importer of opencode's JSON files."""

    name = "opencode"
    title = "opencode"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """The folders of sessions, newer and older."""
        data = data_folder()
        return [data / "storage" / "session", data / "project"]

    def matches(self, path: Path) -> bool:
        """``storage/session/<project>/ses_….json``."""
        return (
            path.suffix == ".json"
            and _SESSION.fullmatch(path.stem) is not None
            and path.parts[-4:-2] == ("storage", "session")
            and path.parent.name != "share"
        )

    def beside(self, path: Path) -> Iterable[Path]:
        """The messages, and the folders of their parts. opencode does not write a session's
        own file for each of them, but a message's when the last of its parts is done."""
        session = path.stem
        if not _SESSION.fullmatch(session):
            return
        folder = _messages(path, session)
        yield folder
        for id, file in _files(folder, _MESSAGE_FILE):
            yield file
            yield _parts(path, session, id)

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a session's document."""
        try:
            return _session_id(decode(head)) is not None
        except BadLine:
            pass
        return _BEGINS.match(head) is not None

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """The session with its messages, anew whenever anything has changed."""
        kept = start.state.get("reverted")
        reverted = dict(kept) if isinstance(kept, dict) else {}
        info = _load(path)
        if isinstance(info, Skipped):
            yield info
        elif session := _session_id(info):
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


def _session_id(info: dict[str, Any]) -> str | None:
    """The id of a session, if the document is one."""
    id = info.get("id")
    found = isinstance(id, str) and _SESSION.fullmatch(id) and not _KEYS.isdisjoint(info)
    return str(id) if found else None


def _is_first_layout(path: Path) -> bool:
    return path.parent.name == "info"


def _messages(path: Path, session: str) -> Path:
    top = path.parent.parent
    return (top if _is_first_layout(path) else top.parent) / "message" / session


def _parts(path: Path, session: str, message: str) -> Path:
    top = path.parent.parent
    if _is_first_layout(path):
        return top / "part" / session / message
    return top.parent / "part" / message


def _worktree(path: Path) -> object:
    """The top of the project, which has a file of its own."""
    if _is_first_layout(path):
        return None
    project = path.parent.parent.parent / "project" / f"{path.parent.name}.json"
    found = _load(project) if project.is_file() else {}
    return None if isinstance(found, Skipped) else found.get("worktree")


def _read_messages(path: Path, session: str) -> Iterator[MessageOf | Skipped]:
    for id, file in _files(_messages(path, session), _MESSAGE_FILE):
        info = _load(file)
        if isinstance(info, Skipped):
            yield info
        elif info:
            yield MessageOf(id, info, _read_parts(_parts(path, session, id)))


def _read_parts(folder: Path) -> Iterator[tuple[str, dict[str, Any]] | Skipped]:
    for id, file in _files(folder, _PART_FILE):
        part = _load(file)
        if isinstance(part, Skipped):
            yield part
        elif part:
            yield id, part
        # A large one is not held while the next one is read.
        del part


def _files(folder: Path, named: re.Pattern[str]) -> list[tuple[str, Path]]:
    """The ids and paths of the files in a folder, in order; none if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (match[1], Path(entry.path))
                for entry in entries
                if (match := named.fullmatch(entry.name)) and entry.is_file()
            ]
    except OSError:
        return []
    return sorted(found)


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
