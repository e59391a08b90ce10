"""Which conversations of a large store did not change since it was read last.

The note of what was read goes into a checkpoint, so it is bounded: conversations share
buckets, and each bucket has one digest of all that it holds. Whatever happens to one of
them (it grows, is renamed, goes, or a late one comes) changes the digest, and its bucket is
read again as a whole. So nothing new is ever passed over.
"""

from __future__ import annotations

from collections.abc import Mapping

from .text import digest

__all__ = ["note", "unchanged"]

#: Hexadecimal digits of an id's digest that name its bucket: 256 buckets.
_NAME = 2
_DIGITS = 12


def note(marks: Mapping[str, str]) -> dict[str, str]:
    """What to remember. ``marks`` has a text for each conversation that differs whenever
    the conversation does."""
    return {name: _digest(held) for name, held in sorted(_buckets(marks).items())}


def unchanged(marks: Mapping[str, str], before: object) -> frozenset[str]:
    """The conversations that are as they were when ``before`` was noted."""
    if not isinstance(before, Mapping):
        return frozenset()
    return frozenset(
        id
        for name, held in _buckets(marks).items()
        if before.get(name) == _digest(held)
        for id in held
    )


def _buckets(marks: Mapping[str, str]) -> dict[str, dict[str, str]]:
    buckets: dict[str, dict[str, str]] = {}
    for id, mark in marks.items():
        buckets.setdefault(digest(id)[:_NAME], {})[id] = mark
    return buckets


def _digest(held: Mapping[str, str]) -> str:
    return digest("\n".join(f"{id}\0{mark}" for id, mark in sorted(held.items())))[:_DIGITS]
