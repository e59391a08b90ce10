"""Search: what a person types finds what it should, and any text at all is valid."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from glin_datasette.errors import FilterError, UsageError
from glin_datasette.language import parse, quote, read, unparse
from glin_datasette.models import Conversation, Filters, Message, Ref
from glin_datasette.search import search
from glin_datasette.storage import (
    get_db,
    insert_conversation,
    insert_message,
    loading,
    query_messages,
)
from glin_datasette.storage.connection import transaction
from glin_datasette.storage.schema import drop_search_triggers, make_search_index

MESSAGES = [
    ("user", "text", "Why does the parser fail on a café menu?"),
    ("assistant", "text", "The parser fails because parse_menu() drops the accent."),
    ("assistant", "tool_call", "command: git commit -m 'fix parser'"),
    ("tool", "tool_result", "[main abc1234] fix parser"),
    ("user", "text", "東京の天気を調べて"),
    ("assistant", "text", "getUserName in src/app/user_name.py returns C++ --flag."),
]


@pytest.fixture
def filled(db: sqlite_utils.Database) -> sqlite_utils.Database:
    row = insert_conversation(
        db,
        Conversation(
            source="claude-code", source_id="1", title="Menu", repo_root="/src/menu", tags=("food",)
        ),
    )
    for n, (role, kind, content) in enumerate(MESSAGES):
        refs = (Ref("file", "src/app/user_name.py"),) if n == 5 else ()
        insert_message(
            db,
            row,
            Message(
                role=role,  # type: ignore[arg-type]
                kind=kind,  # type: ignore[arg-type]
                content=content,
                ts=f"2026-02-0{n + 1}T12:00:00.000Z",
                refs=refs,
            ),
        )
    return db


def ids(db: sqlite_utils.Database, text: str, **options: object) -> list[int]:
    return sorted(h.message_id for h in search(db, text, **options).hits)  # type: ignore[arg-type]


QUERIES = [
    ("parser", [1, 2, 3, 4]),
    ("PARSER fails", [2]),
    ("cafe", [1]),
    ("parser OR 東京", [1, 2, 3, 4, 5]),
    ('"fix parser"', [3, 4]),
    ('"parser fix"', []),
    ("pars*", [1, 2, 3, 4]),
    ("parser -fix", [1, 2]),
    ("-parser", [5, 6]),
    ("東京", [5]),
    ("天気", [5]),
    ("天気 -東京", []),
    ("parse_menu", [2]),
    ("menu", [1, 2]),
    ("user_name.py", [6]),
    ("src/app/user_name.py", [6]),
    ("getUserName", [6]),
    ("getUser*", [6]),
    ("C++", [6]),
    ("--flag", [6]),
    ('"--flag"', [6]),
    ("don't", []),
    ("", [1, 2, 3, 4, 5, 6]),
    ("   ", [1, 2, 3, 4, 5, 6]),
    ('"', [1, 2, 3, 4, 5, 6]),
    ("()", [1 + 1]),
    ("-m", [1, 2, 4, 5, 6]),
    ("role:user", [1, 5]),
    ("role:user OR", [6][:0]),
    ("role:user role:tool", [1, 4, 5]),
    ("-role:user -role:tool", [2, 3, 6]),
    ("kind:tool_call parser", [3]),
    ("tag:FOOD role:tool", [4]),
    ("-tag:food", []),
    ("source:claude-code parser", [1, 2, 3, 4]),
    ("repo:menu kind:tool_result", [4]),
    ("file:user_name.py", [6]),
    ('file:"src/app"', [6]),
    ("since:2026-02-05", [5, 6]),
    ("until:2026-02-02", [1, 2]),
    ("since:2026-02-02 until:2026-02-03 parser", [2, 3]),
    ("conversation:1 cafe", [1]),
    ("conversation:2 cafe", []),
    ("https://example.org/x?y=z", []),
    ("nosuch:operator", []),
    ('"role:user"', []),
]


@pytest.mark.parametrize(("text", "expected"), QUERIES, ids=[q for q, _ in QUERIES])
def test_what_is_typed_finds(filled: sqlite_utils.Database, text: str, expected: list[int]) -> None:
    assert ids(filled, text) == expected
    assert ids(filled, text, sort="newest") == expected
    assert search(filled, text).total == len(expected)
    assert sorted(m.id or 0 for m in query_messages(filled, parse(text))) == expected


def test_a_hit_tells_what_it_is(filled: sqlite_utils.Database) -> None:
    (hit,) = search(filled, "accent").hits
    found = asdict(hit)
    assert found.pop("score") > 0
    assert found == {
        "conversation_id": 1,
        "message_id": 2,
        "title": "Menu",
        "source": "claude-code",
        "repo_root": "/src/menu",
        "role": "assistant",
        "kind": "text",
        "ts": "2026-02-02T12:00:00.000Z",
        "snippet": "The parser fails because parse_menu() drops the \x02accent\x03.",
    }


def test_ranked_puts_the_best_first_and_newest_the_newest(db: sqlite_utils.Database) -> None:
    row = insert_conversation(db, Conversation(source="t", source_id="1"))
    for n, content in enumerate(["needle", "hay " * 50 + "needle", "needle needle"]):
        insert_message(db, row, Message(role="user", content=content, ts=f"2026-01-0{3 - n}"))
    assert [h.message_id for h in search(db, "needle").hits] == [3, 1, 2]
    assert [h.message_id for h in search(db, "needle", sort="newest").hits] == [1, 2, 3]


def test_pages_hold_every_hit_once(filled: sqlite_utils.Database) -> None:
    for text in ("parser", "role:user", "東京"):
        everything = [h.message_id for h in search(filled, text).hits]
        paged = [
            h.message_id
            for offset in range(len(everything) + 1)
            for h in search(filled, text, limit=1, offset=offset).hits
        ]
        assert paged == everything


def test_the_newest_of_very_many_are_the_newest(tmp_path: Path) -> None:
    """Where so many are found, only the newest messages are looked at first."""
    numbers = random.Random(3)
    times = [f"2026-01-01T00:{n // 60 % 60:02}:{n % 60:02}.{n // 3600:03}Z" for n in range(6300)]
    # As transcripts of other tools do that are imported later, some come out of order.
    times[2000:2300] = times[100:400]
    stored = [(n + 1, numbers.choice([ts, ts, ts, None])) for n, ts in enumerate(times)]
    with get_db(tmp_path / "glin.db") as db:
        insert_conversation(db, Conversation(source="t", source_id="1"))
        with transaction(db):
            drop_search_triggers(db)
            db.conn.executemany(
                "insert into messages"
                " (id, conversation_id, position, ts, role, kind, content, parts)"
                " values (?, 1, 0, ?, iif(? % 50, 'user', 'tool'), 'text', 'common word', '')",
                [(id, ts, id) for id, ts in stored],
            )
            make_search_index(db)
        expected = [id for id, _ in sorted(stored, key=lambda row: (row[1] or "", row[0]))[::-1]]
        for size, skip in ((20, 0), (20, 40), (100, 3000), (20, 4700), (50, 6280)):
            hits = search(db, "common", sort="newest", limit=size, offset=skip).hits
            assert [hit.message_id for hit in hits] == expected[skip : skip + size], (size, skip)
        tools = [id for id in expected if id % 50 == 0]
        found = search(db, "common role:tool", sort="newest", limit=20)
        assert (found.total, [hit.message_id for hit in found.hits]) == (126, tools[:20])


def test_beyond_the_window_the_newest_are_ranked_and_it_says_so(
    db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glin_datasette.search.looking.MOST", 10)
    with loading(db, "t") as loader:
        loader.conversation(Conversation(source="t", source_id="1"))
        for n in range(12):
            # The oldest would rank best.
            content = "word " + "other " * n
            role = "user" if n % 4 else "assistant"
            loader.message("1", Message(role=role, content=content, source_id=str(n)))  # type: ignore[arg-type]
    result = search(db, "word")
    assert (result.total, result.exact, result.ranked) == (10, False, "newest 10")
    assert "newest 10" in (result.notice or "")
    assert [h.message_id for h in result.hits] == list(range(3, 13))
    # The window is of those that pass the filters.
    filtered = search(db, "word role:assistant")
    assert (filtered.total, filtered.ranked) == (3, "all")
    assert [h.message_id for h in filtered.hits] == [1, 5, 9]
    assert search(db, "word", sort="newest").ranked == "no"
    assert search(db, "role:user").ranked == "no"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("since:tomorrowish", "no date"),
        ("until:2026-13", "no date"),
        ("conversation:x", "number"),
        ("-role:nobody", "system, user, assistant, tool"),
    ],
)
def test_a_value_that_cannot_be_is_text_and_it_says_so(
    filled: sqlite_utils.Database, text: str, says: str
) -> None:
    with pytest.raises(FilterError, match=says):
        parse(text)
    insert_message(filled, 1, Message(role="user", content=f"somebody wrote {text}"))
    result = search(filled, f'"somebody" {text.lstrip("-")}')
    assert result.total == 1
    assert says in (result.notice or "")


@pytest.mark.parametrize("options", [{"limit": -1}, {"offset": -1}, {"sort": "best"}])
def test_an_option_that_cannot_be_says_so(
    filled: sqlite_utils.Database, options: dict[str, object]
) -> None:
    with pytest.raises(UsageError):
        search(filled, "x", **options)  # type: ignore[arg-type]


PIECES = st.sampled_from(
    ['"', "'", "-", "*", "OR", "AND", "NOT", "NEAR(", ")", ":", "tag:", "file:", "until:2026",
     "since:1d", "a", "東京", "ab*", "-x", "role:user", "\x00", "\ud800", "%", "\\", "é", "^", "{"]
)  # fmt: skip
TYPED = (
    st.text(max_size=60)
    | st.lists(PIECES, max_size=12).map(" ".join)
    | st.lists(PIECES, max_size=12).map("".join)
)


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=TYPED)
@example(text='TAG:""TAG:0')
def test_any_text_is_a_valid_query(filled: sqlite_utils.Database, text: str) -> None:
    filters = read(text).filters
    for sort in ("rank", "newest"):
        result = search(filled, text, sort=sort, limit=3)
        assert 0 <= len(result.hits) <= result.total <= len(MESSAGES)
    assert len(query_messages(filled, filters)) == result.total
    assert read(unparse(filters)).filters == filters


@pytest.mark.parametrize("text", ["x " * 5000, "x" * 100_000, '"' + "a b " * 5000, "-x " * 3000])
def test_a_pasted_log_is_a_valid_query(filled: sqlite_utils.Database, text: str) -> None:
    assert search(filled, text).total >= 0


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_quoted_value_comes_back(value: str) -> None:
    filters = parse(f"tag:{quote(value)} word")
    assert filters.tag == ((value.strip(),) if value.strip() else ())
    assert filters.text == "word"


def test_what_is_left_out_is_all_that_meets_a_condition_and_no_more(
    filled: sqlite_utils.Database,
) -> None:
    # No message here has a model, so none is left out by one.
    assert search(filled, "-model:opus").total == len(MESSAGES)
    insert_message(filled, 1, Message(role="user", content="without a time"))
    assert ids(filled, "-since:2026-02-03 -since:2026-02-05") == [1, 2, 7]
    assert ids(filled, "-until:2026-02-03 -until:2026-02-05") == [6, 7]


def test_negation_and_repetition_are_parsed() -> None:
    assert parse("a tag:x -tag:y TAG:z b") == Filters(
        text="a b", tag=("x", "z"), exclude=Filters(tag=("y",))
    )


WITHOUT = """
import json, sys
import without_fts5
from dataclasses import asdict
from glin_datasette.storage import *
from glin_datasette.models import *
from glin_datasette.search import search
db = get_db(sys.argv[1])
row = insert_conversation(db, Conversation(source="t", source_id="2"))
insert_message(db, row, Message(role="user", content="parser without an index", source_id="w"))
with loading(db, "t") as loader:
    loader.conversation(Conversation(source="t", source_id="2"))
    loader.message("2", Message(role="user", content="loaded parser", source_id="l"))
