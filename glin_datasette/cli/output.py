"""Printing: JSON documents, documents in pieces, tables and times."""

from __future__ import annotations

import json
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click

from ..render import one_line

__all__ = ["cut", "echo_json", "echo_pieces", "plural", "short_time", "table"]

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)")


def echo_json(document: object, *, compact: bool = False) -> None:
    """Print one JSON document, in UTF-8 whatever the terminal's encoding is; ``compact``
    puts it on one line."""
    indent = None if compact else 2
    echo_pieces([json.dumps(document, ensure_ascii=False, indent=indent), "\n"])


def echo_pieces(pieces: Iterable[str]) -> None:
    """Print a document in UTF-8, piece by piece."""
    sys.stdout.flush()
    stream = sys.stdout.buffer
    for piece in pieces:
        # Half of a surrogate pair, as in names that are not UTF-8, is escaped as JSON does it.
        stream.write(piece.encode(errors="backslashreplace"))
    stream.flush()


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, numeric: int = 0) -> None:
    """Print aligned columns, the first ``numeric`` of them to the right. On a terminal
    lines are cut to its width."""
    texts = [[_cell(value) for value in row] for row in [header, *rows]]
    widths = [max(_width(row[i]) for row in texts) for i in range(len(header))]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for number, row in enumerate(texts):
        cells = [_pad(cell, widths[i], right=i < numeric) for i, cell in enumerate(row)]
        line = "  ".join(cells).rstrip()
        if limit is not None:
            line = cut(line, limit)
        click.echo(click.style(line, bold=True) if number == 0 else line)


def short_time(ts: str | None) -> str:
    """A time of the archive for people, to the minute: ``2026-02-11 05:53Z``."""
    found = _TIME.match(ts or "")
    return f"{found[1]} {found[2]}Z" if found else one_line(ts or "")


def plural(count: int, noun: str) -> str:
    """``1 message``, ``1,234 messages``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cut(text: str, width: int) -> str:
    """``text`` cut to ``width`` columns of a terminal, with an ellipsis."""
    if _width(text) <= width:
        return text
    used, kept = 1, []
    for character in text:
        used += _width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def _cell(value: Any) -> str:
    return "" if value is None else one_line(str(value))


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    """Columns that ``text`` takes: East Asian characters take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
