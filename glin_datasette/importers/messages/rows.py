"""A CSV file as rows, whatever state it is in, with bounded memory."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..jsonl import MAX_LINE
from .columns import REQUIRED

__all__ = ["Row", "is_jsonl", "read_csv"]

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_CHUNK = 64 * 1024
_TOO_LONG = f"longer than {MAX_LINE // 1024 // 1024} MiB"


@dataclass(frozen=True, slots=True)
class Row:
    """One row; the first is the header. ``line`` is the one that it begins on, from 1.
    ``cells`` is ``None`` if ``error`` says why there are none."""

    line: int
    cells: list[str] | None
    error: str | None = None


def is_jsonl(path: Path) -> bool:
    """Whether the first byte that is no space begins an object. Where a first line is
    damaged, one of the next may do so, if that first one is no header of CSV either.

    :raises OSError: if the file cannot be read
    """
    with path.open("rb") as file:
        chunk = file.read(_CHUNK).removeprefix(_BOM)
        while chunk and not (chunk := chunk.lstrip(_BLANK)):
            chunk = file.read(_CHUNK)
        lines = [line.lstrip(_BLANK) for line in chunk.splitlines() or [b""]]
        if len(lines) == 1:  # A long one.
            lines += [file.read(_CHUNK).partition(b"\n")[2]]
    is_header = all(name.encode() in lines[0] for name in REQUIRED)
    return lines[0].startswith(b"{") or (
        not is_header and any(line.startswith(b"{") for line in lines)
    )


def read_csv(path: Path) -> Iterator[Row]:
    """The rows of a file, but for blank lines. Holds one of them.

    :raises OSError: if the file cannot be read
    """
    # It is one for all readers of this process; those of others only gain from a larger one.
    csv.field_size_limit(max(MAX_LINE, csv.field_size_limit()))
    with path.open("rb") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        while True:
            line = lines.number + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as ex:
                what = lines.take_error() or f"not CSV: {ex}"
                if "field limit" in what:
                    # Only a quoted cell can be that long: a line cannot.
                    what = f"a cell {_TOO_LONG}"
                    lines.skip_quoted()
                yield Row(line, None, what)
                continue
            if error := lines.take_error():
                yield Row(line, None, error)
            elif cells:
                yield Row(line, cells)


class _Lines(Iterator[str]):
    """The lines of a file as the csv module wants them. What is wrong with one is kept for
    whoever gets the row that it is a part of."""

    def __init__(self, file: BinaryIO) -> None:
        #: Lines so far.
        self.number = 0
        self._file = file
        self._first = True
        self._error: str | None = None

    def __next__(self) -> str:
        raw = self._file.readline(MAX_LINE + 1)
        if not raw:
            raise StopIteration
        self.number += 1
        if len(raw) > MAX_LINE:
            self._error = _TOO_LONG
            while raw and not raw.endswith(b"\n"):
                raw = self._file.readline(_CHUNK)
            return "-\n"  # No blank line: that would not be a row.
        if self._first:
            self._first = False
            raw = raw.removeprefix(_BOM)
        try:
            return raw.decode()
        except UnicodeDecodeError as ex:
            self._error = self._error or f"not UTF-8 at byte {ex.start + 1}"
            return raw.decode(errors="replace")

    def skip_quoted(self) -> None:
        """Step over the rest of a quoted cell: up to the line that ends it."""
        inside = True
        while inside and (raw := self._file.readline(_CHUNK)):
            self.number += raw.endswith(b"\n")
            inside ^= raw.count(b'"') % 2 == 1
            if not inside:
                while raw and not raw.endswith(b"\n"):
                    raw = self._file.readline(_CHUNK)
                    self.number += raw.endswith(b"\n")

    def take_error(self) -> str | None:
        """What was wrong with a line since this was asked last."""
        error, self._error = self._error, None
        return error
