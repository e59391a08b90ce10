"""Another archive of this project: the file ``glin.db`` of another machine, or a backup.

It is read with plain SQL, at one moment, while others may write to it. Archives of older
schema versions lack columns and tables, which then say nothing; one that a newer release
wrote may mean anything and is refused. Ids are those of the archive: ``source`` and
``source_id`` of a conversation, ``source_id`` of a message, and where that has none, the
one that an export gives it.

Archives and their backups lie in folders with transcripts, but nobody who names such a
folder wants all of them merged: a file is read only where it is named itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import SQLITE_SIDECARS

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["GlinArchive"]


class GlinArchive(Importer):
    """Reads the archives of other machines, and backups."""

    name = "glin-archive"
    title = "glin archive"
    source = None
    exact = True
    merges = True
    only_named = True
    sidecars = SQLITE_SIDECARS

    def matches(self, path: Path) -> bool:
        """None: no path tells an archive from another database."""
        return False

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a database with the id or the tables of an archive."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """Conversations in order of time, each with its messages."""
        from .reader import read

        return read(path, start)
