"""Reading files that hold one JSON object a line, whatever state they are in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .text import digest

__all__ = [
    "MAX_LINE",
    "BadLine",
    "Line",
    "decode",
    "decode_held",
    "decode_value",
    "read_lines",
]

#: Bytes. A longer line is skipped: nothing that a person said is that long.
MAX_LINE = 32 * 1024 * 1024

_SKIP_CHUNK = 1024 * 1024
#: Where NUL bytes are looked for, at both ends of a line.
_EDGE = 64
_BOM = b"\xef\xbb\xbf"


class BadLine(ValueError):
    """A line that holds no JSON object; the message says why."""


@dataclass(slots=True)
class Line:
    """One line. ``number`` counts from 1, ``begin`` is its first byte and ``end`` the one
    after it, ``key`` is a digest of the line that a record stands on.

    ``record`` is ``None`` if ``error`` says why there is none, or the line is blank.
    ``torn`` marks a last line that is still being written, or was cut off: it may be whole
    at the next reading.
    """

    number: int
    begin: int
    end: int
    record: dict[str, Any] | None
    error: str | None = None
    torn: bool = False
    key: str = ""


def read_lines(path: Path, offset: int, line: int) -> Iterator[Line]:
    """The lines of a file from byte ``offset`` on, where ``line`` lines came before.

    Holds one line in memory, never more than :data:`MAX_LINE` bytes of it and never in more
    than two forms at a time: bytes, text, record.

    :raises OSError: if the file cannot be read
    """
    with path.open("rb") as file:
        if offset:
            file.seek(offset - 1)
            # The last reading may have ended with a whole record that had no newline yet;
            # what is left of that line is not a line of its own.
            if file.read(1) != b"\n":
                line -= 1
        while (found := _next_line(file, line + 1, offset)) is not None:
            line, offset = line + 1, found[0].end
            # A record may be large, and nobody needs it here while the next one is read.
            yield found.pop()


def _next_line(file: BinaryIO, number: int, begin: int) -> list[Line] | None:
    """The next line, in a list to be emptied; ``None`` at the end of the file."""
    raw = file.readline(MAX_LINE + 1)
    if not raw:
        return None
    terminated = raw.endswith(b"\n")
    if len(raw) > MAX_LINE:
        del raw
        while not terminated and (part := file.readline(_SKIP_CHUNK)):
            terminated = part.endswith(b"\n")
        error = f"longer than {MAX_LINE // 1024 // 1024} MiB"
        return [Line(number, begin, file.tell(), None, error, torn=not terminated)]
    end = begin + len(raw)
    if raw.isspace():
        return [Line(number, begin, end, None, torn=not terminated)]
    # The same, whatever its newline is, and whether it is there yet or not.
    key = _key(raw)
    try:
        text = _text(raw)
        del raw
        return [Line(number, begin, end, _object(text), key=key)]
    except BadLine as problem:
        error = str(problem) if terminated else f"cut off: {problem}"
        return [Line(number, begin, end, None, error, torn=not terminated)]


def _key(raw: bytes) -> str:
    if raw.endswith(b"\n") and not raw.endswith(b"\r\n") and not raw.startswith(_BOM):
        return digest(raw)
    return digest(raw.removeprefix(_BOM).rstrip(b"\r\n") + b"\n")


def decode(raw: bytes) -> dict[str, Any]:
    """The JSON object on a line.

    :raises BadLine: if there is none
    """
    return _object(_text(raw))


def _text(raw: bytes) -> str:
    # Nearly every line; JSON allows the newline.
    if raw.startswith(b"{") and raw.endswith(b"}\n"):
        return _decoded(memoryview(raw))
    raw = raw.removeprefix(_BOM)
    # A crash can leave a run of NUL bytes where the file system had not written yet; a
    # record that was appended behind it is whole. (JSON allows the other space.)
    if b"\0" in raw[:_EDGE] or b"\0" in raw[-_EDGE:]:
        raw = raw.strip(b"\0 \t\r\n")
        if not raw:
            raise BadLine("holds NUL bytes only")
    tail = raw[-_EDGE:]
    end = len(raw) - len(tail) + len(tail.rstrip())
    return _decoded(memoryview(raw)[:end])  # No copy, as a slice would be.


def _decoded(raw: memoryview) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as problem:
        raise BadLine(f"not UTF-8 at byte {problem.start + 1}") from None


def decode_value(raw: bytes) -> Any:
    """The JSON value that ``raw`` is.

    :raises BadLine: if it is none
    """
    return _value(_text(raw))


def decode_held(held: list[bytes]) -> Any:
    """As :func:`decode_value`, of the bytes in a list, which is emptied: they are not held
    while the value is made.

    :raises BadLine: if it is none
    """
    raw = held.pop()
    text = _text(raw)
    del raw
    return _value(text)


def _object(text: str) -> dict[str, Any]:
    value = _value(text)
    if not isinstance(value, dict):
        raise BadLine("not a JSON object")
    return value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as problem:
        what = problem.msg.removesuffix(" at")
        raise BadLine(f"not JSON: {what} at column {problem.colno}") from None
    except ValueError:
        raise BadLine("not JSON: holds a number that is too long") from None
    except RecursionError:
        raise BadLine("not usable: nested too deeply") from None
