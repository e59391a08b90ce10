"""Reading: every filter, alone and together, finds what it should and nothing else."""

from __future__ import annotations

import pytest
import sqlite_utils

from glin_datasette.errors import NotFound
from glin_datasette.models import Conversation, Filters, Message, Ref
from glin_datasette.storage import (
    find_conversation,
    insert_conversation,
    insert_message,
    iter_messages,
    query_conversations,
    query_messages,
    stats,
)


@pytest.fixture
def filled(db: sqlite_utils.Database) -> sqlite_utils.Database:
    """Two conversations; the content of each message is its name."""
    first = insert_conversation(
        db,
        Conversation(
            source="claude-code", source_id="aaa-1", repo_root="/home/me/src/glin", tags=("Work",)
        ),
    )
    second = insert_conversation(
        db, Conversation(source="codex", source_id="aab-2", repo_root="C:\\src\\other")
    )
    for row, message in (
        (first, Message(role="user", content="one snake_case", ts="2026-02-01T10:00:00.000Z")),
        (
            first,
            Message(
                role="assistant",
                content="two Größe",
                ts="2026-02-02T10:00:00.000Z",
                model="opus",
                token_in=10,
                token_out=5,
                refs=(Ref("file", "docs/guide/a.md"), Ref("commit", "abcdef1")),
            ),
        ),
        (
            first,
            Message(
                role="tool",
                kind="tool_result",
                content="three",
                ts="2026-02-03T10:00:00.000Z",
                tags=("bug",),
            ),
        ),
        (
            second,
            Message(
                role="user",
                content="four one",
                ts="2026-03-01T10:00:00.000Z",
                refs=(Ref("file", "/abs/a.md"), Ref("commit", "abcdef12" + "0" * 32)),
            ),
        ),
    ):
        insert_message(db, row, message)
    return db


FILTERS = [
    (Filters(), "four three two one"),
    (Filters(text="one"), "four one"),
    (Filters(text="one -four"), "one"),
    (Filters(text="snake"), "one"),
    (Filters(text="GRÖSSE OR grosse"), ""),
    (Filters(text="grö*"), "two"),
    (Filters(text='"four one"'), "four"),
    (Filters(tag=("WORK",)), "three two one"),
    (Filters(tag=("bug",)), "three"),
    (Filters(tag=("work", "bug")), "three"),
    (Filters(source=("codex",)), "four"),
    (Filters(source=("codex", "claude-code"), role=("user",)), "four one"),
    (Filters(role=("tool", "assistant")), "three two"),
    (Filters(kind=("tool_result",)), "three"),
    (Filters(model=("opus",)), "two"),
    (Filters(repo=("glin",)), "three two one"),
    (Filters(repo=("src/glin",)), "three two one"),
    (Filters(repo=("lin",)), ""),
    (Filters(repo=("other",)), "four"),
    (Filters(file=("a.md",)), "four two"),
    (Filters(file=("docs",)), "two"),
    (Filters(file=("docs/",)), "two"),
    (Filters(file=("doc",)), ""),
    (Filters(file=("docs/guide/a.md",)), "two"),
    (Filters(commit=("abcd",)), "four two"),
    (Filters(commit=("ABCDEF12",)), "four two"),
    (Filters(commit=("abcdef12" + "0" * 32,)), "four two"),
    (Filters(commit=("abcdef1f",)), "two"),
    (Filters(since="2026-02-02"), "four three two"),
    (Filters(until="2026-02-02"), "two one"),
    (Filters(since="2026-02-02", until="2026-02"), "three two"),
    (Filters(conversation=(1,)), "three two one"),
    (Filters(conversation=(1, 2), role=("user",)), "four one"),
    (Filters(exclude=Filters(role=("user",))), "three two"),
    (Filters(exclude=Filters(role=("user",), tag=("bug",))), "two"),
    (Filters(text="one", source=("codex",)), "four"),
    (Filters(text="' OR 1=1 --"), ""),
    (Filters(tag=("' OR 1=1 --",)), ""),
]


@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=[repr(f) for f, _ in FILTERS])
def test_each_filter(filled: sqlite_utils.Database, filters: Filters, expected: str) -> None:
    assert [m.content.split()[0] for m in query_messages(filled, filters)] == expected.split()
    conversations = {m.conversation_id for m in query_messages(filled, filters)}
    assert {c.id for c in query_conversations(filled, filters)} == conversations


def test_limit_and_offset_page_through(filled: sqlite_utils.Database) -> None:
    pages = [query_messages(filled, limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [[m.id for m in page] for page in pages] == [[4, 3, 2], [1], []]
    assert len(query_messages(filled, limit=None)) == 4


def test_conversations_come_newest_first_with_their_tags(filled: sqlite_utils.Database) -> None:
    assert [(c.source, c.tags) for c in query_conversations(filled)] == [
        ("codex", ()),
        ("claude-code", ("Work",)),
    ]


@pytest.mark.parametrize(("wanted", "found"), [("1", 1), ("aaa-1", 1), ("aab", 2)])
def test_a_conversation_is_found_by_what_people_have(
    filled: sqlite_utils.Database, wanted: str, found: int
) -> None:
    assert find_conversation(filled, wanted).id == found


@pytest.mark.parametrize(("wanted", "says"), [("aa", "several"), ("x", "no conv"), ("", "no conv")])
def test_a_conversation_that_is_not_clear(
    filled: sqlite_utils.Database, wanted: str, says: str
) -> None:
    with pytest.raises(NotFound, match=says):
        find_conversation(filled, wanted)


def test_a_long_conversation_is_read_whole_and_in_order(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, Conversation(source="t", source_id="1"))
    with db.atomic():
        for n in range(450):
            insert_message(db, row, Message(role="user", content=str(n)))
    assert [m.content for m in iter_messages(db, row)] == [str(n) for n in range(450)]
    assert [m.position for m in iter_messages(db, row)] == list(range(450))


def test_stats_count_everything(filled: sqlite_utils.Database) -> None:
    found = stats(filled)
    assert (found.conversations, found.messages, found.refs, found.tags) == (2, 4, 4, 2)
    assert (found.token_in, found.token_out, found.token_cached) == (10, 5, 0)
    assert found.by_source == {"claude-code": 3, "codex": 1}
    assert found.by_month == {"2026-03": 1, "2026-02": 3}
    assert (found.first_ts or "")[:10] == "2026-02-01"
