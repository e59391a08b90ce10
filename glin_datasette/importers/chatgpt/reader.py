"""From an export to conversations with their branches."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...models import Attachment, Kind, Role
from ..base import Checkpoint, Item, Skipped, Unknown
from ..branches import paths, tell_paths
from ..export_files import MAX_FILE, Export, Record, media_type
from ..session import Session
from ..text import digest, epoch_time, identifier, string
from . import DOCUMENTS, SOURCE
from .content import Asset, Content, read_content

__all__ = ["read"]

_ROLES: dict[str, Role] = {
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "system": "system",
}


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The conversations in the order of the export, each with its branches behind it."""
    with Export(path) as export:
        for record in export.records(DOCUMENTS):
            if isinstance(record, Skipped):
                yield record
            else:
                yield from _conversation(record, export)
            # A large one is not held while the next one is read.
            del record
    yield Checkpoint()


def _conversation(record: Record, export: Export) -> Iterator[Item]:
    facts = record.value
    mapping = facts.get("mapping") if isinstance(facts, dict) else None
    if not isinstance(mapping, dict):
        yield Skipped(None, f"{record.where}: no conversation")
        return
    nodes: dict[str, dict[str, Any]] = {}
    for key, node in mapping.items():
        if (name := identifier(key)) is None or not isinstance(node, dict):
            yield Skipped(None, f"{record.where}: a node that is no object")
            continue
        nodes[name] = node
        if not isinstance(node.get("message"), dict | None):
            yield Skipped(None, f"{record.where}: a message that is no object")
    parents = {name: identifier(node.get("parent")) for name, node in nodes.items()}
    times = {name: epoch_time(_message(node).get("create_time")) for name, node in nodes.items()}
    ways = paths(parents, times, identifier(facts.get("current_node")))
    id = identifier(facts.get("conversation_id")) or identifier(facts.get("id"))
    if id is None:
        # Of the oldest exports: the first thing in it, on whichever branch one is.
        first = next((name for way in ways for name in way if _message(nodes[name])), "")
        id = digest(f"{facts.get('create_time')} {first}")
    model = string(facts.get("default_model_slug"))
    session = Session(SOURCE, id, transport="web", model=model if model != "auto" else None)
    # The name that a conversation has before it gets one.
    if (title := string(facts.get("title"))) != "New chat":
        session.entitle(title, "generated")
    yield from tell_paths(session, ways, _Teller(id, nodes, parents, times, export).say)


def _message(node: dict[str, Any]) -> dict[str, Any]:
    message = node.get("message")
    return message if isinstance(message, dict) else {}


@dataclass(slots=True)
class _Teller:
    """Says the messages of one conversation, on whichever branch they are."""

    id: str
    nodes: dict[str, dict[str, Any]]
    parents: dict[str, str | None]
    times: dict[str, str | None]
    export: Export
    #: Node -> (id, tool) of the call that a result below it answers.
    calls: dict[str, tuple[str, str]] = field(default_factory=dict)

    def say(self, session: Session, name: str) -> Iterator[Item]:
        """The message of the node ``name``."""
        message = _message(self.nodes[name])
        call = self.calls.get(self.parents[name] or "")
        if not message or _flag(message, "is_visually_hidden_from_conversation"):
            self._keep(name, call)
            return
        author = message.get("author")
        author = author if isinstance(author, dict) else {}
        role = _ROLES.get(told := string(author.get("role")) or "(none)")
        if role is None:
            yield Unknown(f"author {told}"[:60])
            return
        content = read_content(message)
        for kind in content.unknown:
            yield Unknown(kind[:60])
        recipient = string(message.get("recipient")) or "all"
        id = f"{self.id}/{name}"
        if role == "tool":
            self._keep(name, call)
            yield from self._result(session, id, name, content, call, author)
        elif role == "assistant" and recipient != "all":
            tool = recipient[:200]
            self._keep(name, (id, tool))
            yield from self._call(session, id, name, message, content, tool)
        else:
            if content.is_thought:
                self._keep(name, call)
            kind = _kind(role, content)
            text = content.text
            if kind == "text" and role == "assistant":
                text = _fenced(message, text)
            yield from session.say(
                role,
                kind,
                text,
                id=id,
                ts=self.times[name],
                model=_model(message) if role == "assistant" else None,
                is_error=content.is_error,
                links=content.links,
                attachments=self._attachments(content),
            )

    def _keep(self, name: str, call: tuple[str, str] | None) -> None:
        if call is not None:
            self.calls[name] = call

    def _call(
        self,
        session: Session,
        id: str,
        name: str,
        message: dict[str, Any],
        content: Content,
        tool: str,
    ) -> Iterator[Item]:
        arguments = _arguments(content.text)
        yield from session.say(
            "assistant",
            "tool_call",
            None if isinstance(arguments, dict) else content.text,
            id=id,
            ts=self.times[name],
            model=_model(message),
            tool_name=tool,
            tool_call_id=id,
            tool_input=arguments,
            attachments=self._attachments(content),
        )

    def _result(
        self,
        session: Session,
        id: str,
        name: str,
        content: Content,
        call: tuple[str, str] | None,
        author: dict[str, Any],
    ) -> Iterator[Item]:
        # Many tools answer with nothing that is shown to anybody.
        if not content.text.strip() and not content.assets:
            return
        yield from session.say(
            "tool",
            "tool_result",
            content.text,
            id=id,
            ts=self.times[name],
            tool_name=string(author.get("name")) or (call[1] if call else None),
            tool_call_id=call[0] if call else None,
            is_error=content.is_error,
            links=content.links,
            attachments=self._attachments(content),
        )

    def _attachments(self, content: Content) -> Iterator[Attachment]:
        left = 2 * MAX_FILE
        for asset in content.assets.values():
            # An id of another shape may be made up, to name a file that lies beside the export.
            ours = asset.id.startswith(("file-", "file_"))
            name, data = (self.export.file(asset.id) if ours else None) or (None, None)
            if data is not None and len(data) > left:
                data = None
            left -= len(data or b"")
            yield _attachment(asset, name, data)


def _flag(message: dict[str, Any], name: str) -> bool:
    metadata = message.get("metadata")
    return isinstance(metadata, dict) and metadata.get(name) is True


def _model(message: dict[str, Any]) -> str | None:
    metadata = message.get("metadata")
    return string(metadata.get("model_slug")) if isinstance(metadata, dict) else None


def _kind(role: Role, content: Content) -> Kind:
    if content.is_thought and role == "assistant":
        return "thinking"
    return "text" if content.text.strip() or not content.assets else "attachment"


def _fenced(message: dict[str, Any], text: str) -> str:
    """Code that was not for a tool, as a person would write it."""
    content = message.get("content")
    if not isinstance(content, dict) or content.get("content_type") != "code" or not text:
        return text
    language = string(content.get("language")) or ""
    return f"```{language if language.isalnum() and language != 'unknown' else ''}\n{text}\n```"


def _arguments(text: str) -> object:
    """What a tool is called with: an object as JSON, or text."""
    if not text.startswith("{"):
        return text
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return found if isinstance(found, dict) else text


def _attachment(asset: Asset, file: str | None, data: bytes | None) -> Attachment:
    name = asset.name
    if name is None and file is not None and not file.endswith(".dat"):
        # `file-x1-photo.png`, where the id says nothing to anybody.
        name = string(file.removeprefix(asset.id).lstrip("-_")) if "-" in file else None
        name = None if name is None or name.startswith(".") else name
    type = asset.media_type or media_type(name or file, data) or asset.kind
    size = len(data) if data is not None else asset.size
    return Attachment(media_type=type, name=name, size=size, data=data)
