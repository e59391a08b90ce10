"""What an archive would hold after the items of one or more readings of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from glin_datasette.importers.base import (
    Checkpoint,
    Importer,
    Item,
    Moved,
    Said,
    Skipped,
    Unknown,
    Usage,
)
from glin_datasette.models import KINDS, ROLES, TITLE_RANK, Conversation, Message


def read_from(
    importer: Importer, path: Path, start: Checkpoint | None = None
) -> tuple[list[Item], Checkpoint]:
    """The items of one reading, and where the next one starts, as the archive keeps it."""
    *items, end = importer.read(path, start or Checkpoint())
    assert isinstance(end, Checkpoint)
    return items, Checkpoint(end.offset, end.line, json.loads(json.dumps(end.state)))


def archived(items: Iterable[Item]) -> dict[str, Any]:
    """Each message once, where it is in the end; of conversations the latest facts and the
    best title; each kind of damage once."""
    told: dict[str, dict[str, Any]] = {}
    held: dict[str, tuple[str, Message]] = {}
    problems: set[tuple[Any, ...]] = set()
    for item in items:
        if isinstance(item, Conversation):
            known = told.setdefault(item.source_id, {"title_from": None})
            facts = asdict(item)
            title, source = facts.pop("title"), facts.pop("title_from")
            known.update({k: v for k, v in facts.items() if v is not None})
            if title and TITLE_RANK[source] >= TITLE_RANK[known["title_from"]]:
                known.update(title=title, title_from=source)
        elif isinstance(item, Said):
            assert item.conversation in told
            assert item.message.role in ROLES
            assert item.message.kind in KINDS
            id = item.message.source_id
            assert id
            if id not in held or held[id][0] == item.conversation:
                held[id] = (item.conversation, item.message)
        elif isinstance(item, Usage):
            owner, message = held.get(item.message, ("", Message(role="assistant")))
            if owner == item.conversation and (item.token_out or 0) >= (message.token_out or 0):
                held[item.message] = (
                    owner,
                    replace(
                        message,
                        token_in=item.token_in,
                        token_out=item.token_out,
                        token_cached=item.token_cached,
                    ),
                )
        elif isinstance(item, Moved):
            assert item.conversation in told
            for id in item.messages:
                if id in held:
                    _, message = held.pop(id)
                    held[id] = (item.conversation, message)
        elif isinstance(item, Skipped):
            # A line that was still being written is whole in the next reading.
            if not item.error.startswith("cut off"):
                problems.add((item.line, item.error))
        elif isinstance(item, Unknown):
            problems.add((item.kind,))
    messages: dict[str, list[Any]] = {}
    for owner, message in held.values():
        messages.setdefault(owner, []).append(message)
    return {
        "conversations": {id: facts for id, facts in told.items() if id in messages},
        "messages": messages,
        "problems": problems,
    }


def storable(items: Iterable[Item]) -> None:
    """Everything in ``items`` is text that the archive can keep."""
    for item in items:
        for text in _texts(asdict(item)):
            text.encode()
            assert not {"\0", "\x02", "\x03"} & set(text)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name not in ("data", "state"):
                yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
