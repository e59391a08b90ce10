"""Messages that a script wrote: one a row, as JSON Lines or CSV, with the columns that
``docs/importers.md`` describes.

No file tells that it is of this format, so it is read only where somebody says so. Rows
without an ``id`` get one that depends on what they say and how many rows before them say
the same, so that a file may be written anew with rows added anywhere.

- :mod:`.rows`: the file as rows; :mod:`.columns`: a row's values, checked
- :mod:`.reader`: rows as conversations and messages
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["Messages"]


class Messages(Importer):
    """Reads rows of messages, of any tool or none."""

    name = "messages"
    title = "messages (JSONL or CSV)"
    source = None

    def matches(self, path: Path) -> bool:
        """Never."""
        return False

    def identify(self, path: Path, head: bytes) -> bool:
        """Never: rows of one tool look like those of another."""
        return False

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """Messages in the order of the rows."""
        from .reader import read

        return read(path, start)
