"""``/-/glin/search``: what a query finds, what it has in common, and what else to ask."""

from __future__ import annotations

from typing import Any

import sqlite_utils
from datasette import Response

from ...language import read
from ...models import Hit, SearchFacets, SearchResult
from ...search import FACETS, facets, loosen, suggest
from ...search import search as find
from ...search.periods import wider
from ..compat import TAG
from ..narrowing import Narrowing, loosened
from ..page import Asked, Payload

#: Hits on a page, and how many may be asked for.
SIZE, MOST = 30, 200
#: Values of a facet that are told of.
_VALUES = 50


async def search(asked: Asked) -> Response:
    """Find messages. ``?fragment=1`` gives the results alone, for search.js; with
    ``?typing=1`` the last word may be unfinished."""
    q, sort = asked.argument("q"), asked.argument("sort").lower() or "rank"
    size = max(1, asked.number("size", SIZE, most=MOST))
    skip = asked.number("skip", (max(1, asked.number("page", 1)) - 1) * size)
    typing = bool(asked.argument("typing"))

    def run(db: sqlite_utils.Database) -> Payload:
        return _found(db, q, sort, size, skip, typing)

    payload = await asked.read(run)
    payload["may_tag"] = await asked.may(TAG)
    fragment = asked.argument("fragment") and not asked.json
    return await asked.shown("hits" if fragment else "search", payload)


def _found(
    db: sqlite_utils.Database, q: str, sort: Any, size: int, skip: int, typing: bool
) -> Payload:
    result = find(db, q, sort=sort, limit=size, offset=skip)
    if typing and not result.total and (unfinished := _unfinished(q)):
        begun = find(db, unfinished, sort=sort, limit=size, offset=skip)
        if begun.total:
            result, q = begun, unfinished
    counted = facets(db, q)
    narrowing = Narrowing(q)
    return {
        "q": q,
        "sort": sort,
        "size": size,
        "skip": skip,
        "page": skip // size + 1,
        "pages": -(-result.total // size),
        "total": result.total,
        "exact": result.exact,
        "ranked": result.ranked,
        "notice": result.notice,
        "filters": narrowing.chips(),
        "conversations": _grouped(result),
        "facets": _facets(narrowing, counted),
        "histogram": _histogram(narrowing, q, counted),
        "suggestions": [
            {"word": one.word, "instead": one.instead, "q": one.query} for one in suggest(db, q)
        ],
        "loosen": loosened(loosen(db, q)) if q and not result.total else [],
    }


def _unfinished(q: str) -> str | None:
    """``q`` with its last word as the beginning of one, if it can be."""
    words = [part for part in Narrowing(q).parts if part.name is None]
    if not words or not q.endswith(words[-1].said) or words[-1].said.endswith(('"', "*")):
        return None
    return f"{q}*"


def _grouped(result: SearchResult) -> list[Payload]:
    """The hits of a page by their conversations, in the order of the best hit of each."""
    groups: dict[int, list[Hit]] = {}
    for hit in result.hits:
        groups.setdefault(hit.conversation_id, []).append(hit)
    return [
        {
            "conversation_id": conversation,
            "title": hits[0].title,
            "source": hits[0].source,
            "repo_root": hits[0].repo_root,
            "ts": hits[0].ts,
            "hits": [
                {
                    "message_id": hit.message_id,
                    "role": hit.role,
                    "kind": hit.kind,
                    "ts": hit.ts,
                    "snippet": hit.snippet,
                    "score": hit.score,
                }
                for hit in hits
            ],
        }
        for conversation, hits in groups.items()
    ]


def _facets(narrowing: Narrowing, counted: SearchFacets) -> Payload:
    told: Payload = {
        "exact": counted.exact,
        "messages": counted.messages,
        "conversations": counted.conversations,
    }
    for name in FACETS:
        counts: dict[str, int] = getattr(counted, name)
        told[name] = [
            {
                "value": value,
                "count": count,
                "selected": bool(narrowing.said(name, value)),
                "q": narrowing.toggled(name, value),
            }
            for value, count in list(counts.items())[:_VALUES]
        ]
    told["month"] = []
    for month, count in list(counted.month.items())[:_VALUES]:
        selected = bool(narrowing.said("since", month) and narrowing.said("until", month))
        q = narrowing.at_any_time() if selected else narrowing.within(month, month)
        told["month"].append({"value": month, "count": count, "selected": selected, "q": q})
    return told


def _histogram(narrowing: Narrowing, q: str, counted: SearchFacets) -> Payload:
    filters = read(q).filters
    period = wider(filters)
    bounded = filters.since or filters.until
    return {
        "step": counted.step,
        "most": max((bucket.messages for bucket in counted.buckets), default=0),
        "buckets": [
            {
                "since": bucket.since,
                "until": bucket.until,
                "count": bucket.messages,
                "q": narrowing.within(bucket.since, bucket.until),
            }
            for bucket in counted.buckets
        ],
        # Where there are bounds in time: a wider query, and the one without any.
        "wider": narrowing.in_period(period) if period else None,
        "wider_step": period.step if period else None,
        "any_time": narrowing.at_any_time() if bounded else None,
    }
