"""What an importer is, and what it yields.

An importer turns one transcript file into a stream of the items below. It never sees the
database: :mod:`glin_datasette.ingest` reads the stream into storage, one file a
transaction. A record that cannot be used becomes a :class:`Skipped` or :class:`Unknown`
item; its neighbours are kept. ``read`` raises for nothing that is in a file, only
``OSError`` for a file that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..models import Conversation, Message
from .walk import OnError

__all__ = [
    "Checkpoint",
    "Importer",
    "Item",
    "Said",
    "Skipped",
    "Summary",
    "Unknown",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the conversation whose ``source_id`` is ``conversation``.

    A :class:`~glin_datasette.models.Conversation` for it comes before the first one.
    """

    conversation: str
    message: Message


@dataclass(frozen=True, slots=True)
class Usage:
    """Better token counts for a message that was yielded earlier, perhaps in an earlier
    import: the lines of one reply repeat its usage, and only the last one is right."""

    conversation: str
    #: ``source_id`` of the message.
    message: str
    token_in: int | None
    token_out: int | None
    token_cached: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A title for whichever conversation holds the record ``leaf``, maybe in another file."""

    leaf: str
    title: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A damaged record. ``line`` counts from 1; ``None`` where the format has no lines."""

    line: int | None
    error: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A record of a kind that this importer does not know."""

    kind: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a file was read: the next reading starts at byte ``offset``, line ``line``
    (lines before it), with ``state``, a JSON object that only the importer understands.

    Yielded last. ``Checkpoint()`` is the beginning of a file. ``offset`` never lies behind
    a last line that is still being written.
    """

    offset: int = 0
    line: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)


Item = Conversation | Said | Usage | Summary | Skipped | Unknown | Checkpoint


class Importer(Protocol):
    """One transcript format."""

    #: Stored in ``conversations.source``: ``claude-code``.
    name: str
    #: For people: ``Claude Code``.
    title: str

    def places(self) -> Sequence[Path]:
        """The folders where the tool keeps its transcripts on this machine, there or not."""
        ...

    def find(self, folder: Path, on_error: OnError) -> Iterator[Path]:
        """The regular files below ``folder`` that may be of this format, judged by name
        alone. ``on_error`` is told what could not be looked at."""
        ...

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
