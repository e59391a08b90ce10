"""What is in a file that should be an archive."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from ...errors import BackupError, DamagedArchive, GlinError
from ..connection import connect, sqlite_errors
from ..counts import COUNTS
from ..schema import refuse_foreign, version

__all__ = ["Contents", "count_rows", "inspect"]

#: Tables that are made of others, or by SQLite.
_DERIVED = ("messages_fts", "sqlite_", *COUNTS)


@dataclass(frozen=True, slots=True)
class Contents:
    """The schema version of an archive, and the rows of each table."""

    schema_version: int
    counts: dict[str, int]


def inspect(path: Path, *, deep: bool, name: Path) -> Contents:
    """Look into the database at ``path``, which errors call ``name``; ``deep`` reads all
    of it.

    :raises GlinError: if it is no archive, newer than this release, or damaged
    """
    with _called(path, name), contextlib.closing(connect(path, readonly=True)) as db:
        refuse_foreign(db, name)
        schema = version(db)
        if schema == 0:
            raise BackupError(f"{name}: holds no archive")
        if deep:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                told = " ".join(str(found).split())
                raise DamagedArchive(f"{name}: damaged: {told}; use another backup")
            if db.execute("PRAGMA foreign_key_check").fetchone():
                raise DamagedArchive(f"{name}: has rows that point nowhere; use another backup")
        return Contents(schema, count_rows(db))


@contextlib.contextmanager
def _called(path: Path, name: Path) -> Iterator[None]:
    try:
        with sqlite_errors(path):
            yield
    except GlinError as ex:
        told = str(ex).replace(str(path), str(name))
        raise type(ex)(told.replace("choose another file with --db", "name a backup")) from None


def count_rows(db: sqlite_utils.Database) -> dict[str, int]:
    """The rows of each table that holds something of its own."""
    return {
        table: db.table(table).count for table in db.table_names() if not table.startswith(_DERIVED)
    }
