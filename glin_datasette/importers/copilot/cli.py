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

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Skipped
from ..jsonl import Line
from ..records import read_records
from .reader import Reader

__all__ = ["read"]


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on."""
    reader = Reader.load(path, start.state)

    def event(record: dict[str, Any], line: Line) -> Iterable[Item]:
        if not isinstance(record.get("data", {}), dict):
            return [Skipped(line.number, "no event: its data is no object")]
        return reader.read(record, line.key)

    end = yield from read_records(path, start, event)
    yield from reader.finish()
    yield Checkpoint(*end, reader.dump())
