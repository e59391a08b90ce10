"""pi, the coding agent: ``~/.pi/agent/sessions/<folder>/<time>_<session>.jsonl``.

One record a line: a header (``type`` ``session``), then entries. pi describes the format in
its own documentation. An entry has an ``id`` and the ``parentId`` of the one that it follows,
so that a session is a tree: whoever goes back to an earlier entry continues from there.
The path to the last entry is the conversation, every other one is a branch of it
(:mod:`.tree`). Files of version 1 have no ids and no branches. :mod:`.entries` makes
messages of entries, :mod:`.reader` puts them where they belong.

A file only grows, but a new entry may put what was the conversation so far onto a branch.
Hence a file that has changed is read from its beginning, twice: the first time for the
tree, of which 20 bytes an entry are held, and about 100 more where there are branches.

Conversations: a session's ``source_id`` is its id, a branch's is ``<session>/branch-<key of
its first message>``. Messages: ids of entries are unique in their file only, missing in
version 1, and copied into the sessions that are forked off; so a digest of what an entry
is and when it was made names it, which stays the same through all of that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "Pi"]

SOURCE = "pi"

_NAME = re.compile(r"\d{4}-\d\d-\d\dT[\d-]+Z_.+\.jsonl", re.ASCII)


class Pi(Importer):
    """Importer of pi's sessions."""

    name = SOURCE
    title = "pi"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``$PI_CODING_AGENT_SESSION_DIR``, ``$PI_CODING_AGENT_DIR/sessions``, or the usual one."""
        agent = configured("PI_CODING_AGENT_DIR", Path.home() / ".pi" / "agent")
        if os.environ.get("PI_CODING_AGENT_SESSION_DIR"):
            return [configured("PI_CODING_AGENT_SESSION_DIR", agent)]
        return [agent / "sessions"]

    def matches(self, path: Path) -> bool:
        """``<time>_<session>.jsonl``."""
        return _NAME.fullmatch(path.name) is not None

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is a header or an entry of pi."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
