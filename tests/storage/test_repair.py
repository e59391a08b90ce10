"""Repair: what harms an archive is mended, after a copy, and the rest stays as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import schemas
import sqlite_utils
from without_fts5 import ConnectionWithoutFts5

from glin_datasette.errors import DamagedArchive, NewerArchive, NotAnArchive, NotFound
from glin_datasette.models import RepairReport
from glin_datasette.search import search
from glin_datasette.storage import (
    check_file,
    connection,
    get_db,
    newest_version,
    repair,
    repair_db,
    restore_db,
    verify_backup,
    version,
)
from glin_datasette.storage.counts import COUNTS

NEWEST = newest_version()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An archive with something in every table."""
    path = schemas.make(tmp_path / "glin.db", NEWEST)
    path.chmod(0o600)
    get_db(path).close()
    return path


def harm(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(sql)


def rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    with sqlite_utils.Database(path) as db:
        return schemas.rows(db)


def told(report: RepairReport) -> dict[str, str]:
    return {each.name: each.detail for each in report.repaired}


def assert_sound(report: RepairReport) -> None:
    assert {c.name: c.detail for c in report.health.checks if c.status != "ok"} in (
        {},
        # Of an archive of which only a copy by its bytes could be made.
        {"backup": "no backup yet; make one with 'glin-datasette backup'"},
    )


def test_a_sound_archive_is_backed_up_and_stays_as_it_is(path: Path) -> None:
    before = rows(path)
    report = repair_db(path)
    assert report.repaired == ()
    assert (report.verified, report.path) == (True, str(path))
    assert verify_backup(report.backup).messages == len(before["messages"])
    assert rows(path) == before
    assert_sound(report)


def test_a_search_index_that_disagrees_is_rebuilt(path: Path) -> None:
    harm(
        path,
        "drop trigger messages_au; drop trigger messages_au_outdated;"
        " update messages set content = 'zebra' where id = 1;",
    )
    with get_db(path, readonly=True) as db:
        assert search(db, "zebra").total == 0
    report = repair_db(path)
    assert set(told(report)) == {"triggers", "search"}
    assert "messages_au, messages_au_outdated" in told(report)["triggers"]
    assert_sound(report)
    with get_db(path) as db:
        assert [hit.message_id for hit in search(db, "zebra").hits] == [1]
        assert search(db, "getUserName").total == 0


def test_a_search_index_that_disagrees_with_every_trigger_there(path: Path) -> None:
    harm(path, "insert into messages_fts(messages_fts) values ('delete-all')")
    assert set(told(repair_db(path))) == {"search"}
    with get_db(path) as db:
        assert search(db, "name").total == 1


ORPHANS = {
    "messages": ("delete from conversations where id = 7", {"messages": 1, "conversation_tags": 1}),
    "refs": ("delete from messages where id = 4", {"message_refs": 2, "message_tags": 1}),
    "tags": ("delete from tags", {"conversation_tags": 2, "message_tags": 1}),
    "attachments": ("delete from attachments", {"message_attachments": 1}),
    "a parent": (
        "insert into conversations (id, source, source_id, parent_id) values (50, 's', '5', 1);"
        " delete from conversations where id = 1",
        {"conversations": 2, "messages": 4, "conversation_tags": 1},
    ),
}


@pytest.mark.parametrize("kind", ORPHANS)
def test_rows_without_parents_are_dropped(kind: str, path: Path) -> None:
    sql, expected = ORPHANS[kind]
    harm(path, f"pragma foreign_keys = off; {sql}")
    damaged = rows(path)
    assert check_file(path, deep=True).status == "fail"
    report = repair_db(path)
    assert_sound(report)
    lines = [each for each in report.repaired if each.name == "orphans"]
    assert {next(t for t in expected if f" {t} " in e.detail): e.count for e in lines} == expected
    after = rows(path)
    for table, held in damaged.items():
        if table == "conversations":
            assert len(after[table]) == len(held), "a conversation is something without a parent"
        elif table not in (*expected, *COUNTS) and not (
            kind == "a parent" and table.startswith("message_")
        ):
            assert after[table] == held, table
    # What was dropped is in the copy.
    assert not report.verified
    assert rows(Path(report.backup)) == damaged


def test_a_copy_by_bytes_has_what_only_the_wal_holds(path: Path) -> None:
    with connection.connect(path) as db:
        db.execute("pragma foreign_keys = off")
        db.execute("delete from conversations where id = 7")
        assert path.with_name("glin.db-wal").stat().st_size > 0
        report = repair_db(path)
    assert not report.verified
    copy = Path(report.backup)
    if os.name != "nt":
        assert copy.stat().st_mode & 0o777 == 0o600
    assert [row["id"] for row in rows(copy)["messages"]] == [1, 2, 3, 4, 9, 12]
    assert [row["id"] for row in rows(path)["messages"]] == [1, 2, 3, 4, 9]


def everything() -> list[tuple[str, str]]:
    """Kind and name of all that an archive is made of."""
    with closing(schemas.build(NEWEST)) as whole:
        made = whole.execute(
            "select type, name from sqlite_master where sql is not null"
            " and name not glob 'messages_fts_*' and name not glob '*_sqlite_migrations*'"
        )
        return sorted((kind, name) for kind, name in made)


@pytest.mark.parametrize(("kind", "name"), everything(), ids=lambda each: each)
def test_whatever_is_missing_is_made_again(
    kind: str, name: str, path: Path, db: sqlite_utils.Database
) -> None:
    if name in ("conversations", "messages", "attachments", "activity"):
        pytest.skip("an archive without it is refused, or its rows are orphans")
    harm(path, f"pragma foreign_keys = off; drop {kind} {name}")
    report = repair_db(path)
    assert_sound(report)
    assert report.repaired
    with get_db(path) as repaired:
        assert schemas.shape(repaired) == schemas.shape(db)
        assert search(repaired, "name").total == 1
    if kind != "table":
        assert rows(path)["messages"][0]["content"].startswith("Why is getUserName")


def test_a_trigger_that_does_something_else_is_made_again(path: Path) -> None:
    harm(
        path,
        "drop trigger messages_ai;"
        " create trigger messages_ai after insert on messages begin select 1; end",
    )
    assert "messages_ai" in told(repair_db(path))["triggers"]
    harm(path, "insert into messages (conversation_id, position, role, kind, content)"
               " values (1, 9, 'user', 'text', 'zebra')")  # fmt: skip
    with get_db(path) as db:
        assert search(db, "zebra").total == 1


def test_what_somebody_added_stays(path: Path) -> None:
    harm(path, "create table mine (a); create index mine_a on mine (a);"
               " insert into mine values (1);"
               " create trigger mine_too after insert on tags begin select 1; end;"
               " drop index idx_messages_ts")  # fmt: skip
    assert set(told(repair_db(path))) == {"schema"}
    with get_db(path) as db:
        assert db.table("mine").count == 1
        assert "mine_too" in db.triggers_dict


def test_an_index_that_disagrees_is_made_again(path: Path) -> None:
    for column in ("role", "ts"):
        with closing(sqlite3.connect(path)) as conn:
            conn.execute("pragma writable_schema = on")
            conn.execute(
                "update sqlite_master set sql = ? where name = 'idx_messages_ts'",
                [f'CREATE INDEX "idx_messages_ts"\n    ON "messages" ("{column}")'],
            )
            conn.commit()
        # Rows that are written meanwhile are in the index by another column.
        harm(path, "insert into messages (conversation_id, position, role, kind, ts)"
                   " values (1, 8, 'user', 'text', '2026')")  # fmt: skip
    assert check_file(path, deep=True).status == "fail"
    report = repair_db(path)
    assert told(report)["indexes"] == "made again: idx_messages_ts"
    assert_sound(report)
    assert len(rows(path)["messages"]) == 8


def test_a_unique_index_with_rows_against_it_is_told(path: Path) -> None:
    harm(
        path,
        "drop index idx_tags_name; insert into tags (name) values ('bug');"
        " drop index idx_messages_ts",
    )
    report = repair_db(path)
    lines = {each.detail: each.done for each in report.repaired}
    assert lines["made the index idx_messages_ts"] is True
    assert [done for detail, done in lines.items() if "idx_tags_name cannot be made" in detail] == [
        False
    ]


def test_the_wal_is_written_back(path: Path) -> None:
    with connection.connect(path) as db:
        db.execute("update messages set content = content || hex(zeroblob(100000))")
        assert path.with_name("glin.db-wal").stat().st_size > 100_000
        report = repair_db(path)
        assert [each.done for each in report.repaired if each.name == "WAL"] == [True]
        assert path.with_name("glin.db-wal").stat().st_size == 0


def test_a_reader_keeps_the_wal_and_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 50)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("begin")
        reader.execute("select count(*) from messages").fetchone()
        harm(path, "drop index idx_messages_ts")
        report = repair_db(path)
        assert "another process reads" in told(report)["WAL"]
        assert "schema" in told(report)
        assert reader.execute("select count(*) from messages").fetchone() == (6,)


