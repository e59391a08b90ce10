"""Storing the ids that an export gives to messages without one."""

from __future__ import annotations

import sqlite_utils

from ..generated_ids import GeneratedIds


def store_generated_ids(db: sqlite_utils.Database, conversation_id: int) -> None:
    """Give the messages of a stored conversation that have no id the ones that an export
    gives them."""
    ids = GeneratedIds()
    rows = db.execute(
        "select id, role, kind, ts, content from messages"
        " where conversation_id = ? and source_id is null order by position, id",
        [conversation_id],
    )
    given = [(ids.next(*row[1:]), row[0]) for row in rows]
    db.conn.executemany("update or ignore messages set source_id = ? where id = ?", given)
