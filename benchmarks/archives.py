"""Archives for measuring: whole ones of any size, written straight into the schema.

Usage: python -m benchmarks.archives MESSAGES FILE [mixed|short|long]

An import would do, but is what is to be measured, and takes several times as long. This writes
rows by ``executemany`` and indexes the text once, at the end. What it makes is an archive like
any other, and the same for the same size and style.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import sqlite_utils

from benchmarks.conversations import Told, conversations
from benchmarks.text import Style, Writer
from glin_datasette.queries.parts import parts_of
from glin_datasette.storage import get_db
from glin_datasette.storage.schema import create_search_triggers, drop_search_triggers
from glin_datasette.storage.write import CONVERSATION_COLUMNS, MESSAGE_COLUMNS, message_values

#: Messages that are held in memory before they are written, or a few more.
_BATCH = 5_000

_BESIDE = ("-wal", "-shm")


def write_archive(path: Path, messages: int, style: Style = "mixed") -> None:
    """Make an archive of so many messages at ``path``. It appears there once it is whole."""
    unfinished = path.with_name(path.name + ".unfinished")
    for left in (unfinished, *(unfinished.with_name(unfinished.name + e) for e in _BESIDE)):
        left.unlink(missing_ok=True)
    with contextlib.closing(get_db(unfinished)) as db:
        fill_archive(db, conversations(Writer(style=style), messages))
        db.execute("pragma wal_checkpoint(truncate)")
    unfinished.rename(path)


def fill_archive(db: sqlite_utils.Database, told: Iterable[Told]) -> None:
    """Write conversations into an archive that holds none yet."""
    # Durable it becomes as a whole, by its name.
    db.execute("pragma synchronous = off")
    # All of an index in one segment without a merge, then optimized: see docs/performance.md.
    db.execute("insert into messages_fts(messages_fts, rank) values ('hashsize', 67108864)")
    with db.atomic():
        drop_search_triggers(db)
        rows = _Rows()
        for each in told:
            rows.add(each)
            if len(rows.messages) > _BATCH:
                rows.write(db)
        rows.write(db)
        db.execute(
            "insert into messages_fts(rowid, content, parts)"
            " select id, content, parts from messages"
        )
        db.execute("insert into messages_fts(messages_fts) values ('optimize')")
        create_search_triggers(db)
    db.execute("insert into messages_fts(messages_fts, rank) values ('hashsize', 1048576)")
    db.execute("pragma optimize")


@dataclass(slots=True)
class _Rows:
    """Rows by their table, and the ids that the next ones get."""

    conversations: list[list[object]] = field(default_factory=list)
    messages: list[list[object]] = field(default_factory=list)
    refs: list[tuple[int, str, str]] = field(default_factory=list)
    conversation_tags: list[tuple[int, int]] = field(default_factory=list)
    message_tags: list[tuple[int, int]] = field(default_factory=list)
    files: list[tuple[object, ...]] = field(default_factory=list)
    #: All tags so far, by name: what was not written yet is at the end.
    tags: dict[str, int] = field(default_factory=dict)
    conversation_id: int = 0
    message_id: int = 0
    written_tags: int = 0

    def add(self, told: Told) -> None:
        self.conversation_id += 1
        conversation = told.conversation
        self.conversations.append(
            [self.conversation_id, *(getattr(conversation, name) for name in CONVERSATION_COLUMNS)]
        )
        self.conversation_tags += [(self.conversation_id, self._tag(t)) for t in conversation.tags]
        path = f"/home/someone/.{conversation.source}/{conversation.source_id}.jsonl"
        size = 0
        for position, message in enumerate(told.messages):
            self.message_id += 1
            self.messages.append(
                [
                    self.message_id,
                    self.conversation_id,
                    position,
                    *message_values(message),
                    parts_of(message.content),
                ]
            )
            self.refs += [(self.message_id, ref.type, ref.value) for ref in message.refs]
            self.message_tags += [(self.message_id, self._tag(t)) for t in message.tags]
            size += len(message.content)
        self.files.append((path, conversation.source, size, 0, size, conversation.ended_at))

    def _tag(self, name: str) -> int:
        return self.tags.setdefault(name, len(self.tags) + 1)

    def write(self, db: sqlite_utils.Database) -> None:
        """Write them, and begin anew."""
        new_tags = [(n, name) for name, n in self.tags.items() if n > self.written_tags]
        self.written_tags = len(self.tags)
        _insert(db, "conversations", ("id", *CONVERSATION_COLUMNS), self.conversations)
        _insert(
            db,
            "messages",
            ("id", "conversation_id", "position", *MESSAGE_COLUMNS, "parts"),
            self.messages,
        )
        _insert(db, "message_refs", ("message_id", "ref_type", "ref_value"), self.refs)
        _insert(db, "tags", ("id", "name"), new_tags)
        _insert(db, "conversation_tags", ("conversation_id", "tag_id"), self.conversation_tags)
        _insert(db, "message_tags", ("message_id", "tag_id"), self.message_tags)
        columns = ("path", "format", "size", "mtime_ns", "offset", "imported_at")
        _insert(db, "import_files", columns, self.files)
        for rows in (self.conversations, self.messages, self.refs, self.files):
            rows.clear()
        self.conversation_tags.clear()
        self.message_tags.clear()


def _insert(
    db: sqlite_utils.Database, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    db.conn.executemany(
        f"insert into {table} ({', '.join(columns)}) values ({', '.join('?' * len(columns))})", rows
    )


if __name__ == "__main__":
    size, file, *rest = sys.argv[1:]
    if not set(rest) <= set(get_args(Style)):
        sys.exit(f"a style is one of {', '.join(get_args(Style))}")
    write_archive(Path(file), int(size), *rest)  # type: ignore[arg-type]