def test_what_search_does_not_know_yet_is_completed(path: Path) -> None:
    harm(path, "update messages set parts = null")
    assert set(told(repair_db(path))) >= {"parts"}
    assert rows(path)["messages"][0]["parts"] == "get user name"


@pytest.mark.parametrize("number", schemas.versions())
def test_an_older_archive_is_repaired_at_its_version(number: int, tmp_path: Path) -> None:
    path = schemas.make(tmp_path / "glin.db", number)
    harm(path, "pragma foreign_keys = off; delete from conversations where id = 7;"
               " drop index idx_messages_ts; drop trigger messages_ai; drop view schema_version;"
               " insert into messages_fts(messages_fts) values ('delete-all')")  # fmt: skip
    if number < NEWEST:
        # No backup can be verified, so it is not migrated either.
        with pytest.raises(DamagedArchive, match="check"):
            get_db(path)
    report = repair_db(path)
    assert {"orphans", "schema", "triggers", "search"} <= set(told(report))
    with sqlite_utils.Database(path) as db, closing(schemas.build(number)) as whole:
        assert version(db) == number
        assert schemas.shape(db) == schemas.shape(whole)
    with get_db(path) as db:
        assert version(db) == NEWEST
        assert search(db, "name").total == 1
    assert check_file(path, deep=True).status != "fail"


