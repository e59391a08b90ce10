"""The canned queries: what each one gives, empty parameters and hostile ones included."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glin_datasette.models import Conversation, Filters, Message, Ref
from glin_datasette.queries import EVERYWHERE, Look, load, names
from glin_datasette.queries.filters import PREDICATES
from glin_datasette.queries.functions import register_functions
from glin_datasette.storage import insert_conversation, insert_message

HASH = "abcdef1" + "0" * 33


@pytest.fixture
def filled(db: sqlite_utils.Database) -> sqlite_utils.Database:
    first = insert_conversation(
        db,
        Conversation(
            source="claude-code", source_id="1", title="The parser", repo_root="/src/glin",
            tags=("work",),
        ),
    )  # fmt: skip
    second = insert_conversation(db, Conversation(source="codex", source_id="2", title="Other"))
    insert_message(db, first, Message(role="user", content="parser one", ts="2026-01-01T10:00"))
    insert_message(
        db,
        first,
        Message(
            role="assistant", content="parser two", ts="2026-02-01T10:00", model="opus",
            token_in=7, token_out=3, token_cached=5,
            refs=(Ref("file", "src/a.py"), Ref("commit", HASH)),
        ),
    )  # fmt: skip
    insert_message(
        db,
        second,
        Message(
            role="tool", content="three", ts="2026-03-01T10:00", tags=("bug",),
            refs=(Ref("file", "src/a.py"), Ref("commit", HASH[:7])),
        ),
    )  # fmt: skip
    register_functions(db.conn)
    return db


def run(db: sqlite_utils.Database, name: str, /, **params: object) -> list[dict[str, Any]]:
    query = load(name)
    assert set(params) <= {p.name for p in query.params}
    cursor = db.execute(query.sql, {**{p.name: "" for p in query.params}, **params})
    return [dict(zip([c[0] for c in cursor.description], row, strict=True)) for row in cursor]


RESULTS: list[tuple[str, dict[str, object], str, list[object]]] = [
    ("search_messages", {}, "message_id", [3, 2, 1]),
    ("search_messages", {"q": "parser"}, "message_id", [1, 2]),
    ("search_messages", {"q": "parser", "sort": "newest"}, "message_id", [2, 1]),
    ("search_messages", {"q": "parser", "role": "user"}, "message_id", [1]),
    ("search_messages", {"q": "parser", "size": "1"}, "message_id", [1]),
    ("search_messages", {"tag": "bug"}, "message_id", [3]),
    ("search_messages", {"since": "2026-02", "until": "2026-02"}, "message_id", [2]),
    ("count_messages", {}, "total", [3]),
    ("count_messages", {"q": "parser"}, "total", [2]),
    ("count_messages", {"q": "parser", "model": "opus"}, "total", [1]),
    ("count_messages", {"q": "nothing"}, "total", [0]),
    ("search_conversations", {}, "conversation_id", [2, 1]),
    ("search_conversations", {"q": "two"}, "conversation_id", [1]),
    ("search_conversations", {"q": "  "}, "conversation_id", [2, 1]),
    ("search_conversations", {"q": "oth*"}, "conversation_id", [2]),
    ("search_conversations", {"q": "parser THE"}, "conversation_id", [1]),
    ("search_messages", {"q": "parser", "role": " User "}, "message_id", [1]),
    ("search_messages", {"q": "parser", "size": "x"}, "message_id", [1, 2]),
    ("search_messages", {"since": "garbage"}, "message_id", []),
    ("by_date", {"until": "garbage"}, "conversation_id", []),
    ("by_date", {"until": "400d"}, "conversation_id", []),
    ("by_tag", {"tag": " bug "}, "conversation_id", [2]),
    ("by_commit", {"commit": " ABCDEF1 "}, "message_id", [2, 3]),
    ("by_file", {"file": " a.py "}, "message_id", [3, 2]),
    ("recent", {}, "conversation_id", [2, 1]),
    ("recent", {"size": "1"}, "messages", [1]),
    ("by_tag", {}, "tags", ["bug", "work"]),
    ("by_tag", {"tag": "BUG"}, "conversation_id", [2]),
    ("by_tag", {"tag": "none"}, "conversation_id", []),
    ("by_date", {}, "conversation_id", [2, 1]),
    ("by_date", {"since": "2026-01-15", "until": "2026-01-20"}, "conversation_id", [1]),
    ("by_date", {"since": "2026-03-01"}, "conversation_id", [2]),
    ("by_commit", {}, "message_id", [3, 2]),
    ("by_commit", {"commit": "ABCDEF1"}, "message_id", [2, 3]),
    ("by_commit", {"commit": HASH}, "message_id", [2, 3]),
    ("by_commit", {"commit": "abcdef11"}, "message_id", [3]),
    ("by_commit", {"commit": "bbbb"}, "message_id", []),
    ("by_file", {}, "message_id", [3, 2]),
    ("by_file", {"file": "a.py"}, "message_id", [3, 2]),
    ("by_file", {"file": "src"}, "message_id", [3, 2]),
    ("by_file", {"file": "py"}, "message_id", []),
    ("activity_by_day", {}, "day", ["2026-03-01", "2026-02-01", "2026-01-01"]),
    ("activity_by_day", {"since": "2026-02", "until": "2026-02"}, "messages", [1]),
    ("tag_counts", {}, "tag", ["bug", "work"]),
    ("tokens_by_model", {}, "token_in", [7]),
    ("tokens_by_model", {"model": "opus"}, "month", ["2026-02"]),
    ("tokens_by_model", {"model": "none"}, "month", []),
    ("discussed_files", {}, "messages", [1, 1]),
    ("discussed_files", {"repo": "glin"}, "file", ["src/a.py"]),
    ("discussed_files", {"name": "a.py"}, "messages", [1, 1]),
    ("discussed_files", {"name": "none"}, "file", []),
    (
        "search_facets",
        {"q": "parser"},
        "value",
        [
            None,
            None,
            "work",
            "claude-code",
            "/src/glin",
            "assistant",
            "user",
            "text",
            "opus",
            "2026-02-01",
            "2026-01-01",
        ],
    ),
    ("search_facets", {"q": "nothing"}, "value", []),
]


@pytest.mark.parametrize(("name", "params", "column", "expected"), RESULTS)
def test_what_each_query_gives(
    filled: sqlite_utils.Database,
    name: str,
    params: dict[str, object],
    column: str,
    expected: list[object],
) -> None:
    assert [row[column] for row in run(filled, name, **params)] == expected


def test_every_query_is_tested_and_described() -> None:
    assert {name for name, *_ in RESULTS} == set(names())
    for name in names():
        query = load(name)
        assert query.title
        assert query.description.endswith(".")
        assert all(p.description for p in query.params)
        assert len({p.name for p in query.params}) == len(query.params)


@pytest.mark.parametrize("name", ["search_messages", "count_messages", "search_conversations"])
@pytest.mark.parametrize("q", ["", "parser", "parser -two", "three OR one", '"parser two"', "none"])
def test_without_the_index_the_same_is_found(
    filled: sqlite_utils.Database, name: str, q: str
) -> None:
    scanning = load(name, indexed=False)
    assert scanning.params == load(name).params
    assert "fts" not in scanning.sql
    cursor = filled.execute(scanning.sql, {**{p.name: "" for p in scanning.params}, "q": q})
    key = next(
        i for i, c in enumerate(cursor.description) if c[0] in ("message_id", "total", "hits")
    )
    column = cursor.description[key][0]
    expected = [row[column] for row in run(filled, name, q=q)]
    assert sorted(row[key] for row in cursor) == sorted(expected)


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset to set a zone")
def test_a_day_is_that_of_the_time_zone(
    filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_message(filled, 1, Message(role="user", content="late", ts="2026-02-09T20:00:00Z"))
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        [row] = run(filled, "activity_by_day", since="2026-02-10", until="2026-02-10")
        assert (row["day"], row["messages"]) == ("2026-02-10", 1)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_no_such_query() -> None:
    with pytest.raises(KeyError):
        load("../secrets")


@pytest.mark.parametrize("name", names())
def test_an_empty_archive_gives_nothing(db: sqlite_utils.Database, name: str) -> None:
    register_functions(db.conn)
    rows = run(db, name)
    assert rows in ([], [{"total": 0}])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    name=st.sampled_from(names()),
    value=st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["'", "0", "-1", "99999999999999999999", "' or 1=1 --", "%", "1e400"]),
)
def test_any_value_is_only_a_value(
    filled: sqlite_utils.Database, data: st.DataObject, name: str, value: str
) -> None:
    params = load(name).params
    if params:
        run(filled, name, **{data.draw(st.sampled_from(params)).name: value})


def test_search_and_canned_query_filter_alike(filled: sqlite_utils.Database) -> None:
    values = {
        "tag": "work", "source": "codex", "role": "user", "kind": "text", "model": "opus",
        "repo": "glin", "file": "a.py", "commit": HASH, "since": "2026-02", "until": "2026-02",
    }  # fmt: skip
    assert set(values) == set(PREDICATES)
    for name, value in values.items():
        filters = Filters(**{name: value if name in ("since", "until") else (value,)})  # type: ignore[arg-type]
        sql, params = load("search_messages", indexed=False).filtered(filters)
        found = filled.execute(sql, {**params, "q": "", "size": 50, "skip": 0}).fetchall()
        ids = [row[-2] for row in found]
        canned = run(filled, "search_messages", **{name: value})
        assert ids == [row["message_id"] for row in canned]
        assert ids, name


LOOKS = [
    EVERYWHERE,
    Look(first=2, last=9),
    Look(spans=((1, 2), (5, 5))),
    Look(spans=((1, 2), (5, 5)), among=True),
]


@pytest.mark.parametrize("q", ["parser", ""])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(
    "filters",
    [Filters(), Filters(role=("user",), since="2026"), Filters(tag=("a",), file=("src",))],
)
@pytest.mark.parametrize("name", ["search_messages", "count_messages", "search_facets"])
def test_search_reads_no_text_but_that_of_the_hits_it_shows(
    filled: sqlite_utils.Database, name: str, filters: Filters, look: Look, q: str
) -> None:
    sql, params = load(name).filtered(replace(filters, text=q), look)
    for sort in ("rank", "newest"):
        values = {
            **{param.name: 0 for param in load(name).params}, **params, "q": q, "sort": sort,
            "size": 5, "window": 10,
        }  # fmt: skip
        plan = [row[3] for row in filled.execute(f"explain query plan {sql}", values)]
        # Ids and times, never a text.
        made = {step for step in plan if "MATERIALIZE" in step}
        assert made <= {f"MATERIALIZE {name}" for name in MADE}, plan
        # Of the messages themselves, the model, and what is shown: the rest is in indexes.
        rows = [step for step in plan if re.match("(SEARCH|SCAN) (m|messages)( |$)", step)]
        whole = [step for step in rows if "COVERING INDEX" not in step]
        assert set(whole) <= {"SEARCH m USING INTEGER PRIMARY KEY (rowid=?)", *BY_TIME}, plan
        assert len([step for step in whole if "PRIMARY KEY" in step]) <= 1, plan
        # Each look into the index that filters need goes for one id, or a stretch.
        narrow = [step for step in rows if "narrow" in step and "max" not in step]
        assert all("id=?" in step or "id>?" in step or LAST in step for step in narrow), plan


MADE = ("hits", "many", "front", "ends", "proven", "recent", "near", "per", "shapes", "tagged")

#: Without words and stretches messages come from here until there are enough.
BY_TIME = (
    "SCAN m USING INDEX idx_messages_ts",
    "SEARCH m USING INDEX idx_messages_ts (ts>?)",
)

#: The highest id of all.
LAST = "SEARCH messages USING COVERING INDEX idx_messages_narrow"
