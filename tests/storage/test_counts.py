"""The counts are what counting gives, whatever happens to what they count."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemas
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from glin_datasette.models import Conversation, Filters, Message, Ref
from glin_datasette.storage import (
    about_file,
    check,
    check_file,
    count_conversations,
    delete_conversation,
    get_db,
    init_db,
    insert_conversation,
    insert_message,
    link_message_ref,
    overview,
    query_conversations,
    query_messages,
    repair_db,
    stats,
    tag_message,
    untag_message,
    version,
)
from glin_datasette.storage.counts import COUNTS, counts_agree, totals_agree
from glin_datasette.storage.load import loading

TIMES = (None, "2026-02-11T05:44:59.999Z", "2026-02-11T05:45:00.000Z", "2025-12-31T23:59:59Z")
ODD_TIMES = (*TIMES, "", "yesterday?", "2026-02-11", "2026-02-11 05:53", "1969-12-31T23:50:00Z")
PATHS = ("src/a.py", "a.py", "/b/c/a.py", "docs/")
REPOS = (None, "/src/one", "/src/two")
MODELS = (None, "opus", "sonnet")

messages = st.builds(
    Message,
    role=st.sampled_from(("user", "assistant", "tool")),
    kind=st.sampled_from(("text", "tool_call")),
    content=st.just("text"),
    ts=st.sampled_from(TIMES),
    model=st.sampled_from(MODELS),
    token_in=st.none() | st.integers(0, 2**40),
    token_out=st.none() | st.integers(0, 2**40),
    token_cached=st.none() | st.integers(0, 2**40),
    source_id=st.none() | st.sampled_from("abcdef"),
    refs=st.lists(
        st.builds(Ref, st.just("file"), st.sampled_from(PATHS))
        | st.just(Ref("commit", "0123abc")),
        max_size=3,
    ).map(tuple),
)  # fmt: skip

#: What any program may do to the tables: SQL with a place for a row's id or for values.
STATEMENTS: dict[str, tuple[Any, ...]] = {
    "update messages set ts = ? where id = ?": ODD_TIMES,
    "update messages set role = ? where id = ?": ("user", "system"),
    "update messages set kind = ? where id = ?": ("text", "thinking"),
    "update messages set model = ? where id = ?": (*MODELS, ""),
    "update messages set token_in = ? where id = ?": (None, 0, 7),
    "update messages set token_cached = ?1, token_out = ?1 where id = ?2": (None, 0, 7),
    "update messages set conversation_id = ? where id = ?": (1, 2, 3),
    "update messages set content = ?, position = 0 where id = ?": ("other",),
    "update messages set (conversation_id, ts, model) = (1, null, ?) where id = ?": MODELS,
    "delete from messages where ?1 = 1 and id = ?2": (1,),
    "delete from messages where model is ? and id >= ?": MODELS,
    "update message_refs set ref_value = ? where message_id = ?": ("moved.py",),
    "update or ignore message_refs set ref_type = ? where message_id = ?": ("file", "url"),
    "update or ignore message_refs set message_id = ? where message_id = ?": (1, 2, 3),
    "delete from message_refs where ref_value = ? and message_id = ?": PATHS,
    "insert or replace into message_refs values (?2, 'file', ?1)": PATHS,
    "insert or ignore into message_refs values (?2, 'file', ?1)": PATHS,
    "update conversations set repo_root = ? where id = ?": (*REPOS, ""),
    "update conversations set parent_id = ? where id = ?": (None, 1),
    "delete from conversations where ?1 = 1 and id = ?2": (1,),
    "insert or ignore into conversations (repo_root, source, source_id) values (?, 'z', ?)": REPOS,
}


class Archive(RuleBasedStateMachine):
    """An archive that is written to in every way there is."""

    @initialize()
    def make(self) -> None:
        self.db = init_db(sqlite_utils.Database(memory=True))
        self.db.execute("pragma foreign_keys = on")
        for n, repo in enumerate(REPOS):
            insert_conversation(self.db, Conversation(source="s", source_id=str(n), repo_root=repo))

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()

    def there(self, table: str, row_id: int) -> bool:
        return bool(self.db.table(table).count_where("id = ?", [row_id]))

    @rule(conversation=st.integers(1, 4), message=messages)
    def insert(self, conversation: int, message: Message) -> None:
        if self.there("conversations", conversation):
            insert_message(self.db, conversation, message)

    @rule(said=st.lists(st.tuples(st.sampled_from("0129"), messages), max_size=8),
          repo=st.sampled_from(REPOS), more=st.booleans())  # fmt: skip
    def load(self, said: list[tuple[str, Message]], repo: str | None, more: bool) -> None:
        with loading(self.db, "s") as loader:
            for source_id, message in said:
                loader.conversation(Conversation(source="s", source_id=source_id, repo_root=repo))
                loader.message(source_id, message)
                if more:
                    loader.usage(source_id, "a", 1, 2, 1)
                    loader.moved(source_id, ["b", "c"])
            if more and said:
                loader.unlink([Ref("file", PATHS[0])])

    @rule(message=st.integers(1, 12), path=st.sampled_from(PATHS), tag=st.booleans())
    def annotate(self, message: int, path: str, tag: bool) -> None:
        if self.there("messages", message):
            link_message_ref(self.db, message, "file", path)
            (tag_message if tag else untag_message)(self.db, message, "bug")

    @rule(conversation=st.integers(1, 4))
    def delete(self, conversation: int) -> None:
        if self.there("conversations", conversation):
            delete_conversation(self.db, conversation)

    @rule(data=st.data(), sql=st.sampled_from(sorted(STATEMENTS)), row_id=st.integers(1, 6))
    def execute(self, data: st.DataObject, sql: str, row_id: int) -> None:
        value = data.draw(st.sampled_from(STATEMENTS[sql]))
        owner = {"conversation_id = ?": "conversations", "message_id = ? where": "messages"}
        for needs, table in owner.items():
            if needs in sql and not self.there(table, value):
                return
        if "into message_refs" in sql and not self.there("messages", row_id):
            return
        if "= (1, null" in sql and not self.there("conversations", 1):
            return
        if "parent_id" in sql and (row_id == 1 or not self.there("conversations", 1)):
            return
        try:
            self.db.execute(sql, [value, row_id])
        except sqlite3.IntegrityError as ex:
            # Two messages of a conversation cannot have one id in its source.
            assert "UNIQUE" in str(ex)

    @rule(commit=st.booleans(), message=messages)
    def undo(self, commit: bool, message: Message) -> None:
        self.db.conn.execute("savepoint undone")
        self.insert(1, message)
        if not commit:
            self.db.conn.execute("rollback to undone")
        self.db.conn.execute("release undone")

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "db"):
            assert counts_agree(self.db)
            assert totals_agree(self.db)
            for table in COUNTS:
                assert not self.db.table(table).count_where("messages < 1")


TestAnySequence = Archive.TestCase
TestAnySequence.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


WRONG = {
    "a count": "update activity set messages = messages + 1",
    "two that add up": "update activity set quarter = '2025-01-01T00:00Z'"
    " where quarter = (select max(quarter) from activity)",
    "a sum": "update usage set token_out = token_out + 1",
    "one too many": "insert into files values ('never.py', '', 1)",
    "one missing": "delete from usage where model <> ''",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_found_and_counted_anew(what: str, tmp_path: Path) -> None:
    path = schemas.make(tmp_path / "glin.db", schemas.versions()[-1])
    with sqlite_utils.Database(path) as db:
        before = schemas.rows(db)
        db.execute(WRONG[what])
        db.conn.commit()
        assert schemas.rows(db) != before
    [found] = [c for c in check_file(path, deep=True).checks if c.name == "counts"]
    assert (found.status, "check --repair" in found.detail) == ("fail", True)
    [quick] = [c for c in check_file(path).checks if c.name == "counts"]
    assert quick.status == ("ok" if what in ("two that add up", "a sum") else "fail")
    assert [each.name for each in repair_db(path).repaired if each.done] == ["counts", "parts"]
    with sqlite_utils.Database(path) as db:
        after = schemas.rows(db)
    assert {table: after[table] for table in COUNTS} == {table: before[table] for table in COUNTS}


def test_a_program_without_triggers_is_noticed(db: sqlite_utils.Database) -> None:
    first = insert_conversation(db, Conversation(source="s", source_id="1"))
    insert_message(db, first, Message(role="user", content="one", source_id="a"))
    # Then the row that is replaced goes without a word. sqlite-utils switches it on.
    db.execute("pragma recursive_triggers = off")
    db.execute(
        "insert or replace into messages (id, conversation_id, position, role, kind)"
        " values (1, 1, 0, 'user', 'text')"
    )
    [found] = [c for c in check(db).checks if c.name == "counts"]
    assert found.status == "fail"


@pytest.mark.parametrize("number", schemas.versions())
def test_an_older_archive_that_is_only_read_is_counted_when_asked(
    number: int, tmp_path: Path
) -> None:
    path = schemas.make(tmp_path / "glin.db", number)
    with get_db(path, readonly=True) as old:
        assert version(old) == number
        files = old.execute("select ref_value from message_refs where ref_type = 'file'")
        file = files.fetchone()[0]
        of_file = Filters(file=(file.rpartition("/")[2],))
        told = stats(old), overview(old), about_file(old, file), query_messages(old, of_file)
        assert [found.name for found in check(old).checks if found.status == "fail"] == []
    assert told[3]
    with get_db(path) as db:
        assert (stats(db), overview(db), about_file(db, file), query_messages(db, of_file)) == told
        assert told[0].messages == 6
        assert told[0].by_role == {"user": 3, "assistant": 2, "tool": 1}


filters = st.builds(
    Filters,
    tag=st.lists(st.sampled_from(("bug", "BUG", "work")), max_size=2).map(tuple),
    source=st.lists(st.sampled_from(("s", "t", "u")), max_size=2).map(tuple),
    role=st.lists(st.sampled_from(("user", "Tool", "system")), max_size=2).map(tuple),
    model=st.lists(st.sampled_from(("opus", "none")), max_size=1).map(tuple),
    repo=st.lists(st.sampled_from(("one", "/src/two")), max_size=1).map(tuple),
    file=st.lists(st.sampled_from(("a.py", "src", "none")), max_size=1).map(tuple),
    conversation=st.lists(st.integers(1, 4), max_size=2).map(tuple),
    since=st.none() | st.sampled_from(("2026", "2026-02-11T05:45", "2026-02-11T05:44:59.999Z")),
    until=st.none() | st.sampled_from(("2025", "2026-02-11T05:44", "2026-02-11T05:45:00.000Z")),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    wanted=filters,
    unwanted=st.none() | filters,
    held=st.lists(st.tuples(st.integers(0, 3), messages, st.booleans()), max_size=12),
)
def test_conversations_are_those_of_the_messages(
    wanted: Filters, unwanted: Filters | None, held: list[tuple[int, Message, bool]]
) -> None:
    asked = replace(wanted, exclude=unwanted)
    if asked == Filters():
        return
    with init_db(sqlite_utils.Database(memory=True)) as db:
        for n in range(4):
            insert_conversation(
                db,
                Conversation(
                    source="stsu"[n], source_id=str(n), repo_root=REPOS[n % 3],
                    tags=("bug",) if n == 1 else (),
                ),
            )  # fmt: skip
        for conversation, message, tagged in held:
            row_id = insert_message(db, conversation + 1, message)
            if tagged:
                tag_message(db, row_id, "work")
        found = {m.conversation_id for m in query_messages(db, asked, limit=None)}
        assert {c.id for c in query_conversations(db, asked, limit=None)} == found
        assert count_conversations(db, asked) == len(found)
