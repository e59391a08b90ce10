"""Running canned queries, as whoever has nothing but ``sqlite3`` would."""

from __future__ import annotations

import sqlite3

from benchmarks.conversations import COMMIT, TAGS
from glin_datasette.queries import load

#: What each query is asked where a person would fill in a field; the others run without.
ASKED: dict[str, dict[str, str]] = {
    "by_commit": {"commit": COMMIT[:12]},
    "by_date": {"since": "2025-03-01", "until": "2025-03-31"},
    "by_tag": {"tag": TAGS[0]},
    "count_messages": {"q": "badger"},
    "search_conversations": {"q": "badger"},
    "search_facets": {"q": "badger"},
    "search_messages": {"q": "badger"},
}


def run(connection: sqlite3.Connection, name: str, **asked: str) -> list[object]:
    """All rows of a query. The connection needs the functions of the package."""
    query = load(name)
    return connection.execute(query.sql, parameters(name, **asked)).fetchall()


def parameters(name: str, **asked: str) -> dict[str, str]:
    """Every parameter of a query: empty where nothing is asked."""
    return {param.name: "" for param in load(name).params} | ASKED.get(name, {}) | asked
