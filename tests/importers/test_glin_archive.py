"""Merging archives: everything once, in the right order, whichever way round."""

from __future__ import annotations

import re
import sqlite3
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from quick_db import quick_db
from test_export import ARCHIVES, everything, fill
from transcripts import lay_out

from glin_datasette.importers.base import Checkpoint, Skipped
from glin_datasette.importers.glin_archive import GlinArchive
from glin_datasette.importers.glin_archive.reader import NEWEST_SCHEMA
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.models import Attachment, Conversation, ImportReport, Message
from glin_datasette.storage import (
    backup_db,
    check,
    delete_conversation,
    get_db,
    insert_conversation,
    insert_message,
    iter_messages,
    newest_version,
    query_conversations,
    query_messages,
    tag_conversation,
)

Talk = tuple[Conversation, list[Message]]


@pytest.fixture
def other_path(tmp_path: Path) -> Path:
    return tmp_path / "other" / "glin.db"


@pytest.fixture
def other(other_path: Path) -> Iterator[sqlite_utils.Database]:
    with quick_db(other_path) as database:
        yield database


def merge(db: sqlite_utils.Database, path: Path) -> ImportReport:
    report = import_paths(db, [path])
    assert (report.errors, report.skipped) == ((), 0)
    return report


def talk(source_id: str, *seconds: int, **about: Any) -> Talk:
    """A conversation with one message for each second."""
    said = [
        Message(
            role="user", content=f"at {n}", source_id=f"m{n}", ts=f"2026-01-01T00:00:{n:02}.000Z"
        )
        for n in seconds
    ]
    return Conversation(source="x", source_id=source_id, **about), said


def order(db: sqlite_utils.Database, row: int = 1) -> list[str]:
    return [message.content for message in iter_messages(db, row)]


def test_it_knows_the_schema_of_this_release() -> None:
    assert newest_version() == NEWEST_SCHEMA


@settings(max_examples=40, deadline=None)
@given(ARCHIVES)
def test_a_merge_into_an_empty_archive_gives_an_equal_one(archive: list[Talk]) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        quick_db(Path(folder) / "a.db") as one,
        quick_db(Path(folder) / "b.db") as other,
    ):
        fill(one, archive)
        merge(other, Path(folder) / "a.db")
        assert everything(other) == everything(one)
        assert contents_in_order(other) == contents_in_order(one)
        other.execute("update import_files set size = 0")
        again = merge(other, Path(folder) / "a.db")
        assert (again.conversations, again.messages, again.unchanged) == (0, 0, 0)
        assert everything(other) == everything(one)
        # Back again, where the other has ids now for what had none here.
        report = merge(one, Path(folder) / "b.db")
        assert (report.conversations, report.messages) == (0, 0)
        assert everything(other) == everything(one)
        assert check(other, deep=True).status != "fail"


def contents_in_order(db: sqlite_utils.Database) -> dict[str, list[str]]:
    return {
        f"{c.source} {c.source_id}": order(db, c.id or 0)
        for c in query_conversations(db, limit=None)
    }


def plain(archive: list[Talk]) -> list[Talk]:
    """Without what keeps the spelling that came first: tags and names of files."""
    return [
        (
            replace(conversation, tags=tuple(tag.lower() for tag in conversation.tags)),
            [
                replace(each, tags=tuple(tag.lower() for tag in each.tags), attachments=())
                for each in messages
            ],
        )
        for conversation, messages in archive
    ]


