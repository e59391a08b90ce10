"""The Copilot CLI: ``~/.copilot/session-state/<session>/events.jsonl``, one event a line;
in older versions ``~/.copilot/session-state/<session>.jsonl``::

    {"type": "user.message", "data": {"content": "…"}, "id": "<uuid>",
     "timestamp": "2026-05-12T00:21:10.000Z", "parentId": "<uuid>"}

Kept are prompts, replies, thinking, tool calls and their results (a call once, whether the
reply that asks for it or its execution tells of it first), errors, and what was left out of
the context. The system prompt is not.

A session's id is the name of its folder or file, which Copilot gives it; else what its
first event says. Events have ids of their own; where one is no UUID, the session's id
stands before it. A session that is continued in another program is copied with the ids of
its events: they stay with the session that had them first.

Events of a subagent carry its id (``agentId``), or in older versions the id of the call that
started it. Each is a conversation ``<session>/agent-<id>``.

Input tokens are known only where the log holds ``assistant.usage``, which is not usual; the
sums that a session ends with belong to no reply.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...paths import expanded
from ..base import Checkpoint, Importer, Item, Skipped
from ..jsonl import Line
from ..places import configured
from ..records import cut_line, read_records, records_in
from .events import KNOWN
from .reader import Reader

__all__ = ["CopilotCli"]

_FOLDERS = ("session-state", "history-session-state")
_BEGINS = re.compile(
    rb'\{(?:"[a-zA-Z]+"\s*:\s*(?:null|true|false|"[^"\\]*")\s*,\s*){0,6}?'
    rb'"type"\s*:\s*"([a-z_]+\.[a-z_]+)"'
)


class CopilotCli(Importer):
    """Importer of the Copilot CLI's event logs."""

    name = "copilot-cli"
    title = "GitHub Copilot CLI"
    source = "copilot"

    def places(self) -> Sequence[Path]:
        """Below ``$COPILOT_HOME`` or ``~/.copilot``, and where older versions had it."""
        homes = [configured("COPILOT_HOME", Path.home() / ".copilot")]
        state = os.environ.get("XDG_STATE_HOME")
        if state and not os.environ.get("COPILOT_HOME"):
            homes.append(expanded(state) / ".copilot")
        return [home / folder for home in homes for folder in _FOLDERS]

    def matches(self, path: Path) -> bool:
        """``<session>/events.jsonl``, or ``<session>.jsonl`` in the folder of sessions."""
        if path.name == "events.jsonl":
            return path.parent.parent.name in _FOLDERS
        return path.suffix == ".jsonl" and path.parent.name in _FOLDERS

    def beside(self, path: Path) -> Iterable[Path]:
        """The title of a session may change when the session does not."""
        return [path.with_name("workspace.yaml")] if path.name == "events.jsonl" else []

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is an event. VS Code keeps events that look alike,
        of the chats that it has in another form as well."""
        if "GitHub.copilot-chat" in path.parts:
            return False
        others = False
        for record in records_in(head):
            kind = record.get("type")
            if isinstance(kind, str) and kind in KNOWN and isinstance(record.get("data"), dict):
                return True
            others = True
        begins = _BEGINS.match(cut_line(head))
        return not others and begins is not None and begins[1].decode() in KNOWN

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        reader = Reader.load(path, start.state)

        def event(record: dict[str, Any], line: Line) -> Iterable[Item]:
            if not isinstance(record.get("data", {}), dict):
                return [Skipped(line.number, "no event: its data is no object")]
            return reader.read(record, line.key)

        end = yield from read_records(path, start, event)
        yield from reader.finish()
        yield Checkpoint(*end, reader.dump())
