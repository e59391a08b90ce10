"""Where a search looks makes no difference to what it finds."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from glin_datasette.language import read
from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.queries import Query, load
from glin_datasette.search import facets, looking, messages, search
from glin_datasette.search.stretches import Stretches, stretches_of
from glin_datasette.storage import get_db, loading, query_messages

WORDS = (
    "common",
    "often",
    "seldom",
    "common often",
    '"common often"',
    "oft*",
    "-seldom common",
    "",
)
OPERATORS = (
    "source:one", "source:two", "repo:app", "repo:lib", "tag:work", "tag:odd", "file:a.py",
    "file:src", "commit:abcdef1", "role:user", "role:tool", "model:m1", "conversation:3",
    "conversation:7", "since:2026-01-02", "until:2026-01-02",
    "since:2026-01-02 until:2026-01-02", "-tag:work", "-source:one",
)  # fmt: skip

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite_utils.Database]:
    """700 messages, with conversations that follow on another, that overlap, and that went
    on after later ones; imported in an order that is not that of time."""
    numbers = random.Random(7)
    with get_db(tmp_path_factory.mktemp("looking") / "glin.db") as db:
        for source, first in (("one", 0), ("two", 1000)):
            with loading(db, source) as loader:
                _fill(loader, numbers, source, first)
        with loading(db, "one") as loader:
            for n in range(0, 20, 3):
                loader.conversation(Conversation(source="one", source_id=f"c{n}"))
                loader.message(f"c{n}", _message(numbers, START + timedelta(hours=70), f"l{n}"))
        # What is gone leaves gaps.
        db.execute("delete from messages where id % 41 = 0")
        yield db


def _fill(loader: object, numbers: random.Random, source: str, first: int) -> None:
    for n in range(20):
        loader.conversation(  # type: ignore[attr-defined]
            Conversation(
                source=source, source_id=f"c{n}", repo_root=f"/src/{'app' if n % 3 else 'lib'}",
                tags=("work",) if n % 4 == 0 else (),
            )
        )  # fmt: skip
        # Some lie within each other.
        into = (f"c{n}", f"c{n - 1 if n % 5 == 4 else n}")
        for i in range(17):
            ts = START + timedelta(hours=3 * n, minutes=i) if i % 16 else None
            loader.message(into[i % 2], _message(numbers, ts, f"{source}{n}-{i}"))  # type: ignore[attr-defined]


def _message(numbers: random.Random, ts: datetime | None, source_id: str) -> Message:
    shares = {"common": 0.7, "often": 0.4, "seldom": 0.05}
    words = [word for word, share in shares.items() if numbers.random() < share]
    files = [Ref("file", numbers.choice(["src/a.py", "src/b.py", "lib/a.py"]))]
    commits = [Ref("commit", "abcdef1")]
    return Message(
        role=numbers.choice(["user", "assistant", "assistant", "tool"]),
        content=" ".join([*words, "x" * numbers.randrange(5), source_id]),
        ts=_stored(ts) if ts else None, source_id=source_id,
        model=numbers.choice([None, "m1", "m2"]),
        tags=("odd",) if numbers.random() < 0.1 else (),
        refs=(*files[: numbers.random() < 0.2], *commits[: numbers.random() < 0.1]),
    )  # fmt: skip


def _stored(ts: datetime) -> str:
    """As the archive writes times."""
    return ts.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is chosen by size, where 700 messages are many."""
    for name, value in {
        "MOST": 60, "_LOOKED_AT": 150, "_ENOUGH": 25, "_AMONG": 120, "_SORTED": 50,
        "_SORTED_HITS": 40, "_ONE_BY_ONE": {"word": 6, "words": 3, "prefix": 1},
    }.items():  # fmt: skip
        monkeypatch.setattr(looking, name, value)
    monkeypatch.setattr(messages, "load", _load_small)


def _load_small(name: str, *, indexed: bool) -> Query:
    query = load(name, indexed=indexed)
    for large, small in (("n > 2000", "n > 15"), ("max(500,", "max(5,")):
        assert (large in query._body) == (name == "search_messages" and indexed)
        query = dataclasses.replace(query, _body=query._body.replace(large, small))
    return query


QUERIES = st.builds(
    lambda words, operators: " ".join(filter(None, [words, *operators])),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(OPERATORS), max_size=3, unique=True),
)


