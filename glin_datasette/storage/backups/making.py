"""Making a backup: a copy of one moment that is read back before it gets its name."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import sqlite_utils

from ... import paths
from ...errors import ArchiveBusy, BackupError, DamagedArchive, GlinError, NewerArchive
from ...models import BackupReport
from ..connection import BUSY_TIMEOUT_MS, connect, database_path, sqlite_errors, timed
from .contents import Contents, count_rows, inspect
from .files import PACKED, created_at, take_name
from .manifest import (
    Manifest,
    digest,
    left_alone,
    manifest_path,
    own_backups,
    write_manifest,
)
from .packing import pack, unpack
from .retention import Keep
from .temporary import remove_abandoned, temporary_file

__all__ = ["Progress", "backup_db", "step_by_step"]

#: Called with pages done and pages in all.
Progress = Callable[[int, int], None]

PAGES_PER_STEP = 1000


def backup_db(
    db: sqlite_utils.Database,
    folder: str | os.PathLike[str] | None = None,
    *,
    keep: int | Keep | None = None,
    compress: bool = False,
    progress: Progress | None = None,
) -> BackupReport:
    """Write a verified copy of the archive behind ``db`` into ``folder``, and a manifest
    beside it.

    Works while other processes write: the copy is of one moment. By default the folder is
    ``<name>-backups`` beside the archive. ``compress`` makes it a Zstandard file, and needs
    space for both forms meanwhile. ``keep`` removes this archive's other backups, all but
    so many of the newest or as :class:`Keep` says, and only after the new one was verified.
    One without conversations removes none that has some.

    :raises BackupError: if the copy cannot be written; nothing is left behind and no old
        backup is removed
    :raises DamagedArchive: if it does not verify, with the same consequences
    """
    source = database_path(db)
    if source is None:
        raise BackupError("a database in memory has no file to back up; open one with get_db()")
    if isinstance(keep, int):
        keep = Keep(last=keep)
    target_folder = paths.expanded(folder) if folder is not None else paths.backups_dir(source)
    started = time.perf_counter()
    with timed("backup_db") as facts, _writing(target_folder) as temporary:
        rows = _copy(source, temporary, progress)
        contents = _read_back(source, temporary, rows)
        facts["messages"] = contents.counts["messages"]
        _sync(temporary)
        with _packed(temporary) if compress else contextlib.nullcontext(temporary) as finished:
            sha256, size = digest(finished), finished.stat().st_size
            target = take_name(finished, target_folder, source.stem, PACKED if compress else "")
        manifest = Manifest(
            sha256=sha256,
            size=size,
            created_at=created_at(target),
            schema_version=contents.schema_version,
            counts=contents.counts,
            compressed=compress,
            archive=str(source.resolve()),
        )
        try:
            write_manifest(target, manifest)
            _sync(target_folder)
        except OSError:
            # Nobody is told of this one, and without its manifest it would count as good.
            for file in (target, manifest_path(target)):
                with contextlib.suppress(OSError):
                    file.unlink(missing_ok=True)
            raise
    pruned, spared = (
        _prune(source, target_folder, keep, new=target, empty=not contents.counts["conversations"])
        if keep
        else ((), ())
    )
    return BackupReport(
        path=str(target),
        created_at=manifest.created_at,
        size=size,
        sha256=sha256,
        compressed=compress,
        schema_version=contents.schema_version,
        conversations=contents.counts["conversations"],
        messages=contents.counts["messages"],
        verified=True,
        seconds=round(time.perf_counter() - started, 3),
        pruned=pruned,
        spared=spared,
    )


def step_by_step(path: Path, progress: Progress | None = None) -> Callable[[int, int, int], None]:
    """What ``Connection.backup()`` calls after each step: tells of progress, and ends it
    if another process that writes to ``path`` never lets it make any.

    :raises ArchiveBusy: in that case
    """
    last = (-1, -1)
    moved = time.monotonic()

    def told(_status: int, remaining: int, total: int) -> None:
        nonlocal last, moved
        if (remaining, total) != last:
            last, moved = (remaining, total), time.monotonic()
        elif time.monotonic() - moved > BUSY_TIMEOUT_MS / 1000:
            raise ArchiveBusy(f"{path}: another process is writing to it; try again later")
        if progress and total:
            progress(total - remaining, total)

    return told


def _copy(source: Path, target: Path, progress: Progress | None) -> dict[str, int]:
    """Copy one moment of ``source``, and count its rows in the same one."""
    with (
        contextlib.closing(connect(source, readonly=True)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
        sqlite_errors(target),
    ):
        # A read transaction of its own pins one moment: without it every write by another
        # process starts the copy again, and it may never end.
        reading.conn.execute("BEGIN")
        rows = count_rows(reading)
        reading.conn.backup(writing, pages=PAGES_PER_STEP, progress=step_by_step(source, progress))
        # A backup is one file: no WAL beside it when it is opened to be read.
        writing.execute("PRAGMA journal_mode = DELETE")
    return rows


def _read_back(source: Path, copy: Path, rows: dict[str, int]) -> Contents:
    """What is wrong with a fresh copy was wrong with the archive."""
    try:
        contents = inspect(copy, deep=True, name=copy)
        if contents.counts != rows:
            raise DamagedArchive("it holds other numbers of rows")
    except NewerArchive as ex:
        raise NewerArchive(str(ex).replace(str(copy), str(source))) from None
    except GlinError as ex:
        found = str(ex).removeprefix(f"{copy}: ").partition(";")[0]
        raise DamagedArchive(
            f"{source}: its copy does not verify ({found}), so no backup was made; "
            "run 'glin-datasette check --deep'"
        ) from None
    return contents


@contextlib.contextmanager
def _packed(database: Path) -> Iterator[Path]:
    """``database`` compressed, and known to hold the same when it is unpacked."""
    with temporary_file(database.parent) as temporary:
        pack(database, temporary)
        with temporary_file(database.parent) as again:
            unpack(temporary, again)
            if digest(again) != digest(database):
                raise BackupError(f"{database.parent}: what was compressed there reads otherwise")
        _sync(temporary)
        yield temporary


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """A temporary file in ``folder``; what keeps it from being written becomes an error
    that names the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_abandoned(folder)
        with temporary_file(folder) as temporary:
            yield temporary
    except OSError as ex:
        raise BackupError(
            f"{folder}: cannot write a backup there: {ex.strerror or ex}; "
            "choose another folder or free some space"
        ) from None


def _prune(
    archive: Path, folder: Path, keep: Keep, *, new: Path, empty: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Remove the old backups; which ones, and which would have gone if the new one were not
    ``empty``. Somebody who lost all may notice it only after the last good one is gone."""
    ours = {file: manifest for file, manifest in own_backups(archive, folder) if file != new}
    # The new one counts as the newest, even if the clock has gone back.
    old = [file for file in keep.too_old([new, *ours]) if file != new]
    gone, spared = [], []
    for file in old:
        manifest = ours[file]
        if empty and not (manifest and manifest.counts.get("conversations") == 0):
            spared.append(str(file))
            continue
        # What cannot be removed is there the next time.
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
            gone.append(str(file))
            manifest_path(file).unlink(missing_ok=True)
    # One that was killed in between, or whoever removed a backup by hand, left its manifest.
    for file in left_alone(archive, folder):
        with contextlib.suppress(OSError):
            manifest_path(file).unlink(missing_ok=True)
    return tuple(gone), tuple(spared)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder, and syncs the entry with the file.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
