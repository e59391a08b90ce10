"""One request of a chat in VS Code: a prompt and the parts of the reply to it.

The text of a reply comes in pieces, between which there are references (``name``) and marks
of the editor: they are joined to one message, up to the next tool call, edit or thought.
A message is known by its request, the call before it and its number behind that, so that
it stays the same while the reply grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...models import Attachment, Kind, Role
from ..base import Item, Unknown
from ..session import Session, base64_size
from ..text import count, digest, epoch_time, identifier, one_line, string
from .events import mapping
from .tools import Call, edits, markdown, read_calls
from .workspace import path_of

__all__ = ["read_request", "request_id"]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
#: Parts of the page that hold no words of the reply.
_QUIET = frozenset(
    {"autoModeResolution", "clearToPreviousToolInvocation", "command", "disabledClaudeHooks"}
    | {"extensions", "externalEdits", "hook", "mcpAuthenticationRequired", "mcpServersStarting"}
    | {"move", "multiDiffData", "planReview", "prepareToolInvocation", "progressMessage"}
    | {"progressTask", "progressTaskResult", "progressTaskSerialized", "pullRequest"}
    | {"questionCarousel", "reference", "treeData", "usage", "usedContext", "voiceProgress"}
    | {"workspaceEdit"}
)
_EDITS = frozenset({"textEditGroup", "notebookEditGroup", "externalEdit"})
_NOTES = frozenset(
    {"confirmation", "elicitationSerialized", "info", "systemNotification", "warning"}
)
#: The fence that begins or ends a block of code whose text is an edit.
_FENCE_END = re.compile(r"\n*```+[\w-]*\n*\Z")
_FENCE_BEGIN = re.compile(r"\A\n*```+\n*")
_MAX_MODEL = 200
#: What an id calls those messages that have none of their own.
_LABELS = {"tool_call": "edit"}


def read_request(session: Session, id: str, request: dict[str, Any]) -> Iterator[Item]:
    """The messages of a request whose :func:`request_id` is ``id``."""
    reply = _Reply(session, id, epoch_time(request.get("timestamp")))
    agent = mapping(request.get("agent"))
    extension = string(mapping(agent.get("extensionId")).get("value"))
    version = string(agent.get("extensionVersion"))
    if extension and version:
        name = extension.rpartition(".")[2]
        session.note(client=f"{name[:60]}/{version[:60]}")
    yield from _prompt(reply, request)
    yield from _answer(reply, request)


def request_id(session: str, request: dict[str, Any]) -> str:
    """What tells a request from those of all sessions. Older versions numbered requests;
    those numbers mean something only in the session."""
    found = identifier(request.get("requestId"))
    if found is None:
        found = digest(f"{request.get('timestamp')} {_words(request)}")
    return found if _UUID.search(found) else f"{session}/{found}"


def _words(request: dict[str, Any]) -> str:
    message = request.get("message")
    if isinstance(message, str):
        return message
    message = mapping(message)
    if isinstance(text := message.get("text"), str):
        return text
    parts = message.get("parts")
    parts = parts if isinstance(parts, list) else []
    texts = (mapping(part).get("text") for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


# --- prompts ---------------------------------------------------------------------------


def _prompt(reply: _Reply, request: dict[str, Any]) -> Iterator[Item]:
    variables = mapping(request.get("variableData")).get("variables")
    variables = [
        each
        for each in (variables if isinstance(variables, list) else ())
        if isinstance(each, dict)
    ]
    own = request.get("isSystemInitiated") is not True
    yield from reply.session.say(
        "user" if own else "system",
        "text",
        _words(request),
        id=reply.id,
        ts=reply.ts,
        files=[path for each in variables if (path := _file(each.get("value")))],
        attachments=[image for each in variables if (image := _image(each))],
    )


def _file(value: object) -> str | None:
    """The file that something points at: by its URI, a place in it, or a name there."""
    for _ in range(3):
        found = mapping(value)
        if path := path_of(found):
            return path
        value = found.get("uri", found.get("location"))
    return None


def _image(variable: dict[str, Any]) -> Attachment | None:
    """An image that came with a prompt: base64, or in older versions a list of bytes."""
    if variable.get("kind") != "image" and variable.get("isImage") is not True:
        return None
    value = variable.get("value")
    data: bytes | str | None = None
    if isinstance(encoded := mapping(value).get("$base64"), str):
        data = encoded
    elif isinstance(value, dict | list):
        data = _bytes(list(value.values()) if isinstance(value, dict) else value)
    size = base64_size(data) if isinstance(data, str) else len(data) if data else None
    return Attachment(
        media_type=identifier(variable.get("mimeType")) or "image/png",
        name=string(variable.get("name")),
        size=size,
        data=data,
    )


def _bytes(values: list[Any]) -> bytes | None:
    try:
        return bytes(values) or None
    except (TypeError, ValueError):
        return None


# --- replies ---------------------------------------------------------------------------


@dataclass(slots=True)
class _Reply:
    """A reply as it is put together. ``id`` and ``ts`` are those of the request."""

    session: Session
    id: str
    ts: str | None
    model: str | None = None
    #: Of the whole reply, until a message carries them.
    tokens: tuple[int | None, int | None] = (None, None)
    anchor: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    #: Whether something stood between the last piece of text and the next, and whether the
    #: text so far ended with the beginning of a block that an edit fills.
    gap: bool = False
    fenced: bool = False

    def add(self, text: str) -> None:
        """A piece of the text."""
        if self.fenced and text.strip():
            text, self.fenced = _FENCE_BEGIN.sub("", text), False
        if self.gap and self.text:
            self.text.append("\n\n")
        self.gap = False
        self.text.append(text)

    def fence(self) -> None:
        """What follows in a block of code is an edit, and no text."""
        text = "".join(self.text)
        self.fenced = _FENCE_END.search(text) is not None
        self.text = [_FENCE_END.sub("", text)]

    def flush(self) -> Iterator[Item]:
        """Say the text that was collected."""
        text, files = "".join(self.text), self.files
        self.text, self.files, self.gap = [], [], False
        if text.strip():
            yield from self.say("assistant", "text", text, files=files)

    def say(self, role: Role, kind: Kind, text: str | None, **more: Any) -> Iterator[Item]:
        """A message of the reply, its id by its place unless it has one."""
        id = more.pop("id", None)
        if id is None:
            number = self.counts[kind] = self.counts.get(kind, 0) + 1
            id = f"{self.id}/{self.anchor}{_LABELS.get(kind, kind)}-{number}"
        sent, received = self.tokens if role == "assistant" else (None, None)
        for item in self.session.say(
            role,
            kind,
            text,
            id=id,
            ts=self.ts,
            model=self.model if role == "assistant" else None,
            token_in=sent,
            token_out=received,
            **more,
        ):
            if role == "assistant":
                self.tokens = (None, None)
            yield item

    def call(self, call: Call) -> Iterator[Item]:
        """A tool call and its result."""
        self.anchor, self.counts = f"{call.id}/", {}
        yield from self.say(
            "assistant",
            "tool_call",
            None,
            id=f"{self.id}/{call.id}",
            tool_name=call.name,
            tool_call_id=call.id,
            tool_input=call.arguments,
        )
        if call.result is not None:
            yield from self.say(
                "tool",
                "tool_result",
                call.result,
                id=f"{self.id}/{call.id}/result",
                tool_call_id=call.id,
                is_error=call.failed,
            )


def _answer(reply: _Reply, request: dict[str, Any]) -> Iterator[Item]:
    result = mapping(request.get("result"))
    metadata = mapping(result.get("metadata"))
    model = string(request.get("modelId")) or string(metadata.get("resolvedModel"))
    reply.model = model if model and len(model) <= _MAX_MODEL else None
    reply.tokens = (
        _count(metadata.get("promptTokens")) or _count(request.get("promptTokens")),
        _count(metadata.get("outputTokens")) or _count(request.get("completionTokens")),
    )
    parts = request.get("response")
    parts = parts if isinstance(parts, list) else [parts]
    calls = read_calls(parts, result)
    # A call that was added more than once stands where it began, as it ended.
    last = {call.id: call for call in calls.values()}
    for place, part in enumerate(parts):
        if place in calls:
            if call := last.pop(calls[place].id, None):
                yield from reply.flush()
                yield from reply.call(call)
        elif isinstance(part, str):
            reply.add(part)
        elif isinstance(part, dict):
            yield from _part(reply, part)
    yield from reply.flush()
    error = mapping(result.get("errorDetails"))
    if (message := string(error.get("message"))) and error.get("code") != "canceled":
        yield from reply.say("system", "text", message, id=f"{reply.id}/error", is_error=True)


def _count(value: object) -> int | None:
    return count(value) or None


def _part(reply: _Reply, part: dict[str, Any]) -> Iterator[Item]:
    """A part of a reply that is no tool call."""
    kind = part.get("kind")
    if kind is None or kind in ("markdownContent", "markdownVuln"):
        reply.add(markdown(part if kind is None else part.get("content")))
    elif kind == "inlineReference":
        yield from _reference(reply, part)
    elif kind == "codeblockUri":
        if part.get("isEdit") is True:
            reply.fence()
    elif kind == "thinking":
        yield from reply.flush()
        value = part.get("value")
        thought = value if isinstance(value, list) else [value]
        text = "".join(each for each in thought if isinstance(each, str))
        if text.strip():
            yield from reply.say("assistant", "thinking", text)
    elif isinstance(kind, str) and kind in _EDITS:
        yield from reply.flush()
        changed = edits(part)
        yield from reply.say("assistant", "tool_call", None, tool_name="edit", tool_input=changed)
    elif isinstance(kind, str) and kind in _NOTES:
        yield from reply.flush()
        words = [part.get("title"), part.get("message", part.get("content"))]
        text = "\n".join(filter(None, map(markdown, words)))
        yield from reply.say("system", "text", text)
    elif isinstance(kind, str) and kind in _QUIET:
        reply.gap = True
    elif kind != "undoStop":
        yield Unknown(f"response {string(kind) or '(none)'}"[:60])


def _reference(reply: _Reply, part: dict[str, Any]) -> Iterator[Item]:
    """A file or a name in it, in the middle of a sentence."""
    target = mapping(part.get("inlineReference"))
    path = _file(target)
    name = string(part.get("name")) or string(target.get("name"))
    if name is None and path:
        name = path.replace("\\", "/").rpartition("/")[2]
    if label := one_line(name or ""):
        reply.add(f"`{label}`")
    if path:
        reply.files.append(path)
    yield from ()
