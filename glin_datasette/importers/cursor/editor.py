"""The editor: ``User/globalStorage/state.vscdb`` in its data folder, an SQLite database.

Of it, the table ``cursorDiskKV`` is read and nothing else: another table holds what the
editor signs in with. A key has a JSON value, as text or as a blob:

- ``composerData:<id>`` is a conversation: its name, times (milliseconds), model, and
  ``fullConversationHeadersOnly``, the ids of its messages in their order. Old ones hold the
  messages themselves, in ``conversation``.
- ``bubbleId:<id>:<message>`` is a message; see :mod:`.bubbles`.

Messages are named by both ids. Those that the list does not name (what was rewound, or is
being written) are kept as a branch of the conversation, until the list names them.

The database is written anew all the time, and most of it never changes. The checkpoint
notes what there was of each conversation that nothing has touched for a week (see
:mod:`..unchanged`); those are passed over, the others are read again. The time of the last
change alone would not do: it is that of the last prompt, and the reply goes on behind it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...models import Conversation
from ..base import Checkpoint, Item, Moved, Said, Skipped
from ..jsonl import BadLine
from ..session import Session
from ..sqlite_file import (
    Unreadable,
    json_value,
    let_writers_in,
    reading,
    select,
)
from ..sqlite_store import read_changed
from ..text import digest, epoch_time, identifier, string
from ..unchanged import unchanged
from . import SOURCE
from .bubbles import bubble_time, folder_of, model_of, read_bubble
from .identify import TABLE

__all__ = ["holds", "read"]

_COMPOSER = "composerData:"
#: Milliseconds that a conversation rests before it may be passed over.
_REST = 7 * 24 * 3600 * 1000
#: Parts of a conversation that are told of with it.
_CHILDREN = 100


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """Every conversation that may have changed, the oldest first."""
    return read_changed(path, {TABLE}, _read, start)


def holds(path: Path, id: str) -> bool:
    """Whether the editor's database at ``path`` has messages of a conversation."""
    if not path.is_file():
        return False
    try:
        with reading(path, {TABLE}) as conn:
            return _value(conn, _COMPOSER + id) is not None and bool(_bubble_keys(conn, id, 1))
    except (Unreadable, OSError):
        return False


@dataclass(frozen=True, slots=True)
class _Outline:
    """What tells whether a conversation changed. ``rests``: since when, in milliseconds."""

    begun: float
    rests: float | None
    mark: str


def _read(conn: sqlite3.Connection, start: Checkpoint) -> Generator[Item, None, dict[str, str]]:
    """Yields what may have changed, and returns what rests."""
    outlines = dict(_outlines(conn))
    newest = max((each.rests or 0 for each in outlines.values()), default=0)
    marks = {
        id: each.mark
        for id, each in outlines.items()
        if each.rests is not None and each.rests < newest - _REST
    }
    skipped = unchanged(marks, start.state.get("seen"))
    for id, _ in sorted(outlines.items(), key=lambda each: (each[1].begun, each[0])):
        if id in skipped:
            continue
        try:
            data = json_value(_value(conn, _COMPOSER + id))
        except (BadLine, Unreadable) as ex:
            if isinstance(ex, Unreadable) and ex.locked:
                raise
            yield Skipped(None, f"{_COMPOSER}{id[:40]}: {ex}")
            continue
        if isinstance(data, dict) and (name := identifier(id)):
            yield from _Composer(conn, id, Session(SOURCE, name), data).read()
        else:
            yield Skipped(None, f"{_COMPOSER}{id[:40]}: not a JSON object")
        let_writers_in(conn)
    return marks


def _outlines(conn: sqlite3.Connection) -> Iterator[tuple[str, _Outline]]:
    for (key,) in _keys(conn, _COMPOSER):
        id = key[len(_COMPOSER) :]
        try:
            value = _value(conn, key)
            if value is None:
                continue  # The editor leaves some of what it removed.
            data = json_value(value)
        except (BadLine, Unreadable) as ex:
            if isinstance(ex, Unreadable) and ex.locked:
                raise
            data = None
        data = data if isinstance(data, dict) else {}
        times = [
            found
            for name in ("lastUpdatedAt", "conversationCheckpointLastUpdatedAt")
            if isinstance(found := data.get(name), int | float) and 0 < found < 10**15
        ]
        headers = data.get("fullConversationHeadersOnly")
        ids = [_header_id(each) for each in headers] if isinstance(headers, list) else []
        begun = data.get("createdAt")
        yield (
            id,
            _Outline(
                begun=begun if isinstance(begun, int | float) and begun == begun else 0,
                rests=max(times) if "lastUpdatedAt" in data and times else None,
                mark=digest(repr((times, ids, data.get("name")))),
            ),
        )


def _keys(conn: sqlite3.Connection, prefix: str, limit: int = -1) -> list[tuple[Any, ...]]:
    """The keys that begin with ``prefix``, which ends with a colon."""
    sql = f"select key from {TABLE} where key >= ? and key < ? order by rowid limit ?"
    return select(conn, sql, [prefix, prefix[:-1] + ";", limit])


