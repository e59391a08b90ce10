"""Making and upgrading the schema of an archive.

The steps are in ``migrations/migrations.py``, which this module loads the way
``sqlite-utils migrate`` does, so that both build the same thing.
"""

from __future__ import annotations

import functools
import os
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlite_utils

from .. import paths
from ..errors import MigrationError, NewerArchive, NotAnArchive
from .backup import backup_db
from .connection import (
    connect,
    create_file,
    database_path,
    resolve,
    sqlite_errors,
    timed,
    transaction,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """What :func:`migrate_db` did: the steps it applied, and the backup made before."""

    applied: tuple[str, ...]
    version: int
    backup: str | None = None


def get_db(
    path: str | os.PathLike[str] | None = None, *, readonly: bool = False
) -> sqlite_utils.Database:
    """Open the archive at ``path``, by default where :func:`paths.default_db` says.

    Where there is none it is made, with its folder (0700) and file (0600); where it is
    older than this release it is migrated, after a backup. ``readonly`` does neither, and
    is what you get for a file that cannot be written.

    :raises NotAnArchive: if the file is something else; it is left untouched
    :raises NewerArchive: if a newer release wrote it; it is left untouched
    :raises NotFound: if ``readonly`` and there is no such file
    """
    file = resolve(path)
    if not readonly and file.exists() and not os.access(file, os.W_OK):
        readonly = True
    if readonly:
        db = connect(file, readonly=True)
    else:
        create_file(file)
        # An unknown database must stay as it is, so it is looked at before anything that
        # writes, and WAL mode writes.
        with connect(file, readonly=True) as looked_at:
            _refuse_foreign(looked_at, file)
        db = connect(file)
    try:
        if readonly:
            _refuse_foreign(db, file)
        else:
            init_db(db)
    except BaseException:
        db.close()
        raise
    return db


def init_db(db: sqlite_utils.Database) -> sqlite_utils.Database:
    """Bring ``db`` to the newest schema, whether it is empty, older or up to date.

    Also makes the search index where FTS5 was missing before and is there now, and takes
    its triggers away where FTS5 is missing, so that writing still works.

    :returns: ``db`` itself
    :raises NotAnArchive: if it holds somebody else's tables
    :raises NewerArchive: if a newer release wrote it
    :raises MigrationError: if a step failed; everything was rolled back
    """
    if pending(db):
        migrate_db(db)
    _fit_search_index(db)
    return db


def migrate_db(
    db: sqlite_utils.Database, *, on_backup: Callable[[Path], None] | None = None
) -> MigrationReport:
    """Apply the pending steps, all or none, after a backup of what was there.

    Two processes at once: one migrates, the other waits and finds nothing to do.
    ``on_backup`` is called with the backup's path before anything changes.

    :raises NotAnArchive: if it holds somebody else's tables
    :raises NewerArchive: if a newer release wrote it
    :raises MigrationError: if a step failed; the message names the backup
    """
    where = database_path(db)
    _refuse_foreign(db, where)
    backup: Path | None = None
    with timed("migrate_db") as facts, transaction(db):
        steps = pending(db)
        # Under the write lock, so that nothing is written between the backup and the step.
        if steps and where is not None and version(db) > 0:
            backup = Path(backup_db(db).path)
            if on_backup:
                on_backup(backup)
        try:
            _migrations().apply(db)
        except Exception as ex:
            kept = f"; the backup made before is {backup}" if backup else ""
            raise MigrationError(
                f"{where}: schema step failed and was rolled back: {ex}{kept}"
            ) from ex
        facts["applied"] = len(steps)
    return MigrationReport(
        applied=tuple(steps), version=version(db), backup=str(backup) if backup else None
    )


def pending(db: sqlite_utils.Database) -> list[str]:
    """The names of the schema steps that ``db`` still lacks, in order."""
    return [step.name for step in _migrations().pending(db)]


def version(db: sqlite_utils.Database) -> int:
    """The schema version of ``db``: the number of its newest step, 0 before the first."""
    with sqlite_errors(database_path(db)):
        if "schema_version" not in db.view_names():
            return 0
        return int(db.execute("select version from schema_version").fetchone()[0])


def newest_version() -> int:
    """The schema version that this release writes."""
    return max(int(step.name[:4]) for step in _migrations()._migrations)


def search_available(db: sqlite_utils.Database) -> bool:
    """Whether ranked search works: FTS5 is there, and the archive has its index."""
    return has_fts5(db) and "messages_fts" in db.table_names()


def has_fts5(db: sqlite_utils.Database) -> bool:
    """Whether the SQLite library behind ``db`` was built with FTS5."""
    return bool(_module()["has_fts5"](db))


def drop_search_triggers(db: sqlite_utils.Database, *names: str) -> None:
    """Stop ``messages_fts`` from following ``messages``; all triggers, or those named."""
    for name in names or _module()["SEARCH_TRIGGERS"]:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")


def create_search_triggers(db: sqlite_utils.Database) -> None:
    """Make ``messages_fts`` follow ``messages`` again. Indexes nothing by itself."""
    _module()["create_search_triggers"](db)


def has_search_triggers(db: sqlite_utils.Database) -> bool:
    """Whether every trigger that keeps the search index in step is there."""
    return all(name in db.triggers_dict for name in _module()["SEARCH_TRIGGERS"])


def _fit_search_index(db: sqlite_utils.Database) -> None:
    available, followed = has_fts5(db), has_search_triggers(db)
    if available == followed:
        return
    with timed("fit search index") as facts, transaction(db):
        facts["fts5"] = available
        if available:
            _module()["create_search_index"](db)
        else:
            drop_search_triggers(db)


def _refuse_foreign(db: sqlite_utils.Database, path: Path | None) -> None:
    """Raise unless ``db`` is empty or an archive that this release understands."""
    with sqlite_errors(path):
        applied = {step.name for step in _migrations().applied(db)}
        known = {step.name for step in _migrations()._migrations}
        if not applied:
            tables = [name for name in db.table_names() if not name.startswith(("sqlite_", "_"))]
            if tables:
                names = ", ".join(sorted(tables)[:3]) + (" …" if len(tables) > 3 else "")
                raise NotAnArchive(
                    f"{path}: a database, but not an archive of glin (it holds {names}); "
                    "choose another file with --db"
                )
    newer = sorted(applied - known)
    if newer:
        raise NewerArchive(
            f"{path}: written by a newer release (schema step {newer[-1]}; this one knows up "
            f"to {newest_version()}). Upgrade with 'pip install --upgrade glin-datasette'; "
            "nothing was changed"
        )


@functools.cache
def _module() -> dict[str, Any]:
    return runpy.run_path(str(paths.migrations_dir() / "migrations.py"))


def _migrations() -> sqlite_utils.Migrations:
    migrations: sqlite_utils.Migrations = _module()["migrations"]
    return migrations
