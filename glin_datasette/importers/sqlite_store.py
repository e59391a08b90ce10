"""Databases that hold all conversations of a tool: of each, what has changed is read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from pathlib import Path

from .base import Checkpoint, Item, Skipped
from .sqlite_file import Unreadable, reading
from .unchanged import note

__all__ = ["read_changed"]

#: Yields what changed since a checkpoint, and returns a text for each conversation that
#: differs whenever the conversation does.
_Read = Callable[[sqlite3.Connection, Checkpoint], Generator[Item, None, Mapping[str, str]]]


def read_changed(
    path: Path, tables: Collection[str], read: _Read, start: Checkpoint
) -> Iterator[Item]:
    """What ``read`` yields of a database, and a checkpoint. One that cannot be read is told,
    and read from its beginning the next time.

    :raises OSError: while another program keeps it to itself
    """
    state = {}
    try:
        with reading(path, tables) as conn:
            marks = yield from read(conn, start)
        state = {"seen": note(marks)}
    except Unreadable as ex:
        if ex.locked:
            raise OSError(str(ex)) from None  # Nothing was read; the next import tries.
        yield Skipped(None, str(ex))
    yield Checkpoint(state=state)
