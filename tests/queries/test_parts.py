"""Parts of identifiers, and scripts without spaces, found through the index."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glin_datasette import paths
from glin_datasette.models import Conversation, Filters, Message
from glin_datasette.queries.parts import parts_of
from glin_datasette.queries.text import contains, rest
from glin_datasette.search import search, suggest
from glin_datasette.storage import (
    check,
    get_db,
    insert_conversation,
    insert_message,
    query_messages,
    version,
)

ANY_ARCHIVE = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("getUserName", "get user name"),
        ("HTTPServer and XMLHttpRequest", "http server xml request"),
        ("parseJSON5Value(x)", "parse json value"),
        ("plain words, snake_case and CONSTANTS and Title", ""),
        ("a getUserName and setUserName", "get user name set"),
        ("数据库", "数据 据库 库"),
        ("API接口 v2", "api 接口 口"),
        ("x" * 100 + "Y" * 100, ""),
        ("", ""),
    ],
)
def test_what_is_added(content: str, parts: str) -> None:
    assert parts_of(content) == parts


def said(db: sqlite_utils.Database, content: str) -> None:
    db.execute("delete from messages")
    conversation = insert_conversation(db, Conversation(source="s", source_id="1"))
    insert_message(db, conversation, Message(role="user", content=content))


WORDS = st.text("abcdefgh", min_size=3, max_size=6)


@ANY_ARCHIVE
@given(words=st.lists(WORDS, min_size=2, max_size=4))
def test_every_part_of_an_identifier_is_found(db: sqlite_utils.Database, words: list[str]) -> None:
    name = words[0] + "".join(word.capitalize() for word in words[1:])
    said(db, f"call {name}(x) now")
    for query in (*words, name, words[0][:2] + "*", "_".join([name]), "call", '"call"'):
        assert rest(query) is None
        assert search(db, query).total == 1, query
        assert contains(query, f"call {name}(x) now"), query
    assert search(db, f'"{words[-1]}"').total == (words[-1] == name)
    snippet = search(db, words[-1]).hits[0].snippet
    assert "\x02" in snippet


@ANY_ARCHIVE
@given(run=st.text("数据库连接失败了东京ひらがな한국어", min_size=1, max_size=12), data=st.data())
def test_every_stretch_of_a_run_is_found_by_the_index(
    db: sqlite_utils.Database, run: str, data: st.DataObject
) -> None:
    said(db, f"before{run}after, and more")
    start = data.draw(st.integers(0, len(run) - 1))
    end = data.draw(st.integers(start + 1, min(len(run), start + 4)))
    assert rest(run[start:end]) is None
    assert search(db, run[start:end]).total == 1
    assert search(db, f'"{run[start:end]}"').total == 1
    assert search(db, "before").total == 1
    assert search(db, run[start:end] + "无").total == (run[start:end] + "无" in run)
    assert search(db, f"more -{run[start:end]}").total == 0


def test_accents_and_paths(db: sqlite_utils.Database) -> None:
    said(db, "Voilà: the café is in src/tides/table.py, see snake_case_name")
    for query in ("voila", "CAFÉ", "cafe", "tides", "table.py", "src/tides", "snake_case_name",
                  "case", "snake_case", "src/tides/table.py"):  # fmt: skip
        assert search(db, query).total == 1, query
    assert search(db, "src/table").total == 0


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("many", [False, True])
def test_an_older_archive_is_completed(
    tmp_path: Path, steps: int, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if many:
        monkeypatch.setattr("glin_datasette.storage.parts._MANY", 1)
    path = tmp_path / "old.db"
    migrations = runpy.run_path(str(paths.migrations_dir() / "migrations.py"))["migrations"]
    names = [step.name for step in migrations._migrations]
    with sqlite_utils.Database(path) as old:
        migrations.apply(old, stop_before=names[steps])
        old.table("conversations").insert({"id": 1, "source": "s", "source_id": "1"})
        for n in range(3):
            old.table("messages").insert(
                {"conversation_id": 1, "position": n, "role": "user", "kind": "text",
                 "content": f"getUserName 数据库 {n}"}
            )  # fmt: skip
        assert old.execute("select version from schema_version").fetchone()[0] == steps
    with get_db(path) as db:
        assert version(db) == 3
        for query in ("user", "据库", "getUserName", "2"):
            assert search(db, query).total == (1 if query == "2" else 3)
        [search_check] = [c for c in check(db, deep=True).checks if c.name == "search"]
        assert (search_check.status, "agrees" in search_check.detail) == ("ok", True)


def test_what_a_script_writes_is_completed_when_the_archive_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with get_db(path) as db:
        said(db, "first")
        with sqlite_utils.Database(path) as other:
            other.table("messages").insert(
                {"conversation_id": 1, "position": 1, "role": "user", "kind": "text",
                 "content": "setTideTable"}
            )  # fmt: skip
        assert search(db, "tide").total == 0
        assert "not fully indexed" in str(check(db).checks)
    with get_db(path) as db:
        assert search(db, "tide").total == 1
        assert "not fully indexed" not in str(check(db).checks)


def test_an_update_changes_what_is_found(db: sqlite_utils.Database) -> None:
    conversation = insert_conversation(db, Conversation(source="s", source_id="1"))
    for content in ("getUserName", "setTideTable"):
        insert_message(db, conversation, Message(role="user", content=content, source_id="m"))
    assert (search(db, "user").total, search(db, "tide").total) == (0, 1)
    assert [m.content for m in query_messages(db, Filters(text="tide"))] == ["setTideTable"]


def test_words_that_no_message_has(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with get_db(path) as db:
        said(db, "The connection was refused; retry the connection later")
    with get_db(path, readonly=True) as db:
        meant = {one.word: one.instead for one in suggest(db, "conection repo:x retyr later")}
        assert meant == {"conection": "connection", "retyr": "retry"}
        [first, *_] = suggest(db, "conection repo:x")
        assert first.query == "connection repo:x"
        assert search(db, "connection").total == 1
        for text in ("", "connection", '"conection"', "conec*", "-conection", "xyzzyq", "cnn",
                     "12345", "tag:conection", "数据", "conection\x00"):  # fmt: skip
            assert not [one for one in suggest(db, text) if "\x00" not in text], text
