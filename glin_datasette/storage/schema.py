"""The schema: its steps, its version, and the search index that may or may not be there.

The steps are in ``migrations/migrations.py``, which this module loads the way
``sqlite-utils migrate`` does, so that both build the same thing.
"""

from __future__ import annotations

import contextlib
import functools
import re
import runpy
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlite_utils
from sqlite_utils import Migrations

from .. import paths
from ..errors import DamagedArchive, NewerArchive, NotAnArchive
from .connection import database_path, one_moment, sqlite_errors, timed, transaction

#: A column that each step made. Where it is there and the step is not recorded, or the other
#: way around, something has changed the one and not the other.
MADE_BY_STEP = {
    "0001_initial": ("messages", "content"),
    "0002_attachments": ("attachments", "sha256"),
    "0003_finding": ("messages", "parts"),
    "0004_counts": ("activity", "quarter"),
}


def pending(db: sqlite_utils.Database) -> list[str]:
    """The names of the schema steps that ``db`` still lacks, in order."""
    done = _applied(db)
    return [step.name for step in steps()._migrations if step.name not in done]


def _applied(db: sqlite_utils.Database) -> set[str]:
    """The names of the steps that ``db`` records. Not sqlite-utils' own reading of them, which
    takes for granted that the table has its columns."""
    with sqlite_errors(database_path(db)):
        if Migrations.migrations_table not in db.table_names():
            return set()
        sql = f"select name from {Migrations.migrations_table} where migration_set = ?"
        return {str(name) for (name,) in db.execute(sql, [steps().name])}


def version(db: sqlite_utils.Database) -> int:
    """The schema version of ``db``: the number of its newest step, 0 before the first."""
    with sqlite_errors(database_path(db)):
        if "schema_version" not in db.view_names():
            return max((int(name[:4]) for name in _applied(db) if name[:4].isdigit()), default=0)
        return int(db.execute("select version from schema_version").fetchone()[0])


def newest_version() -> int:
    """The schema version that this release writes."""
    return max(int(step.name[:4]) for step in steps()._migrations)


def search_available(db: sqlite_utils.Database) -> bool:
    """Whether ranked search works: FTS5 is there, and the archive has the index of the
    newest schema. One that is older, and may only be read, has none."""
    sql = "select 1 from pragma_table_info('messages_fts') where name = 'parts'"
    return has_fts5(db) and db.execute(sql).fetchone() is not None


def has_fts5(db: sqlite_utils.Database) -> bool:
    """Whether the SQLite library behind ``db`` was built with FTS5."""
    return bool(shipped()["has_fts5"](db))


def drop_search_triggers(db: sqlite_utils.Database, *names: str) -> None:
    """Stop ``messages_fts`` from following ``messages``; all triggers, or those named."""
    for name in names or shipped()["SEARCH_TRIGGERS"]:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")


def create_search_triggers(db: sqlite_utils.Database) -> None:
    """Make ``messages_fts`` follow ``messages`` again. Indexes nothing by itself."""
    shipped()["create_search_triggers"](db)


def make_search_index(db: sqlite_utils.Database) -> None:
    """Make the search index with its triggers, or make again what it holds."""
    shipped()["create_search_index"](db)


def has_search_triggers(db: sqlite_utils.Database) -> bool:
    """Whether every trigger that keeps the search index in step is there."""
    return _search_triggers(db) == _search_names()


def _search_triggers(db: sqlite_utils.Database) -> set[str]:
    """Those triggers that are there."""
    return set(db.triggers_dict) & _search_names()


def _search_names() -> set[str]:
    return set(shipped()["SEARCH_TRIGGERS"])


def search_agrees(db: sqlite_utils.Database) -> bool:
    """Whether the search index holds what the messages say. Reads all of them, and needs a
    connection that may write: FTS5's own check is an INSERT that changes nothing."""
    try:
        db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return False
    return True


def fit_search_index(db: sqlite_utils.Database) -> None:
    """Make the search index where FTS5 was missing before and is there now; take its
    triggers away where FTS5 is missing, so that writing still works."""
    available = has_fts5(db)
    # Without FTS5 any trigger stops all writing, those of an older release included.
    if has_search_triggers(db) if available else not _search_triggers(db):
        return
    with timed("fit search index") as facts, transaction(db):
        facts["fts5"] = available
        if available:
            make_search_index(db)
        else:
            drop_search_triggers(db)


