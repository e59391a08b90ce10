"""Health: a sound archive is ok, and each kind of harm is found and named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette.errors import NotFound
from glin_datasette.models import Check, Conversation, HealthReport, Message
from glin_datasette.storage import (
    backup_db,
    check,
    check_file,
    get_db,
    insert_conversation,
    insert_message,
    newest_version,
    verify_backup,
)


@pytest.fixture
def filled(db: sqlite_utils.Database) -> sqlite_utils.Database:
    row = insert_conversation(db, Conversation(source="t", source_id="1"))
    insert_message(db, row, Message(role="user", content="some text"))
    return db


def named(report: HealthReport, name: str) -> Check:
    return next(c for c in report.checks if c.name == name)


@pytest.mark.parametrize("deep", [False, True])
def test_a_sound_archive_is_ok(filled: sqlite_utils.Database, deep: bool) -> None:
    backup_db(filled)
    report = check(filled, deep=deep)
    assert {c.status for c in report.checks} == {"ok"}, report
    assert (report.status, report.schema_version) == ("ok", newest_version())
    assert (report.counts["conversations"], report.counts["messages"]) == (1, 1)
    assert report.sizes["database"] > 0
    assert report.last_backup_age is not None
    assert all(c.ms >= 0 for c in report.checks)


def test_checking_changes_nothing(filled: sqlite_utils.Database) -> None:
    before = list(filled.conn.iterdump())
    check(filled, deep=True)
    assert list(filled.conn.iterdump()) == before


def test_checking_a_backup_leaves_the_file_as_it_is(filled: sqlite_utils.Database) -> None:
    made = Path(backup_db(filled).path)
    before = made.read_bytes()
    report = check_file(made, deep=True)
    assert named(report, "search").detail == "the search index agrees with every message"
    assert made.read_bytes() == before
    assert verify_backup(made).verified
    assert sorted(f.name for f in made.parent.iterdir()) == [made.name, f"{made.name}.json"]


@pytest.mark.parametrize(
    ("table", "sql"),
    [
        ("conversations.title", "update conversations set title = cast(x'41ff' as text)"),
        ("messages.content", "update messages set content = cast(x'410042' as text)"),
    ],
)
def test_text_that_is_none_is_found(table: str, sql: str, filled: sqlite_utils.Database) -> None:
    filled.execute(sql)
    assert named(check(filled, deep=True), "text").status == "fail"
    assert table in named(check(filled, deep=True), "text").detail


def test_an_attachment_that_is_another_is_found(filled: sqlite_utils.Database) -> None:
    filled.execute("insert into attachments values ('00', 'image/png', 1, x'41')")
    assert named(check(filled, deep=True), "attachments").status == "fail"


def test_missing_parts_of_the_schema_are_found(filled: sqlite_utils.Database) -> None:
    filled.execute("drop index idx_messages_ts")
    found = named(check(filled, deep=True), "schema")
    assert (found.status, "index idx_messages_ts" in found.detail) == ("warn", True)
    filled.execute("drop table message_tags")
    found = named(check(filled, deep=True), "schema")
    assert (found.status, "table message_tags" in found.detail) == ("fail", True)


def test_messages_without_their_conversation_are_found_quickly(
    filled: sqlite_utils.Database,
) -> None:
    assert named(check(filled), "foreign keys").status == "ok"
    filled.execute("pragma foreign_keys = off")
    filled.execute("delete from conversations")
    found = named(check(filled), "foreign keys")
    assert (found.status, "check --repair" in found.detail) == ("fail", True)


def test_no_backup_is_a_warning(filled: sqlite_utils.Database) -> None:
    report = check(filled)
    assert named(report, "backup").status == "warn"
    assert report.status == "warn"
    assert report.last_backup_age is None


def test_an_old_backup_is_a_warning(filled: sqlite_utils.Database) -> None:
    made = Path(backup_db(filled).path)
    made.rename(made.with_name("glin-20200101T000000Z.db"))
    found = named(check(filled), "backup")
    assert found.status == "warn"
    assert "days old" in found.detail


@pytest.mark.skipif(os.name == "nt", reason="file modes are of POSIX")
def test_an_archive_that_others_can_read_is_a_warning(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    archive_path.chmod(0o644)
    found = named(check(filled), "file modes")
    assert (found.status, "chmod 600" in found.detail) == ("warn", True)


def test_a_search_index_that_disagrees_is_found(filled: sqlite_utils.Database) -> None:
    filled.execute("drop trigger messages_au")
    filled.execute("drop trigger messages_au_outdated")
    filled.execute("update messages set content = 'changed behind its back'")
    assert named(check(filled), "search").status == "warn", "a trigger is missing"
    for name in ("messages_au", "messages_au_outdated"):
        filled.execute(f"create trigger {name} after update of id on messages begin select 1; end")
    assert named(check(filled), "search").status == "ok", "the quick form reads no message"
    found = named(check(filled, deep=True), "search")
    assert (found.status, "check --repair" in found.detail) == ("fail", True)


def test_rows_that_point_nowhere_are_found(filled: sqlite_utils.Database) -> None:
    filled.execute("pragma foreign_keys = off")
    filled.execute("delete from conversations")
    assert named(check(filled, deep=True), "foreign keys").status == "fail"


def test_damage_is_found(archive_path: Path, filled: sqlite_utils.Database) -> None:
    for n in range(200):
        insert_message(filled, 1, Message(role="user", content=str(n) * 900))
    filled.execute("pragma wal_checkpoint(truncate)")
    filled.close()
    data = bytearray(archive_path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 8192] = os.urandom(8192)
    archive_path.write_bytes(data)
    assert check_file(archive_path, deep=True).status == "fail"


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 5000, b""])
def test_what_is_no_archive_fails_the_check(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(content)
    report = check_file(file)
    assert report.status == "fail"
    assert file.read_bytes() == content


def test_no_file_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        check_file(tmp_path / "none.db")


def test_pending_steps_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "glin.db"
    get_db(file).close()
    with sqlite_utils.Database(file) as db:
        db.execute("delete from _sqlite_migrations")
        found = named(check(db), "schema")
        assert (found.status, "migrate" in found.detail) == ("warn", True)
