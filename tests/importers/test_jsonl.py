"""Reading lines: what is damaged is told, its neighbours are kept, nothing is lost."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from glin_datasette.importers import jsonl
from glin_datasette.importers.jsonl import BadLine, decode, read_lines


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a": 1', "not JSON: Expecting ',' delimiter at column 8"),
        (b'{"a": 1}}', "not JSON: Extra data at column 9"),
        (b'{"a": "\xff"}', "not UTF-8 at byte 8"),
        (b"\0\0\0\0", "holds NUL bytes only"),
        (b"[1]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON: holds a number that is too long"),
        (b"[" * 200_000 + b"]" * 200_000, "not usable: nested too deeply"),
    ],
)
def test_damage_is_told(raw: bytes, said: str) -> None:
    with pytest.raises(BadLine) as caught:
        decode(raw)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "raw", [b'{"a":1}', b'\xef\xbb\xbf{"a":1}', b'\0\0\0{"a":1}\r\n', b' {"a":1}\t']
)
def test_what_stands_around_a_record_does_no_harm(raw: bytes) -> None:
    assert decode(raw) == {"a": 1}


def test_lines_are_numbered_and_end_where_they_end(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n\n  \nbad\r\n{"n":5}')
    found = [(line.number, line.end, line.record, line.torn) for line in read_lines(file, 0, 0)]
    assert found == [
        (1, 8, {"n": 1}, False),
        (2, 9, None, False),
        (3, 12, None, False),
        (4, 17, None, False),
        (5, 24, {"n": 5}, False),
    ]


def test_a_last_line_that_is_being_written_is_torn(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n{"n":')
    torn = list(read_lines(file, 0, 0))[-1]
    assert torn.torn
    assert torn.error == "cut off: not JSON: Expecting value at column 6"


def test_going_on_behind_a_record_without_newline_keeps_the_numbers(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n{"n":2}')
    last = list(read_lines(file, 0, 0))[-1]
    file.write_bytes(b'{"n":1}\n{"n":2}\n{"n":3}\n')
    after = list(read_lines(file, last.end, last.number))
    assert [(line.number, line.record) for line in after] == [(2, None), (3, {"n": 3})]


def test_space_without_a_newline_may_be_the_beginning_of_a_record(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n  ')
    last = list(read_lines(file, 0, 0))[-1]
    assert (last.number, last.record, last.error, last.torn) == (2, None, None, True)


def test_a_file_that_shrank_ends_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"{}\n")
    assert list(read_lines(file, 1000, 5)) == []


def test_a_line_that_is_too_long_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jsonl, "MAX_LINE", 1024 * 1024)
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"n":1}\n"' + b"x" * 3_000_000 + b'"\n{"n":3}\n"' + b"y" * 2_000_000)
    lines = list(read_lines(file, 0, 0))
    assert [(line.number, line.error, line.torn) for line in lines] == [
        (1, None, False),
        (2, "longer than 1 MiB", False),
        (3, None, False),
        (4, "longer than 1 MiB", True),
    ]


def test_a_long_line_is_not_held(tmp_path: Path) -> None:
    """Read in a process of its own, whose memory is limited to less than the line."""
    file = tmp_path / "a.jsonl"
    with file.open("wb") as out:
        out.truncate(512 * 1024 * 1024)  # One line of NUL bytes, which takes no space.
        out.seek(0, 2)
        out.write(b'\n{"n":2}\n')
    limit = 400 * 1024 * 1024
    code = (
        "import sys; from pathlib import Path;"
        "from glin_datasette.importers.jsonl import read_lines;"
        "print([(x.number, x.error) for x in read_lines(Path(sys.argv[1]), 0, 0)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.stderr, done.stdout) == ("", "[(1, 'longer than 32 MiB'), (2, None)]\n")


def test_a_file_that_is_not_there_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        next(read_lines(tmp_path / "none.jsonl", 0, 0))