@pytest.mark.usefixtures("small")
@settings(deadline=None, max_examples=150)
@given(query=QUERIES, page=st.sampled_from([(5, 0), (20, 0), (20, 20), (100, 0)]))
def test_what_is_found(query: str, page: tuple[int, int], many: sqlite_utils.Database) -> None:
    meant = [m.id for m in query_messages(many, read(query).filters, limit=None)]
    size, skip = page
    newest = search(many, query, sort="newest", limit=size, offset=skip)
    assert [hit.message_id for hit in newest.hits] == meant[skip : skip + size]
    ranked = search(many, query, limit=1000)
    hits = [hit.message_id for hit in ranked.hits]
    assert newest.total == ranked.total
    assert newest.exact == ranked.exact
    if ranked.exact:
        assert ranked.total == len(meant)
    else:
        assert looking._ENOUGH <= ranked.total <= looking.MOST
        assert len(meant) >= ranked.total
    if ranked.ranked != "no":
        assert len(hits) == ranked.total
    assert set(hits) <= set(meant)
    if ranked.ranked.startswith("newest"):
        assert set(hits) == set(sorted(filter(None, meant), reverse=True)[: ranked.total])
    counted = facets(many, query)
    assert (counted.messages, counted.exact) == (ranked.total, ranked.exact)


@settings(deadline=None, max_examples=100)
@given(query=QUERIES)
def test_stretches_hold_what_filters_let_through(query: str, many: sqlite_utils.Database) -> None:
    filters = read(query).filters
    operators = " ".join(part for part in query.split() if ":" in part)
    meant = {m.id for m in query_messages(many, read(operators).filters, limit=None)}
    stretches, settled = stretches_of(many, filters)
    if stretches is None:
        assert not settled
        return
    ids = {id for first, last in stretches.spans for id in range(first, last + 1)}
    assert meant <= ids
    assert stretches.width == len(ids)
    for (_, last), (first, _) in zip(stretches.spans, stretches.spans[1:], strict=False):
        assert last + 1 < first


SPANS = st.sets(st.integers(1, 30)).map(
    lambda ids: Stretches(tuple((id, id) for id in sorted(ids)))
)


@given(ours=SPANS, theirs=SPANS)
def test_stretches_are_sets(ours: Stretches, theirs: Stretches) -> None:
    def ids(stretches: Stretches) -> set[int]:
        return {id for first, last in stretches.spans for id in range(first, last + 1)}

    joined = Stretches(()) | ours
    assert ids(joined) == ids(ours)
    assert ids(joined & theirs) == ids(ours) & ids(theirs)
    assert ids(joined | theirs) == ids(ours) | ids(theirs)
    assert ids((joined | theirs) & (Stretches(()) | theirs)) == ids(theirs)


def test_every_way_of_looking_is_taken(many: sqlite_utils.Database, small: None) -> None:
    ways = set()
    for words in WORDS:
        for operator in ("", *OPERATORS):
            found = looking.look_for(many, read(f"{words} {operator}").filters, indexed=True)
            for look in (found.look, found.newest):
                spans = "" if look.spans is None else "among" if look.among else "spans"
                bounds = "first" * (look.first is not None) + "last" * (look.last is not None)
                ways.add((spans, bounds))
    assert {("", ""), ("spans", ""), ("among", ""), ("", "firstlast"), ("", "first")} <= ways


def test_every_page_of_one_long_conversation_holds_other_hits(tmp_path: Path) -> None:
    with get_db(tmp_path / "glin.db") as db:
        with loading(db, "one") as loader:
            for name, count in (("a", 3000), ("b", 8000)):
                loader.conversation(Conversation(source="one", source_id=name))
                for n in range(count):
                    ts = _stored(START + timedelta(days=name == "b", seconds=n))
                    message = Message(role="user", content="word", ts=ts, source_id=f"{name}{n}")
                    loader.message(name, message)
        pages = [
            [hit.message_id for hit in search(db, "word conversation:1", sort=sort, offset=n).hits]
            for sort in ("newest", "rank")
            for n in (0, 20, 40)
        ]
        assert pages[:3] == [list(range(end, end - 20, -1)) for end in (3000, 2980, 2960)]
        assert len({each for page in pages[3:] for each in page}) == 60
        last = search(db, "word conversation:2 since:2026-01-02", limit=20_000)
        assert (last.total, last.exact) == (8000, True)
