"""What importers of files with a record on each line have in common."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from .base import Checkpoint, Item, Skipped
from .jsonl import BadLine, Line, decode, read_lines

__all__ = ["cut_line", "read_records", "records_in"]


def read_records(
    path: Path, start: Checkpoint, read: Callable[[dict[str, Any], Line], Iterable[Item]]
) -> Generator[Item, None, tuple[int, int]]:
    """What ``read`` makes of each record and its line, from ``start`` on; damaged lines
    are skipped. Returns how far it came: the byte, and the lines before it.

    :raises OSError: if the file cannot be read
    """
    offset, number = start.offset, start.line
    for line in read_lines(path, start.offset, start.line):
        if line.error is not None:
            yield Skipped(line.number, line.error)
        if line.torn:
            break
        if line.record is not None:
            try:
                items = list(read(line.record, line))
            except RecursionError:
                yield Skipped(line.number, "not usable: nested too deeply")
            else:
                yield from items
                items.clear()
        offset, number = line.end, line.number
        # What was large is not held while the next line is read.
        del line
    return offset, number


def records_in(head: bytes) -> Iterator[dict[str, Any]]:
    """The records on the lines that ``head``, the beginning of a file, holds whole."""
    for line in head.split(b"\n"):
        try:
            yield decode(line)
        except BadLine:
            continue


def cut_line(head: bytes) -> bytes:
    """The last line of ``head``, which may go on behind it: it tells the format where no
    whole line does."""
    return head[head.rfind(b"\n") + 1 :]
