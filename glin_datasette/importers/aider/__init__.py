"""aider: ``.aider.chat.history.md``, in the top folder of each project.

aider appends to it, Markdown in which the beginnings of lines tell who speaks::

    # aider chat started at 2024-05-01 10:11:12      a run begins, in local time

    > Aider v0.86.1                                  aider's own words
    > Model: gpt-4o with diff edit format

    #### Why does the tide run late?                 a prompt, each line of it

    Because of the moon.                             the reply: everything else

    > Tokens: 2.1k sent, 300 received. Cost: …
    > Commit 1a2b3c4 fix: mind the moon

Each run is a conversation. There are no ids and no other times, so a run is known by the
path of its file, its header and which one of that header it is; a message by its place in
its run, which only grows at its end. A file that was moved is read as a new one. Every
message has the time at which its run began.

aider ends a prompt's lines, and the last line of each thing it says itself, with two
spaces. Where it did so (an editor may have taken them away), a heading or a quotation in a
reply is told from a prompt by that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["NAME", "SOURCE", "Aider"]

SOURCE = "aider"
#: How the names of histories end.
NAME = ".aider.chat.history.md"


class Aider(Importer):
    """Importer of aider's chat histories."""

    name = SOURCE
    title = "aider"
    source = SOURCE

    def matches(self, path: Path) -> bool:
        """``*.aider.chat.history.md``."""
        return path.name.endswith(NAME)

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it begins with the header of a run; or has one, if it is called so."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
