"""JSON with something odd in some place, for tests that nothing in a file is an exception."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

#: Characters and words that mean something to SQLite, to a terminal or to some format.
_WORDS = (
    "\ud800", "\0", "\x02x\x03", "<", "/", "a" * 300, "\u2028", "data:image/png;base64,", "{",
    "<user_query>", "<command-name>", "<system-reminder>", "2026-13-45T99:99", "user",
    "assistant", "system", "text", "tool_use", "tool_result", "message", "image",
)  # fmt: skip
_KEYS = (
    "type", "text", "content", "id", "output", "messages", "parts", "role", "value", "source",
    "data", "input", "message", "uuid",
)  # fmt: skip

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(_WORDS)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            TEXTS | st.sampled_from(_KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


def places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place inside a JSON value."""
    if at:
        yield at
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in pairs:
            yield from places(inner, (*at, key))


def changed(draw: Any, value: object) -> object:
    """``value`` with something else in some of its places."""
    value = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(value))
        if not found:
            return value
        *path, last = draw(st.sampled_from(found))
        inner: Any = value
        for key in path:
            inner = inner[key]
        if draw(st.booleans()) and isinstance(inner, dict):
            del inner[last]
        else:
            inner[last] = draw(VALUES)
    return value
