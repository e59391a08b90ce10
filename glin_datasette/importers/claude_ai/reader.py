"""From an export to conversations with their branches, and projects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...models import Attachment, Role
from ...tool_input import render_tool_input
from ..base import Checkpoint, Item, Skipped, Unknown
from ..branches import paths, tell_paths
from ..export_files import Export, Record, media_type
from ..session import Session, attachment_note
from ..text import count, digest, identifier, normalise_time, string
from . import CONVERSATIONS, PROJECTS, SOURCE

__all__ = ["read"]

_SENDERS: dict[str, Role] = {"human": "user", "assistant": "assistant"}
#: The parent of a message that has none.
_ROOT = "00000000-0000-4000-8000-000000000000"
#: Blocks that are not for people.
_QUIET = frozenset({"flag", "redacted_thinking", "token_budget"})
#: Things of one message that are looked at: files, citations.
_MOST = 500


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The conversations in the order of the export, each with its branches behind it,
    and then the projects."""
    with Export(path) as export:
        for record in export.records(CONVERSATIONS, PROJECTS):
            if isinstance(record, Skipped):
                yield record
            else:
                yield from _record(record)
            # A large one is not held while the next one is read.
            del record
    yield Checkpoint()


def _record(record: Record) -> Iterator[Item]:
    facts = record.value
    if isinstance(facts, dict) and (id := identifier(facts.get("uuid"))):
        if isinstance(facts.get("chat_messages"), list):
            yield from _conversation(record, id, facts)
            return
        if "docs" in facts or "prompt_template" in facts:
            yield from _project(f"project/{id}", facts)
            return
    yield Skipped(None, f"{record.where}: neither a conversation nor a project")


# --- conversations ---------------------------------------------------------------------


def _conversation(record: Record, id: str, facts: dict[str, Any]) -> Iterator[Item]:
    messages: dict[str, dict[str, Any]] = {}
    for message in facts["chat_messages"]:
        if isinstance(message, dict):
            messages[identifier(message.get("uuid")) or _digest(message)] = message
        else:
            yield Skipped(None, f"{record.where}: a message that is no object")
    parents: dict[str, str | None] = {}
    previous = None
    for name, message in messages.items():
        parent = identifier(message.get("parent_message_uuid"))
        # Without a parent, as in old exports, a message follows the one before it.
        parents[name] = parent if parent in messages or parent == _ROOT else previous
        previous = name
    times = {name: normalise_time(each.get("created_at")) for name, each in messages.items()}
    ways = paths(parents, times, identifier(facts.get("current_leaf_message_uuid")))
    session = Session(SOURCE, id, transport="web", model=string(facts.get("model")))
    session.entitle(facts.get("name"), "generated")

    def say(session: Session, name: str) -> Iterator[Item]:
        return _Message(f"{id}/{name}", messages[name], times[name]).say(session)

    yield from tell_paths(session, ways, say)


def _digest(message: dict[str, Any]) -> str:
    return digest(render_tool_input(message))


