"""The database as a whole: which conversations have changed, and each of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..base import Checkpoint, Item, Skipped
from ..session import Session
from ..sqlite_file import Unreadable, let_writers_in
from ..sqlite_store import read_changed
from ..text import digest, string
from ..unchanged import unchanged
from . import SOURCE
from .conversation import Chat
from .responses import read_response, response_marks
from .tables import TABLES, Tables, as_id
from .threads import Thread, turn_marks

__all__ = ["read"]


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """Every conversation that is new or has changed, the oldest first."""
    return read_changed(path, TABLES, _read, start)


def _read(conn: sqlite3.Connection, start: Checkpoint) -> Generator[Item, None, dict[str, str]]:
    """Yields what changed, and returns what there is."""
    tables = Tables(conn)
    held = _conversations(tables)
    marks = {id: each.mark() for id, each in held.items()}
    skipped = unchanged(marks, start.state.get("seen"))
    for id, each in held.items():
        if id not in skipped:
            yield from _conversation(tables, id, each, held)
            let_writers_in(conn)
    return marks


@dataclass(slots=True)
class _Held:
    """What the database has of one conversation: ids only."""

    name: str | None = None
    tip: object = None
    forked_from: str | None = None
    responses: list[object] = field(default_factory=list)
    turns: list[object] = field(default_factory=list)
    #: Of each response and turn.
    rows: list[str] = field(default_factory=list)

    def mark(self) -> str:
        return digest(repr((self.name, self.tip, self.forked_from, self.rows)))


def _conversations(tables: Tables) -> dict[str, _Held]:
    """Every conversation that something was said in, the oldest first."""
    rows = [(*row, "responses") for row in response_marks(tables)]
    rows += [(*row, "turns") for row in turn_marks(tables)]
    # Ids sort by time.
    rows.sort(key=lambda row: str(row[1]))
    held: dict[str, _Held] = {}
    for owner, id, mark, table in rows:
        if (name := as_id(owner)) is not None:
            each = held.setdefault(name, _Held())
            getattr(each, table).append(id)
            each.rows.append(f"{table} {id} {mark}")
    for table in ("conversations", "threads"):
        wanted = ("id", "name", "tip_message_hash", "forked_from")
        for row in tables.rows(table, wanted, "true"):
            if found := held.get(as_id(row["id"]) or ""):
                found.name = found.name or string(row["name"])
                found.tip = row["tip_message_hash"] or found.tip
                found.forked_from = as_id(row["forked_from"]) or found.forked_from
    return held


def _conversation(
    tables: Tables, id: str, held: _Held, others: Mapping[str, _Held]
) -> Iterator[Item]:
    session = Session(SOURCE, id, client="llm")
    if held.forked_from not in (None, id):
        session.note(parent=held.forked_from, relation="fork")
        session.entitle(held.name, "custom")
    chat = Chat(session, tables)
    continues = bool(held.responses) or held.forked_from in others
    thread = Thread(chat, continues, held.tip)
    for each in held.responses:
        yield from _readable(read_response(chat, each), f"response {each}")
    told = frozenset(map(str, held.responses))
    for each in held.turns:
        if str(each) in told:
            thread.pass_over(each)
        else:
            yield from _readable(thread.read_turn(each), f"turn {each}")
    if session.title is None:
        # Made from the first prompt and the fragments before it, and cut after a few words:
        # what was typed says more, if there was something.
        session.entitle(held.name, "prompt")
    yield from session.finish()
    yield from thread.finish()


def _readable(items: Iterator[Item], what: str) -> Iterator[Item]:
    """What can be read of a row; its neighbours are none the worse for it."""
    try:
        yield from items
    except Unreadable as ex:
        if ex.locked:
            raise
        yield Skipped(None, f"{what[:60]}: {ex}")
