"""Backups: made while others write, verified before they count, restored as a whole.

A backup is an ordinary archive file, named so that names sort by time:
``glin-20260211T055333Z.db``. It is written under a temporary name, checked, synced and
only then renamed, so that a file with a backup's name is always a whole one.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from .. import paths
from ..errors import BackupError, GlinError, NotFound
from ..models import BackupReport, RestoreReport
from .connection import connect, create_file, database_path, sqlite_errors, timed
from .schema import refuse_foreign, version

#: Called with pages done and pages in all.
Progress = Callable[[int, int], None]

_PAGES_PER_STEP = 1000

#: What is committed while the archive is backed up before a restore would be in neither;
#: the backup is then made again, so many times at most.
_RESTORE_TRIES = 10
_NAME = re.compile(r"^.+-(\d{8}T\d{6})(?:\.\d+)?Z\.db$")


def backup_db(
    db: sqlite_utils.Database,
    folder: str | os.PathLike[str] | None = None,
    *,
    keep: int | None = None,
    progress: Progress | None = None,
) -> BackupReport:
    """Write a verified copy of the archive behind ``db`` into ``folder``.

    Works while other processes write: the copy is of one moment. By default the folder is
    ``<name>-backups`` beside the archive. ``keep`` removes all but that many of this
    archive's backups, the new one included, and only after the new one was verified.

    :raises BackupError: if the copy cannot be written or does not verify; nothing is left
        behind and no old backup is removed
    """
    source = database_path(db)
    if source is None:
        raise BackupError("a database in memory has no file to back up; open one with get_db()")
    if keep is not None and keep < 1:
        raise BackupError(f"cannot keep {keep} backups; keep at least 1")
    target_folder = Path(folder).expanduser() if folder is not None else paths.backups_dir(source)
    started = time.perf_counter()
    with timed("backup_db") as facts, _writing(target_folder) as temporary:
        _copy(source, temporary, progress)
        made = _verified(source, temporary)
        _sync(temporary)
        target = _take_name(temporary, target_folder, source.stem)
        _sync(target_folder)
        facts["messages"] = made.messages
    pruned = _prune(source, target_folder, keep, spare=target) if keep else ()
    return BackupReport(
        path=str(target),
        created_at=_created_at(target),
        size=made.size,
        schema_version=made.schema_version,
        conversations=made.conversations,
        messages=made.messages,
        verified=True,
        seconds=round(time.perf_counter() - started, 3),
        pruned=pruned,
    )


def _verified(source: Path, copy: Path) -> BackupReport:
    """Read a fresh copy back. What is wrong with it was wrong with the archive."""
    try:
        return _inspect(copy, deep=True)
    except GlinError as ex:
        found = str(ex).removeprefix(f"{copy}: ").partition(";")[0]
        raise BackupError(
            f"{source}: its copy does not verify ({found}), so no backup was made; "
            "run 'glin-datasette check --deep'"
        ) from None


def list_backups(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None
) -> list[BackupReport]:
    """The backups of the archive at path ``archive``, newest first.

    They are opened but not verified; one that cannot be opened is left out.
    """
    path = Path(archive)
    found = []
    for file in _backup_files(path, Path(folder) if folder else paths.backups_dir(path)):
        with contextlib.suppress(GlinError):
            found.append(_inspect(file, deep=False))
    return found


def newest_backup(archive: str | os.PathLike[str]) -> Path | None:
    """The newest backup of an archive, judged by its name; ``None`` if there is none."""
    path = Path(archive)
    return next(iter(_backup_files(path, paths.backups_dir(path))), None)


def backup_time(backup: Path) -> datetime:
    """When a backup was made, as its name says; else when the file was last changed."""
    named = _NAME.match(backup.name)
    if named:
        return datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    return datetime.fromtimestamp(backup.stat().st_mtime, tz=UTC)


def verify_backup(backup: str | os.PathLike[str]) -> BackupReport:
    """Read a whole backup back: integrity, foreign keys and schema.

    :raises NotFound: if there is no such file
    :raises GlinError: if it is damaged, newer than this release or no archive
    """
    with timed("verify_backup"):
        return _inspect(Path(backup), deep=True)


def restore_db(
    archive: str | os.PathLike[str],
    backup: str | os.PathLike[str],
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RestoreReport:
    """Put the contents of ``backup`` in the place of what the archive holds.

    The backup is verified first and the present archive backed up. Other processes may
    have the archive open: they see the old contents or the new, never a mixture. A backup
    of an older schema is restored as it is; the next :func:`get_db` migrates it.
    ``dry_run`` verifies and changes nothing.

    :raises NotFound: if there is no such backup
    :raises GlinError: if the backup is damaged, newer than this release or no archive
    :raises BackupError: if the archive cannot be written
    """
    path, source = Path(archive).expanduser(), Path(backup).expanduser()
    started = time.perf_counter()
    verified = _inspect(source, deep=True)
    previous: str | None = None
    if not dry_run:
        if path.exists() and source.samefile(path):
            raise BackupError(f"{source}: that is the archive itself; name a backup of it")
        with timed("restore_db"):
            create_file(path)
            previous = _keep_previous(path)
            _copy_into(source, path, progress)
    return RestoreReport(
        path=str(path),
        restored_from=str(source),
        previous=previous,
        schema_version=verified.schema_version,
        conversations=verified.conversations,
        messages=verified.messages,
        seconds=round(time.perf_counter() - started, 3),
    )


def _keep_previous(path: Path) -> str | None:
    """Back up what the archive holds before it is replaced; a damaged one by its bytes."""
    try:
        with contextlib.closing(connect(path)) as db:
            if version(db) == 0:
                return None
            for _ in range(_RESTORE_TRIES):
                before = _data_version(db)
                kept = backup_db(db).path
                if _data_version(db) == before:
                    return kept
    except GlinError:
        # What cannot be opened as an archive is set aside whole: somebody may still want
        # to salvage it, and the restore must not write into it.
        aside = path.with_name(f"{path.name}.damaged-{_stamp()}")
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        create_file(path)
        return str(aside)
    raise BackupError(f"{path}: something keeps writing to it; let that end, then restore")


def _data_version(db: sqlite_utils.Database) -> int:
    """A number that changes when another connection commits."""
    return int(db.execute("pragma data_version").fetchone()[0])


def _copy_into(source: Path, archive: Path, progress: Progress | None) -> None:
    with (
        contextlib.closing(connect(source, readonly=True)) as reading,
        contextlib.closing(connect(archive)) as writing,
        sqlite_errors(archive),
    ):
        reading.conn.backup(writing.conn, pages=_PAGES_PER_STEP, progress=_told(progress))
        # A copied page 1 carries the backup's journal mode.
        writing.execute("PRAGMA journal_mode = WAL")


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    with (
        contextlib.closing(connect(source, readonly=True)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
        sqlite_errors(target),
    ):
        # A read transaction of its own pins one moment: without it every write by another
        # process starts the copy again, and it may never end.
        reading.conn.execute("BEGIN")
        reading.conn.execute("SELECT 1 FROM sqlite_master").fetchone()
        reading.conn.backup(writing, pages=_PAGES_PER_STEP, progress=_told(progress))
        # A backup is one file: no WAL beside it when it is opened to be read.
        writing.execute("PRAGMA journal_mode = DELETE")


def _told(progress: Progress | None) -> Callable[[int, int, int], None] | None:
    if progress is None:
        return None
    return lambda _status, remaining, total: progress(total - remaining, total)


def _inspect(path: Path, *, deep: bool) -> BackupReport:
    if not path.exists():
        raise NotFound(
            f"{path}: no such backup; 'glin-datasette backup --list' shows which there are"
        )
    with contextlib.closing(connect(path, readonly=True)) as db, sqlite_errors(path):
        refuse_foreign(db, path)
        schema = version(db)
        if schema == 0:
            raise BackupError(f"{path}: holds no archive")
        if deep:
            found = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                told = " ".join(str(found).split())
                raise BackupError(f"{path}: damaged: {told}; use another backup")
            if db.execute("PRAGMA foreign_key_check").fetchone():
                raise BackupError(f"{path}: has rows that point nowhere; use another backup")
        return BackupReport(
            path=str(path),
            created_at=_created_at(path),
            size=path.stat().st_size,
            schema_version=schema,
            conversations=db.table("conversations").count,
            messages=db.table("messages").count,
            verified=deep,
        )


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[Path]:
    """A temporary file in ``folder``, gone again unless it was renamed."""
    # The dot and the ending keep it out of every listing of backups.
    temporary = folder / f".glin-{os.getpid()}-{time.monotonic_ns()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield temporary
    except OSError as ex:
        raise BackupError(
            f"{folder}: cannot write a backup there: {ex.strerror or ex}; "
            "choose another folder or free some space"
        ) from None
    finally:
        for suffix in ("", "-journal", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                temporary.with_name(temporary.name + suffix).unlink()


def _take_name(temporary: Path, folder: Path, stem: str) -> Path:
    # link() fails where the name is taken, rename() would overwrite: two backups in one
    # second get two names.
    stamp, count = _stamp(), 0
    while True:
        target = folder / f"{stem}-{stamp}{f'.{count:03d}' if count else ''}Z.db"
        try:
            os.link(temporary, target)
            return target
        except FileExistsError:
            count += 1


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def _created_at(path: Path) -> str:
    return backup_time(path).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _backup_files(archive: Path, folder: Path) -> list[Path]:
    own = re.compile(re.escape(archive.stem) + r"-\d{8}T\d{6}(?:\.\d+)?Z\.db$")
    if not folder.is_dir():
        return []
    found = [file for file in folder.iterdir() if own.fullmatch(file.name)]
    # Without the Z, so that a second one of the same second sorts behind the first.
    return sorted(found, key=lambda file: file.name.removesuffix("Z.db"), reverse=True)


def _prune(archive: Path, folder: Path, keep: int, *, spare: Path) -> tuple[str, ...]:
    old = [file for file in _backup_files(archive, folder) if file != spare][keep - 1 :]
    for file in old:
        file.unlink(missing_ok=True)
    return tuple(str(file) for file in old)


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open a folder, and syncs the entry with the file.
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