@settings(max_examples=60, deadline=None)
@given(ARCHIVES.map(plain), ARCHIVES.map(plain))
def test_which_one_is_merged_into_which_makes_no_difference(
    one: list[Talk], other: list[Talk]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here, there, copy = (Path(folder, name) for name in ("a.db", "b.db", "a2.db"))
        with quick_db(here) as a, quick_db(there) as b:
            fill(a, one)
            fill(b, other)
            backup_db(a, folder, keep=1)
        next(Path(folder).glob("a-*Z.db")).rename(copy)
        with get_db(here) as a, get_db(there) as b:
            merge(a, there)
            merge(b, copy)
            assert without_places(a) == without_places(b)
            # And once more, now that each holds all of it.
            before = a.table("messages").count
            merge(a, there)
            assert a.table("messages").count == before
            assert without_places(a) == without_places(b)


def without_places(db: sqlite_utils.Database) -> list[tuple[str, ...]]:
    """All but the positions of messages: unrelated ones may stand in either order."""
    columns = [name for name in db.table("messages").columns_dict if name not in _IDS]
    place = columns.index("position") + 1
    rows = [list(map(repr, row)) for row in everything(db)]
    return sorted(
        tuple(row[:place] + row[place + 1 :] if row[0] == "'messages'" else row) for row in rows
    )


_IDS = ("id", "conversation_id", "source_id")


@pytest.mark.parametrize("mine_grew", [False, True])
def test_of_two_states_of_a_talk_the_longer_one_stays(
    db: sqlite_utils.Database,
    archive_path: Path,
    other: sqlite_utils.Database,
    other_path: Path,
    mine_grew: bool,
) -> None:
    short = talk("1", 5, 3, 9, title="Early", title_from="generated", model="old")
    long = talk("1", 5, 3, 9, 8, 12, title="Later", title_from="generated", model="new")
    fill(db, [long if mine_grew else short])
    fill(other, [short if mine_grew else long])
    merge(db, other_path)
    merge(other, archive_path)
    for each in (db, other):
        assert order(each) == ["at 5", "at 3", "at 9", "at 8", "at 12"]
        [found] = query_conversations(each)
        assert (found.title, found.model, found.ended_at) == (
            "Later", "new", "2026-01-01T00:00:12.000Z",
        )  # fmt: skip


def test_what_each_has_of_a_talk_is_ordered_by_time(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path
) -> None:
    fill(db, [talk("1", 1, 5, 9, tags=("mine",), notes="First.")])
    fill(other, [talk("1", 1, 3, 7, 9, tags=("theirs",), notes="Second.", client="c/1")])
    assert merge(db, other_path).messages == 2
    assert order(db) == ["at 1", "at 3", "at 5", "at 7", "at 9"]
    [found] = query_conversations(db)
    assert (found.tags, found.client) == (("mine", "theirs"), "c/1")
    assert found.notes == "Second.\nFirst."
    db.execute("update import_files set size = 0")
    merge(db, other_path)
    assert query_conversations(db) == [found]


def test_a_reply_that_was_still_being_written_is_completed_and_never_cut(
    db: sqlite_utils.Database,
    archive_path: Path,
    other: sqlite_utils.Database,
    other_path: Path,
) -> None:
    about = Conversation(source="x", source_id="1")
    fill(db, [(about, [Message(role="assistant", content="It is", source_id="a", token_out=2)])])
    whole = Message(role="assistant", content="It is so.", source_id="a", token_in=9, token_out=5)
    fill(other, [(about, [whole])])
    merge(db, other_path)
    merge(other, archive_path)
    for each in (db, other):
        [found] = query_messages(each)
        assert (found.content, found.token_in, found.token_out) == ("It is so.", 9, 5)
        assert each.execute(
            "select count(*) from messages_fts where messages_fts match 'so'"
        ).fetchone() == (1,)


def test_what_was_deleted_here_stays_deleted(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path
) -> None:
    image = Attachment(media_type="image/png", data=b"x")
    fill(other, [(talk("1")[0], [Message(role="user", source_id="m", attachments=(image,))])])
    merge(db, other_path)
    delete_conversation(db, 1)
    tag_conversation(other, 1, "changed")
    report = merge(db, other_path)
    assert (report.conversations, report.messages, report.unchanged) == (0, 0, 0)
    assert db.table("attachments").count == 0
    import_paths(db, [other_path], ImportOptions(deleted=True))
    assert [len(each.attachments) for each in query_messages(db)] == [1]


def test_parents_find_their_children_wherever_they_are(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path
) -> None:
    fill(db, [talk("agent", 1, parent_source_id="main", relation="subagent")])
    fill(other, [talk("main", 1)])
    merge(db, other_path)
    agent = next(c for c in query_conversations(db) if c.source_id == "agent")
    main = next(c for c in query_conversations(db) if c.source_id == "main")
    assert agent.parent_id == main.id


def test_ids_follow_time(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path
) -> None:
    fill(other, [talk("late", 9), talk("early", 1), talk("middle", 5)])
    merge(db, other_path)
    rows = db.execute("select source_id from conversations order by id").fetchall()
    assert [row[0] for row in rows] == ["early", "middle", "late"]


# --- which files ------------------------------------------------------------------------


def test_an_archive_is_not_merged_into_itself(
    db: sqlite_utils.Database, archive_path: Path, tmp_path: Path
) -> None:
    fill(db, [talk("1", 1)])
    before = list(db.conn.iterdump())
    link = tmp_path / "link.db"
    link.symlink_to(archive_path)
    for path in (archive_path, link):
        (problem,) = import_paths(db, [path]).errors
        assert (problem.line, problem.error) == (None, "is the archive itself")
    assert list(db.conn.iterdump()) == before


def test_only_an_archive_that_is_named_is_merged(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path, tmp_path: Path
) -> None:
    fill(other, [talk("1", 1)])
    made = Path(backup_db(other).path)
    report = import_paths(db, [tmp_path])
    assert (report.files, report.messages, report.errors) == (0, 0, ())
    # Deleted since, and wanted back from a backup by somebody who says so.
    assert merge(db, made).messages == 1
    other.execute("update conversations set title = 'changed'")
    assert import_paths(db, [tmp_path]).files == 1


def test_an_archive_in_use_is_merged_as_it_is(
    db: sqlite_utils.Database, other: sqlite_utils.Database, other_path: Path
) -> None:
    for n in range(3):
        fill(other, [talk(str(n), n)])  # Committed, but still in the write-ahead log.
        assert merge(db, other_path).messages == 1


def test_schema_1_has_no_attachments(db: sqlite_utils.Database, tmp_path: Path) -> None:
    folder = lay_out("glin-archive", tmp_path)
    merge(db, folder / "schema-1.db")
    assert [message.content for message in query_messages(db)] == ["Nine.", "Count the seals"]


def test_columns_that_are_not_there_yet_say_nothing(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = lay_out("glin-archive", tmp_path) / "laptop.db"
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("alter table conversations drop column notes")
        conn.execute("alter table messages drop column token_cached")
    assert merge(db, path).conversations == 4


def changed(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as conn, conn:
            for statement in statements:
                conn.execute(statement)

    return change


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (
            changed("insert into _sqlite_migrations values (9, 'glin', '0099_more', '')"),
            r"newer release \(schema 99; .* 4\); upgrade with 'pip install --upgrade",
        ),
        (changed("delete from _sqlite_migrations"), "no schema version"),
        (changed("drop view schema_version", "drop table _sqlite_migrations"), "no schema version"),
        (changed("drop table messages"), "cannot be read as a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:9000]), "cannot be read as a database"),
    ],
    ids=["newer", "no version", "no steps", "no messages", "cut off"],
)
def test_what_cannot_be_merged_is_told(
    db: sqlite_utils.Database, tmp_path: Path, damage: Callable[[Path], None], error: str
) -> None:
    path = lay_out("glin-archive", tmp_path) / "laptop.db"
    damage(path)
    report = import_paths(db, [path])
    (problem,) = report.errors
    assert (problem.path, problem.line) == (str(path), None)
    assert re.search(error, problem.error)
    if "newer" in error:
        assert query_conversations(db) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("update messages set role = 'robot' where id = 2", "message 2: role cannot be 'robot'"),
        ("update messages set content = x'ff' where id = 2", "message 2: content cannot be"),
        ("update messages set ts = 'now' where id = 2", "message 2: ts cannot be 'now'"),
        ("update messages set token_in = 'many' where id = 2", "message 2: token_in cannot"),
        ("update conversations set title_from = 'x' where id = 2", "conversation 2: title_from"),
        ("update conversations set source_id = x'00' where id = 2", "conversation 2: source_id"),
    ],
)
def test_a_damaged_row_costs_only_itself(tmp_path: Path, change: str, error: str) -> None:
    path = lay_out("glin-archive", tmp_path) / "laptop.db"
    whole = list(GlinArchive().read(path, Checkpoint()))
    changed(change)(path)
    items = list(GlinArchive().read(path, Checkpoint()))
    (skipped,) = [item for item in items if isinstance(item, Skipped)]
    assert error in skipped.error
    assert 1 <= len(whole) - len([i for i in items if not isinstance(i, Skipped)]) <= 2


@pytest.mark.parametrize("head", [b"", b"SQLite format 3\x00", b"SQLite format 3\x00" * 9, b"{}"])
def test_other_files_are_not_taken_for_archives(head: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(head)
    assert not GlinArchive().identify(path, head)
    with closing(sqlite3.connect(tmp_path / "y.db")) as conn:
        conn.execute("create table messages (id)")
    raw = (tmp_path / "y.db").read_bytes()
    assert not GlinArchive().identify(tmp_path / "y.db", raw)


def test_an_archive_is_known_while_its_first_page_is_in_the_log(other_path: Path) -> None:
    # Where its making stays in the log.
    with get_db(other_path):
        assert b"glin" not in other_path.read_bytes()[:100]
        assert GlinArchive().identify(other_path, other_path.read_bytes()[:4096])


def test_memory_does_not_grow_with_an_archive(
    db: sqlite_utils.Database, archive_path: Path
) -> None:
    row_id = insert_conversation(db, Conversation(source="x", source_id="1"))
    for n in range(1500):
        insert_message(db, row_id, Message(role="user", content=f"{n}" + "x" * 20_000))
    tracemalloc.start()
    count = sum(1 for _ in GlinArchive().read(archive_path, Checkpoint()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1502
    assert peak < 5_000_000
