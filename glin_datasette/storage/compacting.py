"""Compaction: giving back what deletes freed."""

from __future__ import annotations

import time
from pathlib import Path

import sqlite_utils

from ..models import CompactReport
from .connection import database_path, sqlite_errors, timed
from .schema import search_available

__all__ = ["compact_db"]


def compact_db(db: sqlite_utils.Database) -> CompactReport:
    """Merge the search index and write the file anew without its free pages.

    What was deleted is then no longer anywhere in the archive, as text or as words of the
    index. Each step is done whole or not at all; writers wait meanwhile, readers do not. It
    takes free space for another two of the archive for that time. While another process
    reads, the space is given back only when that has ended; ``busy`` tells.

    :returns: sizes in bytes, of the archive and its WAL together
    :raises ArchiveBusy: if another process writes for longer than the busy timeout
    :raises ReadOnlyArchive: if it cannot be written
    :raises ArchiveError: if there is not enough space; nothing has changed then
    """
    started = time.perf_counter()
    path = database_path(db)
    before = _size(path)
    with timed("compact_db") as facts, sqlite_errors(path):
        if search_available(db):
            db.execute("insert into messages_fts(messages_fts) values ('optimize')")
        db.vacuum()
        busy = bool(db.execute("pragma wal_checkpoint(truncate)").fetchone()[0])
        after = _size(path)
        facts["freed"] = before - after
    return CompactReport(
        path=str(path or ":memory:"),
        before=before,
        after=after,
        busy=busy,
        seconds=round(time.perf_counter() - started, 3),
    )


def _size(path: Path | None) -> int:
    if path is None:
        return 0
    parts = (path, path.with_name(path.name + "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
