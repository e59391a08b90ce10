"""What an archive holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Overview", "Recent", "Stats", "TagCount", "Tally"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """A tag, and how many conversations and messages have it."""

    name: str
    conversations: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A repository or a model, and how many messages are of it."""

    name: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A conversation with the number of its messages, as lists show it."""

    conversation_id: int
    title: str | None
    source: str
    repo_root: str | None
    git_branch: str | None
    model: str | None
    started_at: str | None
    ended_at: str | None
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What an archive holds, at a glance. Days are those of the local time zone.

    ``days`` are the 53 weeks up to ``last_day``, Monday first, each day with its messages.
    ``weeks`` has the same weeks, by their Mondays, with the messages of each source.
    """

    conversations: int
    messages: int
    token_in: int
    token_out: int
    token_cached: int
    first_ts: str | None
    last_ts: str | None
    #: When something was last imported.
    last_import: str | None
    #: Transcript files of which some records could not be read.
    damaged_files: int
    #: Conversations by source, the most first.
    sources: dict[str, int]
    today: str
    last_day: str
    days: dict[str, int]
    weeks: dict[str, dict[str, int]]
    tags: tuple[TagCount, ...]
    repositories: tuple[Tally, ...]
    models: tuple[Tally, ...]
    #: The newest, without the runs of subagents.
    recent: tuple[Recent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the archive holds. The mappings count messages, tokens those of all models."""

    conversations: int
    messages: int
    refs: int
    tags: int
    first_ts: str | None
    last_ts: str | None
    token_in: int
    token_out: int
    token_cached: int
    by_source: dict[str, int]
    by_role: dict[str, int]
    by_kind: dict[str, int]
    by_model: dict[str, int]
    #: ``2026-02`` -> messages, newest month first.
    by_month: dict[str, int]
