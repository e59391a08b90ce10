"""Conversations and messages as JSON: what ``--json`` prints, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from ..models import Conversation, Message

__all__ = ["conversation_json", "message_json", "render_json"]


def conversation_json(conversation: Conversation) -> dict[str, Any]:
    """A conversation with every field that it has, in the order of the model."""
    return asdict(conversation) | {"tags": list(conversation.tags)}


def message_json(message: Message) -> dict[str, Any]:
    """A message with every field that is stored, in the order of the model."""
    data = asdict(message)
    del data["sort_ts"]
    return data | {
        "refs": [{"type": ref.type, "value": ref.value} for ref in message.refs],
        "tags": list(message.tags),
        "attachments": [
            {name: getattr(each, name) for name in ("sha256", "media_type", "size", "name")}
            for each in message.attachments
        ],
    }


def render_json(conversation: Conversation, messages: Iterable[Message]) -> Iterator[str]:
    """One JSON document in pieces: ``{"conversation": {…}, "messages": [{…}, …]}``."""
    yield '{"conversation": ' + json.dumps(conversation_json(conversation), ensure_ascii=False)
    yield ', "messages": ['
    separator = "\n"
    for message in messages:
        yield separator + json.dumps(message_json(message), ensure_ascii=False)
        separator = ",\n"
    yield "\n]}\n"