result = search(db, "parser -fix since:2020 OR loaded")
report = check(db, deep=True)
print(json.dumps({
    "available": search_available(db),
    "total": result.total,
    "notice": result.notice,
    "ranked": result.ranked,
    "snippet": search(db, "index").hits[0].snippet,
    "check": [c.detail for c in report.checks if c.name == "search"],
    "status": report.status,
    "queried": len(query_messages(db, Filters(text="parser"))),
    "backup": backup_db(db).messages,
}))
"""


@pytest.fixture
def run_without_fts5() -> object:
    """Run :data:`WITHOUT` on an archive in a process whose SQLite has no FTS5."""
    folder = Path(__file__).parent
    env = {**os.environ, "GLIN_TEST_WITHOUT_FTS5": "1", "PYTHONPATH": str(folder)}
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] += os.pathsep + os.environ["PYTHONPATH"]

    def run(path: Path) -> dict[str, object]:
        import json

        done = subprocess.run(
            [sys.executable, "-c", WITHOUT, str(path)], capture_output=True, text=True, env=env
        )
        if "is not exported here" in done.stderr:
            pytest.skip("this Python's SQLite does not let its modules be dropped")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    return run


@pytest.mark.parametrize("existing", [False, True], ids=["new archive", "archive with an index"])
def test_without_fts5_everything_but_ranking_works(
    tmp_path: Path,
    existing: bool,
    run_without_fts5: object,
) -> None:
    path = tmp_path / "glin.db"
    if existing:
        with get_db(path) as db:
            row = insert_conversation(db, Conversation(source="t", source_id="1"))
            insert_message(db, row, Message(role="user", content="indexed parser", ts="2026-01-01"))
    told = run_without_fts5(path)  # type: ignore[operator]
    assert told["available"] is False
    assert told["total"] == (1 if existing else 0), "since: leaves out what has no time"
    assert "FTS5" in str(told["notice"])
    assert told["ranked"] == "no"
    assert told["snippet"] == "parser without an \x02index\x03"
    assert "FTS5" in str(told["check"])
    assert told["status"] == "warn"
    assert told["queried"] == told["backup"] == (3 if existing else 2)
    # Where FTS5 is there again, the archive gets its index back.
    with get_db(path) as db:
        assert search(db, "parser").ranked == "all"
        assert search(db, "loaded OR index").total == 2
        db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
