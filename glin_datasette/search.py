"""From what a person types to typed hits.

The query language is plain words (see :mod:`glin_datasette.queries.text`) and operators,
anywhere in the text and any number of times::

    tag:  source:  role:  kind:  model:  repo:  file:  commit:  conversation:
    since:  until:      dates, today, yesterday, 7d, 12h, 2026-02

``-tag:x`` leaves out what has it; ``repo:"two words"`` quotes. What only looks like an
operator (``http://…``, ``foo:bar``) is text. Search runs ``queries/search_messages.sql``,
the query that Datasette shows too.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Literal

import sqlite_utils

from . import dates
from .errors import FilterError, UsageError
from .models import Filters, Hit, SearchResult
from .queries import load
from .queries.text import MARK_END, MARK_START, match, register_functions, rest
from .storage import search_available
from .storage.connection import database_path, sqlite_errors, timed

__all__ = [
    "MARK_END",
    "MARK_START",
    "OPERATORS",
    "RANK_WINDOW",
    "Sort",
    "parse",
    "quote",
    "register_functions",
    "search",
    "unparse",
]

Sort = Literal["rank", "newest"]

OPERATORS = (
    "tag",
    "source",
    "role",
    "kind",
    "model",
    "repo",
    "file",
    "commit",
    "conversation",
    "since",
    "until",
)

#: Where a search finds more messages than this, only the newest so many are ranked.
RANK_WINDOW = 20_000

_OPERATOR = re.compile(
    rf'(?<!\S)(?P<no>-)?(?P<name>{"|".join(OPERATORS)}):(?:"(?P<quoted>[^"]*)"?|(?P<value>\S+))'
    r'|"[^"]*(?:"|$)',  # A phrase is text, whatever it holds.
    re.IGNORECASE,
)


def parse(text: str) -> Filters:
    """What a person typed, as filters. Dates are resolved to UTC.

    :raises FilterError: if an operator has a value that it cannot have
    """
    wanted: dict[str, list[str]] = {}
    unwanted: dict[str, list[str]] = {}
    text = text.encode("utf-8", "replace").decode()

    def take(found: re.Match[str]) -> str:
        if not found["name"]:
            return found[0]
        value = found["quoted"] if found["quoted"] is not None else found["value"]
        if value.strip():
            said = unwanted if found["no"] else wanted
            said.setdefault(found["name"].lower(), []).append(value.strip())
        return " "

    words = " ".join(_OPERATOR.sub(take, text).split())
    exclude = _filters("", unwanted) if unwanted else None
    return dataclasses.replace(_filters(words, wanted), exclude=exclude)


def quote(value: str) -> str:
    """``value`` as an operator takes it: in quotes where it needs them."""
    value = value.strip()
    if re.fullmatch(r'[^\s"]\S*', value):
        return value
    # No quote can stand inside quotes.
    return '"{}"'.format(value.replace('"', " ").strip())


def unparse(filters: Filters) -> str:
    """The text that :func:`parse` reads as ``filters``."""
    parts = []
    for sign, said in (("", filters), ("-", filters.exclude)):
        for name in OPERATORS if said else ():
            value = getattr(said, name)
            values = (value,) if isinstance(value, str) else value or ()
            parts += [f"{sign}{name}:{quote(str(value))}" for value in values]
    # Last, because a quote that is never closed runs to the end.
    return " ".join([*parts, filters.text] if filters.text else parts)


def search(
    db: sqlite_utils.Database,
    text: str,
    *,
    sort: Sort = "rank",
    limit: int = 20,
    offset: int = 0,
) -> SearchResult:
    """Find the messages that ``text`` asks for.

    Without words in it the newest messages that pass its filters. Where SQLite lacks
    FTS5, or a word is of a script that the index cannot split, messages are read one by
    one; ``notice`` says so.

    :param sort: ``rank`` (BM25, best first) or ``newest``
    :raises FilterError: if an operator has a value that it cannot have
    :raises UsageError: if ``sort``, ``limit`` or ``offset`` is none that there is
    """
    if sort not in ("rank", "newest"):
        raise UsageError(f"cannot sort by {sort!r}; sort by rank or newest")
    if limit < 0 or offset < 0:
        raise UsageError("limit and offset cannot be negative")
    filters = parse(text)
    with timed("search") as facts, sqlite_errors(database_path(db)):
        register_functions(db.conn)
        indexed = search_available(db)
        total = _total(db, filters) if indexed else None
        sql, params = load("search_messages" if indexed else "scan_messages").filtered(filters)
        rows = db.execute(
            sql,
            {
                **params,
                "q": filters.text,
                "sort": sort,
                "size": min(limit, 2**31),
                "skip": min(offset, 2**31),
                # Known to be all of them, they need not be counted off again.
                "window": RANK_WINDOW if total is not None and total > RANK_WINDOW else 0,
            },
        )
        names = [column[0] for column in rows.description]
        hits = tuple(_hit(dict(zip(names, row, strict=True))) for row in rows)
        if total is None:
            total = _scanned_total(db, filters)
        facts["rows"], facts["total"] = len(hits), total
    ranked = _ranked(filters, sort, total, indexed)
    return SearchResult(
        query=text, total=total, hits=hits, ranked=ranked, notice=_notice(filters, indexed, ranked)
    )


def _total(db: sqlite_utils.Database, filters: Filters) -> int:
    sql, params = load("count_messages").filtered(filters)
    return int(db.execute(sql, {**params, "q": filters.text}).fetchone()[0])


def _scanned_total(db: sqlite_utils.Database, filters: Filters) -> int:
    sql, params = load("scan_messages").filtered(filters)
    everything = {**params, "q": filters.text, "size": -1, "skip": 0}
    return int(db.execute(f"select count(*) from ({sql})", everything).fetchone()[0])


def _hit(row: dict[str, Any]) -> Hit:
    score = row.pop("score")
    return Hit(**row, score=None if score is None else round(score, 4))


def _ranked(filters: Filters, sort: Sort, total: int, indexed: bool) -> str:
    if sort == "newest" or not indexed or match(filters.text) is None:
        return "no"
    return "all" if total <= RANK_WINDOW else f"newest {RANK_WINDOW}"


def _notice(filters: Filters, indexed: bool, ranked: str) -> str | None:
    if not indexed and filters.text:
        return (
            "This SQLite has no FTS5, so every message was read and the hits are not ranked; "
            "install a Python whose sqlite3 has FTS5."
        )
    if rest(filters.text):
        return "Part of the query is not in the index, so the text itself was searched for it."
    if ranked.startswith("newest"):
        return f"So many messages match that only the newest {RANK_WINDOW} were ranked."
    return None


def _filters(words: str, said: dict[str, list[str]]) -> Filters:
    since = [dates.resolve(value) for value in said.pop("since", [])]
    until = [dates.resolve(value, end=True) for value in said.pop("until", [])]
    try:
        conversations = tuple(int(value) for value in said.pop("conversation", []))
        if any(abs(value) >= 2**63 for value in conversations):
            raise ValueError
    except ValueError:
        raise FilterError("conversation: takes the number of a conversation") from None
    filters = Filters(
        text=words,
        since=max(since, default=None),
        until=min(until, default=None),
        conversation=conversations,
    )
    # What is left are the operators that take any text.
    texts: dict[str, Any] = {name: tuple(values) for name, values in said.items()}
    return dataclasses.replace(filters, **texts)
