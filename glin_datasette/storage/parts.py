"""Filling in ``messages.parts`` of rows that others wrote: an older release, or a script."""

from __future__ import annotations

import contextlib

import sqlite_utils

from ..errors import ArchiveBusy
from .connection import timed, transaction
from .schema import create_search_triggers, drop_search_triggers, search_available

__all__ = ["complete_parts", "count_due"]

#: Messages, and bytes of text, that are held at a time.
_BATCH = 10_000
_BATCH_TEXT = 16_000_000

# Where there is nothing to add, the index stays as it is.
_ADDED = "from messages where id in (select id from temp.glin_parts where parts <> '')"
_REMOVE = (
    "insert into messages_fts(messages_fts, rowid, content, parts)"
    f" select 'delete', id, content, parts {_ADDED}"
)
_ADD = f"insert into messages_fts(rowid, content, parts) select id, content, parts {_ADDED}"


def count_due(db: sqlite_utils.Database, *, limit: int = 1_000_000) -> int:
    """How many messages the search index knows whole words of only, at most ``limit``."""
    sql = "select count(*) from (select 1 from messages where parts is null limit ?)"
    return int(db.execute(sql, [limit]).fetchone()[0])


def complete_parts(db: sqlite_utils.Database) -> int:
    """Fill in what is missing, each batch in a transaction of its own: what is done stays
    done, whatever happens. Costs next to nothing where nothing is missing, and is left to
    a later time while another process writes.

    :returns: how many rows were filled in
    """
    done = 0
    if not count_due(db, limit=1):
        return done
    with timed("complete_parts") as facts, contextlib.suppress(ArchiveBusy):
        db.execute("create temp table if not exists glin_parts (id integer primary key, parts)")
        while batch := _complete_batch(db):
            done += batch
            facts["rows"] = done
        db.execute("drop table temp.glin_parts")
    return done


def _complete_batch(db: sqlite_utils.Database) -> int:
    # Whenever an archive is opened this module is loaded, and hardly ever anything is missing.
    from ..queries.parts import parts_of

    with transaction(db):
        computed: list[tuple[int, str]] = []
        size = 0
        for message_id, content in db.execute(
            # As bytes, because what others wrote may be no text at all.
            "select id, cast(content as blob) from messages where parts is null"
            " order by id limit ?",
            [_BATCH],
        ):
            computed.append((message_id, parts_of(content.decode(errors="replace"))))
            size += len(content)
            if size >= _BATCH_TEXT:
                break
        if not computed:
            return 0
        db.execute("delete from temp.glin_parts")
        db.conn.executemany("insert into temp.glin_parts values (?, ?)", computed)
        # In statements of many rows each, as a load does it: triggers are many times slower.
        indexed = search_available(db)
        if indexed:
            drop_search_triggers(db)
            db.execute(_REMOVE)
        db.execute(
            "update messages set parts = p.parts from temp.glin_parts as p where messages.id = p.id"
        )
        if indexed:
            db.execute(_ADD)
            create_search_triggers(db)
    return len(computed)
