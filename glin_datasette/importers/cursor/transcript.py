"""Transcripts of agents: ``~/.cursor/projects/<folder>/agent-transcripts/``, one record a
line, in ``<id>.jsonl``, ``<id>/<id>.jsonl`` or, for the agents that one started,
``<id>/subagents/<other id>.jsonl``::

    {"role": "user", "message": {"content": [{"type": "text", "text": "…"}]}}
    {"role": "assistant", "message": {"content": [{"type": "tool_use", …}]}}
    {"type": "turn_ended", "status": "success"}

There are texts and the calls of tools: no results, no thoughts, no models, no tokens. A
prompt may tell the minute in which it was typed; nothing else has a time, and none is made
up, since that of the file changes. The name of the project's folder does not tell its path.

The name of the file is the id of the conversation. Records have none: a prompt is named by a
digest of its line and how often that came before, anything else by the same and its prompt,
so that a change in one place leaves the names of all others alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...tool_input import render_tool_input
from ..base import Checkpoint, Item, Skipped, Unknown
from ..jsonl import Line
from ..records import read_records
from ..session import Session
from ..text import digest, identifier, string
from . import SOURCE
from .editor import holds
from .identify import MARKERS, ROLES
from .places import editor_places
from .prompts import read_prompt, without_redactions

__all__ = ["read"]

#: Tools whose ``path`` is a file; that of others may be a folder.
_FILE_TOOLS = frozenset({"Delete", "EditNotebook", "Read", "StrReplace", "Write"})
#: Different lines of one kind that are counted, at the most.
_COUNTED = 1024


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What is said in it, unless the editor's database has that."""
    id = identifier(path.stem) or "transcript"
    if any(holds(place / "state.vscdb", id) for place in editor_places()):
        yield start
        return
    reader = _Reader.load(path, id, start.state)
    end = yield from read_records(path, start, reader.read)
    yield from reader.session.finish()
    yield Checkpoint(*end, reader.dump())


@dataclass(slots=True)
class _Reader:
    session: Session
    #: The prompt that is being answered.
    prompt: str = ""
    #: How often each prompt was read, and each line since this one.
    prompts: dict[str, int] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, id: str, state: Mapping[str, Any]) -> _Reader:
        if state:
            session = Session.load(state["session"])
            return cls(session, state["prompt"], dict(state["prompts"]), dict(state["lines"]))
        session = Session(SOURCE, id, client="cursor")
        above = identifier(path.parent.parent.name)
        if path.parent.name == "subagents" and above not in (None, id):
            session.note(parent=above, relation="subagent")
        return cls(session)

    def dump(self) -> dict[str, Any]:
        return {
            "session": self.session.dump(),
            "prompt": self.prompt,
            "prompts": self.prompts,
            "lines": self.lines,
        }

    def read(self, record: dict[str, Any], line: Line) -> Iterator[Item]:
        role, message = record.get("role"), record.get("message")
        if role not in ROLES:
            kind = string(record.get("type")) or string(role) or "no role"
            if kind not in MARKERS:
                yield Unknown(kind[:60])
            return
        if not isinstance(message, dict):
            yield Skipped(line.number, "message: not an object")
            return
        key = self._key(line.key, role)
        content = message.get("content")
        # Some hold a text where others have a list of blocks.
        blocks = content if isinstance(content, list) else [content]
        for index, block in enumerate(blocks):
            if isinstance(block, str):
                block = {"type": "text", "text": block}
            if isinstance(block, dict):
                yield from self._block(role, block, f"{key}#{index}")

    def _key(self, line: str, role: str) -> str:
        """A name for a record that no other record of the source has."""
        if role == "user":
            self.prompt = f"{line}-{_count(self.prompts, line)}"
            self.lines.clear()
            return f"{self.session.id}/{self.prompt}"
        key = digest(f"{self.prompt} {line}")
        return f"{self.session.id}/{key}-{_count(self.lines, key)}"

    def _block(self, role: str, block: dict[str, Any], id: str) -> Iterator[Item]:
        session, kind = self.session, block.get("type")
        if kind == "text":
            text = string(block.get("text")) or ""
            if role == "assistant":
                yield from session.say("assistant", "text", without_redactions(text), id=id)
                return
            prompt = read_prompt(text)
            session.note(cwd=prompt.cwd)
            yield from session.say(prompt.role, "text", prompt.text, id=id, ts=prompt.ts)
        elif kind == "tool_use":
            name, arguments = identifier(block.get("name")), block.get("input")
            file = arguments.get("path") if isinstance(arguments, dict) else None
            yield from session.say(
                "assistant",
                "tool_call",
                id=id,
                tool_name=name,
                tool_call_id=identifier(block.get("id")),
                tool_input=arguments,
                files=[file] if name in _FILE_TOOLS and isinstance(file, str) else (),
            )
        elif kind == "tool_result":
            content = block.get("content")
            yield from session.say(
                "tool",
                "tool_result",
                render_tool_input(content) if content is not None else "",
                id=id,
                tool_call_id=identifier(block.get("tool_use_id")),
                is_error=block.get("is_error") is True,
            )
        else:
            yield Unknown(f"block {str(kind)[:50]}")


def _count(counts: dict[str, int], key: str) -> int:
    """How often ``key`` came before, and note that it came again."""
    before = counts.pop(key, 0)
    counts[key] = before + 1
    if len(counts) > _COUNTED:
        del counts[next(iter(counts))]
    return before
