"""Gemini CLI: ``~/.gemini/tmp/<project>/chats/session-*.json`` and ``session-*.jsonl``.

Older versions write a session as one document, ``{"sessionId", "projectHash", "startTime",
"lastUpdated", "messages": […]}``, anew whenever it changes. Newer ones append lines to a
file: the document's other members first, then messages, ``$set`` and ``$rewindTo``; a
message that changes is written again as a whole. Subagents have files of their own,
``chats/<session>/<id>.jsonl``. The source of Gemini CLI (``chatRecordingTypes.ts``) tells
what the members are.

- :mod:`.identify` tells the format from others, :mod:`.reader` the two kinds of files;
- :mod:`.messages` reads one message, :mod:`.parts` its content,
- :mod:`.lines` and :mod:`.document` read one kind each,
- :mod:`.session` is what they have in common, :mod:`.project` finds the project's folder.

A conversation's ``source_id`` is the session's id, or the file's name where no line tells
it. A message's is ``<session>:<id>``; of what it holds beside its text,
``#thought-1`` and ``#call-<id>``. What was rewound is ``<session>/branch-<id of its first
message>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "Gemini"]

SOURCE = "gemini"


class Gemini(Importer):
    """Importer of the sessions of Gemini CLI."""

    name = SOURCE
    title = "Gemini CLI"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``.gemini/tmp`` in ``$GEMINI_CLI_HOME``, or in the home folder."""
        return [configured("GEMINI_CLI_HOME", Path.home()) / ".gemini" / "tmp"]

    def matches(self, path: Path) -> bool:
        """``chats/session-*.json``, the same as ``.jsonl``, and ``chats/<id>/*.jsonl``."""
        if path.parent.name == "chats":
            return path.name.startswith("session-") and path.suffix in (".json", ".jsonl")
        return path.parent.parent.name == "chats" and path.suffix == ".jsonl"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a document of a session, or one of the first lines is a record."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
