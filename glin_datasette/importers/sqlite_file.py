"""Reading the SQLite databases of other tools: read-only, while the tool writes, and no
other table than the ones that are asked for. Neither the file nor its folder changes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .jsonl import BadLine, decode_value

__all__ = [
    "MAX_VALUE",
    "Unreadable",
    "columns",
    "is_database",
    "json_value",
    "let_writers_in",
    "reading",
    "select",
    "table_names",
]

_HEADER = b"SQLite format 3\x00"
#: Where the header says that the database has a write-ahead log.
_WAL_MODE = slice(18, 20)
_BUSY_SECONDS = 5.0
#: Where the schema begins, and what it says of a table.
_HEAD = 64 * 1024
_CREATE = re.compile(rb"create table [\"'`\[]?(\w+)", re.IGNORECASE)
#: SQLite gives up on a text or blob beyond this, in bytes, as the JSON readers do.
MAX_VALUE = 32 * 1024 * 1024

#: What another program that is writing just now causes; it is over in a moment.
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


#: The second where a damaged schema has names, or SQLite a message about them, that are
#: not UTF-8: the module decodes those by itself.
_DAMAGE = (sqlite3.Error, UnicodeDecodeError)


class Unreadable(ValueError):
    """A database, or a part of one, that cannot be read as it is; the message says why.

    ``locked``: only for as long as another program keeps it to itself.
    """

    def __init__(self, message: str, *, locked: bool = False) -> None:
        super().__init__(message)
        self.locked = locked


def is_database(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is an SQLite database, or may be one where
    ``head`` is too short to tell."""
    return head.startswith(_HEADER) or (bool(head) and _HEADER.startswith(head))


def table_names(path: Path) -> frozenset[str]:
    """The tables and views of a database; none where it cannot be read. While another
    program keeps it locked, those that its first pages speak of."""
    try:
        with reading(path, (), wait=0) as conn:
            rows = conn.execute("select name from sqlite_master where type in ('table', 'view')")
            return frozenset(str(row[0]) for row in rows)
    except (Unreadable, OSError, ValueError) as ex:
        return _named_in(path) if isinstance(ex, Unreadable) and ex.locked else frozenset()


def _named_in(path: Path) -> frozenset[str]:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return frozenset()
    return frozenset(name.decode() for name in _CREATE.findall(head))


def columns(conn: sqlite3.Connection, table: str) -> frozenset[str]:
    """The columns of a table, none if there is no such table."""
    quoted = table.replace('"', '""')
    return frozenset(row[1] for row in conn.execute(f'pragma table_info("{quoted}")'))


def select(
    conn: sqlite3.Connection, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> list[tuple[Any, ...]]:
    """All rows of a query. The connection stays usable where these rows are not.

    :raises Unreadable: if a row is damaged, or larger than :data:`MAX_VALUE`
    """
    try:
        return conn.execute(sql, parameters).fetchall()
    except _DAMAGE as ex:
        raise _unreadable(ex) from None


def json_value(value: object) -> Any:
    """What a column that holds JSON means, be it text or a blob.

    :raises BadLine: if it holds none
    """
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    if not isinstance(value, bytes):
        raise BadLine("not JSON: neither text nor a blob")
    return decode_value(value)


def let_writers_in(conn: sqlite3.Connection) -> None:
    """End the moment that is being read and begin another. Without a write-ahead log the
    tool that owns the database waits for its readers; a long reading does this often."""
    conn.execute("commit")
    conn.execute("begin")


@contextlib.contextmanager
def reading(
    path: Path, tables: Collection[str], *, wait: float | None = None
) -> Iterator[sqlite3.Connection]:
    """A connection that may read ``tables`` of a database and nothing else in it, at one
    moment of it. Text that is not UTF-8 has U+FFFD in place of what is wrong. ``wait`` is
    how many seconds another program may keep it locked.

    :raises Unreadable: if it is damaged, locked or no database, here or inside the block
    :raises OSError: if the file cannot be read
    """
    with path.open("rb") as file:
        head = file.read(100)
    if not head.startswith(_HEADER):
        raise Unreadable("is no SQLite database" if head else "is empty")
    with contextlib.ExitStack() as stack:
        try:
            conn = stack.enter_context(contextlib.closing(_connect(path, head, stack, wait)))
            # Nothing that the database defines (a view, say) may do more than read.
            conn.execute("pragma trusted_schema = off")
            conn.execute("pragma query_only = on")
            conn.set_authorizer(_only(frozenset(tables)))
            conn.text_factory = _text
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
            conn.execute("begin")
            yield conn
        except _DAMAGE as ex:
            raise _unreadable(ex) from None


def _unreadable(ex: Exception) -> Unreadable:
    # Without a code where it is the module's own, and no error of the database.
    code = getattr(ex, "sqlite_errorcode", 0) & 0xFF
    # It may quote what is in the file, in several lines.
    told = " ".join(str(ex).split())[:200]
    return Unreadable(f"cannot be read as a database: {told}", locked=code in _BUSY)


def _connect(
    path: Path, head: bytes, stack: contextlib.ExitStack, wait: float | None
) -> sqlite3.Connection:
    """Open a database so that no file appears beside it.

    A database with a write-ahead log needs its ``-wal`` and ``-shm``, and SQLite makes
    those that are missing, even for a reader.
    """
    path = path.resolve()  # They lie beside the file, and not beside a link to it.
    wal, shm = (path.with_name(path.name + ending) for ending in ("-wal", "-shm"))
    mode = "ro"
    if head[_WAL_MODE] == b"\2\2" and not (wal.exists() and shm.exists()):
        if wal.exists() and wal.stat().st_size:
            # Nobody has it open: left by a crash, or a copy. It is complete with its log.
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="glin-")))
            for each in (path, wal):
                shutil.copyfile(each, folder / f"copy{each.name.removeprefix(path.name)}")
            path = folder / "copy"
        else:
            mode = "ro&immutable=1"  # Nobody has it open, and it is complete as it is.
    quoted = quote(os.fsencode(path.absolute()), safe="/:\\")
    return sqlite3.connect(
        f"file:{quoted}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS if wait is None else wait,
        isolation_level=None,
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


#: What any statement may do that reads.
_READING = frozenset(
    {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
    | {sqlite3.SQLITE_TRANSACTION}
)
_ALWAYS = frozenset({"sqlite_master", "sqlite_schema"})


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
