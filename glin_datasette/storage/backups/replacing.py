"""Putting other contents in the place of what an archive holds, which is kept whole."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlite_utils

from ... import paths
from ...errors import BackupError, DamagedArchive, NewerArchive, NotAnArchive
from ..connection import connect, connect_damaged, create_file, sqlite_errors
from ..schema import refuse_foreign, version
from .aside import copy_aside, move_aside, remove_aside
from .files import backup_files
from .making import PAGES_PER_STEP, Progress, backup_db, step_by_step
from .manifest import Manifest, manifest_path, read_manifest
from .temporary import no_space, remove_abandoned, temporary_file

__all__ = ["refuse_to_replace", "replace_contents"]

_HEADER = b"SQLite format 3\0"


def refuse_to_replace(path: Path, backup: Path | None = None, *, force: bool = False) -> None:
    """Raise if a restore of ``backup`` to ``path`` would take the place of something else: a
    database of somebody else, or, without ``force``, a file that is no database and never was
    an archive as far as anything tells.

    :raises NotAnArchive: in that case
    """
    if not path.exists():
        return
    try:
        db = connect(path, readonly=True)
    except NotAnArchive:
        if force or _was_archive(path, backup):
            return
        raise NotAnArchive(
            f"{path}: not an SQLite database, so it was left as it is; choose another file with "
            "--db, or 'glin-datasette restore --force' sets it aside"
        ) from None
    except DamagedArchive:
        return
    with contextlib.closing(db), contextlib.suppress(DamagedArchive, NewerArchive):
        refuse_foreign(db, path)


def _was_archive(path: Path, backup: Path | None) -> bool:
    """Whether anything tells that a file that SQLite cannot open was an archive: how it begins,
    a backup that was made of it, or its replica."""
    # No connection can have locks on a file that SQLite cannot open; see the end of connection.py.
    with contextlib.suppress(OSError), path.open("rb") as opened:
        if opened.read(len(_HEADER)) == _HEADER:
            return True
    if paths.replica_state(path).exists():
        return True
    made = _manifest(backup) if backup else None
    if made and made.is_of(path):
        return True
    # Beside it the name is enough: the folder may have moved.
    beside = (_manifest(each) for each in backup_files(path, paths.backups_dir(path)))
    return any(each and Path(each.archive).name == path.name for each in beside)


def _manifest(backup: Path) -> Manifest | None:
    with contextlib.suppress(BackupError):
        return read_manifest(backup)
    return None


def replace_contents(
    path: Path, source: Path, progress: Progress | None
) -> tuple[Path | None, bool]:
    """Put the database ``source`` in the place of what the archive holds; where that is kept,
    and whether the archive is still the same file.

    Others may write until the write lock is taken for the copy. What was kept before is
    compared then, when nobody can commit anything more: each commit is in what is kept, or
    comes after the copy. If it fails, the archive is as it was.

    :raises NotAnArchive: if the archive is somebody else's database
    """
    # Whatever is copied by its bytes stays open until the connections are closed.
    with contextlib.ExitStack() as held:
        try:
            db, damaged = _opened(path)
        except NotAnArchive:
            pass
        else:
            with contextlib.closing(db):
                return _replace(_Previous(db, path, damaged, held), source, progress), True
    # SQLite writes into no file whose header it does not understand.
    aside = move_aside(path, "replaced")
    create_file(path)
    replace_contents(path, source, progress)
    return aside, False


class _Previous:
    """What an archive holds before it is replaced: a backup, or a copy of the bytes if none
    can be made. At most one of them stays."""

    def __init__(
        self, db: sqlite_utils.Database, path: Path, damaged: bool, held: contextlib.ExitStack
    ) -> None:
        self.db, self.path, self._damaged, self._held = db, path, damaged, held
        self.kept: Path | None = None
        #: Whether it has to stay even though the archive looks as if it were what it was.
        self.stays = False
        self._version: int | None = None

    def keep(self, *, locked: bool = False) -> None:
        """Keep what the archive holds now, unless that is already kept. ``locked``: the file
        is locked, so that no other connection can read it."""
        now = _data_version(self.db)
        if now != self._version:
            superseded, self.kept = self.kept, self._made(locked)
            self._version = now
            _remove(superseded)

    def remove_if_unneeded(self) -> None:
        """Remove it if the archive certainly is what it was."""
        with contextlib.suppress(sqlite3.Error):
            if not self.stays and _data_version(self.db) == self._version:
                _remove(self.kept)

    def _made(self, locked: bool) -> Path | None:
        try:
            if not self._damaged:
                refuse_foreign(self.db, self.path)
                if version(self.db) == 0 and _pragma(self.db, "page_count") <= 1:
                    return None
                if not locked:
                    return Path(backup_db(self.db).path)
        except (DamagedArchive, NewerArchive):
            pass  # No backup can be made of it.
        return copy_aside(self.path, "replaced", self._held)


def _replace(previous: _Previous, source: Path, progress: Progress | None) -> Path | None:
    db, path = previous.db, previous.path
    with sqlite_errors(path):
        copy = _copy_into_wal if _pragma(db, "journal_mode") == "wal" else _copy_alone
        try:
            previous.keep()
            with _fitting(source, _pragma(db, "page_size"), path) as fit:
                copy(fit, previous, progress)
        except BaseException:
            previous.remove_if_unneeded()
            raise
    return previous.kept


def _copy_into_wal(source: Path, previous: _Previous, progress: Progress | None) -> None:
    """Copy as one transaction, beside which others read on."""
    locked = False
    tell = step_by_step(previous.path, progress)

    def told(status: int, remaining: int, total: int) -> None:
        nonlocal locked
        if status == sqlite3.SQLITE_OK and not locked:
            # The first step took the write lock.
            previous.keep()
            locked = True
        tell(status, remaining, total)

    writing, _ = _opened(previous.path)
    with contextlib.closing(writing), _reading(source) as (reading, pages):
        # Never all pages in the first step, which would commit it.
        step = min(PAGES_PER_STEP, pages - 1)
        reading.backup(writing.conn, pages=step, progress=told)


def _copy_alone(source: Path, previous: _Previous, progress: Progress | None) -> None:
    """Copy where there is no WAL: nobody else can read meanwhile, and the lock that is taken
    before stays with this connection alone."""
    db = previous.db
    for statement in ("pragma locking_mode = exclusive", "begin exclusive", "commit"):
        db.conn.execute(statement)
    previous.keep(locked=True)
    # A connection is not told of its own commit.
    previous.stays = True
    with _reading(source) as (reading, _):
        tell = step_by_step(previous.path, progress)
        reading.backup(db.conn, pages=PAGES_PER_STEP, progress=tell)
    # Where there can be a WAL there is one from now on; else whoever opens it next sees to it.
    with contextlib.suppress(sqlite3.OperationalError):
        for statement in ("pragma locking_mode = normal", "pragma journal_mode = wal"):
            db.conn.execute(statement)


@contextlib.contextmanager
def _reading(source: Path) -> Iterator[tuple[sqlite3.Connection, int]]:
    with contextlib.closing(connect(source, readonly=True)) as db:
        db.conn.execute("BEGIN")
        yield db.conn, _pragma(db, "page_count")


@contextlib.contextmanager
def _fitting(database: Path, page_size: int, archive: Path) -> Iterator[Path]:
    """``database``, or a copy of it with pages of the size that the archive's have: a file with
    a WAL cannot have others any more."""
    with contextlib.ExitStack() as stack:
        with contextlib.closing(connect(database, readonly=True)) as db:
            if _pragma(db, "page_size") != page_size:
                with no_space(archive):
                    remove_abandoned(archive.parent)
                    target = stack.enter_context(temporary_file(archive.parent))
                db.execute(f"pragma page_size = {page_size}")
                db.execute("vacuum into ?", [str(target)])
                database = target
        yield database


def _opened(path: Path) -> tuple[sqlite_utils.Database, bool]:
    """The archive, and whether it is so damaged that only all of it can be written over."""
    try:
        return connect(path), False
    except DamagedArchive:
        return connect_damaged(path), True


def _remove(kept: Path | None) -> None:
    if kept is not None:
        remove_aside(kept)
        with contextlib.suppress(OSError):
            manifest_path(kept).unlink()


def _data_version(db: sqlite_utils.Database) -> int:
    """A number that changes when another connection commits."""
    return int(_pragma(db, "data_version"))


def _pragma(db: sqlite_utils.Database, name: str) -> Any:
    return db.execute(f"pragma {name}").fetchone()[0]
