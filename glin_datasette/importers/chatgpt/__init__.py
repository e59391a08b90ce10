"""ChatGPT's export: the .zip that the service sends, or what comes out of it.

It has no known place. The conversations are in ``conversations.json``, or in
``conversations-000.json`` and so on, an array each. One of them holds all that was ever
said in it as a tree, ``mapping``: {node: {id, message, parent, children}}. The way from
``current_node`` up is the conversation as it was seen last; the rest, prompts before they
were edited and answers that were asked for again, becomes branches.

A message has an author (user, assistant, tool, system), a time in seconds since 1970, a
recipient (``all``, or the tool that it calls) and content of some type. What the page hides,
custom instructions and the like, is left out. A result belongs to the call that it stands
below. A message is known by its node, in its conversation; a conversation by its own id.
There are no tokens in an export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["DOCUMENTS", "SOURCE", "ChatGPT"]

SOURCE = "chatgpt"
#: Names of the files that conversations are in.
DOCUMENTS = re.compile(r"conversations(-\d+)?\.json")


class ChatGPT(Importer):
    """Reads the export of ChatGPT."""

    name = SOURCE
    title = "ChatGPT export"
    source = SOURCE

    def matches(self, path: Path) -> bool:
        """``conversations.json`` and its parts."""
        return DOCUMENTS.fullmatch(path.name) is not None

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether the first conversation has a ``mapping``."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """The conversations in the order of the export, each with its branches behind it."""
        from .reader import read

        return read(path, start)
