"""Parts of identifiers, and scripts without spaces, found through the index."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
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
from glin_datasette.search.spelling import _one_slip_from, _slips
from glin_datasette.storage import (
    check,
    get_db,
    insert_conversation,
    insert_message,
    newest_version,
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
        ("parseJSON5Value(x)", "parse json5 json value"),
        ("plain words, snake_case and CONSTANTS and Title", ""),
        ("a getUserName and setUserName", "get user name set"),
        ("数据库", "数据 据库 库"),
        ("API接口 v2", "api 接口 口"),
        ("S3Client, SHA256Hash and utf8Decode", "s3 client sha256 sha hash utf8 utf decode"),
        ("userIDs and URLs", "user id url"),
        ("größeÄndern имяПользователя", "größe ändern имя пользователя"),
        ("toolu_01HxYz9KqLmWp3RtVbNcDfGh", ""),
        ("第\uff13章", "\uff13 第 章"),
        ("カナ・ベ", "カナ ナ ベ"),
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


MARKED = "กขทนาิีึืุู่้ကခမျိုကខមិីុ"


@ANY_ARCHIVE
@given(run=st.text(MARKED, min_size=1, max_size=8), query=st.text(MARKED, min_size=1, max_size=3))
def test_vowel_signs_count(db: sqlite_utils.Database, run: str, query: str) -> None:
    """The tokenizer drops them; still, only what holds them is found."""
    said(db, run)
    assert search(db, query).total == (query in run)
    assert contains(query, run) is (query in run)


@pytest.mark.parametrize(
    ("query", "content"),
    [
        ("人々", "人々の暮らし"),
        ("二〇二六年", "二〇二六年に"),
        ("第３章", "第３章を読む"),
        ("Café店", "Café店です"),
        ("API・", "API・接口"),
        ("'한국어 텍스트'", "이 '한국어 텍스트'는"),
        ("ㄅㄆ", "ㄅㄆㄇ"),
    ],
)
def test_what_stands_beside_a_script_without_spaces(
    db: sqlite_utils.Database, query: str, content: str
) -> None:
    said(db, content)
    assert rest(query) is None
    (hit,) = search(db, query).hits
    assert "\x02" in hit.snippet
    assert contains(query, content)


def test_a_phrase_of_such_a_script_keeps_its_order(db: sqlite_utils.Database) -> None:
    said(db, "데이터 베이스 연결")
    assert search(db, '"데이터 베이스"').total == search(db, '"이터 베이"').total == 1
    assert search(db, '"베이스 데이터"').total == search(db, '"데이 베이"').total == 0


def test_accents_and_paths(db: sqlite_utils.Database) -> None:
    said(db, "Voilà: the café is in src/tides/table.py, see snake_case_name")
    for query in ("voila", "CAFÉ", "cafe", "tides", "table.py", "src/tides", "snake_case_name",
                  "case", "snake_case", "src/tides/table.py"):  # fmt: skip
        assert search(db, query).total == 1, query
    assert search(db, "src/table").total == 0


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("batch", [1, 2, 2000])
def test_an_older_archive_is_completed(
    tmp_path: Path, steps: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glin_datasette.storage.parts._BATCH", batch)
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
        assert version(db) == newest_version()
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


@pytest.mark.parametrize("recursive", ["on", "off"])
def test_what_a_script_changes_loses_its_old_parts(tmp_path: Path, recursive: str) -> None:
    path = tmp_path / "a.db"
    with get_db(path) as db:
        said(db, "mySecretName")
        db.execute(f"pragma recursive_triggers = {recursive}")
        db.execute("update messages set content = 'newTideTable'")
        assert db.execute("select parts from messages").fetchone() == (None,)
        assert (search(db, "secret").total, search(db, "newTideTable").total) == (0, 1)
        db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")
    with get_db(path) as db:
        assert search(db, "tide").total == 1
        db.execute("insert into messages_fts(messages_fts, rank) values ('integrity-check', 1)")


def test_what_is_no_text_does_not_keep_the_archive_from_opening(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with get_db(path) as db:
        said(db, "first")
        for value in ("x'00ff41'", "cast(x'ff41' as text)"):
            db.execute(
                "insert into messages (conversation_id, position, role, kind, content)"
                f" values (1, 1, 'user', 'text', {value})"
            )
    with get_db(path) as db:
        assert search(db, "first").total == 1
        assert not db.execute("select 1 from messages where parts is null").fetchone()


def test_an_archive_in_use_is_completed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glin_datasette.storage.connection.BUSY_TIMEOUT_MS", 1)
    path = tmp_path / "a.db"
    with get_db(path) as db:
        said(db, "getUserName")
        db.execute("update messages set parts = null")
        db.execute("begin immediate")
        with get_db(path) as other:
            assert search(other, "getUserName").total == 1
        db.execute("rollback")
    with get_db(path) as db:
        assert search(db, "user").total == 1


WITHOUT_FTS5 = """
import sys, without_fts5
from glin_datasette.storage import get_db
get_db(sys.argv[1]).close()
"""


def test_an_archive_that_was_migrated_without_fts5_gets_its_index(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    migrations = runpy.run_path(str(paths.migrations_dir() / "migrations.py"))["migrations"]
    with sqlite_utils.Database(path) as old:
        migrations.apply(old, stop_before="0003_finding")
        old.table("conversations").insert({"id": 1, "source": "s", "source_id": "1"})
        old.table("messages").insert(
            {"conversation_id": 1, "position": 0, "role": "user", "kind": "text",
             "content": "getUserName"}
        )  # fmt: skip
    folders = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FTS5, str(path)],
        env={**os.environ, "GLIN_TEST_WITHOUT_FTS5": "1", "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True, text=True,
    )  # fmt: skip
    if "is not exported here" in done.stderr:
        pytest.skip("this Python's SQLite does not let its modules be dropped")
    assert done.returncode == 0, done.stderr
    with get_db(path) as db:
        insert_message(db, 1, Message(role="user", content="setUserName"))
        assert search(db, "user").total == 2
        assert search(db, "user").ranked == "all"


def test_an_update_changes_what_is_found(db: sqlite_utils.Database) -> None:
    conversation = insert_conversation(db, Conversation(source="s", source_id="1"))
    for content in ("getUserName", "setTideTable"):
        insert_message(db, conversation, Message(role="user", content=content, source_id="m"))
    assert (search(db, "user").total, search(db, "tide").total) == (0, 1)
    assert [m.content for m in query_messages(db, Filters(text="tide"))] == ["setTideTable"]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("praser", "parser"),
        ("aprser", "parser"),
        ("parzer", "parser"),
        ("conexxion", "connexion"),
        ("conexion praser tag:praser", "connexion parser tag:praser"),
        ("privet привт", "privet привет"),
        ("cafés", "cafe"),
        ("xarser", None),
        ("pzzzer", None),
    ],
)
def test_the_nearest_word_is_meant(tmp_path: Path, text: str, query: str | None) -> None:
    with get_db(tmp_path / "a.db") as db:
        said(db, "the parser, a parcer; one connexion; привет privet café parmaser")
        insert_message(db, 1, Message(role="user", content="another parser"))
        found = suggest(db, text)
    assert {each.query for each in found} == ({query} if query else set())


@given(st.text("abc", min_size=1, max_size=4), st.text("abc", min_size=1, max_size=4))
def test_one_slip_is_one_slip(one: str, other: str) -> None:
    if other in _one_slip_from(one):
        assert _slips(one, other) == 1
    elif one[0] == other[0]:
        assert _slips(one, other) != 1
    assert _slips(one, other) == _slips(other, one)
    assert (_slips(one, other) == 0) is (one == other)


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
