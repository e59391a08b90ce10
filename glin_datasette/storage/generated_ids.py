"""Ids for the messages of a conversation that have none in their source.

An export needs them, so that importing it twice adds nothing; an import into the archive
that the export came from needs the same ones, so that it adds nothing there.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter

import sqlite_utils


class GeneratedIds:
    """Makes the ids of one conversation: equal for equal messages in equal order."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def next(self, role: str, kind: str, ts: str | None, content: str) -> str:
        """The id of the next message without one, in the conversation's order."""
        said = json.dumps([role, kind, ts, content])
        digest = hashlib.blake2b(said.encode(), digest_size=16)
        self._seen[digest.digest()] += 1
        nth = self._seen[digest.digest()]
        return f"glin:{digest.hexdigest()}" + (f":{nth}" if nth > 1 else "")


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
