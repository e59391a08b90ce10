"""Every released schema reaches the newest with its data, whatever happens on the way."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import schemas
import sqlite_utils
from click.testing import CliRunner, Result
from unprivileged import run_unprivileged
from without_fts5 import ConnectionWithoutFts5

from glin_datasette import paths
from glin_datasette.cli import main
from glin_datasette.errors import ArchiveBusy, DamagedArchive, MigrationError
from glin_datasette.search import search
from glin_datasette.storage import (
    archive,
    check,
    check_file,
    connection,
    get_db,
    init_db,
    list_backups,
    migrate_db,
    newest_version,
    restore_db,
    schema,
    verify_backup,
    version,
)

VERSIONS = schemas.versions()
OLDER = VERSIONS[:-1]

#: The fixtures as they were committed. A released one never changes; a new step gets its own
#: with ``python tests/schemas.py``.
KEPT = {
    1: "ed9f68305e27870c90b151c8acc97c336470f3f8a06682a63c771f75cebbf670",
    2: "d530c5dc459b216dd0aedd51d0314ed7ee7bd7a15706293a4c2462246c4648b4",
    3: "d21d7c8f8b6dcb69a74312726f475c1af63cfc7af460a4f7eeef8314388fee34",
    4: "4a8f97c2f3ea44736107ee68daa6cd83884c4aeb1a5029ccc67dde1966f12b4f",
}

GLIN = [sys.executable, "-m", "glin_datasette"]


def test_every_version_has_its_fixture_which_never_changes() -> None:
    found = {
        version: hashlib.sha256(schemas.fixture(version).read_bytes()).hexdigest()
        for version in VERSIONS
    }
    assert found == KEPT
    assert list(range(1, newest_version() + 1)) == VERSIONS


@pytest.mark.parametrize("number", VERSIONS)
def test_released_steps_still_make_what_they_made(number: int, tmp_path: Path) -> None:
    with (
        closing(schemas.build(number)) as now,
        sqlite_utils.Database(schemas.make(tmp_path / "then.db", number)) as then,
    ):
        assert schemas.shape(then) == schemas.shape(now)
        assert schemas.rows(then) == schemas.rows(now)


@pytest.mark.parametrize("number", VERSIONS)
def test_no_table_of_a_fixture_is_empty(number: int, tmp_path: Path) -> None:
    with sqlite_utils.Database(schemas.make(tmp_path / "glin.db", number)) as db:
        assert [table for table, rows in schemas.rows(db).items() if not rows] == []
        assert version(db) == number


@pytest.mark.parametrize("number", VERSIONS)
def test_each_step_is_known_by_what_it_made(number: int, tmp_path: Path) -> None:
    with sqlite_utils.Database(schemas.make(tmp_path / "glin.db", number)) as db:
        columns = {
            (table, column.name) for table in db.table_names() for column in db.table(table).columns
        }
    made = {step for step, column in schema.MADE_BY_STEP.items() if column in columns}
    assert made == {step.name for step in schema.steps()._migrations[:number]}


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "made without FTS5"])
@pytest.mark.parametrize("number", VERSIONS)
def test_a_released_schema_upgrades_with_everything(
    number: int, indexed: bool, tmp_path: Path, db: sqlite_utils.Database
) -> None:
    path = schemas.make(tmp_path / "old.db", number, search=indexed)
    with sqlite_utils.Database(path) as old:
        before = schemas.rows(old)
    with get_db(path) as upgraded:
        assert_all_is_there(before, upgraded)
        assert schemas.shape(upgraded) == schemas.shape(db)
        assert_found(upgraded)
        report = check(upgraded, deep=True)
        assert {c.status for c in report.checks if c.name not in ("backup", "file modes")} == {"ok"}
    backups = list_backups(path)
    assert [each.schema_version for each in backups] == [number] * (number < newest_version())


@pytest.mark.parametrize("number", OLDER)
def test_a_backup_of_an_older_schema_is_restored_as_the_newest(number: int, tmp_path: Path) -> None:
    kept = schemas.make(tmp_path / "kept.db", number)
    with sqlite_utils.Database(kept) as old:
        before = schemas.rows(old)
    bytes_before = kept.read_bytes()
    archive = tmp_path / "archive" / "glin.db"
    archive.parent.mkdir()
    with get_db(archive) as db:
        report = restore_db(archive, kept)
        assert report.schema_version == newest_version()
        # The connection that was open all the time sees the newest schema.
        assert_all_is_there(before, db)
        assert_found(db)
    assert kept.read_bytes() == bytes_before
    checks = {c.name: c.status for c in check_file(archive, deep=True).checks}
    assert {checks[name] for name in checks if name != "backup"} == {"ok"}
    names = {path.name for path in archive.parent.iterdir()}
    assert names <= {"glin.db", "glin.db-wal", "glin.db-shm", "glin-backups"}


def assert_all_is_there(
    before: dict[str, list[dict[str, object]]], upgraded: sqlite_utils.Database
) -> None:
    after = schemas.rows(upgraded)
    steps = after.pop("_sqlite_migrations")
    assert [row["name"] for row in steps] == list(schema.MADE_BY_STEP)
    assert version(upgraded) == newest_version()
    kept = before.pop("_sqlite_migrations")
    assert steps[: len(kept)] == kept
    for table, rows in before.items():
        names = set(rows[0]) - {"parts"}
        assert [{n: row[n] for n in row if n in names} for row in after[table]] == [
            {n: row[n] for n in names} for row in rows
        ]
    assert all(row["parts"] is not None for row in after["messages"])
    assert after["messages"][0]["parts"] == "get user name"


def assert_found(db: sqlite_utils.Database) -> None:
    for words, expected in (("build", set()), ("name", {1}), ("cafe", {4}), ("慢", {12})):
        hits = search(db, words).hits
        assert {hit.message_id for hit in hits} == expected, words


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "made without FTS5"])
@pytest.mark.parametrize("number", VERSIONS)
def test_an_upgrade_without_fts5_and_then_with_it(
    number: int, indexed: bool, tmp_path: Path, db: sqlite_utils.Database
) -> None:
    path = schemas.make(tmp_path / "old.db", number, search=indexed)
    with sqlite_utils.Database(path) as old:
        before = schemas.rows(old)
    try:
        conn = ConnectionWithoutFts5(path)
    except OSError as ex:
        pytest.skip(str(ex))
    with sqlite_utils.Database(conn) as without:
        init_db(without)
        assert_all_is_there(dict(before), without)
        without.table("messages").insert(
            {"id": 20, "conversation_id": 1, "position": 9, "role": "user", "kind": "text",
             "content": "written without an index"}
        )  # fmt: skip
        without.table("messages").delete(20)
    with get_db(path) as upgraded:
        assert_all_is_there(before, upgraded)
        assert schemas.shape(upgraded) == schemas.shape(db)
        assert_found(upgraded)
        assert check(upgraded, deep=True).status != "fail"


@pytest.mark.parametrize("number", OLDER)
def test_sqlite_utils_alone_upgrades_and_the_next_command_completes(
    number: int, tmp_path: Path, db: sqlite_utils.Database
) -> None:
    path = schemas.make(tmp_path / "old.db", number)
    with sqlite_utils.Database(path) as old:
        before = schemas.rows(old)
    subprocess.run(
        [sys.executable, "-m", "sqlite_utils", "migrate", path, paths.migrations_dir()],
        check=True,
        capture_output=True,
    )
    with sqlite_utils.Database(path) as alone:
        assert version(alone) == newest_version()
        assert schemas.shape(alone) == schemas.shape(db)
    with get_db(path) as upgraded:
        assert_all_is_there(before, upgraded)
        assert_found(upgraded)
    assert list_backups(path) == []


def content(path: Path) -> str:
    """Everything in a database, read without writing."""
    with closing(sqlite3.connect(path)) as conn:
        return "\n".join(conn.iterdump())


@pytest.fixture
def next_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of migrations to write into: the real ones are there."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    real = paths.migrations_dir() / "migrations.py"
    (folder / "migrations.py").write_text(real.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(paths, "migrations_dir", lambda: folder)
    schema.shipped.cache_clear()
    yield folder
    schema.shipped.cache_clear()


def add_step(folder: Path, body: str) -> None:
    with (folder / "migrations.py").open("a", encoding="utf-8") as file:
        file.write(f'\n\n@migrations(name="{newest_version() + 1:04}_next")\n')
        file.write(f"def following(db):\n    {body}\n")
    schema.shipped.cache_clear()


@pytest.mark.parametrize("number", VERSIONS)
def test_a_step_that_fails_half_way_leaves_what_was_there(
    number: int, tmp_path: Path, next_step: Path
) -> None:
    path = schemas.make(tmp_path / "glin.db", number)
    before = content(path)
    add_step(
        next_step,
        'db.execute("delete from messages"); db.execute("create table half (a)");'
        ' db.execute("insert into nowhere values (1)")',
    )
    with pytest.raises(MigrationError, match="no such table: nowhere") as caught:
        get_db(path)
    assert content(path) == before
    assert "\n" not in str(caught.value)
    (backup,) = list_backups(path)
    assert str(caught.value).endswith(backup.path)
    assert verify_backup(backup.path).schema_version == number
    assert content(Path(backup.path)) == before


MIGRATE = """
import sys, time
from pathlib import Path
from glin_datasette import paths
paths.migrations_dir = lambda: Path(sys.argv[2])
from glin_datasette.storage import get_db, version
told = []
with get_db(sys.argv[1], on_backup=told.append) as db:
    print(version(db), len(told))
