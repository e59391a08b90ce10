"""From the records of one file to a conversation and its messages, one record at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Moved, Unknown, Usage
from ..jsonl import Line
from ..records import read_records
from ..text import identifier, normalise_time, string
from . import SOURCE
from .held import Waiting
from .meta import born_at, later, note_meta, opened
from .names import name_of
from .records import QUIET, QUIET_EVENTS, QUIET_ITEMS, unwrapped
from .state import State
from .texts import read_content, reasoning
from .tools import CALLS, RESULTS, Call, Result, read_call, read_item, read_result
from .voice import Voice

__all__ = ["Reader", "read"]

_MAX_MODEL = 200


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on."""
    state = State.load(start.state)
    reader = Reader(path, state)
    end = yield from read_records(path, start, reader.read)
    yield from reader.finish()
    # What waits for the records behind it is read again together with them.
    yield Checkpoint(*(reader.waits_since() or end), state.dump())


class Reader(Voice):
    """Reads the records of ``path`` in order. ``state`` goes on from an earlier reading."""

    def read(self, record: dict[str, Any], line: Line) -> Iterator[Item]:
        """What one record says."""
        kind, payload = unwrapped(record)
        key, size = line.key, line.end - line.begin
        place = (line.begin, line.number - 1)
        ts = normalise_time(record.get("timestamp"))
        if kind == "session_meta":
            self._meta(payload, ts, first=not place[1])
        elif kind == "turn_context":
            yield from self._turn_begins(payload, ts)
            if not self.state.replay:
                model = string(payload.get("model"))
                self.session().note(
                    model=model[:_MAX_MODEL] if model else None, cwd=string(payload.get("cwd"))
                )
        elif kind == "event_msg":
            yield from self._event(Waiting("typed", payload, key, ts, place, size))
        elif self.state.replay and kind != "response_item":
            self.held.take()
        elif kind == "response_item":
            # In an old file only the first line has a time.
            bare = "payload" not in record
            yield from self._item(Waiting("user", payload, key, ts, place, size), bare=bare)
        elif kind == "compacted":
            yield from self.settle()
            summary = string(payload.get("message"))
            text = "Conversation compacted" + (f"\n\n{summary}" if summary else "")
            yield from self.note(text, key, ts)
        elif kind == "inter_agent_communication":
            yield from self.settle()
            yield from self._mail(payload, key, ts)
        elif kind not in QUIET:
            yield Unknown(kind[:60])

    def finish(self) -> Iterator[Item]:
        """What is still to be told at the end of the file."""
        session = self.state.session
        if session is not None:
            if name := name_of(self.path, session.id):
                session.entitle(name, "custom")
            yield from session.finish()

    def waits_since(self) -> tuple[int, int] | None:
        """Where the first record begins that waits for others."""
        return self.held.records[0].place if self.held.records else None

    # --- whose records -----------------------------------------------------------------

    def _meta(self, payload: dict[str, Any], ts: str | None, *, first: bool) -> None:
        """Only the first one is about this file; others came with a copy."""
        id = identifier(payload.get("id")) or identifier(payload.get("session_id"))
        state, named = self.state, self.named()
        if state.session is None and id is not None and not first and named not in (None, id):
            # Its own was damaged, and this one came with the copy that a fork begins with.
            self.session().note(parent=id, relation="fork")
            state.replay, state.copied, state.born = True, ts or "", born_at(named)
        elif state.session is None and id is not None:
            state.session = opened(SOURCE, id, payload)
            state.replay = state.session.parent is not None
            state.began = normalise_time(payload.get("timestamp")) or ts
            state.born = born_at(id)
        elif state.session is not None and id == state.session.id:
            note_meta(state.session, payload)
        else:
            state.copied = max(state.copied or "", ts or "", state.began or "")

    def _turn_begins(self, payload: dict[str, Any], ts: str | None) -> Iterator[Item]:
        """The first turn of its own ends the copy that a fork begins with.

        The clock in the turn's id tells, since a copied line may have the time at which it
        was copied; without one, what comes a while after that is no copy.
        """
        if not self.state.replay:
            return
        turn, born = born_at(identifier(payload.get("turn_id"))), self.state.born
        if turn is not None and born is not None:
            own = turn >= born
        else:
            own = self.state.copied is None or later(ts, self.state.copied)
        if own:
            self.state.replay = False
            # A prompt may stand before the turn that it began.
            waiting = self.held.take()
            for each in waiting:
                if each.what == "typed":
                    yield from self.typed(each)
                else:
                    yield from self._item(each)
        else:
            self.held.take()

    # --- events ------------------------------------------------------------------------

    def _event(self, record: Waiting) -> Iterator[Item]:
        payload, key, ts = record.payload, record.key, record.ts
        kind = string(payload.get("type")) or "(none)"
        item = payload.get("item") if kind == "item_completed" else None
        if isinstance(item, dict):
            yield from self._completed(record, item)
        elif kind in ("task_started", "turn_started"):
            yield from self._turn_begins(payload, ts)
            if not self.held.only("user"):
                yield from self.settle()
        elif kind == "user_message":
            yield from self.typed(record)
        elif kind == "thread_name_updated":
            # A copied one names the parent.
            if not self.state.replay:
                self.session().entitle(payload.get("thread_name"), "custom")
        elif self.state.replay:
            if kind not in QUIET_EVENTS and kind != "token_count":
                self.held.take()
        elif kind == "agent_message":
            yield from self.wait(replace(record, what="text"))
        elif kind == "agent_reasoning":
            yield from self.wait(replace(record, what="thinking"))
        elif kind == "token_count":
            yield from self._usage(payload)
        elif kind == "thread_rolled_back":
            yield from self.settle()
            yield from self._taken_back(payload.get("num_turns"))
        elif kind == "exec_command_end":
            yield from self._completed(record, payload)
        elif told := _told(kind, payload):
            yield from self.settle()
            yield from self.note(told, key, ts, is_error=kind == "error")
        elif kind in ("task_complete", "turn_complete"):
            yield from self.settle()
        elif kind not in QUIET_EVENTS and kind not in _TOLD:
            yield Unknown(f"event {kind[:50]}")

    def _completed(self, record: Waiting, item: dict[str, Any]) -> Iterator[Item]:
        """An item as newer versions tell of it; most are there as response items too."""
        kind = (string(item.get("type")) or "").replace("_", "").casefold()
        key, ts = record.key, record.ts
        if kind == "usermessage":
            content = read_content(item.get("content"))
            images = [file for file in content.attachments if file.data]
            event = {"message": content.text, "attachments": images}
            yield from self.typed(replace(record, payload=event))
        elif self.state.replay:
            return
        elif kind == "agentmessage":
            event = {"message": read_content(item.get("content")).text}
            yield from self.wait(replace(record, what="text", payload=event))
        elif kind == "reasoning":
            words = item.get("summary_text")
            event = {"text": read_content(words if isinstance(words, list) else None).text}
            yield from self.wait(replace(record, what="thinking", payload=event))
        elif kind == "plan":
            yield from self.settle()
            yield from self.reply("text", string(item.get("text")), key, ts)
        else:
            call = identifier(item.get("call_id")) or identifier(item.get("id"))
            if call is None or call not in self.state.calls:
                for number, found in enumerate(read_item(item)):
                    yield from self.settle()
                    id = key if not number else f"{key}#{number}"
                    yield from self._tool(found, id, ts)

    def _usage(self, payload: dict[str, Any]) -> Iterator[Item]:
        found = self.state.ledger.counts(payload)
        if found:
            message, (token_in, token_cached, token_out) = found
            session = self.session()
            yield from session.tell()
            yield Usage(session.id, message, token_in, token_out, token_cached)

    def _taken_back(self, turns: object) -> Iterator[Item]:
        """The last turns go to a branch, as the client goes on without them."""
        state, session = self.state, self.session()
        if type(turns) is not int or turns < 1 or not state.turns:
            return
        state.turns, back = state.turns[:-turns], state.turns[-turns:]
        messages = tuple(message for turn in back for message in turn.messages)
        state.ledger.turns(prompt=True)
        if not messages:
            return
        first = messages[0].removeprefix(f"{session.id}:")
        branch = session.child(f"{session.id}/branch-{first}", "branch")
        branch.entitle(next((turn.title for turn in back if turn.title), None), "prompt")
        if not state.turns and session.title_from == "prompt":
            # What is asked now is what the conversation is about.
            session.title_from = None
        yield from branch.tell()
        yield Moved(branch.id, messages)

    # --- response items ----------------------------------------------------------------

    def _item(self, record: Waiting, *, bare: bool = False) -> Iterator[Item]:
        payload, key, ts = record.payload, record.key, record.ts
        kind = string(payload.get("type")) or ("message" if "role" in payload else "(none)")
        role = payload.get("role")
        if kind == "message" and role == "user":
            if bare:
                yield from self._untyped(record, prompts=True)
            else:
                yield from self.wait(record)
        elif self.state.replay:
            if kind != "message" or role == "assistant":
                self.held.take()
        elif kind == "message" and role == "assistant":
            self.held.take("text")
            yield from self.settle()
            content = read_content(payload.get("content"))
            yield from map(Unknown, content.strange)
            yield from self.reply("text", content.text, key, ts, content.attachments)
        elif kind == "reasoning":
            words = "\n\n".join(reasoning(payload))
            if words:
                self.held.take("thinking")
            if self.held.only("user", "thinking"):
                yield from self.settle()
                yield from self.reply("thinking", words, key, ts)
            elif words:
                # What was said behind it may still come as an item.
                yield from self.wait(replace(record, what="thought", payload={"text": words}))
        elif kind in CALLS:
            yield from self.settle()
            call, result = read_call(payload)
            yield from self._tool(call, key, ts)
            if result:
                yield from self._tool(result, f"{key}#1", ts)
        elif kind in RESULTS:
            yield from self.settle()
            yield from self._tool(read_result(payload), key, ts)
        elif kind == "agent_message":
            yield from self.settle()
            yield from self._mail(payload, key, ts)
        elif kind not in QUIET_ITEMS and kind != "message":
            yield Unknown(f"item {kind[:50]}")

    def _tool(self, found: Call | Result, key: str, ts: str | None) -> Iterator[Item]:
        state = self.state
        if isinstance(found, Call):
            state.called(found.id)
            yield from self.say(
                "assistant",
                "tool_call",
                None,
                key,
                ts,
                reply=True,
                tool_name=found.name,
                tool_call_id=found.id,
                tool_input=found.input,
                files=found.files,
            )
        else:
            state.ledger.turns(prompt=False)
            yield from map(Unknown, found.strange)
            yield from self.say(
                "tool",
                "tool_result",
                found.text,
                key,
                ts,
                tool_call_id=found.id,
                is_error=found.is_error,
                attachments=found.attachments,
            )

    def _mail(self, payload: dict[str, Any], key: str, ts: str | None) -> Iterator[Item]:
        """What one agent tells another: a subagent's task, or an answer to its parent."""
        text = read_content(payload.get("content")).text
        session = self.session()
        if session.relation == "subagent" and not self.state.turns:
            yield from self.asked(text, key, ts)
        elif text.strip():
            author = string(payload.get("author"))
            yield from self.note(f"[from {author[:100]}] {text}" if author else text, key, ts)


#: Events that become a short note, if they say anything.
_TOLD = frozenset({"entered_review_mode", "error", "exited_review_mode", "turn_aborted"})


def _told(kind: str, payload: dict[str, Any]) -> str | None:
    """What an event tells people."""
    if kind == "turn_aborted":
        reason = string(payload.get("reason"))
        return f"Turn aborted: {reason[:200]}" if reason else "Turn aborted"
    if kind == "error":
        return string(payload.get("message"))
    if kind == "entered_review_mode":
        hint = string(payload.get("user_facing_hint"))
        return f"Review started: {hint[:500]}" if hint else "Review started"
    return "Review finished" if kind == "exited_review_mode" else None
