"""The project's own export format, JSON Lines, as ``docs/formats.md`` describes it.

What is read is stored as it was exported: nothing is cleaned, derived or put in another
order, so that an import into an empty archive gives an equal one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["FORMAT", "VERSION", "GlinImporter"]

#: ``type`` and ``version`` of the first line of an export.
FORMAT = "glin-export"
VERSION = 1


class GlinImporter(Importer):
    """Reads what ``glin-datasette export`` writes."""

    name = "glin"
    title = "glin export"
    source = None
    exact = True
    restores = True

    def matches(self, path: Path) -> bool:
        """Every ``*.jsonl``."""
        return path.suffix == ".jsonl"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether the first line is the header of an export."""
        try:
            header = json.loads(head.partition(b"\n")[0])
        except (ValueError, RecursionError):
            return False
        return isinstance(header, dict) and header.get("type") == FORMAT

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """Conversations and messages in the order of the file."""
        from .reader import read

        return read(path, start)
