"""claude.ai's export: the .zip that the service sends, or what comes out of it.

It has no known place. The conversations are in ``conversations.json``, an array: {uuid,
name, chat_messages: [{uuid, sender, text, content, created_at, attachments, files,
parent_message_uuid}]}. ``content`` has blocks (text, thinking, tool_use, tool_result);
``text`` repeats them, and stands alone in old exports. ``parent_message_uuid`` makes a tree of
the messages. Nothing says which way through it was seen last; the one to the newest message
is the conversation, and the others are branches of it.

Projects are in ``projects.json``, an array, or one in each ``projects/<uuid>.json``: {uuid,
name, description, prompt_template, docs: [{uuid, filename, content}]}. Each becomes a
conversation of its own, with its instructions and documents, so that they can be found. The
export does not say which conversations belong to it.

A message is known by its uuid, in its conversation. There are no tokens in an export, and
as a rule no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["CONVERSATIONS", "PROJECTS", "SOURCE", "ClaudeAI"]

SOURCE = "claude-ai"
#: Names of the files that conversations and projects are in.
CONVERSATIONS = re.compile(r"conversations(-\d+)?\.json")
#: A project that has a document of its own is called by its uuid.
PROJECTS = re.compile(r"projects\.json|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.json")


class ClaudeAI(Importer):
    """Reads the export of claude.ai."""

    name = SOURCE
    title = "claude.ai export"
    source = SOURCE

    def matches(self, path: Path) -> bool:
        """``conversations.json`` and ``projects.json``."""
        return bool(CONVERSATIONS.fullmatch(path.name)) or path.name == "projects.json"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether the first conversation has ``chat_messages``, or it is a project."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