"""


def test_of_processes_that_open_an_old_archive_one_migrates_and_the_others_wait(
    tmp_path: Path,
) -> None:
    path = schemas.make(tmp_path / "glin.db", 1)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, path, paths.migrations_dir()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    newest = newest_version()
    assert sorted(out for out, _ in said) == [f"{newest} 0\n"] * 3 + [f"{newest} 1\n"]
    assert len(list_backups(path)) == 1
    with get_db(path) as db:
        assert db.table("_sqlite_migrations").count == newest
        assert check(db, deep=True).status != "fail"


def test_waiting_for_a_migration_outlasts_waiting_for_a_write(
    tmp_path: Path, next_step: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = schemas.make(tmp_path / "glin.db", 3)
    add_step(next_step, f'__import__("pathlib").Path({str(tmp_path)!r}, "at-it").touch();'
                        ' __import__("time").sleep(1.5)')  # fmt: skip
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 100)
    with subprocess.Popen([sys.executable, "-c", MIGRATE, path, next_step]) as other:
        wait_for(tmp_path / "at-it")
        with connection.connect(path) as db:
            assert migrate_db(db).applied == ()
            assert version(db) == newest_version()
    assert other.returncode == 0
    assert len(list_backups(path)) == 1


def test_a_migration_does_not_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = schemas.make(tmp_path / "glin.db", 1)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 1)
    monkeypatch.setattr(archive, "_PATIENCE", 3)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("begin immediate")
        with pytest.raises(ArchiveBusy, match="another process"):
            get_db(path)
    with sqlite_utils.Database(path) as db:
        assert version(db) == 1


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("late", [False, True], ids=["in the middle", "at its end"])
def test_a_process_killed_in_a_migration_leaves_the_old_version(
    late: bool, tmp_path: Path, next_step: Path
) -> None:
    path = schemas.make(tmp_path / "glin.db", 1)
    before = content(path)
    # Large enough that SQLite writes pages of it out before the transaction ends.
    write = (
        'db.execute("update messages set content = content || hex(zeroblob(3000000))");'
        if late
        else ""
    )
    add_step(
        next_step,
        f'{write} __import__("pathlib").Path({str(tmp_path)!r}, "at-it").touch();'
        ' __import__("time").sleep(60)',
    )
    with subprocess.Popen([sys.executable, "-c", MIGRATE, path, next_step]) as victim:
        wait_for(tmp_path / "at-it")
        victim.send_signal(signal.SIGKILL)
    assert content(path) == before
    assert {c.name: c.status for c in check_file(path, deep=True).checks}["integrity"] == "ok"
    (next_step / "migrations.py").write_text("")
    schema.shipped.cache_clear()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_process_killed_at_any_moment_leaves_the_old_version_or_the_new(tmp_path: Path) -> None:
    seen = set()
    for n in range(8):
        path = schemas.make(tmp_path / f"{n}.db", 1)
        with subprocess.Popen(
            [sys.executable, "-c", MIGRATE, path, paths.migrations_dir()],
            stdout=subprocess.DEVNULL,
        ) as victim:
            while not (tmp_path / f"{n}-backups").exists() and victim.poll() is None:
                time.sleep(0.001)
            time.sleep(n / 250)
            victim.send_signal(signal.SIGKILL)
        with sqlite_utils.Database(path) as db:
            seen.add(version(db))
            assert db.execute("pragma integrity_check").fetchone()[0] == "ok"
            with closing(schemas.build(version(db))) as whole:
                assert schemas.shape(db) == schemas.shape(whole)
        with get_db(path) as db:
            assert version(db) == newest_version()
            assert_found(db)
    assert seen <= {1, newest_version()}


#: Commands in one process; what each printed and exited with as JSON.
COMMANDS = """
import json, sys
from click.testing import CliRunner
from glin_datasette.cli import main
done = [CliRunner().invoke(main, ["--db", sys.argv[1], *args]) for args in json.loads(sys.argv[2])]
print(json.dumps([(each.exit_code, each.stderr, repr(each.exception)) for each in done]))
"""

READING = (["list"], ["search", "name"], ["show", "1"], ["stats"], ["export"], ["query", "--list"],
           ["check"], ["migrate", "--list"], ["migrate", "--dry-run"])  # fmt: skip
WRITING = (["migrate"], ["tag", "add", "new", "1"])


@pytest.mark.parametrize("what", ["file", "folder", "both"])
@pytest.mark.parametrize("number", VERSIONS)
def test_an_archive_that_can_only_be_read_is_read_or_says_so_in_one_line(
    number: int, what: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = schemas.make(folder / "glin.db", number)
    before = path.read_bytes()
    if what != "folder":
        path.chmod(0o400)
    if what != "file":
        folder.chmod(0o500)
    commands = [*READING, *WRITING]
    try:
        done = run_unprivileged(sys.executable, "-c", COMMANDS, path, json.dumps(commands))
    finally:
        folder.chmod(0o700)
    assert done.stderr == ""
    assert "has no FTS5" not in done.stdout
    statuses = []
    for command, (status, told, exception) in zip(commands, json.loads(done.stdout), strict=True):
        statuses.append(status)
        assert exception == "None" or "SystemExit" in exception, (command, exception)
        lines = [line for line in told.splitlines() if "are not ranked" not in line]
        assert len(lines) == (status if command != ["check"] else 0), (command, told)
        assert str(path) in told or not lines, (command, told)
    if number == newest_version():
        assert statuses == [0] * len(READING) + [0, 1]
    else:
        # An older release's archive answers what it can.
        assert statuses[-5:] == [0, 0, 0, 1, 1]
        assert statuses[0] == 0
    assert "glin-backups" not in [file.name for file in folder.iterdir()]
    assert path.read_bytes() == before


RECORDS = {
    "one is missing": "delete from _sqlite_migrations where name like '{number:04}%'",
    "all are missing": "delete from _sqlite_migrations",
    "one too many": (
        "insert into _sqlite_migrations (migration_set, name) values ('glin', '{next}')"
    ),
    "a column is missing": "drop index if exists idx_messages_due; "
    "alter table conversations rename to old_conversations; drop table messages",
}


@pytest.mark.parametrize("tampered", RECORDS)
@pytest.mark.parametrize("number", VERSIONS)
def test_a_record_that_does_not_agree_with_the_tables_is_refused(
    number: int, tampered: str, tmp_path: Path
) -> None:
    if tampered == "one too many" and number == newest_version():
        pytest.skip("a newer archive is refused too, see test_archive.py")
    path = schemas.make(tmp_path / "glin.db", number)
    following = [*schema.MADE_BY_STEP, ""][number]
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(RECORDS[tampered].format(number=number, next=following))
        conn.execute("pragma journal_mode = delete")
    before = path.read_bytes()
    for readonly in (True, False):
        with pytest.raises(DamagedArchive, match="_sqlite_migrations") as caught:
            get_db(path, readonly=readonly)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)
    report = check_file(path)
    assert (report.status, report.checks[0].status) == ("fail", "fail")
    assert "_sqlite_migrations" in report.checks[0].detail
    assert path.read_bytes() == before
    assert list_backups(path) == []


def test_the_version_is_never_behind_or_ahead_of_the_schema(
    tmp_path: Path, next_step: Path
) -> None:
    """Whoever looks while a step runs sees the old version with the old schema."""
    path = schemas.make(tmp_path / "glin.db", 2)
    add_step(next_step, 'db.execute("create table following (a)")')
    seen: list[int] = []

    def look(_: Path) -> None:
        with sqlite_utils.Database(path) as other:
            seen.append(version(other))
            assert not other.table("following").exists()

    with get_db(path, on_backup=look) as db:
        assert seen == [2]
        assert version(db) == newest_version()
        assert db.table("following").exists()


@pytest.mark.parametrize("command", ["migrate", "list", "check"])
def test_what_is_no_archive_is_one_line(command: str, tmp_path: Path) -> None:
    newer, foreign, text = tmp_path / "newer.db", tmp_path / "foreign.db", tmp_path / "text.db"
    schemas.make(newer, newest_version())
    with sqlite_utils.Database(newer) as db:
        db.table("_sqlite_migrations").insert({"migration_set": "glin", "name": "0999_future"})
    with sqlite_utils.Database(foreign) as db:
        db.table("songs").insert({"id": 1})
    text.write_text("this is no database")
    for path, named in ((newer, "0999_future"), (foreign, "songs"), (text, "not an SQLite")):
        before = path.read_bytes()
        done = subprocess.run(
            [*GLIN, "--db", path, command], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert named in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        if command != "check":
            assert len(done.stderr.splitlines()) == 1
            assert str(path) in done.stderr
        assert path.read_bytes() == before


@pytest.mark.parametrize("number", VERSIONS)
def test_the_command_lists_then_applies(number: int, tmp_path: Path) -> None:
    path = schemas.make(tmp_path / "glin.db", number)
    before = path.read_bytes()
    steps = list(schema.MADE_BY_STEP)[number:]

    def migrate(*args: str) -> Result:
        done = CliRunner().invoke(main, ["migrate", "--db", str(path), *args])
        assert done.exit_code == 0, done.output
        return done

    for option in ("--list", "--dry-run"):
        lines = migrate(option).stdout.splitlines()
        assert lines[:-1] == [f"pending: {step}" for step in steps]
        assert lines[-1].startswith(f"{path}: schema version {number}, ")
        told = json.loads(migrate(option, "--json").stdout)
        assert (told["version"], told["applied"], told["pending"]) == (number, [], steps)
        assert path.read_bytes() == before
    assert list_backups(path) == []
    done = migrate()
    assert done.stdout.splitlines() == [
        *(f"applied: {step}" for step in steps),
        f"{path}: schema version {newest_version()}, up to date",
    ]
    backups = list_backups(path)
    assert [backup.path in done.stderr for backup in backups] == [True] * bool(steps)
    told = json.loads(migrate("--json").stdout)
    assert (told["version"], told["applied"], told["pending"]) == (newest_version(), [], [])
