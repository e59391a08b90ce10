"""What a search finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Bucket", "Hit", "Loosened", "SearchFacets", "SearchResult", "Step", "Suggestion"]

Step = Literal["day", "week", "month", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One message that a search found.

    ``snippet`` marks the words that were found with ``\\x02`` before and ``\\x03`` after
    (control characters that stored text never holds), so that each front end can mark
    them in its own way. ``score`` is BM25 turned positive: larger is better; ``None``
    where nothing was ranked.
    """

    conversation_id: int
    message_id: int
    title: str | None
    source: str
    repo_root: str | None
    role: str
    kind: str
    ts: str | None
    snippet: str
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A page of hits. ``total`` counts all of them, not only this page; where ``exact`` is
    false there are at least so many.

    ``ranked`` says how they are ordered: ``"all"`` by rank over every hit,
    ``"newest N"`` by rank over the newest N hits and nothing older, ``"no"`` newest first.
    ``notice`` is a sentence for people where the result is not what it would normally be.
    """

    query: str
    total: int
    exact: bool
    hits: tuple[Hit, ...]
    ranked: str
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A stretch of time and the messages in it. ``since`` and ``until`` are its first and
    its last day, as the operators of that name take them: ``2026-02-09``, ``2026-02``."""

    since: str
    until: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFacets:
    """What the messages that a search found have in common: value -> how many of them,
    the most frequent first. A message has its own tags and those of its conversation.

    Where there are very many, ``exact`` is false: only the newest ``messages`` of them
    were counted. Months and ``buckets`` are those of the local time zone; ``buckets``
    cover the time from the first message to the last in one ``step`` each, without a gap
    unless that takes centuries.
    """

    messages: int
    conversations: int
    exact: bool
    tag: dict[str, int]
    source: dict[str, int]
    repo: dict[str, int]
    role: dict[str, int]
    kind: dict[str, int]
    model: dict[str, int]
    #: ``2026-02`` -> messages, newest month first.
    month: dict[str, int]
    step: Step | None
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened:
    """A query that asks for less, and how much it finds. ``without`` is what was taken out
    of it; ``None`` where nothing was, but any of its words is enough."""

    without: str | None
    query: str
    total: int
    #: Whether that is all; else it finds at least so many.
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A word of a query that no message has, one like it that some have, and the query
    with that one ``instead``."""

    word: str
    instead: str
    query: str
