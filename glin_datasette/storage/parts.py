"""Filling in ``messages.parts`` of rows that others wrote: an older release, or a script."""

from __future__ import annotations

import sqlite_utils

from ..queries.parts import parts_of
from .connection import timed, transaction
from .schema import create_search_triggers, drop_search_triggers, search_available

__all__ = ["complete_parts", "count_due"]

#: Rows at a time.
_BATCH = 500
#: With more rows than this it is faster to make the index anew than to let it follow.
_MANY = 2000


def count_due(db: sqlite_utils.Database, *, limit: int = 1_000_000) -> int:
    """How many messages the search index knows whole words of only, at most ``limit``."""
    sql = "select count(*) from (select 1 from messages where parts is null limit ?)"
    return int(db.execute(sql, [limit]).fetchone()[0])


def complete_parts(db: sqlite_utils.Database) -> int:
    """Fill in what is missing, all of it or nothing. Costs next to nothing where nothing
    is missing.

    :returns: how many rows were filled in
    """
    if not count_due(db, limit=1):
        return 0
    with timed("complete_parts") as facts, transaction(db):
        anew = search_available(db) and count_due(db, limit=_MANY + 1) > _MANY
        if anew:
            drop_search_triggers(db)
        done = 0
        while rows := db.execute(
            "select id, content from messages where parts is null order by id limit ?", [_BATCH]
        ).fetchall():
            db.conn.executemany(
                "update messages set parts = ? where id = ?",
                [(parts_of(content), row_id) for row_id, content in rows],
            )
            done += len(rows)
        if anew:
            db.execute("insert into messages_fts(messages_fts) values ('rebuild')")
            create_search_triggers(db)
        facts["rows"] = done
    return done
