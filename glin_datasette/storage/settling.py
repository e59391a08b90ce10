"""What is done once the messages of a load are written: their order, whose they are, and
the search index as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlite_utils

from ..models import Conversation
from .connection import timed, transaction
from .schema import search_available
from .write import insert_conversation

__all__ = ["note_fork", "reorder", "set_summary", "settle", "settle_moved"]

#: Rebuilding the index as one segment pays where there are at most so many times the
#: messages that are new.
_OPTIMIZE_ALL = 5
#: Rows of an index that the query planner's statistics are drawn from: reading all of them
#: takes longer than most imports.
_ANALYSIS = 1_000


def reorder(
    db: sqlite_utils.Database,
    conversation_id: int,
    sort_ts: Mapping[int, str],
    in_order: Callable[[int], bool],
) -> None:
    """Number the messages of a conversation by time.

    ``sort_ts``: times to order by that differ from the stored ones, by the messages' ids.
    What was stored before a load is ``in_order`` already; the running maximum of its times
    is what each of those messages was ordered by. So reading a transcript in parts gives
    the same order as reading it at once.
    """
    rows = db.execute(
        "select id, ts, position from messages where conversation_id = ? order by position, id",
        [conversation_id],
    ).fetchall()
    ordered: list[tuple[str, int, int, int]] = []
    latest = ""
    for place, (message_id, ts, position) in enumerate(rows):
        moment = sort_ts.get(message_id) or ts or latest
        if in_order(message_id):
            moment = max(moment, latest)
        latest = moment
        ordered.append((moment, place, message_id, position))
    ordered.sort()
    db.conn.executemany(
        "update messages set position = ? where id = ?",
        [(new, message_id) for new, (_, _, message_id, old) in enumerate(ordered) if new != old],
    )


def settle_moved(db: sqlite_utils.Database, conversation_id: int) -> None:
    """After messages were moved out of or into a conversation: the times and the model of
    those that it holds, and none of it where it holds none."""
    # Its branches stay, and are linked again when it comes back.
    db.execute(
        "update conversations set parent_id = null where parent_id = :id"
        " and not exists (select 1 from messages where conversation_id = :id)",
        {"id": conversation_id},
    )
    db.execute(
        # What somebody has written to it or tagged stays, though it holds nothing any more.
        "delete from conversations where id = :id and notes is null"
        " and id not in (select conversation_id from conversation_tags)"
        " and not exists (select 1 from messages where conversation_id = :id)",
        {"id": conversation_id},
    )
    db.execute(
        "update conversations set (started_at, ended_at) ="
        " (select min(ts), max(ts) from messages where conversation_id = :id),"
        " model = coalesce((select model from messages where conversation_id = :id"
        " and model is not null order by position desc limit 1), model) where id = :id",
        {"id": conversation_id},
    )


def note_fork(db: sqlite_utils.Database, conversation_id: int, origin: int) -> None:
    """Note that a conversation continues ``origin``, unless it has a parent already
    or is itself an ancestor of that one."""
    db.execute(
        "with recursive ancestors(id) as ("
        "  select :origin union select c.parent_id from conversations as c"
        "  join ancestors as a on c.id = a.id where c.parent_id is not null)"
        " update conversations set relation = 'fork', parent_id = :origin,"
        " parent_source_id = (select source_id from conversations where id = :origin)"
        " where id = :id and parent_id is null and parent_source_id is null"
        " and id not in (select id from ancestors)",
        {"id": conversation_id, "origin": origin},
    )


def set_summary(db: sqlite_utils.Database, source: str, leaf: str, title: str) -> bool:
    """Title the conversation of ``source`` that holds the record ``leaf``.

    :returns: whether there is one
    """
    found = db.execute(
        "select c.source_id from messages as m indexed by idx_messages_source_id"
        " join conversations as c on c.id = m.conversation_id"
        " where c.source = ? and m.source_id >= ? and m.source_id < ?"
        " and (m.source_id = ? or m.source_id like '%#%') limit 1",
        [source, leaf, leaf + "$", leaf],
    ).fetchone()
    if not found:
        return False
    insert_conversation(
        db, Conversation(source=source, source_id=found[0], title=title, title_from="summary")
    )
    return True


def settle(db: sqlite_utils.Database, added: int) -> None:
    """After ``added`` messages were loaded: merge the search index and refresh what the
    query planner knows, where that is worth it."""
    if not added:
        return
    # In transactions of their own, which wait for others who write.
    with timed("settle") as facts:
        # All of them are counted only where most are new.
        few = "select count(*) from (select 1 from messages limit ?)"
        most = added * _OPTIMIZE_ALL
        with transaction(db):
            if search_available(db) and db.execute(few, [most + 1]).fetchone()[0] <= most:
                db.execute("insert into messages_fts(messages_fts) values ('optimize')")
                facts["optimized"] = True
        with transaction(db):
            db.execute(f"pragma analysis_limit = {_ANALYSIS}")
            db.execute("pragma optimize")
