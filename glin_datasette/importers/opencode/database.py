"""opencode's newer storage, the SQLite database ``opencode.db`` in its data folder.

The tables ``session``, ``message`` and ``part`` hold what the JSON files held, the latter
two in a column ``data`` beside the ids; ``project`` tells where the repository is. Nothing
else is read: there are tables of accounts, credentials and shares, too.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Skipped
from ..jsonl import BadLine, decode
from ..sqlite_file import Unreadable, columns, reading
from ..text import identifier
from ..unchanged import note, unchanged
from .identify import has_tables
from .reader import Facts, MessageOf, read_session

__all__ = ["read"]

_TABLES = ("message", "part", "project", "session")

#: Of a session, where it has them; ``fork_session_id`` is newer.
_FACTS = ("directory", "fork_session_id", "parent_id", "revert", "title", "version")


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The sessions that have changed since the last reading."""
    kept = start.state.get("reverted")
    reverted = dict(kept) if isinstance(kept, dict) else {}
    marks: dict[str, str] | None = None
    try:
        with reading(path, _TABLES) as conn:
            if has_tables(conn):
                marks = _marks(conn)
                same = unchanged(marks, start.state.get("sessions"))
                for id in marks:
                    if id not in same:
                        yield from _session(conn, id, reverted)
            else:
                yield Skipped(None, "has not the tables of opencode")
    except Unreadable as problem:
        yield Skipped(None, str(problem))
        marks = None
    state: dict[str, Any] = {"sessions": note(marks)} if marks else {}
    yield Checkpoint(state=state | ({"reverted": reverted} if reverted else {}))


def _marks(conn: sqlite3.Connection) -> dict[str, str]:
    """Session -> what differs whenever anything of it does, the oldest session first."""
    found = {
        id: f"{updated} {title}"
        for id, updated, title in conn.execute(
            "select id, time_updated, substr(title, 1, 200) from session order by time_created, id"
        )
        if isinstance(id, str)
    }
    for table in ("message", "part"):
        for id, number, updated in conn.execute(
            f"select session_id, count(*), max(time_updated) from {table} group by session_id"
        ):
            if id in found:
                found[id] += f" {number} {updated}"
    return found


def _session(conn: sqlite3.Connection, id: str, reverted: dict[str, str]) -> Iterator[Item]:
    there = [name for name in _FACTS if name in columns(conn, "session")]
    found = _value(
        conn,
        f"select {', '.join(there)}, (select worktree from project where project.id ="
        " session.project_id) from session where id = ?",
        id,
    )
    if isinstance(found, str):
        yield Skipped(None, f"session {id}: {found}")
        return
    held = dict(zip([*there, "worktree"], found, strict=True))
    if (known := identifier(id)) is None:
        return
    facts = Facts(
        id=known,
        parent=held.get("parent_id"),
        origin=held.get("fork_session_id"),
        directory=held.get("directory"),
        worktree=held.get("worktree"),
        title=held.get("title"),
        version=held.get("version"),
        revert=_object(held.get("revert")),
    )
    yield from read_session(facts, _messages(conn, id), reverted)


def _messages(conn: sqlite3.Connection, session: str) -> Iterator[MessageOf | Skipped]:
    ids = conn.execute(
        "select id from message where session_id = ? order by time_created, id", [session]
    ).fetchall()
    for (id,) in ids:
        info = _data(conn, "message", id)
        if isinstance(info, Skipped):
            yield info
        elif known := identifier(id):
            yield MessageOf(known, info, _parts(conn, id))


def _parts(
    conn: sqlite3.Connection, message: str
) -> Iterator[tuple[str, dict[str, Any]] | Skipped]:
    ids = conn.execute("select id from part where message_id = ? order by id", [message]).fetchall()
    for (id,) in ids:
        part = _data(conn, "part", id)
        if isinstance(part, Skipped):
            yield part
        elif known := identifier(id):
            yield known, part
        # A large one is not held while the next one is read.
        del part


def _data(conn: sqlite3.Connection, table: str, id: object) -> dict[str, Any] | Skipped:
    found = _value(conn, f"select data from {table} where id = ?", id)
    if isinstance(found, str):
        return Skipped(None, f"{table} {id}: {found}"[:200])
    (text,) = found
    del found
    try:
        if not isinstance(text, str):
            raise BadLine("not JSON")
        raw = text.encode("utf-8", "replace")
        del text
        return decode(raw)
    except BadLine as problem:
        return Skipped(None, f"{table} {id}: {problem}"[:200])


def _value(conn: sqlite3.Connection, sql: str, id: object) -> tuple[Any, ...] | str:
    """The row with an id, or why there is none. One that is too large costs only itself."""
    try:
        found = conn.execute(sql, [id]).fetchone()
    except sqlite3.DataError as problem:
        return str(problem)
    return tuple(found) if found else "is gone"


def _object(text: object) -> object:
    try:
        return decode(text.encode("utf-8", "replace")) if isinstance(text, str) else None
    except BadLine:
        return None