def refuse_foreign(db: sqlite_utils.Database, path: Path | None) -> None:
    """Raise unless ``db`` is empty or an archive that this release understands, with the
    tables of the steps that it records."""
    # Another process may be making the archive just now.
    with sqlite_errors(path), one_moment(db):
        applied = _applied(db)
        if applied:
            _refuse_newer(path, applied)
            _compare_record(db, path, applied)
        else:
            _refuse_tables(db, path)


def _refuse_tables(db: sqlite_utils.Database, path: Path | None) -> None:
    tables = [name for name in db.table_names() if not name.startswith(("sqlite_", "_"))]
    if tables and db.execute("pragma application_id").fetchone()[0] == _application_id():
        raise DamagedArchive(_untrue(path, "none is recorded, but there are tables"))
    if tables:
        names = ", ".join(sorted(tables)[:3]) + (" …" if len(tables) > 3 else "")
        raise NotAnArchive(
            f"{path}: a database, but not an archive of glin (it holds {names}); "
            "choose another file with --db"
        )


def _refuse_newer(path: Path | None, applied: set[str]) -> None:
    newer = sorted(applied - {step.name for step in steps()._migrations})
    if newer:
        raise NewerArchive(
            f"{path}: written by a newer release (schema step {newer[-1]}; this one knows up "
            f"to {newest_version()}). Upgrade with 'pip install --upgrade glin-datasette'; "
            "nothing was changed"
        )


def _compare_record(db: sqlite_utils.Database, path: Path | None, applied: set[str]) -> None:
    for step, column in MADE_BY_STEP.items():
        there = db.execute(
            "select 1 from pragma_table_info(?, 'main') where name = ?", column
        ).fetchone()
        if (there is not None) != (step in applied):
            name = ".".join(column)
            told = (
                f"{step} made {name}, but is not recorded"
                if there
                else f"{step} is recorded, but {name} is not there"
            )
            raise DamagedArchive(_untrue(path, told))


def _untrue(path: Path | None, told: str) -> str:
    return (
        f"{path}: its record of schema steps (_sqlite_migrations) is not true: {told}; "
        "restore a backup with 'glin-datasette restore'. Nothing was changed"
    )


def _application_id() -> int:
    return int(shipped()["APPLICATION_ID"])


def build(number: int) -> sqlite_utils.Database:
    """An empty archive in memory with the schema of a version, as this SQLite makes it."""
    db = sqlite_utils.Database(memory=True)
    later = [step.name for step in steps()._migrations if int(step.name[:4]) > number]
    steps().apply(db, stop_before=later)
    return db


@dataclass(frozen=True, slots=True)
class Lacking:
    """Something that the schema of an archive lacks, or has otherwise."""

    kind: str
    name: str
    #: What makes it; of a column of a table nothing does.
    sql: str | None


def lacking(db: sqlite_utils.Database) -> list[Lacking]:
    """What ``db`` lacks of the schema of its version, in the order to make it; not the
    search index. What somebody added is no matter."""
    there = {(kind, name): sql for kind, name, sql in db.execute(_SCHEMA)}
    found: list[Lacking] = []
    with contextlib.closing(build(version(db))) as whole:
        # Written without an index it has no triggers either.
        search = has_fts5(db) and "messages_fts" in db.table_names()
        for kind, name, sql in whole.execute(_SCHEMA).fetchall():
            if name.startswith("messages_fts") or (name in _search_names() and not search):
                continue
            if (kind, name) not in there:
                found.append(Lacking(kind, name, sql))
            elif kind == "table":
                columns = {column.name for column in db.table(name).columns}
                wanted = [column.name for column in whole.table(name).columns]
                found += [
                    Lacking("column", f"{name}.{column}", None)
                    for column in wanted
                    if column not in columns
                ]
            elif _written(there[kind, name]) != _written(sql):
                found.append(Lacking(kind, name, sql))
    return found


_SCHEMA = (
    "select type, name, sql from sqlite_master where sql is not null"
    " order by type = 'table' desc, rowid"
)


def _written(sql: str) -> str:
    """SQL as different releases of sqlite-utils write it down, made the same."""
    return " ".join(re.sub(r'["\[\]`]', "", sql).split()).lower()


@functools.cache
def shipped() -> dict[str, Any]:
    """What ``migrations.py`` defines, by name."""
    return runpy.run_path(str(paths.migrations_dir() / "migrations.py"))


def steps() -> sqlite_utils.Migrations:
    migrations: sqlite_utils.Migrations = shipped()["migrations"]
    return migrations
