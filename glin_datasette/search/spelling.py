"""Words of a query that are nowhere in the archive, and the nearest ones that are."""

from __future__ import annotations

import json
import re
import sqlite3
import time
import unicodedata
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
#: Two slips in a word shorter than this make it a different one.
_SHORTEST_OF_TWO = 6


def suggest(db: sqlite_utils.Database, text: str) -> tuple[Suggestion, ...]:
    """For each word of a query that no message has, one that is like it and that messages
    do have: the one with the fewest slips, and of those the most frequent. Letters that are
    missing, wrong, added or have changed places are slips, one or two of them, the first
    letter's excepted. And the query, with all such words replaced.

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
            found = {word: _nearest(own.conn, _folded(word), deadline) for word in unknown}
    meant = {word: instead for word, instead in found.items() if instead is not None}
    query = text
    for word, instead in meant.items():
        query = re.sub(rf"(?<!\S){re.escape(word)}(?!\S)", instead, query)
    return tuple(
        Suggestion(word=word, instead=instead, query=query) for word, instead in meant.items()
    )


def _is_known(db: sqlite_utils.Database, word: str) -> bool:
    sql = "select 1 from messages_fts where messages_fts match ? limit 1"
    return db.execute(sql, [f'"{word}"']).fetchone() is not None


def _folded(word: str) -> str:
    """As the index has it: small letters without accents."""
    letters = unicodedata.normalize("NFD", word.lower())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _nearest(conn: sqlite3.Connection, word: str, deadline: float) -> str | None:
    # What one slip makes of a word is few enough to be looked up, however large the index is.
    near = conn.execute(
        "select w.term, w.doc from json_each(?) as near cross join temp.words as w"
        " where w.term = near.value",
        [json.dumps(sorted(_one_slip_from(word)))],
    ).fetchall()
    if not near and len(word) >= _SHORTEST_OF_TWO:
        for term, messages in _around(conn, word):
            if term.isalpha() and _slips(word, term) == 2:
                near.append((term, messages))
            if time.monotonic() > deadline:
                break
    return max(near, key=lambda found: found[1], default=(None,))[0]


def _one_slip_from(word: str) -> set[str]:
    # Of the alphabet that its letters are of, which are 32 in a row for most.
    rows = {ord(letter) & ~31 for letter in word}
    alphabet = [c for row in rows for c in map(chr, range(row, row + 32)) if c.islower()]
    near = {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    for i in range(1, len(word) + 1):
        begin, end = word[:i], word[i:]
        near |= {begin + end[1:]} | {begin + c + rest for c in alphabet for rest in (end, end[1:])}
    return near - {word}


def _around(conn: sqlite3.Connection, word: str) -> Iterator[tuple[str, int]]:
    """Words of the index that begin like ``word``, the nearest beginnings first: slips are
    rare in the first letter, but two may have changed places."""
    for start in dict.fromkeys((word[:3], word[:2], word[1] + word[0], word[0])):
        yield from conn.execute(
            "select term, doc from temp.words where term >= ? and term < ?"
            " and length(term) between ? and ?",
            [start, start[:-1] + chr(ord(start[-1]) + 1), len(word) - 2, len(word) + 2],
        )


def _slips(one: str, other: str) -> int:
    """How many slips make one word of the other; 3 for more than two."""
    if len(set(one) ^ set(other)) > 4:
        return 3  # Each slip brings in or takes away at most two letters.
    before, last = [0] * (len(other) + 1), list(range(len(other) + 1))
    for i, a in enumerate(one):
        row = [i + 1]
        for j, b in enumerate(other):
            least = min(last[j] + (a != b), last[j + 1] + 1, row[j] + 1)
            if i and j and a == other[j - 1] and b == one[i - 1]:
                least = min(least, before[j - 1] + 1)
            row.append(least)
        before, last = last, row
    return min(last[-1], 3)
