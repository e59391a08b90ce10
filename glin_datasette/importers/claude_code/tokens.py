"""Counting the tokens of a reply once, though its usage stands on each of its lines."""

from __future__ import annotations

from typing import Any

from ..text import count, identifier, string
from .state import REPLIES, Reply, State, remember

__all__ = ["model_of", "reply_of"]

_MAX_MODEL = 200


def model_of(record: dict[str, Any]) -> str | None:
    """The model that wrote a record; the client's own words have none."""
    message = record.get("message")
    model = string(message.get("model")) if isinstance(message, dict) else None
    return model if model and model != "<synthetic>" and len(model) <= _MAX_MODEL else None


def reply_of(record: dict[str, Any], state: State, conversation: str) -> Reply | None:
    """The reply of a record, if the record says more of its tokens than was known, or no
    message carries them yet.

    The usage grows while a reply is written: the one with the largest output is right.
    """
    message = record.get("message")
    if record.get("type") != "assistant" or not isinstance(message, dict):
        return None
    usage = message.get("usage")
    if not isinstance(usage, dict) or message.get("model") == "<synthetic>":
        return None
    output = count(usage.get("output_tokens"))
    cached = count(usage.get("cache_read_input_tokens"))
    parts = [
        count(usage.get("input_tokens")),
        count(usage.get("cache_creation_input_tokens")),
        cached,
    ]
    told = [part for part in parts if part is not None]
    if output is None and not told:
        return None
    found = Reply(conversation, None, sum(told) if told else None, output or 0, cached)
    reply = identifier(message.get("id"))
    if reply is None:
        return found
    key = f"{reply} {identifier(record.get('requestId')) or ''}"
    known = state.replies.get(key)
    if known is None:
        remember(state.replies, key, found, REPLIES)
        return found
    if found.token_out > known.token_out:
        known.token_in = found.token_in
        known.token_out = found.token_out
        known.token_cached = found.token_cached
        return known
    return known if known.message is None else None
