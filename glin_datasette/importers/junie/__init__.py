"""JetBrains Junie: ``~/.junie/sessions/session-<time>-<name>/events.jsonl``.

One event a line, known by its ``kind``. JetBrains does not describe the format; what is
read here is what those who read it in public tell of it. Most events are a
``SessionA2uxEvent`` around an ``agentEvent`` with a kind of its own (:mod:`.kinds`). What the
agent does comes in blocks: each is written again and again while it goes on, under the same
``stepId``, and the last writing is the right one. :mod:`.reader` makes messages of them.

Conversations: the name of the folder is the session's ``source_id``. Messages are named by
the session and their step or request; those that have neither, by a digest of their line
and the message before them.

Beside the events there are ``index.jsonl``, ``state.json`` and ``transcript.md``, which say
nothing else. Environment variables and the servers that come with a prompt are not read:
they hold credentials.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "Junie"]

SOURCE = "junie"


class Junie(Importer):
    """Importer of Junie's sessions."""

    name = SOURCE
    title = "Junie"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``$JUNIE_HOME/sessions``, or below ``~/.junie``."""
        return [configured("JUNIE_HOME", Path.home() / ".junie") / "sessions"]

    def matches(self, path: Path) -> bool:
        """``session-…/events.jsonl``."""
        return path.name == "events.jsonl" and path.parent.name.startswith("session-")

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is an event of Junie."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
