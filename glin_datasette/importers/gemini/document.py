"""Sessions that are one document, which is written anew as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Skipped
from ..documents import Element, read_elements, read_members
from ..text import digest, identifier
from .session import Reader

__all__ = ["read_document"]


def read_document(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What the file holds; what an earlier reading found and is gone was rewound."""
    gone = Reader.load(path, start.state).records
    there = len(gone)
    reader = Reader(path)
    whole = True
    with path.open("rb") as file:
        reader.facts(read_members(file, "messages"))
        file.seek(0)
        for element in read_elements(file, "messages"):
            if error := _error(element):
                whole = False
                yield Skipped(None, f"message {element.number}: {error}")
                continue
            record = element.value
            try:
                own = _name(record)
                items = list(reader.message(record, own))
            except RecursionError:
                yield Skipped(None, f"message {element.number}: nested too deeply")
                continue
            gone.pop(own, None)
            yield from items
            items.clear()
    if whole and len(gone) < there:
        yield from reader.moved(gone)
    yield from reader.finish()
    yield Checkpoint(state=reader.dump())


def _error(element: Element) -> str | None:
    if element.error is not None:
        return element.error
    return None if isinstance(element.value, dict) else "not a JSON object"


def _name(record: dict[str, Any]) -> str:
    return identifier(record.get("id")) or f"line-{digest(json.dumps(record))}"
