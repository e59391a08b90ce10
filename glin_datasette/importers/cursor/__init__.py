"""Cursor: what its editor and its agent keep of conversations.

- :mod:`.editor`: the editor's database, which has everything;
- :mod:`.transcript`: the transcripts of agents, one file each, which have less.

Both name a conversation by the same id. One that the editor's database on this machine
holds is read from there, and its transcript is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import SQLITE_SIDECARS
from .places import editor_places

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "CursorAgent", "CursorEditor"]

SOURCE = "cursor"

_FOLDER = "agent-transcripts"


class CursorEditor(Importer):
    """Reads the database of the editor."""

    name = "cursor"
    title = "Cursor"
    source = SOURCE
    sidecars = SQLITE_SIDECARS

    def places(self) -> Sequence[Path]:
        """The editor's global storage."""
        return editor_places()

    def matches(self, path: Path) -> bool:
        """``globalStorage/state.vscdb``."""
        return path.name == "state.vscdb" and path.parent.name == "globalStorage"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a database with the table that only Cursor has."""
        from .identify import is_editor

        return is_editor(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """Every conversation that may have changed, the oldest first."""
        from .editor import read

        return read(path, start)


class CursorAgent(Importer):
    """Reads the transcripts of Cursor's agents."""

    name = "cursor-agent"
    title = "Cursor agent"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """The folder that has one for each project."""
        return [Path.home() / ".cursor" / "projects"]

    def matches(self, path: Path) -> bool:
        """``agent-transcripts/*.jsonl``, there or in the folder of a conversation."""
        return path.suffix == ".jsonl" and _FOLDER in path.parts[-4:-1]

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether a line has a role, a message with content, and nothing else."""
        from .identify import is_agent

        return is_agent(head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """What is said in it, unless the editor's database has that."""
        from .transcript import read

        return read(path, start)
