"""Transcript files -> conversations and messages. One module or package for each format.

An importer never sees the database; see :mod:`.base` for what it is and yields.
"""

from __future__ import annotations

from pathlib import Path

from .base import Importer
from .claude_code import ClaudeCode
from .glin import GlinImporter

__all__ = ["HEAD_SIZE", "importer_for", "importers"]

#: Bytes of a file that are enough to tell its format.
HEAD_SIZE = 64 * 1024


def importers() -> tuple[Importer, ...]:
    """Every importer, in the order in which they are asked whether a file is theirs."""
    return (GlinImporter(), ClaudeCode())


def importer_for(path: Path) -> Importer | None:
    """The importer for a file, judged by its beginning; ``None`` if it is no transcript.

    :raises OSError: if the file cannot be read
    """
    with path.open("rb") as file:
        head = file.read(HEAD_SIZE)
    return next((each for each in importers() if each.identify(path, head)), None)