@dataclass(slots=True)
class _Message:
    """One message, which becomes one for each of its blocks and documents."""

    id: str
    facts: dict[str, Any]
    ts: str | None
    #: How many ids were given away.
    given: int = 0
    #: Calls that have no id, and wait for results that have none either.
    open: list[str] = field(default_factory=list)

    def say(self, session: Session) -> Iterator[Item]:
        sender = string(self.facts.get("sender")) or "(none)"
        role = _SENDERS.get(sender)
        if role is None:
            yield Unknown(f"sender {sender}"[:60])
            return
        files = list(_files(self.facts))
        blocks = [
            {"type": "text", "text": each} if isinstance(each, str) else each
            for each in _items(self.facts, "content")
            if isinstance(each, str | dict)
        ]
        if not any(map(_holds, blocks)):
            blocks = [{"type": "text", "text": self.facts.get("text")}]
        for index, block in enumerate(blocks):
            # Files are noted where the message speaks first.
            speaks = block.get("type") == "text" and _holds(block)
            yield from self._block(session, role, index, block, files if speaks else [])
            files = [] if speaks else files
        if files:
            id = self._id("files")
            yield from session.say(role, "attachment", id=id, ts=self.ts, attachments=files)
        for index, document in enumerate(_dicts(self.facts, "attachments")):
            text = string(document.get("extracted_content"))
            note = attachment_note(_document(document, "file_name", "file_type", "file_size"))
            content = f"{note}\n{text}" if text else note
            id = self._id(f"attachment-{index}")
            yield from session.say(role, "attachment", content, id=id, ts=self.ts)

    def _id(self, name: object) -> str:
        """An id for a part of the message: its own for the first."""
        self.given += 1
        return self.id if self.given == 1 else f"{self.id}#{name}"

    def _block(
        self,
        session: Session,
        role: Role,
        index: int,
        block: dict[str, Any],
        files: list[Attachment],
    ) -> Iterator[Item]:
        kind = string(block.get("type")) or "(none)"
        ts = self.ts
        if role == "assistant":
            ts = normalise_time(block.get("start_timestamp")) or ts
        if kind == "thinking":
            if thought := string(block.get("thinking")) or "\n".join(_summaries(block)):
                yield from session.say(role, "thinking", thought, id=self._id(index), ts=ts)
        elif kind == "tool_use":
            id = self._id(index)
            call = identifier(block.get("id"))
            if call is None:
                self.open.append(call := id)
            yield from session.say(
                "assistant",
                "tool_call",
                id=id,
                ts=ts,
                tool_name=identifier(block.get("name")),
                tool_call_id=call,
                tool_input=block.get("input"),
            )
        elif kind == "tool_result":
            call = identifier(block.get("tool_use_id"))
            if call is None and self.open:
                call = self.open.pop(0)
            yield from session.say(
                "tool",
                "tool_result",
                "\n".join(filter(None, map(_result, _items(block, "content")))),
                id=self._id(index),
                ts=ts,
                tool_name=identifier(block.get("name")),
                tool_call_id=call,
                is_error=block.get("is_error") is True,
            )
        elif text := string(block.get("text")):
            links = [url for each in _dicts(block, "citations") for url in _urls(each)]
            yield from session.say(
                role, "text", text, id=self._id(index), ts=ts, links=links, attachments=files
            )
        elif kind == "image":
            name = string(block.get("file_name"))
            image = Attachment(media_type=media_type(name) or "image", name=name)
            yield from session.say(
                role, "attachment", id=self._id(index), ts=ts, attachments=[image]
            )
        elif kind != "text" and kind not in _QUIET:
            yield Unknown(f"content {kind}"[:60])


def _holds(block: dict[str, Any]) -> bool:
    """Whether a block is more than an empty text."""
    return block.get("type") != "text" or string(block.get("text")) is not None


def _summaries(block: dict[str, Any]) -> Iterator[str]:
    for each in _dicts(block, "summaries"):
        if text := string(each.get("summary")):
            yield text


def _result(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    words = [string(part.get(name)) for name in ("title", "url", "text")]
    if found := "\n".join(filter(None, words)):
        return found
    kind = string(part.get("type"))
    return f"[{kind[:60]}]" if kind else render_tool_input(part)


def _urls(citation: dict[str, Any]) -> Iterator[str]:
    details = citation.get("details")
    for each in (citation, details if isinstance(details, dict) else {}):
        if url := string(each.get("url")):
            yield url


def _files(facts: dict[str, Any]) -> Iterator[Attachment]:
    """The files of a message whose text is not in the export. Some have them twice."""
    known = set()
    for each in (*_dicts(facts, "files"), *_dicts(facts, "files_v2")):
        key = string(each.get("file_uuid")) or string(each.get("file_name"))
        if key not in known:
            known.add(key)
            yield _document(each, "file_name", "file_kind", "size_bytes")


def _document(facts: dict[str, Any], name: str, kind: str, size: str) -> Attachment:
    file, type = string(facts.get(name)), string(facts.get(kind))
    if type is None or "/" not in type:
        type = media_type(file) or type or "document"
    return Attachment(media_type=type, name=file, size=count(facts.get(size)))


def _items(facts: dict[str, Any], name: str) -> list[Any]:
    value = facts.get(name)
    return value if isinstance(value, list) else [value]


def _dicts(facts: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    yield from (each for each in _items(facts, name)[:_MOST] if isinstance(each, dict))


# --- projects --------------------------------------------------------------------------


def _project(id: str, facts: dict[str, Any]) -> Iterator[Item]:
    """What a project holds: what it is for, its instructions and its documents."""
    session = Session(SOURCE, id, transport="web")
    session.entitle(facts.get("name"), "custom")
    ts = normalise_time(facts.get("created_at"))
    about = string(facts.get("description"))
    yield from session.say("user", "text", about, id=f"{id}/description", ts=ts)
    told = string(facts.get("prompt_template"))
    yield from session.say("system", "text", told, id=f"{id}/instructions", ts=ts)
    for document in _dicts(facts, "docs"):
        name, text = string(document.get("filename")), string(document.get("content"))
        note = attachment_note(Attachment(media_type=media_type(name) or "document", name=name))
        yield from session.say(
            "user",
            "attachment",
            f"{note}\n{text}" if text else note,
            id=f"{id}/{identifier(document.get('uuid')) or digest(name or note)}",
            ts=normalise_time(document.get("created_at")) or ts,
        )
    yield from session.finish()
