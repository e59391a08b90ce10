"""Opening: made, migrated, refused; file modes; two processes at once."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette import paths
from glin_datasette.errors import (
    ArchiveBusy,
    ArchiveError,
    MigrationError,
    NewerArchive,
    NotAnArchive,
    NotFound,
    ReadOnlyArchive,
)
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation
from glin_datasette.storage import (
    backup_db,
    check_file,
    connection,
    get_db,
    init_db,
    insert_conversation,
    list_backups,
    migrate_db,
    newest_version,
    pending,
    schema,
    tag_conversation,
    verify_backup,
    version,
)


def test_first_use_makes_a_private_archive_in_the_default_place(data_dir: Path) -> None:
    with get_db() as db:
        assert version(db) == newest_version() == 4
        assert pending(db) == []
        assert db.execute("pragma journal_mode").fetchone()[0] == "wal"
        assert db.execute("pragma foreign_keys").fetchone()[0] == 1
        insert_conversation(db, Conversation(source="t", source_id="1"))
        files = sorted(data_dir.iterdir())
        assert [f.name for f in files] == ["glin.db", "glin.db-shm", "glin.db-wal"]
        if os.name != "nt":
            assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
            assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_the_place_falls_back_to_the_platforms_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GLIN_DATA_DIR")
    assert paths.default_db().name == "glin.db"
    assert "glin" in paths.default_db().parent.name


def test_sqlite_utils_alone_builds_the_same_schema(
    archive_path: Path, db: sqlite_utils.Database, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "migrate", other, paths.migrations_dir()],
        check=True,
        capture_output=True,
    )
    with sqlite_utils.Database(other) as migrated:
        assert migrated.schema == db.schema
    with get_db(other) as opened:
        assert version(opened) == newest_version()


def test_init_works_on_a_database_in_memory() -> None:
    db = sqlite_utils.Database(memory=True)
    assert init_db(db) is db
    assert version(db) == newest_version()
    insert_conversation(db, Conversation(source="t", source_id="1"))
    db.close()


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"this is no database at all", NotAnArchive), (b"SQLite format 3\x00garbage", ArchiveError)],
)
def test_another_file_is_refused_and_untouched(
    tmp_path: Path, content: bytes, error: type[Exception]
) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(content)
    with pytest.raises(error, match=r"x\.db"):
        get_db(file)
    assert file.read_bytes() == content


def test_somebody_elses_database_is_refused_and_untouched(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with sqlite_utils.Database(file) as other:
        other.table("songs").insert({"id": 1})
    before = file.read_bytes()
    with pytest.raises(NotAnArchive, match="songs"):
        get_db(file)
    with pytest.raises(NotAnArchive, match="songs"):
        get_db(file, readonly=True)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_newer_archive_is_refused_and_untouched(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with get_db(file) as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "glin", "name": "0999_future", "applied_at": "2030"}
        )
        db.execute("pragma journal_mode = delete")
    before = file.read_bytes()
    with pytest.raises(NewerArchive, match="0999_future"):
        get_db(file)
    assert file.read_bytes() == before


def test_readonly_needs_an_archive_and_cannot_write(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        get_db(tmp_path / "none.db", readonly=True)
    assert list(tmp_path.iterdir()) == []
    get_db(tmp_path / "a.db").close()
    with get_db(tmp_path / "a.db", readonly=True) as db, pytest.raises(ReadOnlyArchive):
        insert_conversation(db, Conversation(source="t", source_id="1"))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArchiveError, match="GLIN_DATA_DIR"):
        get_db(tmp_path / "file" / "glin.db")


def test_a_failing_step_rolls_back_whole_and_names_the_backup(
    archive_path: Path, db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    insert_conversation(db, Conversation(source="t", source_id="kept"))
    monkeypatch.setattr(paths, "migrations_dir", lambda: _with_step(tmp_path, "1 / 0"))
    schema.shipped.cache_clear()
    try:
        before = db.schema
        with pytest.raises(MigrationError, match=r"division by zero.*backup") as caught:
            migrate_db(db)
        assert db.schema == before
        assert version(db) == newest_version() - 1
        (backup,) = list_backups(archive_path)
        assert backup.path in str(caught.value)
        assert verify_backup(backup.path).conversations == 1
    finally:
        schema.shipped.cache_clear()


def test_an_older_archive_is_backed_up_then_migrated(
    archive_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with get_db(archive_path) as db:
        insert_conversation(db, Conversation(source="t", source_id="kept"))
    monkeypatch.setattr(
        paths, "migrations_dir", lambda: _with_step(tmp_path, "db.execute('create table x(y)')")
    )
    schema.shipped.cache_clear()
    try:
        told: list[Path] = []
        with sqlite_utils.Database(archive_path) as db:
            report = migrate_db(db, on_backup=told.append)
            assert (report.applied, report.version) == (("0005_next",), 5)
            assert [str(path) for path in told] == [report.backup]
            assert migrate_db(db).applied == ()
        assert len(list_backups(archive_path)) == 1
        monkeypatch.undo()
        schema.shipped.cache_clear()
        with pytest.raises(NewerArchive):
            get_db(archive_path)
    finally:
        schema.shipped.cache_clear()


def _with_step(tmp_path: Path, body: str) -> Path:
    """The real migrations with one more step."""
    real = (Path(__file__).parents[2] / "migrations/migrations.py", paths._shipped("migrations"))
    source = next(p for p in (real[1] / "migrations.py", real[0]) if p.exists()).read_text("utf-8")
    folder = tmp_path / "migrations"
    folder.mkdir(exist_ok=True)
    step = f'\n\n@migrations(name="0005_next")\ndef following(db):\n    {body}\n'
    (folder / "migrations.py").write_text(source + step, "utf-8")
    return folder


def test_many_processes_make_one_archive(tmp_path: Path) -> None:
    code = (
        "import sys; from glin_datasette.storage import get_db, insert_conversation;"
        "from glin_datasette.models import Conversation;"
        "db = get_db(sys.argv[1]);"
        "insert_conversation(db, Conversation(source='t', source_id=sys.argv[2])); db.close()"
    )
    file = tmp_path / "new" / "glin.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file), str(n)], stderr=subprocess.PIPE, text=True
        )
        for n in range(6)
    ]
    errors = [process.communicate()[1] for process in running]
    assert [process.returncode for process in running] == [0] * 6, errors
    with get_db(file) as db:
        assert db.table("conversations").count == 6
        assert db.table("_sqlite_migrations").count == newest_version()


def test_a_held_lock_is_one_clear_error(
    archive_path: Path, db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 1)
    db.execute("begin immediate")
    with (
        connection.connect(archive_path) as other,
        pytest.raises(ArchiveBusy, match="another process"),
    ):
        insert_conversation(other, Conversation(source="t", source_id="1"))
    db.execute("rollback")


def test_a_read_only_folder_can_still_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "ro"
    with get_db(folder / "glin.db") as db:
        insert_conversation(db, Conversation(source="t", source_id="1"))
    assert [f.name for f in folder.iterdir()] == ["glin.db"]
    (folder / "glin.db").chmod(0o400)
    folder.chmod(0o500)
    try:
        with get_db(folder / "glin.db", readonly=True) as db:
            assert db.table("conversations").count == 1
    finally:
        folder.chmod(0o700)


def test_operations_are_logged_with_time_and_rows(
    db: sqlite_utils.Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "glin_datasette.storage")
    insert_conversation(db, Conversation(source="t", source_id="1"))
    (record,) = [r for r in caplog.records if "insert_conversation" in r.getMessage()]
    assert "ms rows=1" in record.getMessage()


def test_a_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    file = tmp_path / "glin.db"
    with get_db(file) as db:
        db.execute("pragma journal_mode = delete")
    data = bytearray(file.read_bytes())
    data[100:4096] = b"\xff" * 3996
    file.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"glin\.db.*(damaged|malformed)"):
        get_db(file)


def test_transactions_roll_back_as_one(db: sqlite_utils.Database) -> None:
    with pytest.raises(RuntimeError), connection.transaction(db):
        insert_conversation(db, Conversation(source="t", source_id="1"))
        raise RuntimeError
    assert db.table("conversations").count == 0
    assert isinstance(db.conn, sqlite3.Connection)
    assert not db.conn.in_transaction


@pytest.mark.skipif(os.name == "nt", reason="of POSIX, whose locks go when a file is closed")
@pytest.mark.parametrize(
    "again",
    [
        lambda path, db: get_db(path).close(),
        lambda path, db: get_db(path, readonly=True).close(),
        lambda path, db: check_file(path, deep=True),
        lambda path, db: backup_db(db),
        lambda path, db: import_paths(db, [path.parent]),
        lambda path, db: import_paths(db, [path]),
    ],
    ids=["open", "read", "check", "backup", "import its folder", "import itself"],
)
def test_an_archive_that_is_opened_again_stays_locked(
    again: Callable[[Path, sqlite_utils.Database], object],
    db: sqlite_utils.Database,
    archive_path: Path,
) -> None:
    insert_conversation(db, Conversation(source="t", source_id="1"))
    again(archive_path, db)
    # Another process that took itself for the last one would remove the WAL under this one.
    subprocess.run(
        [sys.executable, "-m", "glin_datasette", "--db", archive_path, "tag", "add", "x", "1"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert archive_path.with_name("glin.db-wal").exists()
    tag_conversation(db, 1, "y")
    assert [name for (name,) in db.execute("select name from tags")] == ["x", "y"]


def test_an_archive_that_another_process_makes_meanwhile_is_no_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "glin.db"
    connection.create_file(path)
    look = schema._applied
    asked: list[Path] = []

    def slow(db: sqlite_utils.Database) -> set[str]:
        found = look(db)
        asked.append(path)
        if len(asked) == 1:
            get_db(path).close()
        return found

    monkeypatch.setattr(schema, "_applied", slow)
    with connection.connect(path) as db:
        schema.refuse_foreign(db, path)
        assert len(asked) > 1
        assert pending(db) == []
