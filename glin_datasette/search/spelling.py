"""Words of a query that are nowhere in the archive, and the nearest ones that are."""

from __future__ import annotations

import difflib
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import sqlite_utils

from ..language import read
from ..models import Suggestion
from ..queries.text import plain_words
from ..storage import search_available
from ..storage.connection import connect, database_path, sqlite_errors, timed

__all__ = ["suggest"]

#: Seconds that the words of the index are looked through for one query.
_SECONDS = 0.06
#: Shorter words are near to too many others.
_SHORTEST = 4
#: How alike two words must be, from 0 to 1: one slip in a word of five letters is 0.8.
_ALIKE = 0.74


def suggest(db: sqlite_utils.Database, text: str) -> tuple[Suggestion, ...]:
    """For each word of a query that no message has, one that is like it and that messages
    do have, the more frequent the better; and the query with that word in its place.

    Not for phrases, beginnings of words, numbers, filters, scripts without spaces, and
    where there is no index. Looks for a bounded time.
    """
    path = database_path(db)
    words = plain_words(read(text).filters.text)
    words = [word for word in words if len(word) >= _SHORTEST]
    if path is None or not words or not search_available(db):
        return ()
    with timed("suggest"), sqlite_errors(path):
        unknown = [word for word in words if not _is_known(db, word)]
        if not unknown:
            return ()
        # A list of the index's words is a table, and the given connection may make none.
        with closing(connect(path, readonly=True)) as own:
            own.execute(
                "create virtual table temp.words using fts5vocab('main', 'messages_fts', 'row')"
            )
            deadline = time.monotonic() + _SECONDS
            found = [(word, _nearest(own.conn, word.lower(), deadline)) for word in unknown]
    return tuple(
        Suggestion(word=word, instead=instead, query=_replaced(text, word, instead))
        for word, instead in found
        if instead is not None
    )


def _is_known(db: sqlite_utils.Database, word: str) -> bool:
    sql = "select 1 from messages_fts where messages_fts match ? limit 1"
    return db.execute(sql, [f'"{word}"']).fetchone() is not None


def _nearest(conn: sqlite3.Connection, word: str, deadline: float) -> str | None:
    known: dict[str, int] = {}
    for term, messages in _around(conn, word):
        if abs(len(term) - len(word)) <= 2 and term.isalpha():
            known[term] = messages
        if time.monotonic() > deadline:
            break
    alike = difflib.get_close_matches(word, known, n=8, cutoff=_ALIKE)

    def merit(term: str) -> tuple[float, int]:
        return round(difflib.SequenceMatcher(None, word, term).ratio(), 1), known[term]

    return max(alike, key=merit, default=None)


def _around(conn: sqlite3.Connection, word: str) -> Iterator[tuple[str, int]]:
    """Words of the index that begin like ``word``, the nearest beginnings first: slips are
    rare in the first letter, but two may have changed places."""
    for start in dict.fromkeys((word[:2], word[1] + word[0], word[0])):
        yield from conn.execute(
            "select term, doc from temp.words where term >= ? and term < ?",
            [start, start[:-1] + chr(ord(start[-1]) + 1)],
        )


def _replaced(text: str, word: str, instead: str) -> str:
    return re.sub(rf"(?<!\S){re.escape(word)}(?!\S)", instead, text, count=1)
