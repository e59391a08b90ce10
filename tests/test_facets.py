"""Facets, their histogram, and what to leave out of a search that finds nothing: against
counts that plain Python makes of the same messages."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from glin_datasette.language import join, parts, read
from glin_datasette.models import Conversation, Filters, Message, SearchFacets
from glin_datasette.queries.text import match, rest
from glin_datasette.search import FACETS, facets, loosen, search
from glin_datasette.search.periods import STEPS, Period, asked_for, containing, wider
from glin_datasette.storage import (
    get_conversation,
    get_db,
    insert_conversation,
    insert_message,
    query_messages,
)

SHAPES = [
    ("user", "text", None),
    ("assistant", "text", "m-1"),
    ("assistant", "tool_call", "m-2"),
    ("tool", "tool_result", None),
]
WORDS = ["parser", "weather", "retry", "東京"]


@pytest.fixture(scope="module", params=["UTC", "Asia/Kathmandu"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sqlite_utils.Database]:
    """An archive of 240 messages of three years, in a time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        chosen = random.Random(4)
        start = datetime(2024, 1, 31, 20, tzinfo=UTC)
        with get_db(tmp_path_factory.mktemp("facets") / "glin.db") as db:
            for number in range(12):
                row = insert_conversation(
                    db,
                    Conversation(
                        source=chosen.choice(["codex", "claude-code"]),
                        source_id=str(number),
                        repo_root=chosen.choice([None, "/src/app", "/src/other"]),
                        tags=tuple(chosen.sample(["bug", "Docs", "later"], chosen.randrange(3))),
                    ),
                )
                for _ in range(20):
                    role, kind, model = chosen.choice(SHAPES)
                    ts = start + timedelta(hours=chosen.randrange(24 * 900))
                    insert_message(
                        db,
                        row,
                        Message(
                            role=role,  # type: ignore[arg-type]
                            kind=kind,  # type: ignore[arg-type]
                            model=model,
                            content=" ".join(chosen.choices(WORDS, k=2)),
                            ts=chosen.choice([None, *[ts.isoformat()[:19] + ".000Z"] * 9]),
                            tags=tuple(chosen.sample(["bug", "idea"], chosen.randrange(3))),
                        ),
                    )
            yield db
    time.tzset()


