"""What is typed, split into what the index answers and what is read."""

from __future__ import annotations

import pytest
import sqlite_utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glin_datasette.queries.text import MARK_END, MARK_START, contains, match, rest, snippet

SPLIT = [
    ("foo bar", '("foo") AND ("bar")', None),
    ('"a b" c*', '(content : "a b") AND ("c"*)', None),
    ("x a OR b -c", '(("x") AND ("a" OR "b")) NOT (content : "c")', None),
    ("a/b.py", '(content : "a/b.py")', None),
    ("-c", None, '-"c"'),
    ("東京", '(parts : "東京")', None),
    ("東京都", '(parts : "東京 京都")', None),
    ("京", '(parts : "京"*)', None),
    ("API接口", '(("API" AND parts : "接口"))', None),
    ("foo 東京 -京都", '(("foo") AND (parts : "東京")) NOT (parts : "京都")', None),
    ("foo OR 東京", '("foo" OR parts : "東京")', None),
    ("foo !! OR 東京", '("foo") AND (parts : "東京")', None),
    ("!!!", None, '"!!!"'),
    ("a - b", '("a") AND ("b")', None),
    ("OR", '("OR")', None),
    ("a OR", '("a")', None),
    ('"unclosed phrase', '(content : "unclosed phrase")', None),
    ("--option", '("--option")', None),
    ("", None, None),
    ('""', None, None),
]


@pytest.mark.parametrize(("text", "indexed", "read"), SPLIT)
def test_split(text: str, indexed: str | None, read: str | None) -> None:
    assert match(text) == indexed
    assert rest(text) == read


CONTAINS = [
    ("foo", "a Foo here", True),
    ("foo", "food", False),
    ("foo*", "food", True),
    ("snake_case", "my snake_case here", True),
    ('"a b"', "a-b", True),
    ('"a b"', "a c b", False),
    ("a b", "b c a", True),
    ("a -b", "a b", False),
    ("a OR b", "b", True),
    ("京", "東京都", True),
    ("!!", "what!!", True),
    ("", "anything", True),
]


@pytest.mark.parametrize(("text", "content", "found"), CONTAINS)
def test_contains(text: str, content: str, found: bool) -> None:
    assert contains(text, content) is found


ASCII = st.text("ab c_-.\"*'", max_size=15)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=ASCII, content=ASCII)
def test_reading_finds_what_the_index_finds(
    db: sqlite_utils.Database, text: str, content: str
) -> None:
    expression = match(text)
    if expression is None or rest(text):
        return
    db.execute("create virtual table if not exists temp.t using fts5(content)")
    db.execute("delete from temp.t")
    db.execute("insert into temp.t values (?)", [content])
    found = db.execute("select 1 from temp.t where t match ?", [expression]).fetchone()
    assert contains(text, content) is (found is not None)


def test_a_snippet_is_cut_around_what_was_found() -> None:
    found = snippet("needle", "hay " * 100 + "Needle" + " hay" * 100)
    assert f"{MARK_START}Needle{MARK_END}" in found
    assert found.startswith("…")
    assert found.endswith("…")
    assert len(found) < 220
    for text, content in (
        ("pars*", "the parser"),
        ('"the pars"*', "the parser"),
        ("Na*", "aName5"),
    ):
        marked = snippet(text, content)
        assert marked.endswith(f"{content[-4:]}{MARK_END}"), marked
    assert snippet("nothing", "short") == "short"


@given(st.text(max_size=20), st.text(max_size=500))
def test_a_snippet_is_part_of_the_content(text: str, content: str) -> None:
    content = content.replace(MARK_START, "").replace(MARK_END, "").replace("…", "")
    found = snippet(text, content).replace(MARK_START, "").replace(MARK_END, "")
    assert found.strip("…") in content
