"""Opening an archive: where its file is made, with which modes and pragmas, and how
SQLite's errors become :class:`~glin_datasette.errors.GlinError`."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import sqlite_utils

from .. import paths
from ..errors import (
    ArchiveBusy,
    ArchiveError,
    DamagedArchive,
    GlinError,
    NotAnArchive,
    NotFound,
    ReadOnlyArchive,
)

log = logging.getLogger("glin_datasette.storage")

#: How long a writer waits for another one, in milliseconds.
BUSY_TIMEOUT_MS = 15_000

#: What a connection holds of the file in memory, at the most: one that reads looks up what lies
#: anywhere in an index of a hundred megabytes, and one that writes has much else in memory.
_READING_KB, _WRITING_KB = 32 * 1024, 8 * 1024

_REPAIR = (
    "run 'glin-datasette check', and restore a backup with 'glin-datasette restore' or salvage "
    "what can be read with 'glin-datasette recover'"
)


#: Bytes.
_PAGE_SIZE = 8192


def connect(path: Path, *, readonly: bool = False, wal: bool = True) -> sqlite_utils.Database:
    """Open ``path`` with the archive's pragmas. Makes no file and no table. With ``wal``
    false one that may be written keeps the journal mode that it has, as a backup should.

    :raises NotFound: if there is no such file
    :raises NotAnArchive: if it is not an SQLite database
    """
    _check_there(path)
    with sqlite_errors(path):
        conn = sqlite3.connect(_uri(path, readonly), uri=True, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            db = sqlite_utils.Database(conn, execute_plugins=False)
            _check_header(db)
            db.execute("PRAGMA foreign_keys = ON")
            # The archive may be the only copy: what was committed survives a power cut.
            db.execute("PRAGMA synchronous = FULL")
            if not readonly:
                # Of a new file alone. Most messages are longer than a small page has room for
                # two of; this one leaves less of it empty, see docs/performance.md.
                db.execute(f"PRAGMA page_size = {_PAGE_SIZE}")
            db.execute(f"PRAGMA cache_size = -{_READING_KB if readonly else _WRITING_KB}")
            if wal and not readonly:
                _enable_wal(db)
        except BaseException:
            conn.close()
            raise
    return db


def connect_damaged(path: Path) -> sqlite_utils.Database:
    """Open ``path`` although its schema cannot be read or pages are missing, to write over all
    of it. Nothing that is read through it can be relied on.

    :raises NotAnArchive: if not even its header is that of an SQLite database
    """
    _check_there(path)
    with sqlite_errors(path):
        conn = sqlite3.connect(_uri(path, False), uri=True, timeout=BUSY_TIMEOUT_MS / 1000)
        try:
            db = sqlite_utils.Database(conn, execute_plugins=False)
            # SQLite then goes on where it finds the schema or the number of pages wrong.
            db.execute("PRAGMA writable_schema = ON")
            _check_header(db)
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            conn.close()
            raise
    return db


def create_file(path: Path) -> None:
    """Make an empty file that only its owner can read, in a folder of the same kind.

    Leaves an existing file as it is.

    :raises ArchiveError: if the folder cannot be made or written
    """
    _refuse_unnameable(path)
    try:
        folder = path.parent
        if not folder.exists():
            folder.mkdir(parents=True, mode=0o700)
        if not path.exists():  # One that is there must not be opened; see _check_there.
            with contextlib.suppress(FileExistsError):
                flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
                os.close(os.open(path.resolve(), flags, 0o600))
    except OSError as ex:
        raise ArchiveError(
            f"{path}: cannot make the archive there: {ex.strerror or ex}. "
            "Choose another place with --db or GLIN_DATA_DIR"
        ) from None


def database_path(db: sqlite_utils.Database) -> Path | None:
    """The file behind ``db``; ``None`` for a database in memory."""
    for _, name, file in db.execute("PRAGMA database_list"):
        if name == "main":
            return Path(file) if file else None
    return None


@contextlib.contextmanager
def transaction(db: sqlite_utils.Database) -> Iterator[sqlite_utils.Database]:
    """Run a block as one transaction that holds the write lock from its beginning.

    A deferred transaction that turns into a writer fails at once when another process
    wrote in between; this one waits its turn. Inside a running transaction it is a
    savepoint of that.
    """
    with sqlite_errors(database_path(db)):
        if db.conn.in_transaction:
            with db.atomic():
                yield db
            return
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            yield db
            db.conn.execute("COMMIT")
        except BaseException:
            if db.conn.in_transaction:
                db.conn.execute("ROLLBACK")
            raise


@contextlib.contextmanager
def one_moment(db: sqlite_utils.Database) -> Iterator[None]:
    """Let everything that a block reads be of one moment, whatever others write meanwhile."""
    if db.conn.in_transaction:
        yield
        return
    db.conn.execute("BEGIN")
    try:
        yield
    finally:
        db.conn.execute("ROLLBACK")


@contextlib.contextmanager
def timed(operation: str) -> Iterator[dict[str, object]]:
    """Log at debug level how long ``operation`` took, with what the block adds to the
    dict: ``rows`` and whatever else helps."""
    facts: dict[str, object] = {}
    started = time.perf_counter()
    try:
        yield facts
    finally:
        if log.isEnabledFor(logging.DEBUG):
            ms = (time.perf_counter() - started) * 1000
            told = "".join(f" {name}={value}" for name, value in facts.items())
            log.debug("%s: %.1f ms%s", operation, ms, told)


@contextlib.contextmanager
def sqlite_errors(path: Path | None) -> Iterator[None]:
    """Turn what SQLite raises about the file at ``path`` into a GlinError that says what
    to do."""
    where = str(path) if path else "the database in memory"
    try:
        yield
    except sqlite3.Error as ex:
        raise _translate(ex, where) from ex
    except UnicodeDecodeError as ex:
        # Of names in a damaged schema, which the module decodes by itself.
        raise DamagedArchive(f"{where}: the file is damaged ({ex}); {_REPAIR}") from ex


def _translate(ex: sqlite3.Error, where: str) -> GlinError:
    # It may quote what is in the file.
    text = " ".join(str(ex).split())
    low = text.lower()
    if "locked" in low or "busy" in low:
        return ArchiveBusy(f"{where}: another process is writing to it; try again later")
    if "readonly" in low or "read-only" in low:
        return ReadOnlyArchive(f"{where}: it can only be read; check its file mode and folder")
    if "not a database" in low:
        return NotAnArchive(f"{where}: not an SQLite database; choose another file with --db")
    if "malformed" in low or "could not decode" in low:
        return DamagedArchive(f"{where}: the file is damaged ({text}); {_REPAIR}")
    if "disk is full" in low or "disk i/o" in low:
        return ArchiveError(f"{where}: {text}; free some space and run the command again")
    if "unable to open" in low:
        return ArchiveError(f"{where}: cannot be opened; check that its folder can be written")
    return ArchiveError(f"{where}: {text}")


# Neither of these opens the file itself, here or anywhere that a connection may be open: when a
# process closes a file, the system drops all locks that SQLite has on it in that process
# (https://sqlite.org/howtocorrupt.html, 2.2). Another process then takes itself for the last
# one, and removes the WAL that is still in use.


def no_archive(path: Path) -> str:
    """What to say where an archive should be and is not."""
    return (
        f"{path}: no archive there; make one with 'glin-datasette init', or name another with --db"
    )


def _check_there(path: Path) -> None:
    _refuse_unnameable(path)
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise NotFound(no_archive(path)) from None
    except OSError as ex:
        raise ArchiveError(f"{path}: cannot be read: {ex.strerror or ex}") from None
    why = errno.EISDIR if stat.S_ISDIR(mode) else errno.EACCES
    if stat.S_ISDIR(mode) or not os.access(path, os.R_OK):
        raise ArchiveError(f"{path}: cannot be read: {os.strerror(why)}")
    if not stat.S_ISREG(mode):  # A pipe would be waited for.
        raise ArchiveError(f"{path}: cannot be read: it is no file")


def _refuse_unnameable(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ArchiveError(
            f"{path}: SQLite takes no names that are not UTF-8; choose another with --db or "
            "GLIN_DATA_DIR"
        ) from None


def _check_header(db: sqlite_utils.Database) -> None:
    try:
        db.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as ex:
        # What else may be wrong is for whoever reads it.
        if "not a database" in str(ex):
            raise


def _uri(path: Path, readonly: bool) -> str:
    quoted = quote(str(path.absolute()), safe="/:\\")
    if not readonly:
        return f"file:{quoted}?mode=rw"
    # A WAL database in a folder that cannot be written has no place for its -shm file.
    # With nothing in the WAL the file is complete, and immutable needs no -shm.
    wal = path.with_name(path.name + "-wal")
    if not os.access(path.parent, os.W_OK) and not (wal.exists() and wal.stat().st_size):
        return f"file:{quoted}?immutable=1"
    return f"file:{quoted}?mode=ro"


def _enable_wal(db: sqlite_utils.Database) -> None:
    # Changing the mode ignores the busy timeout when another process does the same thing
    # at the same moment, as on a first use by two commands at once.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as ex:
            if "locked" not in str(ex) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def resolve(path: str | os.PathLike[str] | None) -> Path:
    """``path``, or the default place of the archive."""
    return paths.archive_file(path) if path is not None else paths.default_db()
