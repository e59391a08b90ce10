"""What begins to be typed into a menu that jumps to things: which conversations and tags it is."""

from __future__ import annotations

import sqlite_utils

from ..models import Conversation
from .connection import database_path, sqlite_errors, timed
from .query import conversations_by_id

__all__ = ["tags_named", "titled"]


def titled(db: sqlite_utils.Database, typed: str, *, limit: int = 10) -> list[Conversation]:
    """Conversations whose titles hold the words of ``typed`` in this order, or parts of
    words; the newest first. Of an empty text: none."""
    with timed("titled") as facts, sqlite_errors(database_path(db)):
        rows = db.execute(
            "select id from conversations where :pattern <> '%' and title like :pattern escape '\\'"
            " order by ended_at desc, id desc limit :limit",
            {"pattern": _pattern(typed), "limit": limit},
        ).fetchall()
        facts["rows"] = len(rows)
        ids = [row[0] for row in rows]
        found = conversations_by_id(db, ids)
        return [found[row_id] for row_id in ids]


def tags_named(db: sqlite_utils.Database, typed: str, *, limit: int = 10) -> list[str]:
    """Tags that hold ``typed``, likewise; the shortest first."""
    with timed("tags_named"), sqlite_errors(database_path(db)):
        return [
            name
            for (name,) in db.execute(
                "select name from tags where :pattern <> '%' and name like :pattern escape '\\'"
                " order by length(name), name limit :limit",
                {"pattern": _pattern(typed), "limit": limit},
            )
        ]


def _pattern(typed: str) -> str:
    words = typed.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_").split()
    return "%" + "".join(f"{word}%" for word in words)
