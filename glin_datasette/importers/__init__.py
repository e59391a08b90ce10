"""Transcript files -> conversations and messages. One module or package for each format.

An importer never sees the database; see :mod:`.base` for what it is and yields.
"""

from __future__ import annotations

from pathlib import Path

from .base import Importer
from .claude_code import ClaudeCode
from .glin import GlinImporter

__all__ = ["HEAD_SIZES", "importer_for", "importers"]

#: How many bytes of a file are looked at to tell its format: more only where nobody knew
#: it by less, because its first line is very long or damaged.
HEAD_SIZES = (64 * 1024, 1024 * 1024, 16 * 1024 * 1024)


def importers() -> tuple[Importer, ...]:
    """Every importer, in the order in which they are asked whether a file is theirs."""
    return (GlinImporter(), ClaudeCode())


def importer_for(path: Path) -> Importer | None:
    """The importer for a file, judged by its beginning; ``None`` if it is no transcript.

    :raises OSError: if the file cannot be read
    """
    head = b""
    with path.open("rb") as file:
        for size in HEAD_SIZES:
            more = file.read(size - len(head))
            if not more:
                break
            head += more
            for importer in importers():
                if importer.identify(path, head):
                    return importer
    return None
