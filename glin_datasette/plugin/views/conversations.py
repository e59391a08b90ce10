"""``/-/glin/conversations``: the conversations that a query is about, newest first."""

from __future__ import annotations

from datetime import date

import sqlite_utils
from datasette import Response

from ...language import Reading, read
from ...models import Conversation
from ...search import loosen
from ...search.periods import STEPS, Period, asked_for, containing, day_of
from ...storage import (
    conversations_by_id,
    count_conversations,
    message_counts,
    query_conversations,
)
from ..narrowing import Narrowing, loosened
from ..page import Asked, Payload
from ..shown import local

#: Conversations on a page, and how many may be asked for.
SIZE, MOST = 50, 200

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_SHOWN = (
    "id",
    "title",
    "relation",
    "parent_id",
    "source",
    "repo_root",
    "git_branch",
    "model",
    "started_at",
    "ended_at",
    "tags",
)


async def conversations(asked: Asked) -> Response:
    """List conversations, a page at a time."""
    q = asked.argument("q")
    size = max(1, asked.number("size", SIZE, most=MOST))
    skip = asked.number("skip", (max(1, asked.number("page", 1)) - 1) * size)
    reading = read(q)

    def run(db: sqlite_utils.Database) -> Payload:
        return _found(db, q, reading, size, skip)

    payload = await asked.read(run)
    narrowing = Narrowing(q)
    return await asked.shown(
        "conversations",
        payload,
        days=_by_day(payload["conversations"], day_of(reading.filters.until)),
        periods={step: narrowing.in_period(containing(date.today(), step)) for step in STEPS},
        on_day=lambda day: narrowing.in_period(Period(day, "day")),
        weekday=_weekday,
        clock=_clock,
    )


def _found(db: sqlite_utils.Database, q: str, reading: Reading, size: int, skip: int) -> Payload:
    # Without a query also those that hold no message.
    filters = reading.filters if q else None
    found = query_conversations(db, filters, limit=size, offset=skip)
    total = count_conversations(db, filters)
    counts = message_counts(db, {c.id for c in found if c.id is not None})
    parents = conversations_by_id(db, {c.parent_id for c in found if c.parent_id is not None})
    narrowing = Narrowing(q)
    return {
        "q": q,
        "size": size,
        "skip": skip,
        "page": skip // size + 1,
        "pages": -(-total // size),
        "total": total,
        "notice": " ".join(f"{told}, so it was searched for as text." for told in reading.refused)
        or None,
        "words": reading.filters.text,
        "filters": narrowing.chips(),
        "period": _period(narrowing, asked_for(reading.filters)),
        "conversations": [
            {
                **{name: getattr(c, name) for name in _SHOWN},
                "parent_title": _title(parents.get(c.parent_id or 0)),
                "messages": counts.get(c.id or 0, 0),
            }
            for c in found
        ],
        "loosen": loosened(loosen(db, q)) if q and not total else [],
    }


def _title(conversation: Conversation | None) -> str | None:
    return conversation.title if conversation else None


def _period(narrowing: Narrowing, period: Period | None) -> Payload | None:
    """The period that is asked for, and the queries for those before and after it."""
    if period is None:
        return None
    before, after = period.shifted(-1), period.shifted(1)
    later = after is not None and after.first <= date.today()
    return {
        "step": period.step,
        "first": period.first.isoformat(),
        "last": period.last.isoformat(),
        "before": narrowing.in_period(before) if before else None,
        "after": narrowing.in_period(after) if after and later else None,
    }


def _weekday(day: date | str) -> str:
    """``Wednesday 2026-02-11``, whatever the language of this machine."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return f"{_WEEKDAYS[day.weekday()]} {day.isoformat()}"


def _clock(ts: str) -> str:
    moment = local(ts)
    return moment.strftime("%H:%M") if moment else ""


def _by_day(shown: list[Payload], until: date | None) -> list[tuple[date | None, list[Payload]]]:
    """What a page shows under each day: the conversations that were going on last then,
    with those of their children that are under the same day below them.

    Where an end is asked for, later days count as that one.
    """
    days: dict[date | None, dict[int, Payload]] = {}
    for conversation in shown:
        day = day_of(conversation["ended_at"])
        day = min(day, until) if day and until else day
        days.setdefault(day, {})[conversation["id"]] = {**conversation, "children": []}
    told = []
    for day, here in days.items():
        for conversation in here.values():
            parent = here.get(conversation["parent_id"])
            conversation["nested"] = parent is not None and _root_of(conversation, here)
            if conversation["nested"] and parent:
                parent["children"].append(conversation)
        told.append((day, [one for one in here.values() if not one["nested"]]))
    return told


def _root_of(conversation: Payload, here: dict[int, Payload]) -> bool:
    """Whether going up from parent to parent ends; a damaged archive may hold a circle."""
    seen = set()
    at: Payload | None = conversation
    while at and at["id"] not in seen:
        seen.add(at["id"])
        at = here.get(at["parent_id"])
    return at is None
