"""Bulk loading: order, duplicates, forks, counts of tokens, and the search index."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.search import search
from glin_datasette.storage import (
    bulk,
    get_conversation,
    get_db,
    iter_messages,
    loading,
    query_conversations,
    tag_conversation,
)
from glin_datasette.storage.bulk import Together
from glin_datasette.storage.settling import set_summary, settle


def conversation(source_id: str = "s", **said: str) -> Conversation:
    return Conversation(source="test", source_id=source_id, **said)  # type: ignore[arg-type]


def said(source_id: str, ts: str | None = None, **more: object) -> Message:
    return Message(role="user", content=f"text {source_id}", source_id=source_id, ts=ts, **more)  # type: ignore[arg-type]


def contents(db: sqlite_utils.Database, row: int = 1) -> list[str]:
    return [m.source_id or "" for m in iter_messages(db, row)]


def load(
    db: sqlite_utils.Database, *messages: Message, to: str = "s", **about: str
) -> tuple[int, int]:
    with loading(db, "test") as loader:
        loader.conversation(conversation(to, **about))
        for message in messages:
            loader.message(to, message)
    db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
    return loader.conversations, loader.messages


def test_loading_twice_changes_nothing(db: sqlite_utils.Database) -> None:
    messages = [said(str(n), f"2026-01-01T00:00:{n % 60:02}Z") for n in range(1234)]
    assert load(db, *messages, title="T") == (1, 1234)
    before = list(db.conn.iterdump())
    assert load(db, *messages, title="T") == (0, 0)
    assert list(db.conn.iterdump()) == before


def test_what_was_loaded_is_found_and_what_follows_too(db: sqlite_utils.Database) -> None:
    load(db, said("m1"))
    load(db, said("m2"))
    assert search(db, "m1").total == search(db, "m2").total == 1
    db.execute("update messages set content = 'changed' where source_id = 'm1'")
    assert (search(db, "m1").total, search(db, "changed").total) == (0, 1)


def test_a_transcript_without_messages_leaves_nothing(db: sqlite_utils.Database) -> None:
    assert load(db, title="Nothing in it") == (0, 0)
    assert query_conversations(db) == []


def test_a_killed_load_leaves_nothing(db: sqlite_utils.Database) -> None:
    load(db, said("kept"))
    before = list(db.conn.iterdump())
    with pytest.raises(KeyboardInterrupt), loading(db, "test") as loader:
        loader.conversation(conversation())
        for n in range(2000):
            loader.message("s", said(f"new{n}"))
        raise KeyboardInterrupt
    assert list(db.conn.iterdump()) == before
    assert load(db, said("after")) == (0, 1)
    assert search(db, "after").total == 1


@pytest.mark.parametrize("cut", range(7))
def test_order_is_by_time_however_the_transcript_was_cut(
    db: sqlite_utils.Database, cut: int
) -> None:
    messages = [
        said("c", "2026-01-03"),
        said("a", "2026-01-01"),
        said("no time", sort_ts="2026-01-01"),
        # A reply whose clock runs behind what it replies to.
        said("reply", "2026-01-02", sort_ts="2026-01-03"),
        said("b", "2026-01-02"),
        said("d", "2026-01-04"),
    ]
    load(db, *messages[:cut])
    load(db, *messages[cut:])
    assert contents(db) == ["a", "no time", "b", "c", "reply", "d"]


def test_shuffled_messages_are_put_in_order(db: sqlite_utils.Database) -> None:
    days = [f"2026-01-{day:02}" for day in range(1, 29)]
    shuffled = random.Random(1).sample(days, len(days))
    load(db, *(said(day, day) for day in shuffled[:14]))
    load(db, *(said(day, day) for day in shuffled[14:]))
    assert contents(db) == days
    stored = get_conversation(db, 1)
    assert (stored.started_at, stored.ended_at) == (days[0], days[-1])


def test_records_of_another_conversation_stay_there_and_make_it_the_parent(
    db: sqlite_utils.Database,
) -> None:
    load(db, said("1"), said("2"), to="origin")
    load(db, said("1"), said("2"), said("3"), to="continued")
    assert (contents(db, 1), contents(db, 2)) == (["1", "2"], ["3"])
    stored = get_conversation(db, 2)
    assert (stored.parent_id, stored.parent_source_id, stored.relation) == (1, "origin", "fork")
    load(db, said("3"), said("4"), to="origin")
    assert get_conversation(db, 1).parent_id is None, "no cycles"
    assert contents(db, 1) == ["1", "2", "4"]


def test_a_copy_of_nothing_new_leaves_no_conversation(db: sqlite_utils.Database) -> None:
    load(db, said("1"), to="origin")
    assert load(db, said("1"), to="copy") == (0, 0)
    assert len(query_conversations(db)) == 1


def test_another_source_may_use_the_same_ids(db: sqlite_utils.Database) -> None:
    load(db, said("1"))
    with loading(db, "other") as loader:
        loader.conversation(Conversation(source="other", source_id="s"))
        loader.message("s", said("1"))
    assert loader.messages == 1


def test_a_record_twice_in_one_load_is_kept_once(db: sqlite_utils.Database) -> None:
    with loading(db, "test") as loader:
        loader.conversation(conversation("a"))
        loader.conversation(conversation("b"))
        loader.message("a", said("1"))
        loader.message("b", said("1"))
        for n in range(600):
            loader.message("a", said(f"fill{n}"))
        loader.message("a", Message(role="user", content="rewritten", source_id="1"))
    assert loader.messages == 601
    assert search(db, "rewritten").total == 1
    db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")


@pytest.mark.parametrize("later", [False, True], ids=["same load", "later load"])
def test_usage_keeps_the_largest_count(db: sqlite_utils.Database, later: bool) -> None:
    with loading(db, "test") as loader:
        loader.conversation(conversation())
        loader.message("s", said("m", token_in=3, token_out=5))
        if not later:
            loader.usage("s", "m", 30, 50, 7)
            loader.usage("s", "m", 1, 2, 3)
    if later:
        with loading(db, "test") as loader:
            loader.conversation(conversation())
            loader.usage("s", "m", 30, 50, 7)
            loader.usage("s", "m", 1, 2, 3)
    (message,) = iter_messages(db, 1)
    assert (message.token_in, message.token_out, message.token_cached) == (30, 50, 7)


def test_a_summary_titles_whoever_holds_the_record(db: sqlite_utils.Database) -> None:
    load(db, said("leaf"), to="old", title="Prompt", title_from="prompt")
    load(db, said("x#1"), to="blocks")
    with loading(db, "test") as loader:
        assert loader.summary("leaf", "About the old one")
        assert loader.summary("x", "By its second block")
        assert not loader.summary("nobody", "Lost")
    assert get_conversation(db, 1).title == "About the old one"
    assert get_conversation(db, 2).title == "By its second block"
    assert not set_summary(db, "other", "leaf", "Not of this source")


def test_what_a_person_added_survives(db: sqlite_utils.Database) -> None:
    load(db, said("1"), title="Prompt", title_from="prompt")
    tag_conversation(db, 1, "mine")
    db.execute("update conversations set notes = 'my notes', title = 'Mine', title_from = 'custom'")
    load(db, said("1"), said("2"), title="Prompt", title_from="prompt")
    stored = get_conversation(db, 1)
    assert (stored.title, stored.notes, stored.tags) == ("Mine", "my notes", ("mine",))


def test_references_and_tags_come_along(db: sqlite_utils.Database) -> None:
    load(db, said("1", refs=(Ref("file", "a.py"),), tags=("seen",)))
    (message,) = iter_messages(db, 1)
    assert (message.refs, message.tags) == ((Ref("file", "a.py"),), ("seen",))


def test_settling_merges_the_index(db: sqlite_utils.Database) -> None:
    load(db, *(said(str(n)) for n in range(50)))
    load(db, *(said(str(n)) for n in range(50, 100)))
    settle(db, 100)
    segments = db.execute("select count(distinct segid) from messages_fts_idx").fetchone()[0]
    assert segments == 1
    assert search(db, "text").total == 100


# --- what belongs elsewhere now --------------------------------------------------------


def test_messages_are_moved_to_a_branch_and_back(db: sqlite_utils.Database) -> None:
    times = [f"2026-01-01T00:00:0{n}.000Z" for n in range(4)]
    load(db, *(said(f"m{n}", ts) for n, ts in enumerate(times)))
    branch = conversation("s/branch-m2", parent_source_id="s", relation="branch")
    with loading(db, "test") as loader:
        loader.conversation(conversation())
        loader.conversation(branch)
        loader.moved("s/branch-m2", ("m2", "m3", "never seen"))
        loader.message("s", said("m4", "2026-01-01T00:00:09.000Z"))
    main, side = sorted(query_conversations(db), key=lambda c: len(c.source_id))
    assert main.id and side.id
    assert contents(db, main.id) == ["m0", "m1", "m4"]
    assert contents(db, side.id) == ["m2", "m3"]
    assert (side.parent_id, side.relation) == (main.id, "branch")
    assert (main.started_at, main.ended_at) == (times[0], "2026-01-01T00:00:09.000Z")
    assert (side.started_at, side.ended_at) == (times[2], times[3])
    assert search(db, "m2").hits[0].conversation_id == side.id
    with loading(db, "test") as loader:
        loader.conversation(conversation())
        loader.moved("s", ("m2", "m3"))
    assert contents(db, main.id) == ["m0", "m1", "m2", "m3", "m4"]
    assert [c.source_id for c in query_conversations(db)] == ["s"], "an empty branch is removed"


def test_moving_what_is_there_already_changes_nothing(db: sqlite_utils.Database) -> None:
    load(db, said("m0", "2026-01-01T00:00:00.000Z"), said("m1"))
    before = list(db.conn.iterdump())
    with loading(db, "test") as loader:
        loader.conversation(conversation())
        loader.moved("s", ("m0", "m1"))
    assert list(db.conn.iterdump()) == before


def test_messages_of_another_source_are_never_moved(db: sqlite_utils.Database) -> None:
    load(db, said("m0"))
    with loading(db, "other") as loader:
        loader.conversation(Conversation(source="other", source_id="s"))
        loader.moved("s", ("m0",))
    assert contents(db, 1) == ["m0"]
    assert len(query_conversations(db)) == 1


def test_a_record_that_two_conversations_hold_can_be_moved(db: sqlite_utils.Database) -> None:
    """As after a merge with an archive that had it elsewhere."""
    with loading(db, None) as loader:
        for name in ("s", "s/branch"):
            loader.conversation(conversation(name))
            loader.message(name, said("m0"))
    with loading(db, "test") as loader:
        loader.conversation(conversation("s/branch"))
        loader.moved("s/branch", ("m0",))
        loader.message("s/branch", said("m1"))
    assert contents(db, 1) == ["m0"]
    assert contents(db, 2) == ["m0", "m1"]


def test_an_emptied_conversation_with_a_tag_stays(db: sqlite_utils.Database) -> None:
    load(db, said("m0"), to="s/branch")
    tag_conversation(db, 1, "mine")
    with loading(db, "test") as loader:
        loader.conversation(conversation())
        loader.moved("s", ("m0",))
    assert [c.source_id for c in query_conversations(db, limit=None)] == ["s", "s/branch"]
    assert get_conversation(db, 1).tags == ("mine",)


def test_a_load_that_fails_takes_nothing_of_the_others_with_it(db: sqlite_utils.Database) -> None:
    with Together(db) as together:
        with loading(db, "test", together=together) as loader:
            loader.conversation(conversation("a"))
            loader.message("a", said("1"))
        with pytest.raises(ValueError), loading(db, "test", together=together) as loader:
            loader.conversation(conversation("b"))
            for n in range(600):
                loader.message("b", said(f"lost{n}"))
            # Updates what was just written: the search index has to hold it by then.
            loader.message("b", Message(role="user", content="rewritten", source_id="lost1"))
            loader.summary("lost2", "Flushes")
            raise ValueError
        with loading(db, "test", together=together) as loader:
            loader.conversation(conversation("c"))
            loader.message("c", said("2"))
        assert db.conn.in_transaction
    assert not db.conn.in_transaction
    assert [(m.id, m.source_id) for row in (1, 2) for m in iter_messages(db, row)] == [
        (1, "1"),
        (2, "2"),
    ]
    assert [search(db, word).total for word in ("text", "rewritten", "lost5")] == [2, 0, 0]
    db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
    insert = "insert into messages (conversation_id, position, role, kind, content)"
    db.execute(f"{insert} values (1, 9, 'user', 'text', 'by itself')")
    assert search(db, "itself").total == 1, "the triggers are there again"


def test_what_is_complete_is_kept_whatever_ends_the_rest(db: sqlite_utils.Database) -> None:
    with pytest.raises(KeyboardInterrupt), Together(db) as together:
        with loading(db, "test", together=together) as loader:
            loader.conversation(conversation("a"))
            loader.message("a", said("1"))
        with loading(db, "test", together=together) as loader:
            loader.conversation(conversation("b"))
            loader.message("b", said("2"))
            raise KeyboardInterrupt
    assert not db.conn.in_transaction
    assert contents(db) == ["1"]
    assert len(query_conversations(db)) == 1


def test_an_archive_is_the_same_however_its_loads_are_put_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(most: int) -> list[object]:
        monkeypatch.setattr(bulk, "_MESSAGES", most)
        with get_db(tmp_path / f"{most}.db") as db:
            with Together(db) as together:
                for n in range(12):
                    with loading(db, "test", together=together) as loader:
                        # Every third one is the child of one that comes later.
                        parent = f"s{n + 2}" if n % 3 == 0 else None
                        about = Conversation(
                            source="test", source_id=f"s{n}", parent_source_id=parent
                        )
                        loader.conversation(about)
                        for m in range(n):
                            loader.message(f"s{n}", said(f"{n // 2}-{m}", f"2026-01-{m + 1:02}"))
                    together.pause()
                    held.append(db.conn.in_transaction)
            tables = ("conversations", "messages")
            return [db.execute(f"select * from {t} order by id").fetchall() for t in tables]

    held: list[bool] = []
    alone, some, all_ = made(1), made(10), made(1000)
    assert alone == some == all_
    assert held.count(True) > 12, "some share a transaction"
    assert held.count(False) > 12, "some do not"
