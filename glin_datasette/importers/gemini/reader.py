"""A session, whichever kind of file it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..base import Checkpoint, Item
from ..jsonl import BadLine, decode
from .document import read_document
from .lines import read_session

__all__ = ["read"]

#: How far the first line is looked at, where the file's name says nothing.
_FIRST = 64 * 1024


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on."""
    return (read_session if _has_lines(path) else read_document)(path, start)


def _has_lines(path: Path) -> bool:
    if path.suffix == ".jsonl":
        return True
    with path.open("rb") as file:
        head = file.read(_FIRST)
    try:
        return "messages" not in decode(head.partition(b"\n")[0])
    except BadLine:
        return False
