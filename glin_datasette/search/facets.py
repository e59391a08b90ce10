"""What the messages that a query finds have in common, with ``queries/search_facets.sql``."""

from __future__ import annotations

from collections import Counter
from datetime import date

import sqlite_utils

from ..language import read
from ..models import Bucket, SearchFacets, Step
from ..queries import load
from ..queries.functions import register_functions
from ..storage import search_available
from ..storage.connection import database_path, one_moment, sqlite_errors, timed
from .looking import look_for
from .periods import Period, containing

__all__ = ["FACETS", "facets"]

#: The facets that count values, by the operators that filter by them.
FACETS = ("tag", "source", "repo", "role", "kind", "model")

#: A histogram has at most so many bars, if years are not too short for that.
_MOST_BUCKETS = {"day": 45, "week": 60, "month": 60}
_MOST_YEARS = 200


def facets(db: sqlite_utils.Database, text: str) -> SearchFacets:
    """Count the messages that ``text`` asks for by tag, source, repository, role, kind,
    model and month, and over time.

    The filters of ``text`` hold for every facet. The messages are those of
    :func:`~glin_datasette.search.search`.
    """
    filters = read(text).filters
    with timed("facets") as facts, sqlite_errors(database_path(db)), one_moment(db):
        register_functions(db.conn)
        indexed = search_available(db)
        found = look_for(db, filters, indexed=indexed)
        sql, params = load("search_facets", indexed=indexed).filtered(filters, found.look)
        rows = db.execute(sql, {**params, "q": filters.text, "window": found.total}).fetchall()
        counts: dict[str, dict[str, int]] = {}
        for facet, value, messages in rows:
            counts.setdefault(facet, {})[value or ""] = messages
        facts["rows"] = len(rows)
    total = counts.get("message", {}).get("", 0)
    days = _days(counts.get("day", {}))
    step = _step(days)
    return SearchFacets(
        messages=total,
        conversations=counts.get("conversation", {}).get("", 0),
        exact=found.exact,
        **{name: counts.get(name, {}) for name in FACETS},
        month=_months(days),
        step=step,
        buckets=_buckets(days, step) if step else (),
    )


def _days(counts: dict[str, int]) -> dict[date, int]:
    """In order of time."""
    days = {}
    for said, messages in reversed(counts.items()):
        try:
            days[date.fromisoformat(said)] = messages
        except ValueError:
            continue  # SQLite knows years that no calendar has.
    return days


def _months(days: dict[date, int]) -> dict[str, int]:
    months: Counter[str] = Counter()
    for day, messages in reversed(days.items()):
        months[day.isoformat()[:7]] += messages
    return dict(months)


def _step(days: dict[date, int]) -> Step | None:
    """The shortest step that makes no more buckets than there is room for."""
    if not days:
        return None
    first, last = min(days), max(days)
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    long = (last - first).days + 1
    if long <= _MOST_BUCKETS["day"]:
        return "day"
    if long <= _MOST_BUCKETS["week"] * 7:
        return "week"
    return "month" if months <= _MOST_BUCKETS["month"] else "year"


def _buckets(days: dict[date, int], step: Step) -> tuple[Bucket, ...]:
    counts: Counter[Period] = Counter()
    for day, messages in days.items():
        counts[containing(day, step)] += messages
    last = max(counts)
    period: Period | None = min(counts)
    while period and period < last and len(counts) < _MOST_YEARS:
        period = period.shifted(1)
        if period:
            counts[period] += 0
    return tuple(
        Bucket(since=period.since, until=period.until, messages=messages)
        for period, messages in sorted(counts.items())
    )
