"""What to do about a search that finds nothing: which parts of it to leave out."""

from __future__ import annotations

import sqlite_utils

from ..language import join, parts, read
from ..models import Loosened
from ..queries.functions import register_functions
from ..storage import search_available
from ..storage.connection import database_path, sqlite_errors, timed
from .looking import look_for

__all__ = ["loosen"]

#: A pasted log has a great many parts, and each of them is a search.
_MOST_PARTS = 12


def loosen(db: sqlite_utils.Database, text: str) -> tuple[Loosened, ...]:
    """What ``text`` would find without one of its words or operators, with any of its words
    instead of all of them, and without all of its operators. What finds nothing is left
    out; the most careful change comes first, with the fewest hits.
    """
    said = parts(text)[:_MOST_PARTS]
    words = [part for part in said if part.name is None]
    operators = [part for part in said if part.name is not None]
    wanted = [part for part in words if not part.excluded]
    asked: dict[str, str | None] = {}
    if len(said) > 1:
        for part in said:
            asked[join(other for other in said if other is not part)] = part.said
    loose: dict[str, str | None] = {}
    if len(wanted) > 1:
        any_of = " OR ".join(part.said for part in wanted)
        loose[join([any_of, *(part for part in words if part.excluded), *operators])] = None
    if len(operators) > 1 and words:
        loose[join(words)] = join(operators)
    with timed("loosen") as facts, sqlite_errors(database_path(db)):
        register_functions(db.conn)
        found = sorted(_counted(db, asked), key=lambda one: one.total)
        found += _counted(db, {q: without for q, without in loose.items() if q not in asked})
        facts["rows"] = len(found)
    return tuple(found)


def _counted(db: sqlite_utils.Database, asked: dict[str, str | None]) -> list[Loosened]:
    indexed = search_available(db)
    counted = []
    for query, without in asked.items():
        found = look_for(db, read(query).filters, indexed=indexed)
        if found.total:
            counted.append(
                Loosened(without=without, query=query, total=found.total, exact=found.exact)
            )
    return counted
