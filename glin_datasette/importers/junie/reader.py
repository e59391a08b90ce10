"""From Junie's events to messages, one event at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...models import Kind, Message, Role
from ..base import Checkpoint, Item, Said, Unknown, Usage
from ..records import read_records
from ..session import Session
from ..text import count, digest, epoch_time, identifier, string
from . import SOURCE
from .blocks import Block, read_block
from .kinds import AGENT_QUIET, QUIET

__all__ = ["Reader", "read"]

#: Messages that are remembered, because they may be written again.
_STEPS = 256


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on."""
    reader = Reader.load(path.parent.name or path.stem, start.state)
    end = yield from read_records(path, start, lambda record, line: reader.read(record, line.key))
    yield from reader.session.finish()
    yield Checkpoint(*end, reader.dump())


@dataclass(slots=True)
class _Step:
    """A message that was said: when it began, the time to order it by, and the tokens that
    it carries."""

    ts: str | None = None
    sort_ts: str | None = None
    token_in: int = 0
    token_out: int = 0
    token_cached: int = 0

    def add(self, other: _Step) -> None:
        self.token_in += other.token_in
        self.token_out += other.token_out
        self.token_cached += other.token_cached

    def complete(self, message: Message) -> Message:
        """A newer writing of the message: where the first one stood, with its tokens."""
        message = replace(message, sort_ts=self.sort_ts)
        if not (self.token_in or self.token_out):
            return message
        return replace(
            message,
            token_in=self.token_in,
            token_out=self.token_out,
            token_cached=self.token_cached,
        )


