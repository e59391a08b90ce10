"""What an importer is; what it yields is in :mod:`.base`, from where packages outside of this one
import both. Here it stands alone, since whoever asks an importer where its files are needs no
items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from .base import Checkpoint, Item

__all__ = ["Importer"]


class Importer(Protocol):
    """One transcript format. Classes that derive from this need not define what has a
    default here."""

    #: Of the format, unique, for ``import --format`` and ``import_files.format``.
    name: ClassVar[str]
    #: For people: ``Claude Code``.
    title: ClassVar[str]
    #: ``conversations.source`` of every conversation; ``None`` if each names its own.
    source: ClassVar[str | None]
    #: Whether this is a copy of an archive: conversations without messages are stored too,
    #: and a record stays in each conversation that has it.
    exact: ClassVar[bool] = False
    #: Whether it brings back what was deleted from the archive.
    restores: ClassVar[bool] = False
    #: Whether it is another archive: a conversation or message that both have is joined,
    #: instead of becoming what the file says.
    merges: ClassVar[bool] = False
    #: Whether a file is read only where it is named itself, not where its folder is.
    only_named: ClassVar[bool] = False
    #: Endings of files beside a transcript that hold a part of it: SQLite's ``-wal``.
    sidecars: ClassVar[tuple[str, ...]] = ()
    #: Whether transcripts lie in folders below the places too, or in the places alone.
    nested: ClassVar[bool] = True

    def places(self) -> Sequence[Path]:
        """The folders where the tool keeps its transcripts on this machine, there or not."""
        return ()

    def matches(self, path: Path) -> bool:
        """Whether a file in one of the places is of this format, judged by its path alone."""
        ...

    def beside(self, path: Path) -> Iterable[Path]:
        """Files and folders elsewhere that hold a part of a transcript: while none of them
        changes, it is unchanged."""
        return ()

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether a file that begins with ``head`` is of this format. Never raises.

        Asked again with a longer ``head`` where no importer knew the file by a shorter one.
        """
        ...

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """What the file holds from ``start`` on, in the order of the file.

        Holds a bounded part of the file in memory. Raises OSError if it cannot be read.
        """
        ...
