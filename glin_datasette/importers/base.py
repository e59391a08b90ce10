"""What an importer is, and what it yields.

An importer turns one transcript file into a stream of the items below. It never sees the
archive: :mod:`glin_datasette.ingest` reads the stream into storage, one file a
transaction. A record that cannot be used becomes a :class:`Skipped` or :class:`Unknown`
item; its neighbours are kept. ``read`` raises for nothing that is in a file, only
``OSError`` for a file that cannot be read.

Packages outside of this one may bring importers of their own; ``docs/importers.md`` shows
how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..models import Attachment, Conversation, Message
from .importer import Importer

__all__ = [
    "Checkpoint",
    "File",
    "Importer",
    "Item",
    "Moved",
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
class Moved:
    """Messages that belong to ``conversation`` now, whichever one of the source held them:
    what was rewound or edited goes to a branch. Those that nobody holds are passed over.

    A :class:`~glin_datasette.models.Conversation` for it comes before.
    """

    conversation: str
    #: ``source_id`` of each, in the order that they have there.
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """A title for whichever conversation holds the record ``leaf``, maybe in another file."""

    leaf: str
    title: str


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of an attachment that messages behind it name by its ``sha256``."""

    attachment: Attachment


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
    a last line that is still being written. A format that is written anew as a whole stays
    at offset 0: whenever the file has changed, it is read from its beginning, with ``state``.
    """

    offset: int = 0
    line: int = 0
    state: Mapping[str, Any] = field(default_factory=dict)


Item = Conversation | Said | Usage | Moved | Summary | File | Skipped | Unknown | Checkpoint