def counted(db: sqlite_utils.Database, filters: Filters) -> dict[str, Counter[str]]:
    """The facets, message by message."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*FACETS, "month", "day")}
    for message in query_messages(db, filters, limit=None):
        conversation = get_conversation(db, message.conversation_id or 0)
        day = datetime.fromisoformat(message.ts).astimezone().date() if message.ts else None
        said = {
            "source": conversation.source,
            "repo": conversation.repo_root,
            "role": message.role,
            "kind": message.kind,
            "model": message.model,
            "month": day.isoformat()[:7] if day else None,
            "day": day.isoformat() if day else None,
        }
        for name, value in said.items():
            counts[name].update([value] if value else [])
        counts["tag"].update({*message.tags, *conversation.tags})
    return counts


queries = st.lists(
    st.sampled_from(
        [
            "parser", "retry", "weather OR retry", "-parser", '"retry parser"', "東京", "par*",
            "tag:bug", "tag:docs", "-tag:bug", "source:codex", "repo:app", "-repo:app",
            "role:user", "role:tool", "-kind:text", "model:m-1", "since:2024-06",
            "until:2025-03-14", "since:2025-01 until:2025-01",
        ]
    ),
    max_size=3,
).map(" ".join)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(q=queries)
def test_facets_count_what_the_search_finds(made: sqlite_utils.Database, q: str) -> None:
    found = facets(made, q)
    expected = counted(made, read(q).filters)
    assert {name: getattr(found, name) for name in (*FACETS, "month")} == {
        name: dict(counts) for name, counts in expected.items() if name != "day"
    }
    assert found.exact
    assert found.messages == search(made, q).total
    assert sum(bucket.messages for bucket in found.buckets) == expected["day"].total()
    for bucket in found.buckets:
        within = f"{q} since:{bucket.since} until:{bucket.until}"
        # Bounds that are there already may cut off a part of a bucket's time.
        assert search(made, within).total == bucket.messages


def test_the_most_frequent_come_first_and_months_newest_first(
    made: sqlite_utils.Database,
) -> None:
    found = facets(made, "")
    for name in FACETS:
        values = list(getattr(found, name).values())
        assert values == sorted(values, reverse=True)
    assert list(found.month) == sorted(found.month, reverse=True)


def test_buckets_are_as_fine_as_there_is_room_and_leave_no_gap(
    made: sqlite_utils.Database,
) -> None:
    steps = {}
    for q in ("", "since:2024-06 until:2025-03", "since:2024-06 until:2024-06"):
        found = facets(made, q)
        assert found.step
        steps[q] = found.step
        starts = [date.fromisoformat(f"{b.since}-01-01"[:10]) for b in found.buckets]
        for start, following in pairwise(starts):
            assert Period(start, found.step).shifted(1) == Period(following, found.step)
    assert list(steps.values()) == ["month", "week", "day"]


def test_only_the_newest_are_counted_where_there_are_very_many(
    made: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glin_datasette.search.looking.MOST", 50)
    found = facets(made, "")
    assert (found.exact, found.messages) == (False, 50)
    newest = counted(made, Filters(since=query_messages(made, limit=50)[-1].ts))
    assert found.kind == dict(newest["kind"])
    few = facets(made, "source:codex role:user model:m-1 OR tag:idea since:2026")
    assert few.exact


def test_nothing_found_has_no_facets(db: sqlite_utils.Database) -> None:
    empty: dict[str, int] = {}
    assert facets(db, "anything") == SearchFacets(
        messages=0,
        conversations=0,
        exact=True,
        **dict.fromkeys(FACETS, empty),
        month={},
        step=None,
        buckets=(),
    )


def test_times_of_another_age_are_counted(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, Conversation(source="s", source_id="1"))
    for ts in ("0001-01-01T00:00:00.000Z", "2026-02-11T05:00:00.000Z", "9999-12-31T23:59:59.999Z"):
        insert_message(db, row, Message(role="user", content="x", ts=ts))
    found = facets(db, "x")
    assert (found.messages, found.step) == (3, "year")
    assert len(found.buckets) <= 200
    assert found.month["2026-02"] == 1


def test_loosening_tells_what_each_part_costs(made: sqlite_utils.Database) -> None:
    q = "parser nowhere role:user tag:bug"
    assert search(made, q).total == 0
    found = loosen(made, q)
    assert {one.without: one.query for one in found} == {
        "nowhere": "parser role:user tag:bug",
        None: "parser OR nowhere role:user tag:bug",
    }
    for one in found:
        assert search(made, one.query).total == one.total > 0
    assert [one.without for one in loosen(made, "parser tag:x tag:y")] == ["tag:x tag:y"]
    assert loosen(made, "nowhere") == ()


TYPED = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "tag:a", "-tag:a", 'repo:"two words"', 'tag:"a""b"', "since:7d", "since:never",
                "role:USER", "OR", "-", "--flag", '"a phrase"', '-"not this"', "pre*", '"open',
                "tag:", "http://x", 'foo"bar"', "-word", "*", "conversation:3",
            ]
        ),
        st.text(max_size=8),
    ),
    max_size=6,
).map(" ".join)  # fmt: skip


@given(text=TYPED)
def test_the_parts_of_a_query_make_the_same_query(text: str) -> None:
    again = join(parts(text))
    before, after = read(text).filters, read(again).filters
    for name in Filters.__dataclass_fields__:
        if name not in ("text", "since", "until", "exclude"):
            assert getattr(before, name) == getattr(after, name), (text, again)
    assert (match(before.text), rest(before.text)) == (match(after.text), rest(after.text))
    assert parts(again) == parts(text)


def test_parts_stay_as_they_were_typed() -> None:
    said = parts('a OR b -c since:7d repo:"two words" "x y')
    assert [part.said for part in said] == [
        "a OR b", "-c", '"x y"', "since:7d", 'repo:"two words"',
    ]  # fmt: skip
    assert [(p.name, p.value, p.excluded) for p in said if p.name or p.excluded] == [
        (None, "c", True),
        ("since", "7d", False),
        ("repo", "two words", False),
    ]


@given(day=st.dates(), step=st.sampled_from(STEPS))
def test_a_period_holds_its_days_and_its_neighbours_touch_it(day: date, step: str) -> None:
    period = containing(day, step)  # type: ignore[arg-type]
    assert period.first <= day <= period.last
    after = period.shifted(1)
    if after:
        assert after.first == period.last + timedelta(days=1)
        assert after.shifted(-1) == period


@pytest.mark.parametrize(
    ("q", "step", "first", "broader"),
    [
        ("since:2026-02-11 until:2026-02-11", "day", "2026-02-11", "week 2026-02-09"),
        ("since:2026-02-09 until:2026-02-15", "week", "2026-02-09", "month 2026-02-01"),
        ("since:2026-02-11 until:2026-02-17", "week", "2026-02-11", "month 2026-02-01"),
        ("since:2026-02 until:2026-02-28", "month", "2026-02-01", "year 2026-01-01"),
        ("since:2026 until:2026", "year", "2026-01-01", None),
        ("since:2026-02-11 until:2026-02-12", None, None, "week 2026-02-09"),
        ("since:2026-02", None, None, None),
        ("", None, None, None),
    ],
)
def test_the_period_that_is_asked_for(
    q: str, step: str | None, first: str | None, broader: str | None
) -> None:
    filters = read(q).filters
    period, more = asked_for(filters), wider(filters)
    assert (period and period.step, period and period.first.isoformat()) == (step, first)
    assert (more and f"{more.step} {more.first}") == broader
