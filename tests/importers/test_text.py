"""Text, times and tool inputs on their way into the archive."""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.importers.text import (
    clean,
    identifier,
    normalise_time,
    one_line,
    string,
)
from glin_datasette.sizes import human_size
from glin_datasette.tool_input import parse_tool_input, render_tool_input

#: Any text, lone surrogates and control characters included.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("tab\tand\nline\r\n", "tab\tand\nline\r\n"),
        ("nul\0 stx\x02 etx\x03 bell\x07", "nul stx etx bell"),
        ("\x1b[1;32mok\x1b[0m done", "ok done"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("half \ud83d pair", "half \ufffd pair"),
        ("whole \U0001f600 pair", "whole \U0001f600 pair"),
        ("日本語", "日本語"),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


@given(ANY_TEXT)
def test_clean_text_goes_through_sqlite_unchanged(raw: str) -> None:
    text = clean(raw)
    with sqlite3.connect(":memory:") as connection:
        (stored,) = connection.execute("select ?", [text]).fetchone()
        (length,) = connection.execute("select length(?)", [text]).fetchone()
    connection.close()
    assert stored == text
    assert length == len(text)  # SQLite's own functions stop at NUL.
    assert not re.search("[\x02\x03]", text)
    assert clean(text) == text


@pytest.mark.parametrize("value", [None, 7, True, [], {}, "", " \n\t", "\0"])
def test_what_is_no_text(value: object) -> None:
    assert string(value) is None
    assert identifier(value) is None


def test_a_long_identifier_becomes_a_short_one() -> None:
    long, other = "x" * 1_000_000, "x" * 999_999
    assert len(str(identifier(long))) == 32
    assert identifier(long) != identifier(other)
    assert identifier(" abc ") == "abc"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-02-11T05:53:33.335Z", "2026-02-11T05:53:33.335Z"),
        ("2026-02-11T05:53:33Z", "2026-02-11T05:53:33.000Z"),
        ("2026-02-11T05:53:33.335999Z", "2026-02-11T05:53:33.335Z"),
        ("2026-02-11T07:53:33+02:00", "2026-02-11T05:53:33.000Z"),
        ("2026-02-11T00:23:33-05:30", "2026-02-11T05:53:33.000Z"),
        ("2026-02-11T05:53:33", "2026-02-11T05:53:33.000Z"),
        (" 2026-02-11 05:53:33 ", "2026-02-11T05:53:33.000Z"),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        ("2026-02-30T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
        (1_770_000_000, None),
        (None, None),
        (["2026"], None),
    ],
)
def test_times(raw: object, expected: str | None) -> None:
    assert normalise_time(raw) == expected


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1970, 1, 2)))
def test_every_time_keeps_its_moment(moment: datetime) -> None:
    text = normalise_time(moment.isoformat())
    if text is None:
        assert moment.year == 9999
        return
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert 0 <= (moment - datetime.fromisoformat(text)).total_seconds() < 0.001


@given(ANY_TEXT)
def test_no_text_breaks_the_times(raw: str) -> None:
    text = normalise_time(raw)
    assert text is None or normalise_time(text) == text


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("\n\n  first   line \nsecond", "first line"),
        ("---\n***\nreal", "real"),
        ("", None),
        ("...", None),
        ("word " * 40, "word " * 19 + "word…"),
        ("あ" * 150, "あ" * 100 + "…"),
    ],
)
def test_one_line(raw: str, expected: str | None) -> None:
    assert one_line(raw) == expected


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (12_345, "12.3 KB"),
        (999_949, "999.9 KB"),
        (999_950, "1.0 MB"),
        (5_000_000_000, "5.0 GB"),
    ],
)
def test_human_size(count: int, expected: str) -> None:
    assert human_size(count) == expected


def test_a_tool_input_reads_without_escapes() -> None:
    value = {
        "command": 'grep -n "a\\b" x.py',
        "timeout": 120000,
        "old": 'one\n\n  "two"\n',
        "number": "12",
        "empty": "",
        "bar": "|",
        "edges": " x ",
        "list": [{"a": "é"}],
        "odd key:": True,
    }
    text = render_tool_input(value)
    assert text == (
        'command: grep -n "a\\b" x.py\n'
        "timeout: 120000\n"
        'old: |\n  one\n  \n    "two"\n  \n'
        "number: |\n  12\n"
        'empty: ""\n'
        "bar: |\n  |\n"
        "edges: |\n   x \n"
        'list: [{"a":"é"}]\n'
        '"odd key:": true'
    )
    assert parse_tool_input(text) == value


@pytest.mark.parametrize(
    ("value", "expected"), [({}, ""), ("ls -l", "ls -l"), ([1, "é"], '[1,"é"]'), (None, "null")]
)
def test_other_inputs(value: object, expected: str) -> None:
    assert render_tool_input(value) == expected


def test_an_input_without_end_is_cut() -> None:
    value: object = 1
    for _ in range(100_000):
        value = [value]
    assert render_tool_input({"deep": value}) == "deep: … (nested too deeply)"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | ANY_TEXT
    | st.sampled_from(["|", "null", "1e5", '"', '"x"', "{", "[]", " ", "\n", "a: b", "NaN", "\r"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(ANY_TEXT | st.sampled_from(["a:", '"', "|", "a b", ""]), JSON, max_size=6))
def test_a_rendered_tool_input_reads_back_as_it_was(value: dict[str, object]) -> None:
    assert parse_tool_input(render_tool_input(value)) == value


# DEL is the one control character that JSON does not escape.
NESTED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x7f"))


@given(st.dictionaries(NESTED, st.lists(NESTED), max_size=3))
def test_cleaning_leaves_nested_values_as_they_were(value: dict[str, object]) -> None:
    assert parse_tool_input(clean(render_tool_input(value))) == value


@pytest.mark.parametrize("text", ["no colon", "a:b", '"open', "  indented"])
def test_other_text_is_no_tool_input(text: str) -> None:
    with pytest.raises(ValueError):
        parse_tool_input(text)