def _bubble_keys(conn: sqlite3.Connection, id: str, limit: int = -1) -> list[str]:
    return [key for (key,) in _keys(conn, f"bubbleId:{id}:", limit)]


def _value(conn: sqlite3.Connection, key: str) -> Any:
    found = select(conn, f"select value from {TABLE} where key = ?", [key])
    return found[0][0] if found else None


def _header_id(header: object) -> str | None:
    found = header.get("bubbleId") if isinstance(header, dict) else None
    return found if isinstance(found, str) else None


class _Composer:
    """Reads one conversation."""

    def __init__(
        self, conn: sqlite3.Connection, id: str, session: Session, data: dict[str, Any]
    ) -> None:
        self.conn = conn
        self.id = id
        self.session = session
        self.data = data
        #: Messages that stand in ``data`` itself, by their ids.
        self.inline: dict[str, Any] = {}

    def read(self) -> Iterator[Item]:
        self._note()
        listed = self._listed()
        prefix = f"bubbleId:{self.id}:"
        stored = [key[len(prefix) :] for key in _bubble_keys(self.conn, self.id)]
        named = frozenset(listed)
        others = sorted((each for each in stored if each not in named), key=self._age)
        if not listed:
            listed, others = others, []
        yield from self._say(self.session, listed)
        yield from self._children()
        if others:
            branch = self.session.child(f"{self.session.id}/branch-{others[0]}", "branch")
            yield from self._say(branch, others)

    def _note(self) -> None:
        data, session = self.data, self.session
        session.note(client="cursor", transport="ide", model=model_of(data.get("modelConfig")))
        session.note(git_branch=string(data.get("createdOnBranch")))
        above = data.get("subagentInfo")
        parent = identifier(above.get("parentComposerId")) if isinstance(above, dict) else None
        if parent and parent != session.id:
            session.note(parent=parent, relation="subagent")
        workspace = data.get("workspaceIdentifier")
        if isinstance(workspace, dict):
            session.note(cwd=folder_of(workspace.get("uri")))
        repos = data.get("trackedGitRepos")
        if isinstance(repos, list) and repos and isinstance(repos[0], dict):
            session.note(repo_root=folder_of(repos[0].get("repoPath")))
        # The editor makes it; whether somebody changed it, it does not say.
        session.entitle(data.get("name"), "generated")

    def _listed(self) -> list[str]:
        """The ids of its messages, in their order."""
        headers = self.data.get("fullConversationHeadersOnly")
        inline = self.data.get("conversation")
        for bubble in inline if isinstance(inline, list) else ():
            id = base = _header_id(bubble) or digest(repr(bubble))
            again = 0
            while id in self.inline:
                again += 1
                id = f"{base}-{again}"
            self.inline[id] = bubble
        if isinstance(headers, list) and headers:
            held = self.data.get("conversationMap")
            self.inline |= held if isinstance(held, dict) else {}
            found = [id for id in map(_header_id, headers) if id]
            return list(dict.fromkeys(found))
        return list(self.inline)

    def _say(self, session: Session, ids: list[str]) -> Iterator[Item]:
        said = []
        begun = epoch_time(self.data.get("createdAt"))
        for id in ids:
            try:
                bubble = self._bubble(id)
            except (BadLine, Unreadable) as ex:
                if isinstance(ex, Unreadable) and ex.locked:
                    raise
                yield Skipped(None, f"bubbleId:{self.id[:40]}:{id[:40]}: {ex}")
                continue
            if bubble is None:
                continue  # Not written yet, or part of its neighbour.
            # The first prompt is what the conversation was made for.
            first = session is self.session and not session.said
            ts = bubble_time(bubble) or (begun if first else None)
            for item in read_bubble(session, bubble, f"{self.session.id}:{identifier(id)}", ts):
                if isinstance(item, Said) and item.message.source_id:
                    said.append(item.message.source_id)
                yield item
        yield from session.finish()
        if said:
            yield Moved(session.id, tuple(said))

    def _bubble(self, id: str) -> dict[str, Any] | None:
        value = _value(self.conn, f"bubbleId:{self.id}:{id}")
        bubble = json_value(value) if value is not None else self.inline.get(id)
        if bubble is not None and not isinstance(bubble, dict):
            raise BadLine("not a JSON object")
        return bubble

    def _age(self, id: str) -> str:
        try:
            return bubble_time(self._bubble(id) or {}) or ""
        except (BadLine, Unreadable):
            return ""

    def _children(self) -> Iterator[Item]:
        """Which conversations are other attempts at the same prompt: only this one knows."""
        ids = self.data.get("subComposerIds")
        if self.data.get("isBestOfNParent") is not True or not isinstance(ids, list):
            return
        for id in map(identifier, ids[:_CHILDREN]):
            if id and id != self.session.id:
                yield Conversation(
                    source=SOURCE,
                    source_id=id,
                    parent_source_id=self.session.id,
                    relation="branch",
                )
