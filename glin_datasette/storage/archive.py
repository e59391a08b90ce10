"""Opening an archive for use: made where there is none, migrated where it is older,
refused where it is newer or somebody else's."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from ..errors import ArchiveBusy, MigrationError, NotFound
from .connection import (
    connect,
    create_file,
    database_path,
    no_archive,
    resolve,
    timed,
    transaction,
)
from .counts import has_counts, view_counts
from .parts import complete_parts
from .schema import fit_search_index, pending, refuse_foreign, steps, version

#: How many times a migration waits for another process as long as any writer does.
_PATIENCE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationReport:
    """What :func:`migrate_db` did: the steps it applied, and the backup made before."""

    applied: tuple[str, ...]
    version: int
    backup: str | None = None


def get_db(
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    create: bool = True,
    on_backup: Callable[[Path], None] | None = None,
) -> sqlite_utils.Database:
    """Open the archive at ``path``, by default where :func:`paths.default_db` says.

    Where there is none it is made, with its folder (0700) and file (0600); where it is
    older than this release it is migrated, after a backup, whose path ``on_backup`` is
    called with. ``readonly`` does neither, and is what you get for a file that cannot be
    written. With ``create`` false none is made, not even of an empty file.

    :raises NotAnArchive: if the file is something else; it is left untouched
    :raises NewerArchive: if a newer release wrote it; it is left untouched
    :raises NotFound: if there is none, and ``readonly`` or not ``create``
    """
    file = resolve(path)
    readonly = readonly or not _writable(file)
    if readonly:
        db = connect(file, readonly=True)
    else:
        if create:
            create_file(file)
        # An unknown database must stay as it is, so it is looked at before anything that
        # writes, and WAL mode writes.
        with connect(file, readonly=True) as looked_at:
            refuse_foreign(looked_at, file)
            if not create and version(looked_at) == 0:
                raise NotFound(no_archive(file))
        db = connect(file)
    try:
        if readonly:
            refuse_foreign(db, file)
            if version(db) and not has_counts(db):
                view_counts(db)
        else:
            init_db(db, on_backup=on_backup)
    except BaseException:
        db.close()
        raise
    return db


def _writable(file: Path) -> bool:
    """Whether ``file`` can be written, as far as permissions go; one that is not there can."""
    if not file.exists():
        return True
    # Writing needs a WAL beside the file.
    wal = file.with_name(file.name + "-wal")
    return os.access(file, os.W_OK) and (os.access(file.parent, os.W_OK) or wal.exists())


def init_db(
    db: sqlite_utils.Database,
    *,
    backup: bool = True,
    on_backup: Callable[[Path], None] | None = None,
) -> sqlite_utils.Database:
    """Bring ``db`` to the newest schema, whether it is empty, older or up to date.

    Also makes the search index where FTS5 was missing before and is there now, and takes
    its triggers away where FTS5 is missing, so that writing still works; and completes what
    the index needs to know of messages that something else wrote. ``backup`` and
    ``on_backup``: see :func:`migrate_db`.

    :returns: ``db`` itself
    :raises NotAnArchive: if it holds somebody else's tables
    :raises NewerArchive: if a newer release wrote it
    :raises MigrationError: if a step failed; everything was rolled back
    """
    if pending(db):
        migrate_db(db, backup=backup, on_backup=on_backup)
    fit_search_index(db)
    complete_parts(db)
    return db


def migrate_db(
    db: sqlite_utils.Database,
    *,
    backup: bool = True,
    on_backup: Callable[[Path], None] | None = None,
) -> MigrationReport:
    """Apply the pending steps, all or none, after a backup of what was there.

    Two processes at once: one migrates, the other waits and finds nothing to do.
    ``on_backup`` is called with the backup's path before anything changes; with ``backup``
    false there is none.

    :raises NotAnArchive: if it holds somebody else's tables
    :raises NewerArchive: if a newer release wrote it
    :raises MigrationError: if a step failed; the message names the backup
    """
    where = database_path(db)
    refuse_foreign(db, where)
    for _ in range(_PATIENCE):
        try:
            return _migrate(db, where, backup, on_backup)
        except ArchiveBusy:
            # Another process may be at it: with its backup that takes longer than a write.
            if not pending(db):
                break
    return _migrate(db, where, backup, on_backup)


def _migrate(
    db: sqlite_utils.Database,
    where: Path | None,
    backup: bool,
    on_backup: Callable[[Path], None] | None,
) -> MigrationReport:
    made: Path | None = None
    with timed("migrate_db") as facts, transaction(db):
        todo = pending(db)
        # Under the write lock, so that nothing is written between the backup and the step.
        if backup and todo and where is not None and version(db) > 0:
            # Most of the time there is nothing to migrate.
            from .backups.making import backup_db

            made = Path(backup_db(db).path)
            if on_backup:
                on_backup(made)
        try:
            steps().apply(db)
        except Exception as ex:
            kept = f"; the backup made before is {made}" if made else ""
            raise MigrationError(
                f"{where}: schema step failed and was rolled back: {ex}{kept}"
            ) from ex
        facts["applied"] = len(todo)
    return MigrationReport(
        applied=tuple(todo), version=version(db), backup=str(made) if made else None
    )
