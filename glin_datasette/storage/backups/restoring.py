"""Restoring: the contents of a backup in the place of what the archive holds."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ... import paths
from ...errors import BackupError, MigrationError
from ...models import RestoreReport
from ..archive import init_db
from ..connection import connect, create_file, sqlite_errors, timed
from ..schema import newest_version
from .making import PAGES_PER_STEP, Progress
from .replacing import refuse_to_replace, replace_contents
from .temporary import no_space, remove_abandoned, temporary_file
from .verifying import verified

__all__ = ["restore_db"]


def restore_db(
    archive: str | os.PathLike[str],
    backup: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    force: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Put the contents of ``backup`` in the place of what the archive holds.

    The backup is verified first and the present archive backed up; one that cannot be is
    kept as it is. Other processes may have the archive open: they see the old contents or
    the new, never a mixture; what they commit before the new ones is in the backup. Only of
    a file that SQLite cannot open at all another takes the place (``in_place`` is false then).
    A backup of an older schema is brought to the newest on the way. ``dry_run`` verifies and
    changes nothing. ``force`` sets a file aside even if nothing tells that it was an archive.

    :raises NotFound: if there is no such backup
    :raises NotAnArchive: if what is to be replaced is somebody else's database, or (without
        ``force``) no database and never was an archive
    :raises GlinError: if the backup is damaged, newer than this release or no archive
    :raises BackupError: if the archive cannot be written
    """
    path, source = paths.archive_file(archive), paths.expanded(backup)
    started = time.perf_counter()
    previous, in_place = None, True
    with verified(source) as (report, database):
        if path.exists() and source.samefile(path):
            raise BackupError(f"{source}: that is the archive itself; name a backup of it")
        refuse_to_replace(path, source, force=force)
        if not dry_run:
            create_file(path)
            with timed("restore_db"), _migrated(database, report.schema_version, path) as newest:
                kept, in_place = replace_contents(path, newest, progress)
                previous = str(kept) if kept else None
    return RestoreReport(
        path=str(path),
        restored_from=str(source),
        previous=previous,
        schema_version=report.schema_version if dry_run else newest_version(),
        conversations=report.conversations,
        messages=report.messages,
        in_place=in_place,
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
        with no_space(archive):
            remove_abandoned(archive.parent)
            with temporary_file(archive.parent) as temporary:
                _copy_into(database, temporary)
                with contextlib.closing(connect(temporary)) as db:
                    init_db(db, backup=False)
                yield temporary
    except MigrationError as ex:
        told = str(ex).partition("rolled back: ")[2]
        raise BackupError(f"{archive}: the backup cannot be migrated: {told}") from None


def _copy_into(source: Path, target: Path) -> None:
    with (
        contextlib.closing(connect(source, readonly=True)) as reading,
        # In WAL mode it would keep its own size of a page.
        contextlib.closing(connect(target, wal=False)) as writing,
        sqlite_errors(target),
    ):
        reading.conn.backup(writing.conn, pages=PAGES_PER_STEP)
        # A copied page 1 carries the backup's journal mode.
        writing.execute("PRAGMA journal_mode = WAL")
