"""The newer generation: turns, each of which adds to a tree of messages.

A turn has the hash of the last message that the model was given and of the last one that it
replied with; each message names the one above it. What a turn adds to its thread is its
reply and what is above that and below the turn before. The first turn of a thread may come
with a history: that belongs to it as well, unless it is a reply of another thread or of the
older generation, where it was said. Then only the prompts since that reply are new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ...models import Role
from ..base import Item, Moved, Said, Unknown
from ..session import Session
from ..sqlite_file import Unreadable, select
from ..text import identifier, normalise_time, string
from .conversation import Chat, usage_of
from .tables import Row, Tables, as_id, as_json

__all__ = ["Thread", "turn_marks"]

_TURN = (
    "id", "parent_message_hash", "tip_message_hash", "model", "resolved_model", "datetime_utc",
    "input_tokens", "output_tokens", "token_details",
)  # fmt: skip
_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
#: Roles of the messages that a prompt is made of.
_INPUT = ("user", "tool")


def turn_marks(tables: Tables) -> Iterator[tuple[object, object, str]]:
    """Thread, turn and what differs when the turn does, for each."""
    if tables.has("turns"):
        for owner, id, rowid in select(
            tables.conn, "select coalesce(thread_id, id), id, rowid from turns"
        ):
            yield owner, id, str(rowid)


@dataclass(slots=True)
class Thread:
    """Reads the turns of one thread into its conversation, and into branches of that."""

    chat: Chat
    #: Whether what is above its first turn was said elsewhere.
    continues: bool
    #: The newest message of the thread.
    tip: object = None
    #: Hashes of the messages that were said.
    said: set[str] = field(default_factory=set)
    branches: dict[str, Chat] = field(default_factory=dict)
    #: Conversation -> ids of what was said in it.
    messages: dict[str, list[str]] = field(default_factory=dict)
    _main: set[str] | None = None

    def read_turn(self, id: object) -> Iterator[Item]:
        """What one turn adds.

        :raises Unreadable: if a part of it is damaged or too large
        """
        turn = self.chat.tables.row("turns", _TURN, id)
        if turn is None:
            return
        above = turn["parent_message_hash"]
        replies = self._chain(turn["tip_message_hash"], lambda at: at == above)
        prompts = self._chain(above, self.said.__contains__)
        own = self._own(turn, prompts)
        chat = self._chat_of(turn["tip_message_hash"])
        chat.session.note(model=identifier(turn["resolved_model"]) or identifier(turn["model"]))
        ts = normalise_time(turn["datetime_utc"])
        for message in own:
            yield from self._say(chat, message, ts)
        chat.usage = usage_of(turn)
        for message in replies:
            yield from self._say(chat, message, ts)

    def pass_over(self, id: object) -> None:
        """Know the messages of a turn that was told as a response of the older generation."""
        try:
            turn = self.chat.tables.row("turns", _TURN, id)
            if turn is not None:
                chain = self._chain(turn["tip_message_hash"], self.said.__contains__)
                self.said.update(each["hash"] for each in chain)
        except Unreadable as ex:
            if ex.locked:
                raise

    def _say(self, chat: Chat, message: Row, ts: str | None) -> Iterator[Item]:
        """A message, unless an earlier turn had it."""
        if message["hash"] in self.said:
            return
        self.said.add(message["hash"])
        if self._main and message["hash"] in self._main:
            chat = self.chat  # A prompt that was answered twice.
        for item in self._message(chat, message, ts):
            if isinstance(item, Said) and item.message.source_id:
                told = self.messages.setdefault(item.conversation, [])
                told.append(item.message.source_id)
            yield item

    def _own(self, turn: Row, prompts: list[Row]) -> list[Row]:
        """Those of the messages above a turn that this thread has and has not said yet."""
        if not prompts or prompts[0]["parent_hash"] in self.said:
            return prompts
        newest = _newest(prompts)
        history = prompts[: len(prompts) - len(newest)]
        if not self.said and not self.continues:
            origin = self._origin(turn, history)
            if origin is None:
                return prompts
            self.chat.session.note(parent=origin, relation="fork")
        # A history that is told elsewhere. Its system prompt holds here as well.
        return [each for each in history[:1] if each["role"] == "system"] + newest

    def _origin(self, turn: Row, history: list[Row]) -> str | None:
        """The thread that a thread goes on from, without saying so, by its last reply."""
        reply = next((each for each in reversed(history) if each["role"] == "assistant"), None)
        if reply is None:
            return None
        found = self.chat.tables.rows(
            "turns",
            ("thread_id", "id"),
            "tip_message_hash = ? and id < ? limit 1",
            reply["hash"],
            turn["id"],
        )
        return as_id(found[0]["thread_id"]) or as_id(found[0]["id"]) if found else None

    def finish(self) -> Iterator[Item]:
        """What an earlier reading may have put elsewhere: going back in a thread turns what
        came after into a branch."""
        for chat in self.branches.values():
            yield from chat.session.finish()
        if self.branches:
            for conversation, messages in self.messages.items():
                yield Moved(conversation, tuple(messages))

    def _chat_of(self, tip: object) -> Chat:
        """The conversation that a turn belongs to: a branch, if the newest message of the
        thread is not below it, but below something that it has in common with it."""
        if self._main is None:
            self._main = {each["hash"] for each in self._chain(self.tip)}
        if not self._main or tip in self._main:
            return self.chat
        apart = self._chain(tip, self._main.__contains__)
        if not apart or apart[0]["parent_hash"] not in self._main:
            return self.chat
        root = apart[0]["hash"]
        if root not in self.branches:
            session = self.chat.session.child(f"{self.chat.session.id}/branch-{root}", "branch")
            self.branches[root] = Chat(session, self.chat.tables, system=self.chat.system)
        return self.branches[root]

    def _chain(self, tip: object, ends: Callable[[str], bool] = lambda at: False) -> list[Row]:
        """The messages from the first one, or from below where it ends, down to ``tip``."""
        found: dict[str, Row] = {}
        at = tip
        while isinstance(at, str) and not ends(at) and at not in found:
            row = self.chat.tables.row("messages", ("hash", "parent_hash", "role"), at, "hash")
            if row is None:
                break
            found[at] = row
            at = row["parent_hash"]
        return list(reversed(found.values()))

    def _message(self, chat: Chat, message: Row, ts: str | None) -> Iterator[Item]:
        role = _ROLES.get(message["role"]) if isinstance(message["role"], str) else None
        if role is None:
            yield Unknown(f"role {str(message['role'])[:50]}")
            return
        parts = chat.tables.rows(
            "parts",
            ("position", "type", "text", "payload"),
            "message_hash = ?",
            message["hash"],
            order="position",
        )
        for part in parts:
            id = f"{self.chat.session.id}/{identifier(message['hash'])}#{as_id(part['position'])}"
            payload = as_json(part["payload"])
            yield from _part(chat, role, part, payload if isinstance(payload, dict) else {}, id, ts)


def _newest(prompts: list[Row]) -> list[Row]:
    """The prompts and results behind the last reply."""
    own = len(prompts)
    while own and prompts[own - 1]["role"] in _INPUT:
        own -= 1
    return prompts[own:]


def _part(
    chat: Chat, role: Role, part: Row, payload: dict[str, Any], id: str, ts: str | None
) -> Iterator[Item]:
    kind = part["type"]
    session: Session = chat.session
    if kind == "text":
        yield from _text(chat, role, part, payload, id, ts)
    elif kind == "reasoning":
        yield from chat.say_reply("thinking", string(part["text"]), id=id, ts=ts)
    elif kind == "tool_call":
        yield from chat.say_reply(
            "tool_call",
            id=id,
            ts=ts,
            tool_name=identifier(payload.get("name")),
            tool_call_id=identifier(payload.get("tool_call_id")),
            tool_input=payload.get("arguments"),
        )
    elif kind == "tool_result":
        files = [chat.attachment(each) for each in _attachments(payload.get("attachments"))]
        yield from session.say(
            "tool",
            "tool_result",
            string(payload.get("output")) or string(payload.get("exception")) or "",
            id=id,
            ts=ts,
            tool_name=identifier(payload.get("name")),
            tool_call_id=identifier(payload.get("tool_call_id")),
            is_error=bool(string(payload.get("exception"))),
            attachments=[file[0] for file in files if file],
        )
    elif kind == "attachment":
        for each in _attachments([payload.get("attachment")]):
            yield from chat.say_attachment(each, role, id=id, ts=ts)
    else:
        yield Unknown(f"part {str(kind)[:50]}")


def _text(
    chat: Chat, role: Role, part: Row, payload: dict[str, Any], id: str, ts: str | None
) -> Iterator[Item]:
    """A text, which may be put together from fragments and what was typed around them."""
    typed = [part["text"]] if isinstance(part["text"], str) else []
    pieces = payload.get("text_ref")
    for piece in pieces if isinstance(pieces, list) else ():
        if not isinstance(piece, dict):
            continue
        if isinstance(literal := piece.get("literal"), str):
            typed.append(literal.strip("\n"))
        elif row := chat.tables.row("fragments", ("content", "source"), piece.get("fragment")):
            yield from chat.say_fragment(row, role, ts)
    text = "\n".join(filter(None, typed))
    if role == "system":
        yield from chat.say_system(text, id=id, ts=ts)
    elif role == "assistant":
        yield from chat.say_reply("text", text, id=id, ts=ts)
    else:
        yield from chat.session.say(role, "text", text, id=id, ts=ts)


def _attachments(references: object) -> Iterator[object]:
    """The ids in what a part says about files."""
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and isinstance(reference.get("id"), str):
            yield reference["id"]