@dataclass(slots=True)
class Reader:
    """What is carried along from event to event, and from one reading to the next."""

    session: Session
    prompts: int = 0
    #: The newest message, and the newest of the agent since the last prompt.
    newest: str = ""
    agents: str | None = None
    #: Tokens of replies that no message has shown yet.
    waiting: _Step = field(default_factory=_Step)
    steps: dict[str, _Step] = field(default_factory=dict)

    def dump(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "session": self.session.dump(),
            "prompts": self.prompts,
            "newest": self.newest,
            "agents": self.agents,
            "waiting": _dumped(self.waiting),
            "steps": {id: _dumped(step) for id, step in self.steps.items()},
        }

    @classmethod
    def load(cls, name: str, state: Mapping[str, Any]) -> Reader:
        """What :meth:`dump` made, or a new one for the session of this name."""
        if "session" not in state:
            return cls(Session(SOURCE, identifier(name) or "session"))
        return cls(
            Session.load(state["session"]),
            state["prompts"],
            state["newest"],
            state["agents"],
            _Step(*state["waiting"]),
            {id: _Step(*facts) for id, facts in state["steps"].items()},
        )

    def read(self, event: dict[str, Any], key: str) -> Iterator[Item]:
        """What one event says. ``key`` is a digest of its line."""
        kind = event.get("kind")
        ts = epoch_time(event.get("timestampMs"))
        if kind == "SessionA2uxEvent":
            inner = _dict(_dict(event.get("event")).get("agentEvent"))
            yield from self._agent(inner, key, ts)
        elif kind == "UserPromptEvent":
            self.prompts, self.agents = self.prompts + 1, None
            text = string(event.get("presentablePrompt")) or string(event.get("prompt"))
            id = self._id(event.get("requestId"), key)
            yield from self._say("user", "text", text, id=id, ts=ts)
        elif kind == "UserResponseEvent":
            text = string(event.get("prompt"))
            yield from self._say("user", "text", text, id=self._id(None, key), ts=ts)
        elif kind == "UserAsyncResponseEvent":
            text = _answers(event)
            yield from self._say("user", "text", text, id=self._id(None, key), ts=ts)
        elif kind == "SystemMessageEvent":
            lines = dict.fromkeys([string(event.get("text")), string(event.get("details"))])
            text = "\n\n".join(filter(None, lines))
            yield from self._say("system", "text", text, id=self._id(None, key), ts=ts)
        elif kind == "AgentTaskFailedEvent":
            text = string(event.get("message")) or "Agent task failed"
            id = self._id(None, key)
            yield from self._say("system", "text", text, id=id, ts=ts, is_error=True)
        elif kind == "SessionTitleSetEvent":
            self.session.entitle(event.get("name"), "custom")
        elif not isinstance(kind, str) or kind not in QUIET:
            yield Unknown((string(kind) or "(none)")[:60])

    def _agent(self, event: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
        kind = event.get("kind")
        if kind == "CurrentDirectoryUpdatedEvent":
            cwd = string(event.get("currentDirectory")) or string(event.get("directory"))
            if cwd and not self.session.cwd:
                self.session.note(cwd=cwd)
        elif kind == "LlmResponseMetadataEvent":
            yield from self._usage(event.get("modelUsage"))
        elif kind == "AgentTaskNameUpdatedEvent":
            # Each prompt makes a task; the first one says what the session is about.
            if self.prompts <= 1:
                self.session.entitle(event.get("name"), "generated")
        elif not isinstance(kind, str) or (block := read_block(kind, event)) is None:
            if not isinstance(kind, str) or kind not in AGENT_QUIET:
                yield Unknown((string(kind) or "agentEvent (none)")[:60])
        else:
            # A patch has no step, and comes more than once.
            named = block.name or event.get("stepId")
            yield from self._block(block, self._id(named, key), ts)

    def _block(self, block: Block, id: str, ts: str | None) -> Iterator[Item]:
        if block.kind != "tool_call":
            yield from self._say(
                block.role,
                block.kind,
                block.text,
                id=id,
                ts=ts,
                is_error=block.is_error,
                files=block.files,
            )
            return
        # A block that is done may not tell any more what it was given.
        if block.input or id not in self.steps:
            yield from self._say(
                "assistant",
                "tool_call",
                None,
                id=id,
                ts=ts,
                tool_name=block.tool,
                tool_call_id=id,
                tool_input=block.input,
                files=block.files,
            )
        if block.result is not None:
            yield from self._say(
                "tool",
                "tool_result",
                block.result,
                id=f"{id}#result",
                ts=ts,
                tool_name=block.tool,
                tool_call_id=id,
                is_error=block.is_error,
            )

    def _say(
        self,
        role: Role,
        kind: Kind,
        text: str | None,
        *,
        id: str,
        ts: str | None,
        tool_name: str | None = None,
        tool_call_id: str | None = None,
        tool_input: object = None,
        is_error: bool = False,
        files: Iterable[str] = (),
    ) -> Iterator[Item]:
        """A message, or a newer writing of one."""
        known = self.steps.get(id)
        for item in self.session.say(
            role,
            kind,
            text,
            id=id,
            ts=known.ts if known else ts,
            tool_name=tool_name,
            tool_call_id=tool_call_id,
            tool_input=tool_input,
            is_error=is_error,
            files=files,
        ):
            if isinstance(item, Said):
                step = self._remember(id, known or _Step(ts, item.message.sort_ts))
                if role == "assistant":
                    step.add(self.waiting)
                    self.waiting = _Step()
                    if known is None:
                        self.agents = id
                if known is None:
                    self.newest = id
                item = Said(item.conversation, step.complete(item.message))
            yield item

    def _usage(self, rows: object) -> Iterator[Item]:
        """The tokens of one reply go to the newest message of the agent, or else to its
        next one. ``inputTokens`` leaves out what came from a cache or went there."""
        for row in rows if isinstance(rows, list) else ():
            facts = _dict(row)
            fresh, read, written, out = (
                count(facts.get(name)) or 0
                for name in ("inputTokens", "cacheInputTokens", "cacheCreateTokens", "outputTokens")
            )
            self.waiting.add(_Step(None, None, fresh + read + written, out, read))
            self.session.note(model=identifier(facts.get("model")))
        step = self.steps.get(self.agents or "")
        # Storage takes a correction by its larger output.
        if step and self.agents and self.waiting.token_out:
            step.add(self.waiting)
            self.waiting = _Step()
            yield from self.session.tell()
            yield Usage(
                self.session.id, self.agents, step.token_in, step.token_out, step.token_cached
            )

    def _id(self, named: object, key: str) -> str:
        name = identifier(named) or digest(f"{key} {self.newest}")
        return f"{self.session.id}/{name}"

    def _remember(self, id: str, step: _Step) -> _Step:
        self.steps[id] = step
        if len(self.steps) > _STEPS:
            del self.steps[next(iter(self.steps))]
        return step


def _answers(event: dict[str, Any]) -> str:
    """What the user answered to questions that did not stop the agent."""
    entries = event.get("entries")
    found = []
    for entry in entries if isinstance(entries, list) else [event]:
        facts = _dict(entry)
        answer = string(facts.get("answer")) or string(facts.get("response"))
        if answer:
            found.append("\n".join(filter(None, [string(facts.get("question")), answer])))
    return "\n\n".join(found)


def _dumped(step: _Step) -> list[object]:
    return [step.ts, step.sort_ts, step.token_in, step.token_out, step.token_cached]


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
