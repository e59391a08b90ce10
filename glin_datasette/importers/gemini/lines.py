"""Sessions that are appended to, a record a line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Skipped, Unknown
from ..jsonl import read_lines
from ..text import identifier
from .session import Reader

__all__ = ["read_records"]


def read_records(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What the file holds from ``start`` on."""
    reader = Reader.load(path, start.state)
    offset, number = start.offset, start.line
    for line in read_lines(path, start.offset, start.line):
        if line.error is not None:
            yield Skipped(line.number, line.error)
        if line.torn:
            break
        offset, number = line.end, line.number
        if line.record is not None:
            try:
                items = list(_record(reader, line.record, line.key))
            except RecursionError:
                yield Skipped(line.number, "not usable: nested too deeply")
            else:
                yield from items
                items.clear()
        # What was large is not held while the next line is read.
        del line
    yield from reader.finish()
    yield Checkpoint(offset, number, reader.dump())


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
