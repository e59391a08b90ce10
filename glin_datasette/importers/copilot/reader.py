"""From the events of a session to its messages, and to those of its subagents."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ...models import Role
from ...tool_input import render_tool_input
from ..base import Item, Unknown, Usage
from ..refs import git_subcommands
from ..session import Session
from ..text import count, digest, identifier, normalise_time, one_line, string
from . import SOURCE
from .events import (
    mapping,
    result_failed,
    result_images,
    result_text,
    user_attachments,
    user_files,
    user_links,
)
from .kinds import KNOWN, QUIET_FAMILIES
from .notes import note
from .workspace import read_workspace

__all__ = ["Reader"]

#: How many of each are remembered.
_CALLS = 512
_AGENTS = 64
#: Raise it when what is carried along changes its shape.
_VERSION = 1

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MAX_MODEL = 200

V = TypeVar("V")


@dataclass(slots=True)
class _Event:
    """One event, and the conversation that it belongs to."""

    session: Session
    kind: str
    data: dict[str, Any]
    id: str
    ts: str | None


@dataclass(slots=True)
class Reader:
    """Reads events; what it remembers goes into the state of a checkpoint."""

    path: Path
    main: Session
    #: Whether the session's id is certain.
    named: bool
    #: Subagents by id, and their ids by the calls that started them.
    agents: dict[str, Session] = field(default_factory=dict)
    started: dict[str, str] = field(default_factory=dict)
    #: Calls that were said -> what the model says they are for.
    calls: dict[str, str | None] = field(default_factory=dict)
    #: Of each conversation: the first message of the last reply, and a digest of what was
    #: thought last.
    replies: dict[str, str] = field(default_factory=dict)
    thoughts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, state: Mapping[str, Any]) -> Reader:
        """One that goes on from what :meth:`dump` made; from nothing, a new one."""
        if state.get("version") != _VERSION:
            name = path.parent.name if path.name == "events.jsonl" else path.stem
            session = Session(SOURCE, identifier(name) or "session", transport="cli")
            return cls(path, session, _UUID.fullmatch(name) is not None)
        return cls(
            path,
            Session.load(state["main"]),
            state["named"],
            {name: Session.load(agent) for name, agent in state["agents"].items()},
            dict(state["started"]),
            dict(state["calls"]),
            dict(state["replies"]),
            dict(state["thoughts"]),
        )

    def dump(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "version": _VERSION,
            "main": self.main.dump(),
            "named": self.named,
            "agents": {name: agent.dump() for name, agent in self.agents.items()},
            "started": self.started,
            "calls": self.calls,
            "replies": self.replies,
            "thoughts": self.thoughts,
        }

    def read(self, record: dict[str, Any], key: str) -> Iterator[Item]:
        """What one event says. ``key`` stands for it where it has no id."""
        kind = string(record.get("type")) or "(none)"
        tell = _TELL.get(kind)
        if tell is None:
            if kind not in KNOWN and kind.partition(".")[0] not in QUIET_FAMILIES:
                yield Unknown(kind[:60])
            return
        data = mapping(record.get("data"))
        if kind == "session.start" and not self.named and not self.main.said:
            self.main.id = identifier(data.get("sessionId")) or self.main.id
            self.named = True
        session = self._session(record, data)
        id = identifier(record.get("id")) or key
        if not _UUID.fullmatch(id):
            id = f"{self.main.id}/{id}"
        ts = normalise_time(record.get("timestamp"))
        yield from tell(self, _Event(session, kind, data, id, ts))

    def finish(self) -> Iterator[Item]:
        """What is still to be told at the end of the file."""
        if self.path.name == "events.jsonl":
            workspace = read_workspace(self.path.with_name("workspace.yaml"))
            own = workspace.get("user_named") == "true"
            self.main.entitle(workspace.get("summary"), "summary")
            self.main.entitle(workspace.get("name"), "custom" if own else "generated")
            if not self.main.cwd:
                self.main.note(cwd=workspace.get("cwd"))
        yield from self.main.finish()
        for agent in self.agents.values():
            yield from agent.finish()

    def _session(self, record: dict[str, Any], data: dict[str, Any]) -> Session:
        """The session itself, or the subagent whose event this is."""
        call = identifier(data.get("parentToolCallId"))
        agent = identifier(record.get("agentId"))
        if agent is None:
            if call is None:
                return self.main
            agent = self.started.get(call, call)
        session = self.agents.pop(agent, None)
        if session is None:
            session = self.main.child(f"{self.main.id}/agent-{agent}", "subagent")
        _remember(self.agents, agent, session, _AGENTS)
        return session

    # --- what is known of the session ---

    def _start(self, event: _Event) -> Iterator[Item]:
        version = one_line(string(event.data.get("copilotVersion")) or "", 60)
        self.main.note(client=f"copilot-cli/{version}" if version else None)
        self._model(event, "selectedModel")
        yield from self._context(event, event.data.get("context"))

    def _resume(self, event: _Event) -> Iterator[Item]:
        self._model(event, "selectedModel")
        yield from self._context(event, event.data.get("context"))

    def _changed(self, event: _Event) -> Iterator[Item]:
        yield from self._context(event, event.data)

    def _context(self, event: _Event, value: object) -> Iterator[Item]:
        context = mapping(value)
        session = event.session
        if not session.cwd:
            root = string(context.get("gitRoot"))
            session.note(repo_root=root, cwd=string(context.get("cwd")))
        session.note(git_branch=string(context.get("branch")))
        yield from ()

    def _model_change(self, event: _Event) -> Iterator[Item]:
        self._model(event, "newModel")
        yield from ()

    def _model(self, event: _Event, key: str) -> None:
        model = string(event.data.get(key))
        if model and len(model) <= _MAX_MODEL:
            event.session.note(model=model)

    def _titled(self, event: _Event) -> Iterator[Item]:
        event.session.entitle(event.data.get("title"), "generated")
        yield from ()

    # --- prompts and replies ---

    def _prompt(self, event: _Event) -> Iterator[Item]:
        data = event.data
        # Skills and the program itself speak as the user, too; a subagent's task is its prompt.
        source = string(data.get("source"))
        own = source is None or source == "user" or source.startswith("agent-")
        role: Role = "user" if own else "system"
        parts = [string(data.get("content")), *user_links(data)]
        yield from event.session.say(
            role,
            "text",
            "\n".join(filter(None, parts)),
            id=event.id,
            ts=event.ts,
            files=user_files(data),
            attachments=user_attachments(data),
        )

    def _reply(self, event: _Event) -> Iterator[Item]:
        session, data = event.session, event.data
        self._model(event, "model")
        tokens = count(data.get("outputTokens"))
        self.replies.pop(session.id, None)
        thought = string(data.get("reasoningText"))
        if thought and self.thoughts.get(session.id) != digest(thought):
            id = f"{event.id}/thinking"
            yield from session.say(
                "assistant", "thinking", thought, id=id, ts=event.ts, token_out=tokens
            )
            self._replied(session, id)
            tokens = None
        if text := string(data.get("content")):
            yield from session.say(
                "assistant", "text", text, id=event.id, ts=event.ts, token_out=tokens
            )
            self._replied(session, event.id)
            tokens = None
        requests = data.get("toolRequests")
        for request in requests if isinstance(requests, list) else ():
            call = identifier(mapping(request).get("toolCallId"))
            if call and call not in self.calls:
                yield from self._call(event, call, request.get("name"), request, tokens)
                self._replied(session, f"{event.id}/{call}")
                tokens = None

    def _replied(self, session: Session, message: str) -> None:
        """Note the first message of a reply: it carries the tokens, the others none."""
        if session.id not in self.replies:
            _remember(self.replies, session.id, message, _AGENTS)

    def _reasoning(self, event: _Event) -> Iterator[Item]:
        if thought := string(event.data.get("content")):
            _remember(self.thoughts, event.session.id, digest(thought), _AGENTS)
            yield from event.session.say("assistant", "thinking", thought, id=event.id, ts=event.ts)

    def _usage(self, event: _Event) -> Iterator[Item]:
        data, reply = event.data, self.replies.get(event.session.id)
        values = [count(data.get(f"{name}Tokens")) for name in ("input", "output", "cacheRead")]
        if reply and any(value is not None for value in values):
            yield from event.session.tell()
            yield Usage(event.session.id, reply, *values)

    # --- tools ---

    def _call(
        self,
        event: _Event,
        call: str,
        name: object,
        told: dict[str, Any],
        token_out: int | None = None,
    ) -> Iterator[Item]:
        arguments = _arguments(told.get("arguments"))
        purpose = string(mapping(arguments).get("description"))
        _remember(self.calls, call, one_line(purpose) if purpose else None, _CALLS)
        yield from event.session.say(
            "assistant",
            "tool_call",
            id=f"{event.id}/{call}",
            ts=event.ts,
            token_out=token_out,
            tool_name=identifier(name),
            tool_call_id=call,
            tool_input=arguments,
        )

    def _execution(self, event: _Event) -> Iterator[Item]:
        self._model(event, "model")
        call = identifier(event.data.get("toolCallId"))
        if call and call not in self.calls:
            yield from self._call(event, call, event.data.get("toolName"), event.data)

    def _requested(self, event: _Event) -> Iterator[Item]:
        """A command that the user ran without asking the model."""
        data = event.data
        call = identifier(data.get("toolCallId"))
        arguments = _arguments(data.get("arguments"))
        command = string(mapping(arguments).get("command"))
        text = command or f"{string(data.get('toolName')) or ''} {render_tool_input(arguments)}"
        if call:
            # There is no call to be said, but there will be a result.
            event.session.calls[call] = (identifier(data.get("toolName")), git_subcommands(command))
            _remember(self.calls, call, None, _CALLS)
        yield from event.session.say("user", "text", f"! {text}", id=event.id, ts=event.ts)

    def _result(self, event: _Event) -> Iterator[Item]:
        data = event.data
        self._model(event, "model")
        yield from event.session.say(
            "tool",
            "tool_result",
            result_text(data),
            id=event.id,
            ts=event.ts,
            tool_name=identifier(data.get("toolName")),
            tool_call_id=identifier(data.get("toolCallId")),
            is_error=result_failed(data),
            attachments=result_images(data),
        )

    # --- subagents ---

    def _subagent(self, event: _Event) -> Iterator[Item]:
        data, call = event.data, identifier(event.data.get("toolCallId"))
        if event.session is self.main:
            if call is None:
                return
            # Its events will name the call that started it.
            event.session = self._session({}, {"parentToolCallId": call})
        elif call:
            agent = event.session.id.rpartition("/agent-")[2]
            _remember(self.started, call, agent, _AGENTS)
        name = data.get("agentDisplayName") or data.get("agentName")
        event.session.entitle(self.calls.get(call or "") or name, "generated")
        self._model(event, "model")
        yield from ()

    # --- what the program says ---

    def _note(self, event: _Event) -> Iterator[Item]:
        text, failed = note(event.kind, event.data)
        yield from event.session.say(
            "system", "text", text, id=event.id, ts=event.ts, is_error=failed
        )

    def _skill(self, event: _Event) -> Iterator[Item]:
        if name := string(event.data.get("name")):
            path = string(event.data.get("path"))
            yield from event.session.say(
                "system",
                "text",
                f"Skill: {name}",
                id=event.id,
                ts=event.ts,
                files=[path] if path else (),
            )


_TELL: dict[str, Callable[[Reader, _Event], Iterator[Item]]] = {
    "abort": Reader._note,
    "assistant.message": Reader._reply,
    "assistant.reasoning": Reader._reasoning,
    "assistant.usage": Reader._usage,
    "session.compaction_complete": Reader._note,
    "session.context_changed": Reader._changed,
    "session.error": Reader._note,
    "session.handoff": Reader._note,
    "session.model_change": Reader._model_change,
    "session.resume": Reader._resume,
    "session.start": Reader._start,
    "session.title_changed": Reader._titled,
    "session.truncation": Reader._note,
    "session.warning": Reader._note,
    "skill.invoked": Reader._skill,
    "subagent.failed": Reader._note,
    "subagent.started": Reader._subagent,
    "system.notification": Reader._note,
    "tool.execution_complete": Reader._result,
    "tool.execution_start": Reader._execution,
    "tool.user_requested": Reader._requested,
    "user.message": Reader._prompt,
}


def _arguments(value: object) -> object:
    """A call's arguments, which may be JSON in a string."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            found = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, dict) else value
    return value if value is not None else {}


def _remember(memory: dict[str, V], key: str, value: V, limit: int) -> None:
    """Put ``key`` last, and forget the first one beyond ``limit``."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > limit:
        del memory[next(iter(memory))]
