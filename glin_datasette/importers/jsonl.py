"""Reading files that hold one JSON object a line, whatever state they are in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["MAX_LINE", "BadLine", "Line", "decode", "read_lines"]

#: Bytes. A longer line is skipped: nothing that a person said is that long.
MAX_LINE = 64 * 1024 * 1024

_SKIP_CHUNK = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class BadLine(ValueError):
    """A line that holds no JSON object; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. ``number`` counts from 1, ``end`` is the byte after it.

    ``record`` is ``None`` if ``error`` says why there is none, or the line is blank.
    ``torn`` marks a last line that is still being written, or was cut off: it may be whole
    at the next reading.
    """

    number: int
    end: int
    raw: bytes
    record: dict[str, Any] | None
    error: str | None = None
    torn: bool = False


def read_lines(path: Path, offset: int, line: int) -> Iterator[Line]:
    """The lines of a file from byte ``offset`` on, where ``line`` lines came before.

    Holds one line in memory, and never more than
    :data:`MAX_LINE` bytes of it.

    :raises OSError: if the file cannot be read
    """
    with path.open("rb") as file:
        if offset:
            file.seek(offset - 1)
            # The last reading may have ended with a whole record that had no newline yet;
            # what is left of that line is not a line of its own.
            if file.read(1) != b"\n":
                line -= 1
        while True:
            raw, end, terminated = _next_line(file)
            if raw == b"":
                return
            line += 1
            yield _line(raw, line, end, terminated)


def _next_line(file: BinaryIO) -> tuple[bytes | None, int, bool]:
    """The next line (``None``: too long), the offset behind it, whether it has a newline."""
    raw = file.readline(MAX_LINE + 1)
    if len(raw) <= MAX_LINE:
        return raw, file.tell(), raw.endswith(b"\n")
    ends = raw.endswith(b"\n")
    del raw
    while not ends:
        part = file.readline(_SKIP_CHUNK)
        if not part:
            break
        ends = part.endswith(b"\n")
    return None, file.tell(), ends


def _line(raw: bytes | None, number: int, end: int, terminated: bool) -> Line:
    if raw is None:
        error = f"longer than {MAX_LINE // 1024 // 1024} MiB"
        return Line(number, end, b"", None, error, torn=not terminated)
    if not raw.strip():
        return Line(number, end, raw, None, torn=not terminated)
    try:
        return Line(number, end, raw, decode(raw))
    except BadLine as problem:
        error = str(problem) if terminated else f"cut off: {problem}"
        return Line(number, end, raw, None, error, torn=not terminated)


def decode(raw: bytes) -> dict[str, Any]:
    """The JSON object on a line.

    :raises BadLine: if there is none
    """
    # A crash can leave a run of NUL bytes where the file system had not written yet; a
    # record that was appended behind it is whole.
    stripped = raw.removeprefix(_BOM).strip(b"\0 \t\r\n")
    if not stripped:
        raise BadLine("holds NUL bytes only")
    try:
        value = json.loads(stripped.decode("utf-8"))
    except UnicodeDecodeError as problem:
        raise BadLine(f"not UTF-8 at byte {problem.start + 1}") from None
    except json.JSONDecodeError as problem:
        what = problem.msg.removesuffix(" at")
        raise BadLine(f"not JSON: {what} at column {problem.colno}") from None
    except ValueError:
        raise BadLine("not JSON: holds a number that is too long") from None
    except RecursionError:
        raise BadLine("not usable: nested too deeply") from None
    if not isinstance(value, dict):
        raise BadLine("not a JSON object")
    return value
