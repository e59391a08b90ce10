"""How SQLite goes about the canned queries and the pages: by an index, or over what is small.

On a filled archive that was never analysed, since nothing tells the planner more on a first
use. A lost index fails here, and not in a benchmark.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import sqlite_utils

from glin_datasette.models import Conversation, Filters, Message, Ref
from glin_datasette.queries import load, names
from glin_datasette.queries.functions import register_functions
from glin_datasette.storage import (
    about_commit,
    about_file,
    count_conversations,
    discussed_files,
    files_beside,
    files_meant,
    get_db,
    iter_messages,
    list_tags,
    message_counts,
    newest_commits,
    origin_of,
    overview,
    query_conversations,
    query_messages,
    stats,
    tagged,
)
from glin_datasette.storage.load import loading

#: Those of search have tests of their own, in test_looking.py.
SEARCHING = {"search_messages", "count_messages", "search_facets"}

#: What is asked of each query, beside nothing.
ASKED: dict[str, list[dict[str, str]]] = {
    "recent": [{"skip": "20", "subagents": "no"}],
    "by_date": [{"since": "2026-02", "until": "2026-02"}],
    "by_tag": [{"tag": "bug"}],
    "by_file": [{"file": "src"}, {"file": "src/m1/f2.py"}, {"file": "f2.py"}, {"file": "none"}],
    "by_commit": [{"commit": "abcdef1"}],
    "activity_by_day": [{"since": "2026-02", "until": "2026-02"}],
    "discussed_files": [{"repo": "glin"}, {"name": "f2"}],
    "tag_counts": [],
    "tokens_by_model": [{"model": "opus"}],
    "search_conversations": [{"q": "word"}],
}

CALLS: dict[str, Callable[[sqlite_utils.Database], Any]] = {
    "overview": overview,
    "stats": stats,
    "list_tags": list_tags,
    "query_conversations": query_conversations,
    "conversations with a tag": lambda db: query_conversations(db, Filters(tag=("bug",))),
    "conversations of days": lambda db: query_conversations(
        db, Filters(since="2026-01-02", until="2026-01-03")
    ),
    "conversations with a role": lambda db: query_conversations(db, Filters(role=("user",))),
    "conversations of a repository": lambda db: query_conversations(db, Filters(repo=("glin",))),
    "conversations on a commit": lambda db: query_conversations(db, Filters(commit=("abcdef1",))),
    "count_conversations": lambda db: count_conversations(db, Filters(source=("codex",))),
    "query_messages": query_messages,
    "message_counts": lambda db: message_counts(db, [1, 2]),
    "iter_messages": lambda db: list(iter_messages(db, 1)),
    "a file": lambda db: about_file(db, "src/m1/f2.py", repo="glin"),
    "a folder": lambda db: about_file(db, "src", order="newest"),
    "a commit": lambda db: about_commit(db, "abcdef1"),
    "files_meant": lambda db: files_meant(db, "f2.py"),
    "files_beside": lambda db: files_beside(db, "f2.py"),
    "discussed_files": discussed_files,
    "newest_commits": lambda db: newest_commits(db, repo="glin"),
    "origin_of": lambda db: origin_of(db, "abcdef1"),
    "tagged": lambda db: tagged(db, "bug"),
}

#: The tables that grow with what is said, and the names that statements give them.
_LARGE = r"(?:messages|message_refs|m|r)"
#: A step over every row of one: of the table, or of an index but that of times, which is gone
#: along from the newest on until there are enough.
_SCAN = re.compile(
    rf"SCAN (?P<name>{_LARGE})(?! USING (?:COVERING )?INDEX idx_messages_ts\b)(?: USING .*)?$"
)
#: A step that may read text.
_TEXT = re.compile(r"SEARCH (?:messages|m) USING (?!COVERING|INDEX sqlite_autoindex_message_att)")
#: What holds no more rows than are shown, or a hundred conversations.
_LIMITED = ("SCAN picked", "SCAN newest", "SCAN most", "SCAN own")
#: What is small wherever it is: the tags, and what other steps have made.
_SMALL = re.compile(r"SCAN (?:CONSTANT ROW|\(|said|span|days|near|tags?\b|t\b|d\b)")
#: Counting takes every row, 5 ms for 200,000 of them.
_COUNTED = 'select count(*) from "message_refs"'


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite_utils.Database]:
    path: Path = tmp_path_factory.mktemp("plans") / "glin.db"
    with get_db(path) as db:
        for n in range(40):
            with loading(db, None) as loader:
                loader.conversation(
                    Conversation(
                        source=("codex", "claude-code")[n % 2], source_id=f"{n}",
                        title=f"Title {n}", repo_root="/src/glin" if n % 3 else None,
                        tags=("bug",) if n % 7 == 0 else (),
                    )
                )  # fmt: skip
                for i in range(60):
                    loader.message(f"{n}", _message(n, i))
        assert not [name for name in db.table_names() if name.startswith("sqlite_stat")]
        register_functions(db.conn)
        yield db


def _message(n: int, i: int) -> Message:
    refs = (Ref("file", f"src/m{n % 9}/f{i % 5}.py"), Ref("commit", f"{'abcdef'[n % 6]}bcdef{i:x}"))
    return Message(
        role=("user", "assistant", "tool")[i % 3],
        kind="text",
        content=f"word {n} {i}",
        ts=f"2026-{1 + n % 3:02}-{1 + n % 28:02}T{i % 24:02}:{i:02}:00.000Z",
        model="opus" if i % 3 == 1 else None,
        token_in=10,
        source_id=f"{n}-{i}",
        refs=refs if i % 4 == 0 else (),
        tags=("bug",) if i % 20 == 0 else (),
    )


Step = tuple[int, int, str]


def plan(
    db: sqlite_utils.Database, sql: str, params: Mapping[str, object] = MappingProxyType({})
) -> list[Step]:
    """The steps: number, number of the step that each belongs to, and what is done."""
    rows = db.conn.execute(f"explain query plan {sql}", dict(params))
    return [(number, above, step) for number, above, _, step in rows]


def wrong(steps: list[Step]) -> list[str]:
    """Steps that read all messages or references, that sort texts, or that go through
    something for every row of something else."""
    made = {step.split()[-1] for _, _, step in steps if step.startswith(("CO-R", "MATERIALIZE"))}
    found = [
        step for _, _, step in steps if (over := _SCAN.match(step)) and over["name"] not in made
    ]
    blocks: dict[int, list[str]] = {}
    for _, above, step in steps:
        blocks.setdefault(above, []).append(step)
    for block in blocks.values():
        sorts = [step for step in block if "TEMP B-TREE" in step]
        if any(map(_TEXT.match, block)) and not any(s.startswith(_LIMITED) for s in block):
            found += sorts
    each = {number for number, _, step in steps if step.startswith("CORRELATED")}
    for number, above, step in steps:
        # A list is made once.
        if above in each and not step.startswith("LIST SUBQUERY"):
            each.add(number)
            if step.startswith("SCAN ") and not _SMALL.match(step) and step.split()[1] not in made:
                found.append(step)
    return found


CANNED = [(name, params) for name, asked in ASKED.items() for params in ({}, *asked)]


def test_every_query_is_looked_at() -> None:
    assert set(ASKED) | SEARCHING == set(names())


@pytest.mark.parametrize(("name", "params"), CANNED, ids=str)
def test_no_query_reads_all_messages(
    filled: sqlite_utils.Database, name: str, params: dict[str, str]
) -> None:
    query = load(name)
    values = {**{p.name: "" for p in query.params}, **params}
    assert filled.execute(query.sql, values).fetchall() or "none" in params.values()
    steps = plan(filled, query.sql, values)
    assert wrong(steps) == [], steps


def statements(
    db: sqlite_utils.Database, call: Callable[[sqlite_utils.Database], Any]
) -> list[str]:
    """What a function asks the archive, with its values."""
    said: list[str] = []
    db.conn.set_trace_callback(said.append)
    try:
        call(db)
    finally:
        db.conn.set_trace_callback(None)
    return [sql for sql in said if re.match(r"\s*(?:select|with)\b", sql)]


@pytest.mark.parametrize("name", CALLS)
def test_no_page_reads_all_messages(filled: sqlite_utils.Database, name: str) -> None:
    asked = statements(filled, CALLS[name])
    assert asked
    for sql in asked:
        if sql == _COUNTED:
            continue
        steps = plan(filled, sql)
        assert wrong(steps) == [], (sql, steps)


#: Every index on what grows, but those that only an import needs.
INDEXES = (
    "idx_messages_ts",
    "idx_messages_narrow",
    "idx_messages_conversation_id_position",
    "idx_message_refs_ref_type_ref_value_message_id",
    "idx_message_refs_name",
)


@pytest.mark.parametrize("index", INDEXES)
def test_a_lost_index_is_noticed(filled: sqlite_utils.Database, index: str) -> None:
    asked = [
        (load(name).sql, {**{p.name: "" for p in load(name).params}, **params})
        for name, params in CANNED
    ]
    asked += [(sql, {}) for call in CALLS.values() for sql in statements(filled, call)]
    asked = [(sql, params) for sql, params in asked if sql != _COUNTED]
    assert not any(_is_wrong(filled, sql, params) for sql, params in asked)
    filled.conn.execute("savepoint whole")
    try:
        filled.conn.execute(f"drop index {index}")
        assert any(_is_wrong(filled, sql, params) for sql, params in asked)
    finally:
        filled.conn.execute("rollback to whole")
        filled.conn.execute("release whole")


def _is_wrong(db: sqlite_utils.Database, sql: str, params: Mapping[str, object]) -> bool:
    try:
        return bool(wrong(plan(db, sql, params)))
    except sqlite3.OperationalError as ex:
        # One that says by which index it goes.
        assert "no such index" in str(ex)
        return True
