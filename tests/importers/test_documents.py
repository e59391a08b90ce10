"""Reading one large JSON document in pieces: the same as json.loads, wherever the chunks end,
and what is damaged costs only itself."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glin_datasette.importers import documents
from glin_datasette.importers.documents import Element, outline, read_elements, read_members

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(alphabet='"\\{}[],: \n\u00e9')
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
#: The forms in which the same document may stand.
FORMS = st.fixed_dictionaries(
    {"indent": st.sampled_from([None, 0, 2]), "ensure_ascii": st.booleans()}
)
CHUNKS = st.sampled_from([1, 2, 3, 7, 64, 256 * 1024])


def written(value: object, form: dict[str, Any]) -> bytes:
    return json.dumps(value, **form).encode("utf-8", "surrogatepass")


def is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def elements(raw: bytes, chunk: int = 3, member: str | None = None) -> list[Element]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_CHUNK", chunk)
        return list(read_elements(io.BytesIO(raw), member))


def members(raw: bytes, chunk: int = 3, *but: str) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(documents, "_CHUNK", chunk)
        return read_members(io.BytesIO(raw), *but)


@given(st.lists(VALUES, max_size=5), FORMS, CHUNKS)
@example([""], {"indent": None, "ensure_ascii": True}, 1)
@example(["\\", '"', "\\\\", '\\"'], {"indent": None, "ensure_ascii": True}, 1)
def test_an_array_is_what_json_says(values: list[Any], form: dict[str, Any], chunk: int) -> None:
    found = elements(written(values, form), chunk)
    assert [element.value for element in found] == values
    assert [element.number for element in found] == list(range(1, len(values) + 1))
    assert not [element.error for element in found if element.error]


@given(st.dictionaries(st.text(), VALUES, max_size=5), FORMS, CHUNKS)
def test_an_object_is_what_json_says(
    value: dict[str, Any], form: dict[str, Any], chunk: int
) -> None:
    raw = written(value, form)
    assert members(raw, chunk) == value
    for name, held in value.items():
        assert members(raw, chunk, name) == {k: v for k, v in value.items() if k != name}
        found = elements(raw, chunk, member=name)
        assert [element.value for element in found] == (held if isinstance(held, list) else [])
    assert outline(raw) == (False, frozenset(value))
    assert outline(b"[" + raw + b"]") == (True, frozenset(value))


@given(VALUES, CHUNKS)
def test_what_is_no_array_has_no_elements(value: Any, chunk: int) -> None:
    if not isinstance(value, list):
        assert elements(written(value, {}), chunk) == []
    if not isinstance(value, dict):
        assert members(written(value, {}), chunk) == {}
        assert elements(written(value, {}), chunk, member="a") == []


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ 1a\0\x0b').map(str.encode), CHUNKS)
@example(b"[\x0b\x0c]", 1)
@example(b"[}:,]", 1)
def test_nothing_raises_and_everything_ends(raw: bytes, chunk: int) -> None:
    for each in (raw, b"[" + raw, b'{"a":' + raw, b'{"a":[' + raw):
        assert len(elements(each, chunk)) <= len(each) + 2
        assert len(elements(each, chunk, member="a")) <= len(each) + 2
        members(each, chunk)
        outline(each)


DOCUMENT = json.dumps([{"a": "b\\{", "c": [1, {"d": "]}"}]}, "e\u00e9", 12, None, []]).encode()
WHOLE = json.loads(DOCUMENT)


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_a_document_that_is_cut_off_anywhere_says_so(chunk: int) -> None:
    for end in range(1, len(DOCUMENT)):
        *found, last = elements(DOCUMENT[:end], chunk)
        assert last.error == "cut off: the document ends too early"
        assert last.number == len(found) + 1
        values = [element.value for element in found if not element.error]
        # Of a number or a word nobody can tell that digits or letters are missing.
        assert values[:2] == WHOLE[: len(values)][:2]


@pytest.mark.parametrize("chunk", [1, 5, 1000])
def test_an_object_that_is_cut_off_anywhere_says_so(chunk: int) -> None:
    raw = b'{"first": {"x": [1]}, "rows": ' + DOCUMENT + b', "last": true}'
    inside = raw.index(b'"rows"') + len('"rows": ')
    for end in range(1, inside + len(DOCUMENT)):
        found = elements(raw[:end], chunk, member="rows")
        assert found[-1].error == "cut off: the document ends too early"
        known = members(raw[:end], chunk)
        assert known.get("first", {"x": [1]}) == {"x": [1]}
        assert "last" not in known
    assert [element.value for element in elements(raw, chunk, member="rows")] == WHOLE


@pytest.mark.parametrize(
    ("inside", "error"),
    [
        (b'{"a": }', "not JSON: Expecting value at column 7"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 8"),
        (b'{"a" "b"}', "not JSON: Expecting ':' delimiter at column 6"),
        (b"nul", "not JSON: Expecting value at column 1"),
        (b'"\x01"', "not JSON: Invalid control character at column 2"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON: holds a number that is too long"),
        (b"[" * 200_000 + b"]" * 200_000, "not usable: nested too deeply"),
        (b"\0\0\0", "holds NUL bytes only"),
    ],
)
@pytest.mark.parametrize("chunk", [1, 1000])
def test_a_damaged_element_costs_only_itself(inside: bytes, error: str, chunk: int) -> None:
    found = elements(b'[{"n": 1}, ' + inside + b', {"n": 3}]', chunk)
    assert found == [Element(1, {"n": 1}), Element(2, None, error), Element(3, {"n": 3})]


def test_a_damaged_member_costs_only_itself() -> None:
    raw = b'{"a": 1, "b": {"c": }, "d": "\xff", "e": [2]}'
    assert members(raw) == {"a": 1, "e": [2]}
    # Nobody knows what a damaged key was to be, or where its value begins.
    assert members(b'{"a": 1, "\xff": 2, "e": 3}') == {"a": 1}


@pytest.mark.parametrize("between", [b",,", b" , : ", b"\n", b"}"])
def test_damage_between_elements_costs_none(between: bytes) -> None:
    found = elements(b'[{"n": 1}' + between + b'{"n": 2}]')
    assert found == [Element(1, {"n": 1}), Element(2, {"n": 2})]


def test_what_is_no_array_at_all_is_given_up() -> None:
    found = elements(b"[" + b"word " * 5000, 1000)
    assert len(found) == 1001
    assert found[-1].error == "no array from here on"


@pytest.mark.parametrize("chunk", [1, 2, 1000])
def test_a_byte_order_mark_and_space_do_no_harm(chunk: int) -> None:
    raw = b"\xef\xbb\xbf \r\n\t[ 1 ,\n{ } ] \n"
    assert [element.value for element in elements(raw, chunk)] == [1, {}]
    assert elements(b"\xef\xbb\xbf" + b" " * 10_000, chunk) == []


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_LINE", 1024 * 1024)
    monkeypatch.setattr(documents, "_CHUNK", 64 * 1024)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    "large",
    [
        b'"' + b"x" * 2**20 + b'"',
        b'{"a": "' + b'\\"' * 2**19 + b'"}',
        b"[" + b"1," * 2**19 + b"1]",
        b"1" * (2**20 + 1),
    ],
)
def test_an_element_that_is_too_long_is_passed_over(large: bytes) -> None:
    error = "longer than 1 MiB"
    found = list(read_elements(io.BytesIO(b"[1, " + large + b", 3]")))
    assert found == [Element(1, 1), Element(2, None, error), Element(3, 3)]
    assert read_members(io.BytesIO(b'{"a": 1, "b": ' + large + b', "c": 3}')) == {"a": 1, "c": 3}


@pytest.mark.usefixtures("small")
def test_an_element_of_the_largest_size_is_kept() -> None:
    largest = b'"' + b"x" * (2**20 - 2) + b'"'
    assert [e.error for e in read_elements(io.BytesIO(b"[" + largest + b"]"))] == [None]


class TestOutline:
    """What the beginning of a document tells."""

    RAW = b' [ {"title": "a", "mapping": {"x": [1, "}"]}, "last": 2}, {"other": 1}]'

    def test_it_knows_what_stands_there_and_nothing_that_does_not(self) -> None:
        known: frozenset[str] = frozenset()
        for end in range(len(self.RAW) + 1):
            is_array, keys = outline(self.RAW[:end])
            assert is_array == (end >= 2)
            assert known <= keys <= {"title", "mapping", "last"}
            known = keys
        assert known == {"title", "mapping", "last"}

    @pytest.mark.parametrize("first", [b"null, ", b'"a", 7, [1], ', b"}, "])
    def test_the_first_object_of_an_array_counts(self, first: bytes) -> None:
        assert outline(b"[" + first + b'{"a": 1}]') == (True, frozenset({"a"}))

    @pytest.mark.parametrize("raw", [b"", b"\0" * 100, b"PK\3\4", b'"a"', b"{", b"{]", b"{\xff"])
    def test_anything_else_tells_nothing(self, raw: bytes) -> None:
        assert outline(raw) == (False, frozenset())


def messages(count: int) -> Iterator[bytes]:
    text = 'He said: "a line\nand another {one}" and wrote it down. ' * 20
    for n in range(count):
        parts = [{"type": "text", "text": text, "n": i, "ok": True} for i in range(8)]
        yield json.dumps({"uuid": f"m{n}", "content": parts, "parent": None}).encode()


MEASURED = """
import re, sys, json
from pathlib import Path
from glin_datasette.importers.documents import read_elements
def largest():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = largest()
with open(sys.argv[1], "rb") as file:
    count = 0
    for element in read_elements(file):
        count += element.error is None
        del element
print(count, largest() - before)
"""


def measured(path: Path) -> tuple[int, int]:
    """How many elements a file has, and how much memory it took to read them."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True
    )
    count, kilobytes = map(int, done.stdout.split())
    return count, kilobytes * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_a_large_document_is_held_an_element_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_bytes(b"[" + b",\n".join(messages(5000)) + b"]")
    assert path.stat().st_size > 40_000_000
    count, size = measured(path)
    assert count == 5000
    assert size < 10_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_large_elements_are_held_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    element = json.dumps({"text": "a line of output\n" * (20_000_000 // 18)}).encode()
    path.write_bytes(b"[" + b",".join([element] * 5) + b"]")
    count, size = measured(path)
    assert count == 5
    # The text, and the value in two forms while json makes one string of its pieces.
    assert size < 3.3 * len(element)
