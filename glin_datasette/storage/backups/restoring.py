"""Restoring: the contents of a backup in the place of what the archive holds."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import sqlite_utils

from ... import paths
from ...errors import BackupError, DamagedArchive, MigrationError, NewerArchive, NotAnArchive
from ...models import RestoreReport
from ..archive import init_db
from ..connection import connect, create_file, database_path, sqlite_errors, timed
from ..schema import newest_version, refuse_foreign, version
from .files import aside_name
from .making import PAGES_PER_STEP, Progress, backup_db, step_by_step
from .temporary import remove_abandoned, temporary_file
from .verifying import verified

__all__ = ["restore_db"]

#: What is committed while the archive is backed up before a restore would be in neither;
#: the backup is then made again, so many times at most.
_TRIES = 10


def restore_db(
    archive: str | os.PathLike[str],
    backup: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Put the contents of ``backup`` in the place of what the archive holds.

    The backup is verified first and the present archive backed up; one that cannot be is
    set aside by its bytes. Other processes may have the archive open: they see the old
    contents or the new, never a mixture. A backup of an older schema is brought to the
    newest on the way. ``dry_run`` verifies and changes nothing.

    :raises NotFound: if there is no such backup
    :raises NotAnArchive: if what is to be replaced is somebody else's database
    :raises GlinError: if the backup is damaged, newer than this release or no archive
    :raises BackupError: if the archive cannot be written
    """
    path, source = paths.archive_file(archive), paths.expanded(backup)
    started = time.perf_counter()
    previous: str | None = None
    with verified(source) as (report, database):
        if path.exists() and source.samefile(path):
            raise BackupError(f"{source}: that is the archive itself; name a backup of it")
        if not dry_run:
            create_file(path)
            with timed("restore_db"), _migrated(database, report.schema_version, path) as newest:
                previous = _keep_previous(path)
                with _fitting(newest, path) as fit:
                    _copy_into(fit, path, progress)
    return RestoreReport(
        path=str(path),
        restored_from=str(source),
        previous=previous,
        schema_version=report.schema_version if dry_run else newest_version(),
        conversations=report.conversations,
        messages=report.messages,
        seconds=round(time.perf_counter() - started, 3),
    )


@contextlib.contextmanager
def _migrated(database: Path, schema: int, archive: Path) -> Iterator[Path]:
    """``database``, or a copy of it with the newest schema, so that the archive is never
    seen with an older one."""
    if schema == newest_version():
        yield database
        return
    try:
        with _no_space(archive):
            remove_abandoned(archive.parent)
            with temporary_file(archive.parent) as temporary:
                _copy_into(database, temporary, None)
                with contextlib.closing(connect(temporary)) as db:
                    init_db(db, backup=False)
                yield temporary
    except MigrationError as ex:
        told = str(ex).partition("rolled back: ")[2]
        raise BackupError(f"{archive}: the backup cannot be migrated: {told}") from None


@contextlib.contextmanager
def _no_space(archive: Path) -> Iterator[None]:
    try:
        yield
    except OSError as ex:
        raise BackupError(
            f"{archive}: cannot write there: {ex.strerror or ex}; free some space and try again"
        ) from None


@contextlib.contextmanager
def _fitting(database: Path, archive: Path) -> Iterator[Path]:
    """``database``, or a copy of it with pages of the size that the archive's have: a file with
    a WAL cannot have others any more."""
    with contextlib.closing(connect(archive)) as db, sqlite_errors(archive):
        (wanted,) = db.execute("pragma page_size").fetchone()
    with contextlib.ExitStack() as stack:
        with contextlib.closing(connect(database, readonly=True)) as db, sqlite_errors(archive):
            if db.execute("pragma page_size").fetchone() != (wanted,):
                with _no_space(archive):
                    remove_abandoned(archive.parent)
                    target = stack.enter_context(temporary_file(archive.parent))
                db.execute(f"pragma page_size = {wanted}")
                db.execute("vacuum into ?", [str(target)])
                database = target
        yield database


def _keep_previous(path: Path) -> str | None:
    """Back up what the archive holds before it is replaced."""
    try:
        opened = connect(path)
    except (DamagedArchive, NotAnArchive):
        return _set_aside(path)
    with contextlib.closing(opened) as db:
        try:
            refuse_foreign(db, path)
            if version(db) == 0:
                return None
            for _ in range(_TRIES):
                before = _data_version(db)
                kept = backup_db(db).path
                if _data_version(db) == before:
                    return kept
        except (DamagedArchive, NewerArchive):
            pass  # No backup can be made of it.
        else:
            raise BackupError(f"{path}: something keeps writing to it; let that end, then restore")
    return _set_aside(path)


def _set_aside(path: Path) -> str:
    """Move what cannot be backed up out of the way, whole: somebody may still want to
    salvage it, and the restore must not write into it."""
    aside = aside_name(path, "replaced")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    create_file(path)
    return str(aside)


def _data_version(db: sqlite_utils.Database) -> int:
    """A number that changes when another connection commits."""
    with sqlite_errors(database_path(db)):
        return int(db.execute("pragma data_version").fetchone()[0])


def _copy_into(source: Path, archive: Path, progress: Progress | None) -> None:
    with (
        contextlib.closing(connect(source, readonly=True)) as reading,
        contextlib.closing(connect(archive)) as writing,
        sqlite_errors(archive),
    ):
        reading.conn.backup(
            writing.conn, pages=PAGES_PER_STEP, progress=step_by_step(archive, progress)
        )
        # A copied page 1 carries the backup's journal mode.
        writing.execute("PRAGMA journal_mode = WAL")
