"""The SQL functions that the canned queries use."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from ..dates import resolve
from ..errors import FilterError
from .text import MARK_START, contains, match, match_one, rest, snippet

__all__ = ["FUNCTIONS", "register_functions"]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _blank(value: object) -> bool:
    return not _text(value).strip()


def _number(value: object, default: int) -> int:
    """A field's text as a count; what is none stands for ``default``."""
    said = _text(value).strip()
    return min(int(said), 2**31) if said.isascii() and said.isdigit() else default


def _day(value: object, end: bool) -> str | None:
    """A field's text as a moment. ``None`` meets no comparison: a date that is none finds
    nothing, instead of everything."""
    try:
        return resolve(_text(value), end=end)
    except FilterError:
        return None


def _snippet(q: object, content: object, found: object) -> str:
    """What the index shows of a message, if it marks anything there: what was found in the
    parts of words is not marked in the text yet."""
    shown = _text(found)
    return shown if MARK_START in shown else snippet(_text(q), _text(content))


#: Name -> how many arguments, and what it does. In SQL the names begin with ``glin_``.
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "blank": (1, _blank),
    "number": (2, _number),
    "since": (1, lambda value: _day(value, end=False)),
    "until": (1, lambda value: _day(value, end=True)),
    "match": (1, lambda q: match(_text(q))),
    "match_one": (1, lambda q: match_one(_text(q))),
    "rest": (1, lambda q: rest(_text(q))),
    "contains": (2, lambda q, content: contains(_text(q), _text(content))),
    "snippet": (3, _snippet),
}


def register_functions(conn: sqlite3.Connection) -> None:
    """Add the functions to a connection. Registering twice is harmless."""
    if _are_registered(conn):
        return
    for name, (arguments, function) in FUNCTIONS.items():
        # Deterministic, so that SQLite calls those on a parameter once for a query.
        conn.create_function(f"glin_{name}", arguments, function, deterministic=True)


def _are_registered(conn: sqlite3.Connection) -> bool:
    # With a new function SQLite prepares every statement anew, which takes longer than most
    # of them run.
    try:
        conn.execute("select glin_blank('')")
    except sqlite3.OperationalError:
        return False
    return True
