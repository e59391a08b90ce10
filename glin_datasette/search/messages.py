"""Messages that a query finds, with ``queries/search_messages.sql``."""

from __future__ import annotations

from typing import Any, Literal

import sqlite_utils

from ..errors import UsageError
from ..language import read
from ..models import Filters, Hit, SearchResult
from ..queries import load
from ..queries.functions import register_functions
from ..queries.text import match, rest
from ..storage import search_available
from ..storage.connection import database_path, one_moment, sqlite_errors, timed
from ..storage.schema import has_fts5
from .looking import MOST, Found, look_for

__all__ = ["Sort", "search"]

Sort = Literal["rank", "newest"]


def search(
    db: sqlite_utils.Database,
    text: str,
    *,
    sort: Sort = "rank",
    limit: int = 20,
    offset: int = 0,
) -> SearchResult:
    """Find the messages that ``text`` asks for. Any text asks for something.

    Without words in it the newest messages that pass its filters. Where SQLite lacks
    FTS5, or a word is of a script that the index cannot split, messages are read one by
    one; ``notice`` says so.

    :param sort: ``rank`` (BM25, best first) or ``newest``
    :raises UsageError: if ``sort``, ``limit`` or ``offset`` is none that there is
    """
    if sort not in ("rank", "newest"):
        raise UsageError(f"cannot sort by {sort!r}; sort by rank or newest")
    if limit < 0 or offset < 0:
        raise UsageError("limit and offset cannot be negative")
    reading = read(text)
    filters = reading.filters
    with timed("search") as facts, sqlite_errors(database_path(db)), one_moment(db):
        register_functions(db.conn)
        indexed = search_available(db)
        found = look_for(db, filters, indexed=indexed)
        sql, params = load("search_messages", indexed=indexed).filtered(
            filters, found.newest if sort == "newest" or match(filters.text) is None else found.look
        )
        rows = db.execute(
            sql,
            {
                **params,
                "q": filters.text,
                "sort": sort,
                "size": min(limit, 2**31),
                "skip": min(offset, 2**31),
                "hits": found.total if found.exact else MOST,
                "window": found.total,
            },
        )
        names = [column[0] for column in rows.description]
        hits = tuple(_hit(dict(zip(names, row, strict=True))) for row in rows)
        facts["rows"], facts["total"] = len(hits), found.total
    ranked = _ranked(filters, sort, found, indexed)
    notices = [*(f"{told}, so it was searched for as text." for told in reading.refused)]
    notices += _notices(filters, indexed, ranked, has_fts5(db))
    return SearchResult(
        query=text,
        total=found.total,
        exact=found.exact,
        hits=hits,
        ranked=ranked,
        notice=" ".join(notices) or None,
    )


def _hit(row: dict[str, Any]) -> Hit:
    score = row.pop("score")
    return Hit(**row, score=None if score is None else round(score, 4))


def _ranked(filters: Filters, sort: Sort, found: Found, indexed: bool) -> str:
    if sort == "newest" or not indexed or match(filters.text) is None:
        return "no"
    return "all" if found.exact else f"newest {found.total}"


def _notices(filters: Filters, indexed: bool, ranked: str, fts5: bool) -> list[str]:
    if not indexed and filters.text:
        why, help = (
            ("The search index is missing or of an older release", "run 'glin-datasette migrate'")
            if fts5
            else ("This SQLite has no FTS5", "install a Python whose sqlite3 has FTS5")
        )
        return [f"{why}, so every message was read and the hits are not ranked; {help}."]
    if rest(filters.text):
        return ["Part of the query is not in the index, so the text itself was searched for it."]
    if ranked.startswith("newest"):
        return [f"So many messages match that only the {ranked} were ranked."]
    return []
