"""What the archive knows of many files: whether each has changed since it was read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import sqlite_utils

from ..importers.importer import Importer
from ..paths import told

__all__ = ["Stamp", "looked_up"]

#: Files that are looked up with one query.
_AT_ONCE = 500


class Stamp(NamedTuple):
    """A file as it was when it was last read."""

    format: str
    size: int
    mtime_ns: int


def looked_up(
    db: sqlite_utils.Database, found: Iterable[tuple[Path, Importer | None]]
) -> Iterator[tuple[Path, Importer | None, Stamp | None]]:
    """The files that were found, each with what the archive knows of it. What an importer
    noted is left out: it is long, and nobody needs it of a file that did not change."""
    files = iter(found)
    while some := list(islice(files, _AT_ONCE)):
        rows = db.execute(
            "select path, format, size, mtime_ns from import_files"
            " where path in (select value from json_each(?))",
            [json.dumps([told(path) for path, _ in some])],
        )
        stamps = {path: Stamp(*stamp) for path, *stamp in rows}
        for path, importer in some:
            yield path, importer, stamps.get(told(path))
