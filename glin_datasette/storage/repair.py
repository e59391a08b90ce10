"""Repair: what an archive's health lacks and can be made again without losing anything that
it still has, always after a copy of what was there."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import sqlite_utils

from .. import paths
from ..errors import DamagedArchive, NotAnArchive, ReadOnlyArchive
from ..models import Repaired, RepairReport
from .backups.aside import copy_aside
from .backups.making import Progress, backup_db
from .connection import connect, sqlite_errors, timed, transaction
from .counts import (
    COUNTS,
    counts_agree,
    drop_count_triggers,
    has_counts,
    make_counts,
    of_counts,
)
from .health import check_file
from .parts import complete_parts, count_due
from .schema import (
    Lacking,
    drop_search_triggers,
    has_fts5,
    lacking,
    make_search_index,
    pending,
    refuse_foreign,
    search_agrees,
    version,
)

__all__ = ["repair_db"]

#: What SQLite says of an index that is not what its table holds. Anything else is wrong with
#: pages of which nothing can be made again.
_INDEX = re.compile(
    r"(?:row \d+ missing from|row \d+ values differ from|wrong # of entries in|"
    r"non-unique entry in) index (?P<name>\S+)"
)
_SEARCH = re.compile(r"malformed inverted index for FTS5 table \S+")

#: What becomes of rows that point nowhere: a conversation is something without its parent,
#: the other rows are nothing without theirs. Messages first, since what hangs on them goes too.
_LOOSEN = {"conversations": "parent_id"}
_FIRST = ("conversations", "messages")


def repair_db(archive: str | os.PathLike[str], *, progress: Progress | None = None) -> RepairReport:
    """Mend what can be mended of the archive at this path, after a backup.

    Rebuilds the search index and indexes that disagree with their tables, counts messages
    anew where counts are wrong, drops rows whose parents are missing, makes missing tables,
    indexes, triggers and views again, completes what search knows of messages, and truncates
    the WAL. All of that or, if something fails, none of it. Where no backup can be verified,
    a copy of the file by its bytes is set aside instead. The schema stays at its version.

    :raises NotFound: if there is no such file
    :raises NotAnArchive: if it is something else; it is left untouched
    :raises NewerArchive: if a newer release wrote it; it is left untouched
    :raises ReadOnlyArchive: if it cannot be written
    :raises DamagedArchive: if pages of it cannot be read; it is left untouched
    :raises BackupError: if no copy can be made; it is left untouched
    """
    path = paths.archive_file(archive)
    started = time.perf_counter()
    with (
        contextlib.ExitStack() as held,
        timed("repair_db") as facts,
        contextlib.closing(_opened(path)) as db,
        sqlite_errors(path),
    ):
        wal = _wal_size(path)
        with transaction(db):
            indexes = _broken_indexes(db, path)
            # Under the write lock, so that nothing is written between the copy and the repair.
            backup, verified = _copy(db, path, progress, held)
            with _unmendable(path, backup):
                repaired = [*_mend(db, indexes)]
        repaired += [*_complete(db), *_truncate(db, wal)]
        facts["repaired"] = len(repaired)
    return RepairReport(
        path=str(path),
        backup=backup,
        verified=verified,
        repaired=tuple(repaired),
        health=check_file(path, deep=True),
        seconds=round(time.perf_counter() - started, 3),
    )


def _opened(path: Path) -> sqlite_utils.Database:
    with contextlib.closing(connect(path, readonly=True)) as looked_at:
        refuse_foreign(looked_at, path)
        if version(looked_at) == 0:
            raise NotAnArchive(f"{path}: holds no archive; make one with 'glin-datasette init'")
    if not os.access(path, os.W_OK):
        raise ReadOnlyArchive(f"{path}: it can only be read; check its file mode and folder")
    return connect(path)


def _broken_indexes(db: sqlite_utils.Database, path: Path) -> list[str]:
    """The indexes that have to be made again.

    :raises DamagedArchive: if that is not all that is wrong
    """
    names: set[str] = set()
    for (found,) in db.execute("pragma integrity_check(10000)"):
        if match := _INDEX.fullmatch(found):
            names.add(match["name"])
        elif found != "ok" and not _SEARCH.fullmatch(found):
            raise DamagedArchive(_beyond(path, " ".join(found.split())))
    return sorted(names)


def _beyond(path: Path, told: str) -> str:
    return (
        f"{path}: {told}; that is beyond repair, and nothing was changed. Restore a backup with "
        "'glin-datasette restore', or salvage what can be read with 'glin-datasette recover'"
    )


@contextlib.contextmanager
def _unmendable(path: Path, backup: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as ex:
        told = " ".join(str(ex).split())
        raise DamagedArchive(f"{_beyond(path, told)}. A copy is {backup}") from ex


def _copy(
    db: sqlite_utils.Database, path: Path, progress: Progress | None, held: contextlib.ExitStack
) -> tuple[str, bool]:
    """A copy of what is there, and whether it is a verified backup."""
    try:
        return backup_db(db, progress=progress).path, True
    except DamagedArchive:
        return str(copy_aside(path, "damaged", held)), False


def _mend(db: sqlite_utils.Database, indexes: list[str]) -> Iterator[Repaired]:
    for name in indexes:
        db.execute(f'REINDEX "{name}"')
    if indexes:
        yield _did("indexes", len(indexes), f"made again: {', '.join(indexes)}")
    lacks = _lacking(db)
    counting = [each for each in lacks if of_counts(each.name)]
    triggers = [each.name for each in lacks if each.kind == "trigger" and each not in counting]
    follows = (
        has_fts5(db) and not triggers and "messages_fts" in db.table_names() and search_agrees(db)
    )
    if not follows:
        # Through a damaged index no row of messages can be dropped.
        drop_search_triggers(db)
    # An archive of an older schema has none.
    counted = not counting and (not has_counts(db) or counts_agree(db))
    if not counted:
        drop_count_triggers(db)
    yield from _make(db, [each for each in lacks if each.kind == "table"])
    yield from _drop_orphans(db)
    yield from _make(db, [each for each in lacks if each.kind not in ("table", "trigger")])
    if not follows:
        yield from _make_search(db, triggers)
    if not counted:
        make_counts(db)
        count = db.table("messages").count
        yield _did("counts", count, f"counted {count} messages anew")


def _lacking(db: sqlite_utils.Database) -> list[Lacking]:
    """What is missing. Of a table of counts all is made again, where a column is."""
    lacks = lacking(db)
    torn = {each.name.partition(".")[0] for each in lacks if each.kind == "column"} & {*COUNTS}
    for table in torn:
        db.table(table).drop()
    return lacking(db) if torn else lacks


def _drop_orphans(db: sqlite_utils.Database) -> Iterator[Repaired]:
    tables = [row[0] for row in db.execute('select distinct "table" from pragma_foreign_key_check')]
    # Counts of messages that go, go with them.
    for table in sorted({*tables} - {*COUNTS}, key=lambda name: (name not in _FIRST, name)):
        rows = 'rowid in (select "rowid" from pragma_foreign_key_check(?))'
        if column := _LOOSEN.get(table):
            done = db.execute(f'update "{table}" set {column} = null where {rows}', [table])
            told = f"{done.rowcount} rows of {table} no longer name a parent that is missing"
        else:
            done = db.execute(f'delete from "{table}" where {rows}', [table])
            told = f"dropped {done.rowcount} rows of {table} whose parents are missing"
        if done.rowcount:
            yield _did("orphans", done.rowcount, told)


def _make(db: sqlite_utils.Database, lacks: list[Lacking]) -> Iterator[Repaired]:
    for each in lacks:
        if each.sql is None:
            yield _left("schema", f"the column {each.name} is missing and cannot be made again")
            continue
        try:
            db.execute(f'DROP {each.kind} IF EXISTS "{each.name}"')
            db.execute(each.sql)
        except sqlite3.IntegrityError as ex:
            yield _left("schema", f"the {each.kind} {each.name} cannot be made: {ex}")
            continue
        yield _did("schema", 1, f"made the {each.kind} {each.name}")


def _make_search(db: sqlite_utils.Database, triggers: list[str]) -> Iterator[Repaired]:
    if not has_fts5(db):
        yield _left("search", "this SQLite has no FTS5, so the search index was left as it is")
        return
    try:
        make_search_index(db)
    except sqlite3.DatabaseError:
        # Damaged too much to be emptied.
        db.table("messages_fts").drop(ignore=True)
        make_search_index(db)
    if triggers:
        yield _did("triggers", len(triggers), f"made again: {', '.join(triggers)}")
    count = db.table("messages").count
    yield _did("search", count, f"rebuilt the search index of {count} messages")


def _complete(db: sqlite_utils.Database) -> Iterator[Repaired]:
    if pending(db) or not count_due(db, limit=1):
        return
    count = complete_parts(db)
    yield _did("parts", count, f"completed what search knows of {count} messages")


def _truncate(db: sqlite_utils.Database, before: int) -> Iterator[Repaired]:
    busy = db.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
    if busy:
        yield _left("WAL", "another process reads the archive, so the WAL stays as it is")
    elif before:
        yield _did("WAL", before, f"wrote the WAL back ({before} bytes)")


def _wal_size(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0


def _did(name: str, count: int, detail: str) -> Repaired:
    return Repaired(name=name, done=True, count=count, detail=detail)


def _left(name: str, detail: str) -> Repaired:
    return Repaired(name=name, done=False, count=0, detail=detail)
