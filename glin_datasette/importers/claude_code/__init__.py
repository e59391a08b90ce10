"""Claude Code: ``~/.claude/projects/<folder>/<session>.jsonl``, one record a line.

There is no published description of the format; what is known of it is told where it is
read. The parts, from the outside in:

- :mod:`.reader` decides which conversation a record belongs to, and when; pairs calls with
  results; counts tokens. It yields the items of :mod:`..base`.
- :mod:`.forks` tells copies in a forked session from its own records.
- :mod:`.blocks` takes one record apart, :mod:`.wrappers` one text of a user.
- :mod:`.state` is what a checkpoint carries to the next reading.
- :mod:`.identify` tells the format from others.
- :mod:`.kinds` lists the records that hold nothing to keep.

Conversations: a session's ``source_id`` is its id; a subagent's is
``<session>/agent-<agent>``, whether its records lie in a file of their own or inside the
session's; a sidechain of an older version, which has no id, is
``<session>/sidechain-<uuid of its first record>``.

``repo_root`` is the working directory of a conversation's first record; where that
directory is on this machine, inside a git repository, it is the top of that. (The folder's
name cannot tell: it replaces every character that is not a letter or digit.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...paths import expanded
from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "ClaudeCode"]

SOURCE = "claude-code"


class ClaudeCode(Importer):
    """Importer of Claude Code's transcripts."""

    name = SOURCE
    title = "Claude Code"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``$CLAUDE_CONFIG_DIR/projects`` if that is set, else the two usual folders."""
        if configured := os.environ.get("CLAUDE_CONFIG_DIR"):
            return [expanded(configured) / "projects"]
        home = Path.home()
        return [home / ".claude" / "projects", home / ".config" / "claude" / "projects"]

    def matches(self, path: Path) -> bool:
        """Every ``*.jsonl``."""
        return path.suffix == ".jsonl"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is a record of Claude Code."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
