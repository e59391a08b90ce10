"""The numbers of the front door, and what is about a file, a commit or a tag, against
counting by hand."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, datetime

import pytest
import sqlite_utils
from shown import COMMIT, FILE, REPO, add_everything

from glin_datasette.models import Conversation, Message
from glin_datasette.storage import (
    about_commit,
    about_file,
    discussed_files,
    files_beside,
    files_meant,
    insert_conversation,
    insert_message,
    newest_commits,
    origin_of,
    overview,
    query_conversations,
    query_messages,
    tagged,
)


@pytest.fixture
def ids(db: sqlite_utils.Database) -> dict[str, int]:
    return add_everything(db)


def local_day(ts: str) -> str:
    return datetime.fromisoformat(ts).astimezone().date().isoformat()


def test_the_overview_counts_what_is_there(db: sqlite_utils.Database, ids: dict[str, int]) -> None:
    seen = overview(db, today=date(2026, 2, 15))
    messages = query_messages(db, limit=None)
    conversations = {each.id: each for each in query_conversations(db, limit=None)}
    assert (seen.conversations, seen.messages) == (len(conversations), len(messages))
    assert seen.token_in == sum(m.token_in or 0 for m in messages)
    assert seen.token_out == sum(m.token_out or 0 for m in messages)
    assert {one.name: one.messages for one in seen.models} == Counter(
        m.model for m in messages if m.model
    )
    assert {one.name: one.messages for one in seen.repositories} == Counter(
        repo for m in messages if (repo := conversations[m.conversation_id].repo_root)
    )
    days = Counter(local_day(m.ts) for m in messages if m.ts)
    assert {day: n for day, n in seen.days.items() if n} == {
        day: n for day, n in days.items() if day in seen.days
    }
    assert len(seen.weeks) == 53
    assert list(seen.days) == sorted(seen.days)
    assert date.fromisoformat(next(iter(seen.days))).weekday() == 0
    assert next(reversed(seen.days)) == "2026-02-15" == seen.last_day
    by_source = Counter[str]()
    for sources in seen.weeks.values():
        by_source.update(sources)
    assert by_source == Counter(
        conversations[m.conversation_id].source
        for m in messages
        if m.ts and local_day(m.ts) in seen.days
    )
    assert {tag.name for tag in seen.tags} == {"bug", "worth reading", "翻译", "question"}
    # Main lines, the newest first.
    assert ids["subagent"] not in [each.conversation_id for each in seen.recent]
    times = [each.ended_at or "" for each in seen.recent]
    assert times == sorted(times, reverse=True)


def test_an_old_archive_shows_the_year_in_which_it_was_used(
    db: sqlite_utils.Database, ids: dict[str, int]
) -> None:
    seen = overview(db, today=date(2031, 1, 1))
    assert seen.today == "2026-02-11" or seen.last_day.startswith("2026-02")
    assert sum(seen.days.values()) > 0


def test_an_empty_archive(db: sqlite_utils.Database) -> None:
    seen = overview(db)
    assert (seen.conversations, seen.messages, seen.first_ts, seen.recent) == (0, 0, None, ())
    assert sum(seen.days.values()) == 0


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset")
def test_days_on_which_clocks_change(
    db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    try:
        conversation = insert_conversation(db, Conversation(source="s", source_id="1"))
        # 23:30 before, 00:30 on and 23:30 on the day that has 23 hours, 00:30 behind it.
        for ts in ("2026-03-28T22:30", "2026-03-28T23:30", "2026-03-29T21:30", "2026-03-29T22:30"):
            insert_message(db, conversation, Message(role="user", content="x", ts=ts))
        days = overview(db, today=date(2026, 4, 1)).days
        assert [days[f"2026-03-{d}"] for d in (28, 29, 30)] == [1, 2, 1]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_about_a_file(db: sqlite_utils.Database, ids: dict[str, int]) -> None:
    touching = sorted(
        (m for m in query_messages(db, limit=None) if any(r.value == FILE for r in m.refs)),
        key=lambda m: (m.ts or "", m.id or 0),
    )
    for name in (FILE, "table.py", "src/tides", "src"):
        found = about_file(db, name)
        assert [one.message.id for one in found.mentions] == [m.id for m in touching], name
        assert (found.messages, found.conversations) == (
            len(touching),
            len({m.conversation_id for m in touching}),
        )
    newest = about_file(db, FILE, order="newest", limit=1, offset=1)
    assert [one.message.id for one in newest.mentions] == [touching[-2].id]
    assert about_file(db, "able.py").messages == 0
    assert {one.path for one in files_meant(db, "table.py")} == {FILE}
    assert {(one.repo_root or "").rpartition("/")[2] for one in files_meant(db, FILE)} == {
        "heron",
        "lantern",
    }
    assert about_file(db, FILE, repo="heron").conversations == 1
    assert [one.path for one in files_beside(db, FILE)] == ["tests/test_table.py"]
    assert [one.path for one in discussed_files(db, name="TEST_")] == ["tests/test_table.py"]
    assert {one.path for one in discussed_files(db, repo=REPO)} == {FILE}


def test_what_is_about_a_commit(db: sqlite_utils.Database, ids: dict[str, int]) -> None:
    for digits in (COMMIT, COMMIT[:7], COMMIT[:5]):
        assert about_commit(db, digits).messages == 2
        made = origin_of(db, digits)
        assert made is not None
        assert (made.certain, made.subject) == (True, "Sort by time")
        assert made.mention.conversation.id == ids["tides"]
    assert about_commit(db, "abcdef0").messages == 0
    assert origin_of(db, "abcdef0") is None
    [commit] = newest_commits(db)
    assert (commit.commit, commit.messages, commit.subject) == (COMMIT, 2, "Sort by time")


def test_what_has_a_tag(db: sqlite_utils.Database, ids: dict[str, int]) -> None:
    total, found = tagged(db, "BUG")
    assert total == 2
    assert {one.conversation.id for one in found} == {ids["tides"], ids["patch"]}
    total, [one] = tagged(db, "question")
    assert (total, one.whole, len(one.messages)) == (1, False, 1)
    assert tagged(db, "none") == (0, [])
