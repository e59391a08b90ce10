"""Writing: everything twice changes nothing, and what cannot be stored says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glin_datasette.errors import FilterError, NotFound
from glin_datasette.models import KINDS, ROLES, Conversation, Filters, Message, Ref, TitleFrom
from glin_datasette.storage import (
    children_of,
    delete_conversation,
    get_conversation,
    insert_conversation,
    insert_message,
    iter_messages,
    link_message_ref,
    list_tags,
    query_messages,
    tag_conversation,
    tag_message,
    untag_conversation,
    untag_message,
)

SESSION = Conversation(source="test", source_id="s1")


def dump(db: sqlite_utils.Database) -> list[str]:
    return list(db.conn.iterdump())


def test_a_conversation_is_found_again_by_its_source(db: sqlite_utils.Database) -> None:
    first = insert_conversation(db, replace(SESSION, title="One", title_from="prompt"))
    again = insert_conversation(db, replace(SESSION, git_branch="main"))
    other = insert_conversation(db, Conversation(source="other", source_id="s1"))
    assert first == again != other
    stored = get_conversation(db, first)
    assert (stored.title, stored.git_branch) == ("One", "main")


def test_everything_twice_changes_nothing(db: sqlite_utils.Database) -> None:
    def write() -> None:
        conversation = insert_conversation(db, replace(SESSION, title="T", tags=("Bug",)))
        message = insert_message(
            db,
            conversation,
            Message(role="user", content="x", source_id="m", refs=(Ref("file", "a.py"),)),
        )
        link_message_ref(db, message, "url", "https://example.org/")
        tag_message(db, message, "bug")

    write()
    before = dump(db)
    write()
    assert dump(db) == before


@pytest.mark.parametrize(
    ("earlier", "later", "kept"),
    [
        ("prompt", "summary", "new"),
        ("custom", "prompt", "old"),
        ("summary", "summary", "new"),
        ("generated", "summary", "old"),
        (None, "prompt", "new"),
    ],
)
def test_a_title_gives_way_to_a_better_one(
    db: sqlite_utils.Database, earlier: TitleFrom | None, later: TitleFrom, kept: str
) -> None:
    row = insert_conversation(db, replace(SESSION, title="old", title_from=earlier))
    insert_conversation(db, replace(SESSION, title="new", title_from=later))
    assert get_conversation(db, row).title == kept


def test_times_and_model_follow_the_messages(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    for ts, model in (("2026-02-02", "b"), ("2026-02-01T23:30-05:00", None), ("2026-02-03", "c")):
        insert_message(db, row, Message(role="assistant", content=ts, ts=ts, model=model))
    stored = get_conversation(db, row)
    assert stored.started_at == "2026-02-02T00:00:00.000Z"
    assert stored.ended_at == "2026-02-03T00:00:00.000Z"
    assert stored.model == "c"
    assert [m.ts for m in iter_messages(db, row)][1] == "2026-02-02T04:30:00.000Z"


def test_a_parent_is_found_when_it_appears_later(db: sqlite_utils.Database) -> None:
    child = insert_conversation(
        db, Conversation(source="test", source_id="c", parent_source_id="s1", relation="subagent")
    )
    assert get_conversation(db, child).parent_id is None
    parent = insert_conversation(db, SESSION)
    assert get_conversation(db, child).parent_id == parent
    assert [c.id for c in children_of(db, parent)] == [child]


def test_a_message_is_updated_in_its_place(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    first = insert_message(db, row, Message(role="user", content="ein Wort", source_id="m"))
    insert_message(db, row, Message(role="user", content="later"))
    again = insert_message(db, row, Message(role="user", content="zwei", source_id="m"))
    assert first == again
    assert [m.content for m in iter_messages(db, row)] == ["zwei", "later"]
    found = db.execute("select rowid from messages_fts where messages_fts match 'Wort'").fetchall()
    assert found == []


def test_tags_are_equal_without_regard_to_case(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    assert tag_conversation(db, row, " Bug ")
    assert not tag_conversation(db, row, "bug")
    assert [(t.name, t.conversations) for t in list_tags(db)] == [("Bug", 1)]
    assert untag_conversation(db, row, "BUG")
    assert not untag_conversation(db, row, "BUG")
    assert list_tags(db) == []


def test_a_tag_stays_while_a_message_has_it(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    message = insert_message(db, row, Message(role="user", content="x", tags=("keep",)))
    tag_conversation(db, row, "keep")
    untag_conversation(db, row, "keep")
    assert [(t.name, t.conversations, t.messages) for t in list_tags(db)] == [("keep", 0, 1)]
    untag_message(db, message, "keep")
    assert list_tags(db) == []


def test_a_commit_is_stored_as_it_is_looked_for(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    message = insert_message(db, row, Message(role="user", refs=(Ref("commit", "ABCDEF1"),)))
    link_message_ref(db, message, "commit", "ABCDEF12")
    for wanted in ("abcd", "ABCDEF1", "abcdef12"):
        assert [m.id for m in query_messages(db, Filters(commit=(wanted,)))] == [message]


def test_the_characters_that_mark_snippets_are_not_stored(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, SESSION)
    insert_message(db, row, Message(role="user", content="nul\0after \x02mark\x03 zebra"))
    (message,) = iter_messages(db, row)
    assert message.content == "nul\ufffdafter \ufffdmark\ufffd zebra"


def test_deleting_takes_everything_along(db: sqlite_utils.Database) -> None:
    parent = insert_conversation(db, replace(SESSION, tags=("gone",)))
    child = insert_conversation(
        db, Conversation(source="test", source_id="c", parent_source_id="s1")
    )
    stays = insert_conversation(db, Conversation(source="test", source_id="stays"))
    for row in (parent, child, stays):
        insert_message(
            db, row, Message(role="user", content="word", refs=(Ref("file", "a"),), tags=("m",))
        )
    assert delete_conversation(db, parent) == 2
    assert [m.conversation_id for m in query_messages(db)] == [stays]
    assert db.table("message_refs").count == 1
    assert [t.name for t in list_tags(db)] == ["m"]
    db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")


WRONG: list[tuple[Callable[[sqlite_utils.Database], object], type[Exception], str]] = [
    (lambda db: insert_message(db, 99, Message(role="user")), NotFound, "99"),
    (lambda db: insert_message(db, 1, Message(role="boss")), FilterError, "boss"),  # type: ignore[arg-type]
    (lambda db: insert_message(db, 1, Message(role="user", content="\ud800")), FilterError, "con"),
    (lambda db: insert_message(db, 1, Message(role="user", token_in=2**64)), FilterError, "64 b"),
    (lambda db: tag_conversation(db, 99, "x"), NotFound, "99"),
    (lambda db: tag_conversation(db, 1, "  "), FilterError, "name"),
    (lambda db: untag_message(db, 99, "x"), NotFound, "99"),
    (lambda db: link_message_ref(db, 99, "file", "x"), NotFound, "99"),
    (lambda db: link_message_ref(db, 1, "dir", "x"), FilterError, "dir"),  # type: ignore[arg-type]
    (lambda db: link_message_ref(db, 1, "commit", "nothash"), FilterError, "no commit"),
    (lambda db: insert_message(db, 1, Message(role="user", ts="soon")), FilterError, "no time"),
    (lambda db: insert_conversation(db, replace(SESSION, ended_at="x")), FilterError, "ended_at"),
    (lambda db: delete_conversation(db, 99), NotFound, "99"),
    (lambda db: get_conversation(db, 99), NotFound, "99"),
]


@pytest.mark.parametrize(("call", "error", "says"), WRONG)
def test_what_cannot_be_says_so_and_changes_nothing(
    db: sqlite_utils.Database,
    call: Callable[[sqlite_utils.Database], object],
    error: type[Exception],
    says: str,
) -> None:
    insert_conversation(db, SESSION)
    before = dump(db)
    with pytest.raises(error, match=says):
        call(db)
    assert dump(db) == before
    assert not db.conn.in_transaction


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
COUNT = st.none() | st.integers(0, 2**62)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(ROLES),
    kind=st.sampled_from(KINDS),
    content=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\x02\x03")),
    ts=st.none() | st.datetimes().map(lambda t: t.isoformat(timespec="milliseconds") + "Z"),
    model=st.none() | TEXT,
    token_in=COUNT,
    token_out=COUNT,
    token_cached=COUNT,
    tool_name=st.none() | TEXT,
    tool_call_id=st.none() | TEXT,
    is_error=st.booleans(),
    source_id=st.none() | TEXT,
    refs=st.frozensets(
        st.builds(Ref, st.sampled_from(["file", "url"]), TEXT.filter(bool))
        | st.from_regex("[0-9a-f]{7,40}", fullmatch=True).map(lambda value: Ref("commit", value)),
        max_size=3,
    ).map(lambda refs: tuple(sorted(refs))),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(messages=st.lists(MESSAGES, max_size=5))
def test_what_is_saved_comes_back(db: sqlite_utils.Database, messages: list[Message]) -> None:
    messages = list({m.source_id if m.source_id is not None else i: m
                     for i, m in enumerate(messages)}.values())  # fmt: skip
    row = insert_conversation(db, Conversation(source="test", source_id=uuid4().hex))
    for message in messages:
        insert_message(db, row, message)
    came_back = [
        replace(message, id=None, conversation_id=None, position=None)
        for message in iter_messages(db, row)
    ]
    assert came_back == messages
    db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
