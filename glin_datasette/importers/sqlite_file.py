"""Reading the SQLite databases of other tools: read-only, while the tool writes, and no
other table than the ones that are asked for."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import quote

__all__ = ["SIDECARS", "Unreadable", "columns", "is_database", "reading", "table_names"]

#: Beside a database, and a part of it.
SIDECARS = ("-wal",)

_HEADER = b"SQLite format 3\x00"
_BUSY_SECONDS = 5.0
#: SQLite gives up on a text or blob beyond this, in bytes, as the JSON readers do.
MAX_VALUE = 32 * 1024 * 1024


class Unreadable(ValueError):
    """A database that cannot be read as it is; the message says why."""


def is_database(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is an SQLite database."""
    return head.startswith(_HEADER)


def table_names(path: Path) -> frozenset[str]:
    """The tables and views of a database; none where it cannot be read."""
    try:
        with reading(path, ()) as conn:
            rows = conn.execute("select name from sqlite_master where type in ('table', 'view')")
            return frozenset(str(row[0]) for row in rows)
    except (Unreadable, sqlite3.Error):
        return frozenset()


def columns(conn: sqlite3.Connection, table: str) -> frozenset[str]:
    """The columns of a table, none if there is no such table."""
    rows = conn.execute("select name from pragma_table_info(?)", [table])
    return frozenset(row[0] for row in rows)


@contextlib.contextmanager
def reading(path: Path, tables: Collection[str]) -> Iterator[sqlite3.Connection]:
    """A connection that may read ``tables`` of a database and nothing else in it, at one
    moment of it. Text that is not UTF-8 has U+FFFD in place of what is wrong.

    :raises Unreadable: if it is damaged or locked, here or inside the block
    :raises OSError: if the file cannot be read
    """
    with path.open("rb"):
        pass  # The reason why not, as every other file gives it.
    try:
        with contextlib.closing(_connect(path)) as conn:
            conn.set_authorizer(_only(frozenset(tables)))
            conn.text_factory = _text
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            conn.execute("begin")
            yield conn
    except sqlite3.Error as ex:
        raise Unreadable(f"cannot be read as a database: {ex}") from None


def _connect(path: Path) -> sqlite3.Connection:
    quoted = quote(str(path.absolute()), safe="/:\\")
    # A WAL database in a folder that cannot be written has no place for its -shm file.
    # With nothing in the WAL the file is complete, and immutable needs no -shm.
    wal = path.with_name(path.name + "-wal")
    complete = not (wal.exists() and wal.stat().st_size)
    mode = "immutable=1" if complete and not os.access(path.parent, os.W_OK) else "mode=ro"
    return sqlite3.connect(
        f"file:{quoted}?{mode}", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


#: What any statement may do that reads.
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    | {sqlite3.SQLITE_TRANSACTION}
)
_ALWAYS = frozenset({"sqlite_master", "sqlite_schema", "pragma_table_info"})


def _only(tables: frozenset[str]):  # type: ignore[no-untyped-def]  # sqlite3's own callback
    def decide(action: int, first: str | None, second: str | None, *_: str | None) -> int:
        if action in _READING:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and first in tables | _ALWAYS:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and first == "table_info":
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    return decide
