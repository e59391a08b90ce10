"""The health of an archive: what is checked, and what to do about what is found."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from .. import paths
from ..dates import utc_now
from ..errors import GlinError, ReadOnlyArchive, ReplicationError
from ..models import Check, HealthReport, Status
from .backups.files import backup_time, newest_backup
from .backups.manifest import newest_intact
from .connection import connect, database_path, timed
from .counts import counts_agree, has_counts, missing_count_triggers, totals_agree
from .parts import count_due
from .replica import judge_replica, replica_status
from .schema import (
    has_fts5,
    has_search_triggers,
    lacking,
    newest_version,
    pending,
    refuse_foreign,
    search_agrees,
    version,
)

_SEVERITY: dict[Status, int] = {"ok": 0, "warn": 1, "fail": 2}

#: A backup older than this is worth a warning, in days.
_OLD_BACKUP_DAYS = 7
#: Below this the disk is nearly full, in bytes.
_LITTLE_SPACE = 256 * 1024 * 1024
#: A WAL that grew beyond this was not written back for long, in bytes.
_LARGE_WAL = 512 * 1024 * 1024

_COUNTED = ("conversations", "messages", "message_refs", "tags", "import_files")

#: Where what people and tools said is.
_TEXT = (
    "conversations", "messages", "message_refs", "tags", "import_files", "deleted_conversations",
    "message_attachments",
)  # fmt: skip

#: What to do about what can be made again.
_REPAIR = "run 'glin-datasette check --repair'"

#: What a check found: its status, and a sentence.
_Finding = tuple[Status, str]


def check_file(path: str | os.PathLike[str], *, deep: bool = False) -> HealthReport:
    """Check the archive at ``path``, whatever state it is in, without changing it.

    A file that cannot be opened at all is a report too, with status ``fail``.

    :raises NotFound: if there is no such file
    """
    file = Path(path)
    try:
        db = connect(file, readonly=True)
    except GlinError as ex:
        if not file.exists():
            raise
        return _report(None, file, [Check(name="open", status="fail", detail=str(ex), ms=0.0)], 0)
    with contextlib.closing(db):
        return check(db, deep=deep)


def check(db: sqlite_utils.Database, *, deep: bool = False) -> HealthReport:
    """Check an open archive. Never raises for what is wrong with it: that is its report.

    The quick form reads no message; ``deep`` reads everything: full integrity, foreign
    keys, and the search index and the counts against the messages.
    """
    path = database_path(db)
    checks: list[tuple[str, Callable[[], _Finding]]] = [
        ("archive", lambda: _archive(db, path)),
        ("schema", lambda: _schema(db, deep)),
        ("integrity", lambda: _integrity(db, deep)),
        ("search", lambda: _search(db, deep)),
    ]
    checks.append(("counts", lambda: _counts(db, deep)))
    checks.append(("foreign keys", lambda: _foreign_keys(db, deep)))
    if deep:
        checks.append(("text", lambda: _text(db)))
        checks.append(("attachments", lambda: _attachments(db)))
    checks.append(("imports", lambda: _imports(db)))
    if path is not None:
        checks += [
            ("file modes", lambda: _modes(path)),
            ("disk", lambda: _disk(path)),
            ("backup", lambda: _backup(path)),
        ]
        if paths.replica_state(path).exists():
            checks.append(("replication", lambda: _replication(path)))
    started = time.perf_counter()
    with timed("check") as facts:
        done = [_run(name, run) for name, run in checks]
        facts["rows"] = len(done)
        return _report(db, path, done, (time.perf_counter() - started) * 1000)


def _run(name: str, run: Callable[[], _Finding]) -> Check:
    started = time.perf_counter()
    try:
        status, detail = run()
    except Exception as ex:
        # Whatever a damaged file makes of the code that reads it is a finding.
        status, detail = "fail", " ".join(f"could not be checked: {ex}".split())
    return Check(
        name=name,
        status=status,
        detail=detail,
        ms=round((time.perf_counter() - started) * 1000, 2),
    )


def _report(
    db: sqlite_utils.Database | None, path: Path | None, checks: list[Check], ms: float
) -> HealthReport:
    schema: int | None = None
    counts: dict[str, int] = {}
    if db is not None:
        with contextlib.suppress(GlinError, sqlite3.Error):
            schema = version(db)
            counts = {name: db.table(name).count for name in _COUNTED if schema}
    newest = newest_intact(path) if path else None
    replication = None
    if path is not None:
        with contextlib.suppress(GlinError):
            replication = replica_status(path)
    return HealthReport(
        status=max((c.status for c in checks), key=_SEVERITY.__getitem__),
        path=str(path) if path else ":memory:",
        schema_version=schema,
        sqlite_version=sqlite3.sqlite_version,
        checks=tuple(checks),
        counts=counts,
        sizes=_sizes(db, path),
        last_backup_age=_age(backup_time(newest)) if newest else None,
        last_import_age=_import_age(db) if counts else None,
        checked_at=utc_now(),
        ms=round(ms, 2),
        replication=replication,
    )


def _age(when: datetime) -> float:
    return max(0.0, round((datetime.now(UTC) - when).total_seconds(), 1))


def _import_age(db: sqlite_utils.Database | None) -> float | None:
    if db is not None:
        with contextlib.suppress(sqlite3.Error, ValueError, TypeError):
            newest = db.execute("select max(imported_at) from import_files").fetchone()[0]
            return _age(datetime.fromisoformat(newest)) if newest else None
    return None


def _sizes(db: sqlite_utils.Database | None, path: Path | None) -> dict[str, int]:
    sizes = {}
    if path is not None:
        wal = path.with_name(path.name + "-wal")
        sizes["database"] = path.stat().st_size if path.exists() else 0
        sizes["wal"] = wal.stat().st_size if wal.exists() else 0
        sizes["disk_free"] = shutil.disk_usage(path.parent).free
    if db is not None:
        with contextlib.suppress(sqlite3.Error):
            pages = db.execute("pragma freelist_count").fetchone()[0]
            sizes["free"] = pages * db.execute("pragma page_size").fetchone()[0]
    return sizes


def _archive(db: sqlite_utils.Database, path: Path | None) -> _Finding:
    refuse_foreign(db, path)
    if version(db) == 0:
        return "fail", "holds no archive; make one with 'glin-datasette init'"
    return "ok", "an archive of glin"


def _schema(db: sqlite_utils.Database, deep: bool) -> _Finding:
    lacks = lacking(db) if deep else []
    if lacks:
        names = ", ".join(f"{each.kind} {each.name}" for each in lacks[:5])
        # Without an index all is there, only slower.
        lost = any(each.kind in ("table", "column") for each in lacks)
        return "fail" if lost else "warn", f"missing or not as they should be: {names}; {_REPAIR}"
    todo = pending(db)
    if todo:
        return "warn", f"{len(todo)} schema steps pending; run 'glin-datasette migrate'"
    return "ok", f"version {version(db)} of {newest_version()}"


def _integrity(db: sqlite_utils.Database, deep: bool) -> _Finding:
    if not deep:
        # Reading every page takes seconds on a large archive; that is for the deep form.
        db.execute("select count(*) from sqlite_master").fetchone()
        for table in _COUNTED:
            # Not max(rowid): an index may answer that while the table is lost.
            db.execute(f"select 1 from {table} not indexed order by rowid desc limit 1").fetchone()
        return "ok", "tables can be read; 'glin-datasette check --deep' reads everything"
    found = [row[0] for row in db.execute("pragma integrity_check(5)")]
    if found != ["ok"]:
        first = " ".join(str(found[0]).split())
        return "fail", (
            f"{first}; {_REPAIR}, restore a backup with 'glin-datasette restore', "
            "or salvage what can be read with 'glin-datasette recover'"
        )
    return "ok", "every page was read and is sound"


def _search(db: sqlite_utils.Database, deep: bool) -> _Finding:
    if not has_fts5(db):
        return "warn", "this SQLite has no FTS5: search reads every message and does not rank"
    if "messages_fts" not in db.table_names() or not has_search_triggers(db):
        return "warn", f"the search index is missing, or its triggers; {_REPAIR}"
    if due := count_due(db):
        return "warn", (
            f"{due} messages that something else wrote are not fully indexed; "
            "any command that writes completes them"
        )
    if not deep:
        db.execute("select rowid from messages_fts where messages_fts match 'a' limit 1").fetchone()
        return "ok", "the search index answers"
    try:
        agrees = _compare_index(db)
    except ReadOnlyArchive:
        return "ok", "the search index answers; comparing it needs a file that can be written"
    if not agrees:
        return "fail", f"the search index disagrees with the messages; {_REPAIR}"
    return "ok", "the search index agrees with every message"


def _compare_index(db: sqlite_utils.Database) -> bool:
    """On a connection of its own if it is a file, since this one may only read."""
    path = database_path(db)
    if path is None:
        return search_agrees(db)
    if not os.access(path, os.W_OK):
        raise ReadOnlyArchive(str(path))
    with contextlib.closing(connect(path, wal=False)) as writable:
        writable.conn.execute("BEGIN")
        try:
            return search_agrees(writable)
        finally:
            writable.conn.execute("ROLLBACK")


def _counts(db: sqlite_utils.Database, deep: bool) -> _Finding:
    if not has_counts(db):
        return "ok", "none yet"
    if missing := missing_count_triggers(db):
        return "warn", f"nothing keeps the counts right, {', '.join(missing)} is missing; {_REPAIR}"
    if not (counts_agree if deep else totals_agree)(db):
        return "fail", f"the counts of activity and usage disagree with the messages; {_REPAIR}"
    if not deep:
        return "ok", "the counts add up to the number of messages"
    return "ok", "every count is what counting the messages gives"


#: From conversation to conversation along the index, without a look at each message.
_ORPHANED = """
with recursive used(id, n) as (
  select min(conversation_id), 1 from messages
  union all
  select (select min(conversation_id) from messages where conversation_id > used.id), n + 1
    from used where used.id is not null and n < 20000
)
select count(*) from used where id is not null and id not in (select id from conversations)
"""


def _foreign_keys(db: sqlite_utils.Database, deep: bool) -> _Finding:
    if not deep:
        lost = db.execute(_ORPHANED).fetchone()[0]
        if lost:
            return "fail", f"the messages of {lost} conversations that are missing; {_REPAIR}"
        return "ok", "messages have their conversations"
    lost = db.execute("select count(*) from pragma_foreign_key_check").fetchone()[0]
    if lost:
        return "fail", f"{lost} rows whose parents are missing; {_REPAIR}"
    return "ok", "every row points somewhere"


def _text(db: sqlite_utils.Database) -> _Finding:
    """SQLite takes any bytes for text, and gives them to whoever asks, who then cannot read
    them. Of zeros a page is full that was lost, and no message is written with one."""
    wrong: list[str] = []
    for table in _TEXT:
        if table not in db.table_names():
            continue
        names = [c.name for c in db.table(table).columns if c.type == "TEXT"]
        bytes_of = ", ".join(
            f"case typeof({name}) when 'text' then cast({name} as blob) end"
            for name in (f'"{name}"' for name in names)
        )
        for row in db.execute(f"select {bytes_of} from {table}"):
            wrong += [
                f"{table}.{name}"
                for name, value in zip(names, row, strict=True)
                if value is not None
                and not (_is_text(value) and (name != "content" or b"\0" not in value))
            ]
    if wrong:
        where = ", ".join(sorted(set(wrong)))
        return "fail", (
            f"{len(wrong)} values hold bytes that are no text ({where}); restore a backup with "
            "'glin-datasette restore', or cut them off with 'glin-datasette recover'"
        )
    return "ok", "all text can be read"


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _attachments(db: sqlite_utils.Database) -> _Finding:
    if "attachments" not in db.table_names():
        return "ok", "none yet"
    wrong = 0
    for sha256, data in db.execute("select sha256, data from attachments"):
        held = data if isinstance(data, bytes) else str(data).encode()
        wrong += hashlib.sha256(held).hexdigest() != sha256
    if wrong:
        return "fail", (
            f"{wrong} attachments are not what they were; "
            "restore a backup with 'glin-datasette restore'"
        )
    return "ok", "every attachment has its digest"


def _imports(db: sqlite_utils.Database) -> _Finding:
    skipped, files = db.execute(
        "select coalesce(sum(skipped), 0), count(*) from import_files where skipped > 0"
    ).fetchone()
    if skipped:
        return "ok", f"{skipped} records of {files} files could not be used when imported"
    return "ok", "every record of every file was used"


def _modes(path: Path) -> _Finding:
    if os.name == "nt":
        return "ok", "file modes are not used on Windows"
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return "warn", f"other users may open the archive (mode {mode:04o}); chmod 600 it"
    return "ok", "only the owner may open the archive"


def _disk(path: Path) -> _Finding:
    free = shutil.disk_usage(path.parent).free
    if free < _LITTLE_SPACE:
        return "warn", f"{free // 2**20} MB free on the disk of the archive"
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > _LARGE_WAL:
        return "warn", (
            f"the WAL is {wal.stat().st_size // 2**20} MB: some reader never closes, "
            f"or a process was killed; {_REPAIR}"
        )
    return "ok", f"{free // 2**30} GB free"


def _backup(path: Path) -> _Finding:
    last, newest = newest_backup(path), newest_intact(path)
    if last != newest and last is not None:
        return "warn", (
            f"the newest backup, {last.name}, is not as it was made; run 'glin-datasette backup'"
        )
    if newest is None:
        return "warn", "no backup yet; make one with 'glin-datasette backup'"
    days = (datetime.now(UTC) - backup_time(newest)).days
    if days >= _OLD_BACKUP_DAYS:
        return "warn", f"the newest backup is {days} days old; run 'glin-datasette backup'"
    return "ok", f"the newest backup is {newest.name}"


def _replication(path: Path) -> _Finding:
    try:
        status = replica_status(path)
    except ReplicationError as ex:
        # The archive is as good as it was: this is no reason not to serve it.
        return "warn", str(ex)
    return judge_replica(status) if status else ("ok", "the archive is not replicated")
