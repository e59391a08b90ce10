"""Codex: ``$CODEX_HOME/sessions/YYYY/MM/DD/rollout-*.jsonl`` and ``archived_sessions``.

One record a line: ``{"timestamp", "type", "payload"}``. What the parts of this package know
of the payloads is what the source of Codex (``codex-rs/protocol``) tells. From the outside
in:

- :mod:`.reader` decides what each record means for the conversation and yields its items;
- :mod:`.voice` says them, each once;
- :mod:`.meta` reads what a session is;
- :mod:`.held` keeps what cannot be decided before the next records;
- :mod:`.records` gives the records of all versions one shape;
- :mod:`.texts` reads content and tells prompts from what the client adds in their place;
- :mod:`.tools` reads calls and their results, :mod:`.tokens` counts;
- :mod:`.names` looks up the names that people gave to their sessions;
- :mod:`.identify` tells the format from others;
- :mod:`.state` is what a checkpoint carries to the next reading.

Conversations: the first ``session_meta`` of a file names it; the file's name does where
there is none. A fork or subagent begins with a copy of its parent's records, which is left
to the parent. Turns that were taken back are ``<session>/branch-<id of their first
message>``. Records have no ids of their own: a message's is ``<session>:<digest of its
line>``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "Codex"]

SOURCE = "codex"


class Codex(Importer):
    """Importer of the transcripts of Codex: CLI, desktop, IDE."""

    name = SOURCE
    title = "Codex"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``sessions`` and ``archived_sessions`` in ``$CODEX_HOME`` or ``~/.codex``."""
        home = configured("CODEX_HOME", Path.home() / ".codex")
        return [home / "sessions", home / "archived_sessions"]

    def matches(self, path: Path) -> bool:
        """Every ``rollout-*.jsonl``."""
        return path.suffix == ".jsonl" and path.name.startswith("rollout-")

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is a record of Codex."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
