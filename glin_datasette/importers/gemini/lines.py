"""Sessions that are appended to, a record a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Unknown
from ..records import read_records
from ..text import identifier
from .session import Reader

__all__ = ["read_session"]


def read_session(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What the file holds from ``start`` on."""
    reader = Reader.load(path, start.state)
    end = yield from read_records(
        path, start, lambda record, line: _record(reader, record, line.key)
    )
    yield from reader.finish()
    yield Checkpoint(*end, reader.dump())


def _record(reader: Reader, record: dict[str, Any], key: str) -> Iterator[Item]:
    changes = record.get("$set")
    if isinstance(record.get("$rewindTo"), str):
        yield from reader.rewound(identifier(record["$rewindTo"]))
    elif isinstance(changes, dict):
        reader.facts(changes)
        yield from _history(reader, changes.get("messages"), key)
    elif isinstance(record.get("id"), str) or "type" in record:
        yield from reader.message(record, identifier(record.get("id")) or f"line-{key}")
    elif "sessionId" in record or "projectHash" in record:
        reader.facts(record)
        yield from _history(reader, record.get("messages"), key)
    else:
        yield Unknown("(none)")


def _history(reader: Reader, messages: object, key: str) -> Iterator[Item]:
    """The whole conversation as the service has it: shortened, and without what was left
    out to save room. It says nothing new, but where no line before it held a message."""
    if reader.session is not None and reader.session.said:
        return
    for number, message in enumerate(messages if isinstance(messages, list) else []):
        if isinstance(message, dict):
            own = identifier(message.get("id")) or f"line-{key}-{number}"
            yield from reader.message(message, own)