def test_without_fts5_the_rest_is_repaired(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harm(path, "drop index idx_messages_ts; pragma foreign_keys = off; delete from tags")
    try:
        ConnectionWithoutFts5(":memory:").close()
    except OSError as ex:
        pytest.skip(str(ex))
    plain = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **kwargs: plain(
            *args, **{**kwargs, "factory": ConnectionWithoutFts5}
        ))  # fmt: skip
        report = repair_db(path)
    lines = [(each.name, each.done) for each in report.repaired]
    assert lines[:4] == [("orphans", True), ("orphans", True), ("schema", True), ("search", False)]
    assert check_file(path, deep=True).status != "fail"


def zero_page(path: Path, table: str) -> None:
    """Destroy the page where a table begins."""
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
        sql = "select rootpage from sqlite_master where name = ?"
        (root,) = conn.execute(sql, [table]).fetchone()
        size = conn.execute("pragma page_size").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize("table", ["messages", "tags", "messages_fts_data"])
def test_what_is_beyond_repair_is_left_untouched(table: str, path: Path) -> None:
    zero_page(path, table)
    before = path.read_bytes()
    with pytest.raises(DamagedArchive, match="glin-datasette recover") as caught:
        repair_db(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [f.name for f in path.parent.iterdir() if "damaged" in f.name] == []


def test_a_repair_that_fails_leaves_what_was_there(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    harm(path, "drop index idx_messages_ts; insert into messages_fts(messages_fts)"
               " values ('delete-all')")  # fmt: skip
    before = rows(path)

    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(repair, "make_search_index", fails)
    with pytest.raises(DamagedArchive, match="disk is full"):
        repair_db(path)
    assert rows(path) == before
    with sqlite_utils.Database(path) as db:
        assert "idx_messages_ts" not in {index.name for index in db.table("messages").indexes}


def test_what_is_no_archive_is_refused_and_untouched(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        repair_db(tmp_path / "none.db")
    foreign, empty, newer = (tmp_path / f"{name}.db" for name in ("foreign", "empty", "newer"))
    harm(foreign, "create table songs (a)")
    empty.touch()
    schemas.make(newer, NEWEST)
    harm(newer, "insert into _sqlite_migrations (migration_set, name) values ('glin', '0999_x')")
    for file, error in ((foreign, NotAnArchive), (empty, NotAnArchive), (newer, NewerArchive)):
        before = file.read_bytes()
        with pytest.raises(error, match=file.name):
            repair_db(file)
        assert file.read_bytes() == before


def test_the_copy_can_be_put_back(path: Path) -> None:
    before = rows(path)
    harm(path, "drop index idx_messages_ts")
    report = repair_db(path)
    harm(path, "delete from messages")
    restore_db(path, report.backup)
    assert rows(path) == before
    shutil.rmtree(path.parent / "glin-backups")
