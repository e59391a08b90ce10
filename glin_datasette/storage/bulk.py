"""Transactions that write very many messages.

Row by row, the full-text triggers would cost four times as much as everything else
together. A :class:`Bulk` therefore switches them off, and indexes all new rows at once
before it switches them on again. Likewise a loader counts the rows of a batch at once.

Most transcripts are small. A commit for each would wait for the disk as often, and leave the
search index in as many pieces to be merged: that costs more than writing the rows. So loads
that follow each other come :class:`Together` in one transaction, until it holds enough. Each
of them is a savepoint of it: one that fails takes nothing else with it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import sqlite_utils

from .connection import transaction
from .counts import create_count_triggers, drop_count_triggers
from .schema import create_search_triggers, drop_search_triggers, search_available
from .write import link_parents

__all__ = ["Bulk", "Together", "bulk"]

#: Together ends a transaction behind the load that brings it to so many messages, or that
#: ends so many seconds after it began: somebody else may be waiting to write.
_MESSAGES = 5_000
_SECONDS = 0.5


class Bulk:
    """What the loads of one transaction share. Made by :func:`bulk`."""

    def __init__(self, db: sqlite_utils.Database) -> None:
        self.db = db
        self._searchable = search_available(db)
        if self._searchable:
            drop_search_triggers(db, "messages_ai")
        drop_count_triggers(db, "messages_count_insert")
        newest = db.execute("select coalesce(max(id), 0) from messages").fetchone()[0]
        #: The first row of the transaction, and the one that the next message becomes.
        self.began = self.next_id = int(newest) + 1
        #: The first row that is not in the search index yet.
        self.first_id = self.next_id

    def index(self) -> None:
        """Put the rows that were written since the last time into the search index."""
        if self._searchable and self.next_id > self.first_id:
            self.db.execute(
                "insert into messages_fts(rowid, content, parts)"
                " select id, content, parts from messages where id >= ?",
                [self.first_id],
            )
            self.first_id = self.next_id

    def finish(self) -> None:
        """What is left to do once all is written."""
        self.index()
        if self._searchable:
            create_search_triggers(self.db)
        create_count_triggers(self.db)
        link_parents(self.db)


@contextlib.contextmanager
def bulk(db: sqlite_utils.Database) -> Iterator[Bulk]:
    """One transaction: all of it is stored, or nothing."""
    with transaction(db):
        shared = Bulk(db)
        yield shared
        shared.finish()


class Together:
    """Loads within one ``with`` block, each of them a :meth:`part`. Those that are complete
    when the block ends are stored, however it ends."""

    def __init__(self, db: sqlite_utils.Database) -> None:
        self._db = db
        self._running = contextlib.ExitStack()
        self._bulk: Bulk | None = None
        self._began = 0.0

    def __enter__(self) -> Together:
        return self

    def __exit__(self, *why: object) -> None:
        self.commit()

    @contextlib.contextmanager
    def part(self) -> Iterator[Bulk]:
        """One load: all of it is stored together with others, or nothing."""
        if self._bulk is None:
            self._bulk = self._running.enter_context(bulk(self._db))
            self._began = time.monotonic()
        shared = self._bulk
        before = shared.next_id, shared.first_id
        try:
            with transaction(self._db):
                yield shared
        except BaseException:
            shared.next_id, shared.first_id = before
            raise

    def pause(self) -> None:
        """Let others write, if the transaction holds enough."""
        if self._bulk and (
            self._bulk.next_id - self._bulk.began >= _MESSAGES
            or time.monotonic() - self._began >= _SECONDS
        ):
            self.commit()

    def commit(self) -> None:
        """Store what is complete. The next part begins another transaction."""
        running, self._bulk = self._running.pop_all(), None
        # Where the disk is full or fails, SQLite itself has ended it.
        if self._db.conn.in_transaction:
            running.close()
