"""Which messages of one conversation a query finds: the hits to go through while reading."""

from __future__ import annotations

from dataclasses import replace

import sqlite_utils

from ..language import read
from ..models import Filters
from ..storage.query import message_ids

__all__ = ["MOST_HITS", "hits_inside"]

#: Nobody goes through more of them one by one.
MOST_HITS = 2000


def hits_inside(db: sqlite_utils.Database, text: str, conversation_id: int) -> tuple[int, ...]:
    """The ids of the messages of a conversation that ``text`` finds, in its order, the
    first :data:`MOST_HITS` of them.

    None if ``text`` only says which conversations are meant: all of them would be hits.
    """
    filters = read(text).filters
    if not _about_messages(filters):
        return ()
    filters = replace(filters, conversation=(conversation_id,))
    return tuple(message_ids(db, filters, limit=MOST_HITS))


def _about_messages(filters: Filters) -> bool:
    return bool(
        filters.text or filters.file or filters.commit or filters.role or filters.kind
        or filters.model
    )  # fmt: skip
