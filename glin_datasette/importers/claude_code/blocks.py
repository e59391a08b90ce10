"""From one record to the pieces of it that are worth a message each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...models import Attachment, Kind, Role
from ...sizes import human_size
from ...tool_input import render_tool_input
from ..session import base64_size
from ..text import clean, identifier, string
from .kinds import QUIET_SYSTEM
from .wrappers import read_user_text

__all__ = ["Block", "Strange", "read_blocks"]


@dataclass(slots=True, kw_only=True)
class Block:
    """One message to be. ``index`` is its place in the record's content."""

    index: int
    role: Role
    kind: Kind
    content: str
    tool_name: str | None = None
    tool_call_id: str | None = None
    #: What the tool was called with, where ``kind`` is ``tool_call``.
    tool_input: object = None
    is_error: bool = False
    #: What this would name the conversation; a bare slash command only if nothing else does.
    title: str | None = None
    command: bool = False
    #: A file that came with a prompt.
    files: tuple[str, ...] = field(default=())
    #: Images and documents whose bytes the record holds.
    attachments: tuple[Attachment, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Strange:
    """A part of a record that this importer does not know."""

    kind: str


def read_blocks(record: dict[str, Any], *, titled: bool = True) -> Iterator[Block | Strange]:
    """The pieces of a user, assistant, system or attachment record, in its order. Whether
    they are to be ``titled``: it is only the first prompt that names a conversation.

    Blank text, thinking without words and the client's bookkeeping yield nothing.
    """
    kind = record.get("type")
    if kind == "system":
        yield from _system(record)
    elif kind == "attachment":
        yield from _attachment(record)
    else:
        yield from _message(record, "assistant" if kind == "assistant" else "user", titled)


# --- user and assistant ----------------------------------------------------------------


def _message(record: dict[str, Any], role: Role, titled: bool = True) -> Iterator[Block | Strange]:
    message = record.get("message")
    if not isinstance(message, dict):
        return
    content = message.get("content")
    # A very old record, or one of another client, holds a string where others have a list.
    parts = content if isinstance(content, list) else [content]
    for index, part in enumerate(parts):
        if isinstance(part, str):
            part = {"type": "text", "text": part}
        if isinstance(part, dict):
            yield from _part(record, message, role, titled, index, part)


def _part(
    record: dict[str, Any],
    message: dict[str, Any],
    role: Role,
    titled: bool,
    index: int,
    part: dict[str, Any],
) -> Iterator[Block | Strange]:
    kind = string(part.get("type")) or "(none)"
    if kind == "text":
        yield from _text(record, message, role, titled, index, part.get("text"))
    elif kind == "thinking":
        if thought := string(part.get("thinking")):
            yield Block(index=index, role=role, kind="thinking", content=thought)
    elif kind == "redacted_thinking":
        return
    elif kind.endswith("tool_use"):
        arguments = part.get("input")
        yield Block(
            index=index,
            role="assistant",
            kind="tool_call",
            content=clean(render_tool_input(arguments if arguments is not None else {})),
            tool_name=identifier(part.get("name")),
            tool_call_id=identifier(part.get("id")),
            tool_input=arguments,
        )
    elif kind.endswith("tool_result"):
        yield Block(
            index=index,
            role="tool",
            kind="tool_result",
            content=clean(_joined(part.get("content"))),
            tool_call_id=identifier(part.get("tool_use_id")),
            is_error=part.get("is_error") is True,
            attachments=tuple(_attachments(part.get("content"))),
        )
    elif kind in ("image", "document"):
        yield Block(
            index=index,
            role=role,
            kind="attachment",
            content=_note(part),
            attachments=tuple(_attachments([part])),
        )
    else:
        yield Strange(f"content block {kind[:60]}")


def _text(
    record: dict[str, Any],
    message: dict[str, Any],
    role: Role,
    titled: bool,
    index: int,
    value: object,
) -> Iterator[Block]:
    if not (text := string(value)):
        return
    if role == "assistant":
        # The client's own words (errors of the service, placeholders) under its model's name.
        failed = record.get("isApiErrorMessage") is True
        own = failed or message.get("model") == "<synthetic>"
        yield Block(
            index=index,
            role="system" if own else role,
            kind="text",
            content=text,
            is_error=failed,
        )
        return
    said = read_user_text(text, titled=titled)
    content = said.content.strip()
    if not content:
        return
    if record.get("isMeta") is True or record.get("isCompactSummary") is True:
        yield Block(index=index, role="system", kind="text", content=content)
        return
    yield Block(
        index=index,
        role=said.role,
        kind="text",
        content=content,
        title=said.title,
        command=said.command,
    )


def _joined(content: object) -> str:
    """The text of a tool's result."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "\n".join(filter(None, map(_result_part, parts)))


def _result_part(part: object) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return "" if part is None else render_tool_input(part)
    if isinstance(text := part.get("text"), str):
        return text
    kind = string(part.get("type"))
    if kind in ("image", "document"):
        return _note(part)
    if kind == "tool_reference":
        return string(part.get("tool_name")) or ""
    if isinstance(url := part.get("url"), str):
        return f"{string(part.get('title')) or 'link'}: {url}"
    if kind and "content" in part:
        return _joined(part["content"])
    return f"[{kind}]" if kind else render_tool_input(part)


def _note(part: dict[str, Any]) -> str:
    """``[image/png, 12.3 KB]``: what stands for bytes that are not kept."""
    source = part.get("source")
    source = source if isinstance(source, dict) else {}
    facts = [string(source.get("media_type")) or str(part.get("type"))]
    data = source.get("data")
    if isinstance(data, str) and source.get("type") == "text":
        facts.append(human_size(len(data.encode("utf-8", "replace"))))
    elif isinstance(data, str):
        facts.append(human_size(base64_size(data)))
    for label in (part.get("title"), source.get("url"), source.get("file_id")):
        if found := string(label):
            facts.append(found[:200])
    return f"[{', '.join(facts)}]"


def _attachments(parts: object) -> Iterator[Attachment]:
    """The images and documents among ``parts`` whose bytes are there."""
    for part in parts if isinstance(parts, list) else ():
        source = part.get("source") if isinstance(part, dict) else None
        if not isinstance(source, dict) or source.get("type") != "base64":
            continue
        data = source.get("data")
        if isinstance(data, str) and (media_type := string(source.get("media_type"))):
            yield Attachment(
                media_type=media_type[:100],
                name=string(part.get("title")),
                size=base64_size(data),
                data=data,
            )


# --- system ----------------------------------------------------------------------------


def _system(record: dict[str, Any]) -> Iterator[Block | Strange]:
    kind = string(record.get("subtype")) or ""
    if kind in QUIET_SYSTEM:
        return
    if kind == "api_error":
        yield Block(index=0, role="system", kind="text", content=_api_error(record), is_error=True)
        return
    text = string(record.get("content"))
    if kind == "local_command":
        said = read_user_text(text or "")
        if content := said.content.strip():
            role: Role = "user" if said.command else "system"
            yield Block(
                index=0,
                role=role,
                kind="text",
                content=content,
                title=said.title if said.command else None,
                command=said.command,
            )
    elif kind.endswith("compact_boundary"):
        content = (text or "Conversation compacted") + _compaction(record.get("compactMetadata"))
        yield Block(index=0, role="system", kind="text", content=content)
    elif text:
        failed = record.get("level") == "error"
        yield Block(index=0, role="system", kind="text", content=text, is_error=failed)
    elif "content" not in record:
        yield Strange(f"system {kind[:60]}".rstrip())


def _compaction(facts: object) -> str:
    facts = facts if isinstance(facts, dict) else {}
    found = [string(facts.get("trigger"))]
    tokens = facts.get("preTokens")
    if type(tokens) is int and 0 < tokens < 10**12:
        found.append(f"{tokens} tokens before")
    told = ", ".join(filter(None, found))
    return f" ({told})" if told else ""


def _api_error(record: dict[str, Any]) -> str:
    error = record.get("error")
    words = ["API error"]
    reason = string(error)
    # The reason lies one or two levels deep, or is what broke the connection.
    for _ in range(3):
        if not isinstance(error, dict):
            break
        if type(status := error.get("status")) is int and 100 <= status < 600:
            words.append(str(status))
        reason = reason or string(error.get("message")) or string(error.get("code"))
        error = error.get("error") or error.get("cause")
    text = " ".join(words)
    if told := reason or string(record.get("content")):
        text += f": {told}"
    attempt, most = record.get("retryAttempt"), record.get("maxRetries")
    if type(attempt) is int and type(most) is int and 0 < attempt <= most < 1000:
        text += f" (attempt {attempt} of {most})"
    return text


# --- attachment ------------------------------------------------------------------------


def _attachment(record: dict[str, Any]) -> Iterator[Block | Strange]:
    """What was handed over beside the messages. Most of it the client adds by itself
    (reminders, lists of tools and skills), and that is not kept."""
    attachment = record.get("attachment")
    attachment = attachment if isinstance(attachment, dict) else {}
    kind = attachment.get("type")
    if kind == "queued_command":
        yield from _queued(attachment)
    elif kind in ("file", "compact_file_reference", "already_read_file", "pdf_reference"):
        if name := string(attachment.get("filename")):
            yield Block(
                index=0, role="user", kind="attachment", content=f"[file, {name}]", files=(name,)
            )
    elif kind == "edited_text_file" and (name := string(attachment.get("filename"))):
        yield Block(
            index=0,
            role="system",
            kind="attachment",
            content=f"[file changed outside the session, {name}]",
            files=(name,),
        )


def _queued(attachment: dict[str, Any]) -> Iterator[Block | Strange]:
    """A prompt that was typed while the assistant was busy, and reached it in mid-turn."""
    origin = attachment.get("origin")
    human = not isinstance(origin, dict) or origin.get("kind") in (None, "human")
    prompted = human and attachment.get("commandMode") in (None, "prompt")
    yield from _message(
        {"message": {"content": attachment.get("prompt")}, "isMeta": not prompted}, "user"
    )
