"""Where a search looks, and how many messages it finds there.

What a person types should take the same short time in an archive of a thousand messages and in
one of a million. So a search counts, ranks and groups the newest :data:`MOST` hits and says so
where there are more; and it goes through the matches of its words only as far as it takes to
find these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlite_utils

from ..models import Filters
from ..queries import EVERYWHERE, Look, load
from ..queries.text import effort, match
from .stretches import Stretches, stretches_of

__all__ = ["MOST", "Found", "look_for"]

#: Hits that are counted, ranked and grouped at most.
MOST = 10_000

#: Where a filter lets much through, it is asked of so many of the newest matches; if so many
#: of them pass, of no others.
_LOOKED_AT = 20_000
_ENOUGH = 500

#: Stretches in which words are looked for one by one, by what that takes the index each time.
_ONE_BY_ONE = {"word": 2_000, "words": 200, "prefix": 2}
#: Ids that are looked up for each match instead. In stretches of more, the words are looked for
#: between the first and the last.
_AMONG = 50_000

#: Ids in stretches all of whose messages may be sorted by time, and all of whose hits.
_SORTED = 20_000
_SORTED_HITS = 5_000


@dataclass(frozen=True, slots=True)
class Found:
    """How much a search finds."""

    #: At most :data:`MOST`.
    total: int
    #: Whether that is all; else there are at least so many.
    exact: bool
    #: Where these are.
    look: Look
    #: Where to look for the newest, one after the other.
    newest: Look


def look_for(db: sqlite_utils.Database, filters: Filters, *, indexed: bool) -> Found:
    """Where the messages are that ``filters`` ask for, and how many.

    The functions of :func:`~glin_datasette.queries.functions.register_functions` are there.

    :param indexed: whether the archive has a search index
    """
    if not indexed:
        total = _count(db, filters, EVERYWHERE, indexed=False)
        return Found(min(total, MOST), total <= MOST, EVERYWHERE, EVERYWHERE)
    if match(filters.text) is None:
        return _by_filters(db, filters)
    if replace(filters, text="") == Filters():
        return _found(db, filters, EVERYWHERE)
    return _by_words(db, filters)


def _by_filters(db: sqlite_utils.Database, filters: Filters) -> Found:
    # In order of time messages come by themselves.
    if replace(filters, text="", since=None, until=None) == Filters():
        return _found(db, filters, EVERYWHERE)
    stretches, settled = stretches_of(db, filters)
    if stretches is None:
        return _found(db, filters, EVERYWHERE)
    look = Look(stretches.spans, settled=settled)
    return _found(db, filters, look, EVERYWHERE if stretches.width > _SORTED else look)


def _by_words(db: sqlite_utils.Database, filters: Filters) -> Found:
    if _count(db, Filters(text=filters.text), EVERYWHERE) <= MOST:
        return _found(db, filters, EVERYWHERE)
    stretches, settled = stretches_of(db, filters)
    if stretches is None:
        return _sample(db, filters, EVERYWHERE) or _found(db, filters, EVERYWHERE)
    between = _between(stretches, settled)
    if stretches.width > _AMONG:
        return _sample(db, filters, between) or _found(db, filters, between)
    if len(stretches.spans) < 2:
        # In one stretch matches come newest first by themselves.
        return _found(db, filters, between)
    apart = len(stretches.spans) > _ONE_BY_ONE[effort(filters.text)]
    inside = Look(stretches.spans, among=apart, settled=settled)
    return _found(db, filters, inside, inside if stretches.width <= _SORTED_HITS else between)


def _between(stretches: Stretches, settled: frozenset[str]) -> Look:
    """From the first id of all to the last."""
    if not stretches.spans:
        return Look(())
    alone = settled if len(stretches.spans) == 1 else frozenset[str]()
    return Look(first=stretches.spans[0][0], last=stretches.spans[-1][1], settled=alone)


def _sample(db: sqlite_utils.Database, filters: Filters, look: Look) -> Found | None:
    """What is found among the newest matches of the words, if that is enough."""
    oldest = db.execute(
        "select rowid from messages_fts where messages_fts match glin_match(:q)"
        f" {look.within} order by rowid desc limit 1 offset :skip",
        {**look.params, "q": filters.text, "skip": _LOOKED_AT},
    ).fetchone()
    if oldest is None:
        return None
    found = _found(db, filters, replace(look, first=oldest[0]), look)
    return replace(found, exact=False) if found.total >= _ENOUGH else None


def _found(
    db: sqlite_utils.Database, filters: Filters, look: Look, newest: Look | None = None
) -> Found:
    total = _count(db, filters, look)
    return Found(min(total, MOST), total <= MOST, look, newest or look)


def _count(db: sqlite_utils.Database, filters: Filters, look: Look, *, indexed: bool = True) -> int:
    """One more than :data:`MOST` if there are more."""
    sql, params = load("count_messages", indexed=indexed).filtered(filters, look)
    row = db.execute(sql, {**params, "q": filters.text, "most": MOST + 1}).fetchone()
    return int(row[0])
