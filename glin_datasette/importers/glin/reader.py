"""From the lines of an export to what they were made of."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from ...dates import normalise_time
from ...models import (
    KINDS,
    RELATIONS,
    ROLES,
    Attachment,
    Conversation,
    Message,
    Ref,
    RefType,
    TitleFrom,
)
from ..base import Checkpoint, File, Item, Said, Skipped, Unknown
from ..jsonl import read_lines
from . import FORMAT, VERSION

__all__ = ["read"]

#: How many conversations may take turns in a file and keep their order.
_OPEN = 256

#: Values that a field may have, where it may not have any text.
_CHOICES: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "relation": RELATIONS,
    "role": ROLES,
    "title_from": get_args(TitleFrom),
    "type": get_args(RefType),
}

_TIMES = ("started_at", "ended_at", "ts")

_CONVERSATION = (
    "parent_source_id", "relation", "title", "title_from", "started_at", "ended_at", "client",
    "transport", "model", "repo_root", "git_branch", "notes",
)  # fmt: skip


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """Conversations and messages in the order of the file."""
    reader = _Reader(current=tuple(start.state.get("conversation", ())))
    reader.latest = {(a, b): ts for a, b, ts in start.state.get("latest", ())}
    end, number = start.offset, start.line
    for line in read_lines(path, start.offset, start.line):
        if line.record is None:
            if line.error is not None:
                yield Skipped(line.number, line.error)
            if line.torn:
                break
        else:
            try:
                yield from reader.items(line.record)
            except _NewerFormat as ex:
                yield Skipped(line.number, str(ex))
                break
            except ValueError as ex:
                yield Skipped(line.number, str(ex))
        end, number = line.end, line.number
    latest = [[*owner, ts] for owner, ts in reader.latest.items()]
    yield Checkpoint(end, number, {"conversation": list(reader.current), "latest": latest})


class _NewerFormat(ValueError):
    """The rest of the file may mean anything."""


@dataclasses.dataclass(slots=True)
class _Reader:
    """Turns lines into items and remembers whose messages are being read."""

    #: (source, source_id)
    current: tuple[str, ...]
    #: The largest time so far in each conversation, the one that spoke last at the end.
    latest: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    def items(self, record: dict[str, Any]) -> Iterator[Item]:
        """:raises ValueError: if the record is damaged; the message says how"""
        kind = record.get("type")
        if kind == FORMAT:
            if record.get("version") != VERSION:
                raise _NewerFormat(
                    f"export format {record.get('version')!r}, and this release reads "
                    f"{VERSION}; upgrade with 'pip install --upgrade glin-datasette'"
                )
        elif kind == "conversation":
            conversation = _conversation(record)
            self.current = (conversation.source, conversation.source_id)
            yield conversation
        elif kind == "attachment":
            yield File(_file(record))
        elif kind == "message":
            message = _message(record)
            owner = _owner(record)
            if owner != self.current:
                self.current = owner
                # Says nothing but whose messages come now.
                yield Conversation(source=owner[0], source_id=owner[1])
            # Messages stay in the order of the file, whatever their times are.
            latest = max(self.latest.pop(owner, ""), message.ts or "")
            self.latest[owner] = latest
            if len(self.latest) > _OPEN:
                del self.latest[next(iter(self.latest))]
            yield Said(owner[1], dataclasses.replace(message, sort_ts=latest or None))
        else:
            yield Unknown(kind[:40] if isinstance(kind, str) else "no type")


def _conversation(record: dict[str, Any]) -> Conversation:
    values = {name: _text(record, name) for name in _CONVERSATION}
    return Conversation(
        source=_required(record, "source"),
        source_id=_required(record, "source_id"),
        tags=_tags(record),
        **values,  # type: ignore[arg-type]  # _text checked what may be in each
    )


def _message(record: dict[str, Any]) -> Message:
    is_error = record.get("is_error", False)
    if not isinstance(is_error, bool):
        raise ValueError("is_error: neither true nor false")
    return Message(
        role=_required(record, "role"),  # type: ignore[arg-type]
        kind=_required(record, "kind"),  # type: ignore[arg-type]
        content=_required(record, "content"),
        source_id=_required(record, "source_id"),
        is_error=is_error,
        refs=_refs(record),
        tags=_tags(record),
        attachments=_attachments(record),
        ts=_text(record, "ts"),
        model=_text(record, "model"),
        tool_name=_text(record, "tool_name"),
        tool_call_id=_text(record, "tool_call_id"),
        token_in=_count(record, "token_in"),
        token_out=_count(record, "token_out"),
        token_cached=_count(record, "token_cached"),
    )


def _owner(record: dict[str, Any]) -> tuple[str, str]:
    match record.get("conversation"):
        case [str(source), str(source_id)]:
            return _storable("conversation", source), _storable("conversation", source_id)
    raise ValueError("conversation: not a pair of source and source_id")


def _refs(record: dict[str, Any]) -> tuple[Ref, ...]:
    refs = []
    for ref in _list(record, "refs"):
        if not isinstance(ref, dict):
            raise ValueError("refs: one is not an object")
        value = _required(ref, "value")
        refs.append(Ref(_required(ref, "type"), value))  # type: ignore[arg-type]
    return tuple(refs)


def _file(record: dict[str, Any]) -> Attachment:
    media_type, sha256 = _required(record, "media_type"), _required(record, "sha256")
    encoded = _required(record, "data")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("data: not base64") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("sha256: not that of the data")
    return Attachment(media_type=media_type, size=len(data), sha256=sha256, data=data)


def _attachments(record: dict[str, Any]) -> tuple[Attachment, ...]:
    found = []
    for each in _list(record, "attachments"):
        if not isinstance(each, dict):
            raise ValueError("attachments: one is not an object")
        found.append(
            Attachment(
                media_type=_required(each, "media_type"),
                name=_text(each, "name"),
                size=_count(each, "size"),
                sha256=_required(each, "sha256"),
            )
        )
    return tuple(found)


def _tags(record: dict[str, Any]) -> tuple[str, ...]:
    tags = _list(record, "tags")
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            raise ValueError("tags: one is not a text, or has no letters")
        _storable("tags", tag)
    return tuple(tags)


def _list(record: dict[str, Any], name: str) -> list[Any]:
    values = record.get(name, [])
    if not isinstance(values, list):
        raise ValueError(f"{name}: not a list")
    return values


def _required(record: dict[str, Any], name: str) -> str:
    value = _text(record, name)
    if value is None:
        raise ValueError(f"{name}: missing")
    return value


def _text(record: dict[str, Any], name: str) -> str | None:
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name}: not a text")
    choices = _CHOICES.get(name)
    if choices and value not in choices:
        raise ValueError(f"{name}: {value[:40]!r} is none of {', '.join(choices)}")
    if name in _TIMES and (moment := normalise_time(value)) is None:
        raise ValueError(f"{name}: {value[:40]!r} is no time")
    return moment if name in _TIMES else _storable(name, value)


def _count(record: dict[str, Any], name: str) -> int | None:
    value = record.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: not a number of 64 bits")
    return value


def _storable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: holds half of a surrogate pair") from None
    return text
