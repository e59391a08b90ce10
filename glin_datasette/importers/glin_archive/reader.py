"""From the rows of an archive to what they were made of."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from ...dates import normalise_time
from ...generated_ids import GeneratedIds
from ...models import (
    KINDS,
    RELATIONS,
    ROLES,
    Attachment,
    Conversation,
    Message,
    Ref,
    RefType,
    TitleFrom,
)
from ..base import Checkpoint, File, Item, Said, Skipped
from ..sqlite_file import Unreadable, columns, reading

__all__ = ["NEWEST_SCHEMA", "read"]

#: The newest schema version that this module knows.
NEWEST_SCHEMA = 4

_STEPS = "_sqlite_migrations"
_TABLES = frozenset(
    {_STEPS, "conversations", "messages", "message_refs", "tags", "conversation_tags"}
    | {"message_tags", "attachments", "message_attachments"}
)
_CONVERSATION = (
    "source", "source_id", "parent_source_id", "relation", "title", "title_from", "started_at",
    "ended_at", "client", "transport", "model", "repo_root", "git_branch", "notes",
)  # fmt: skip
_MESSAGE = (
    "role", "kind", "content", "ts", "model", "token_in", "token_out", "token_cached",
    "tool_name", "tool_call_id", "is_error", "source_id",
)  # fmt: skip

#: What a column may hold, where it may not hold any text; ``None`` is told apart below.
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "role": ROLES,
    "kind": KINDS,
    "relation": RELATIONS,
    "title_from": get_args(TitleFrom),
}
_TIMES = frozenset({"ts", "started_at", "ended_at"})
_NUMBERS = frozenset({"token_in", "token_out", "token_cached", "is_error"})
_REQUIRED = frozenset({"source", "source_id", "role", "kind", "content"})

#: An archive's own texts are as long as it holds them, as far as SQLite goes.
_MAX_VALUE = 10**9
#: Sorts before every time.
_FIRST = "0"


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """Conversations in order of time, each with its messages."""
    try:
        with reading(path, _TABLES) as conn:
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
            if error := _refusal(conn):
                yield Skipped(None, error)
            else:
                yield from _Archive(conn).items()
    except Unreadable as ex:
        yield Skipped(None, str(ex))
    yield Checkpoint()


def _refusal(conn: sqlite3.Connection) -> str | None:
    """Why this is no archive that can be read."""
    if not {"migration_set", "name"} <= columns(conn, _STEPS):
        return "is no archive of glin: it has no schema version"
    steps = conn.execute(f"select name from {_STEPS} where migration_set = 'glin'")
    versions = [int(name[:4]) for (name,) in steps if str(name)[:4].isdecimal()]
    if not versions:
        return "is no archive of glin: it has no schema version"
    if max(versions) > NEWEST_SCHEMA:
        return (
            f"written by a newer release (schema {max(versions)}; this one knows up to "
            f"{NEWEST_SCHEMA}); upgrade with 'pip install --upgrade glin-datasette'"
        )
    return None


class _Archive:
    """Turns the rows of an archive into items."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._columns = {
            "conversations": [n for n in _CONVERSATION if n in columns(conn, "conversations")],
            "messages": [name for name in _MESSAGE if name in columns(conn, "messages")],
        }
        self._has_attachments = bool(columns(conn, "message_attachments"))
        #: Digests of the files that were yielded.
        self._files: set[str] = set()

    def items(self) -> Iterator[Item]:
        """All of it."""
        for row_id, values in self._rows("conversations", "order by started_at, id"):
            if error := _damage(values, _REQUIRED & set(_CONVERSATION)):
                yield Skipped(None, f"conversation {row_id}: {error}")
                continue
            conversation = Conversation(**values, tags=self._tags("conversation", row_id))
            yield conversation
            yield from self._messages(row_id, conversation.source_id)

    def _messages(self, conversation_id: int, source_id: str) -> Iterator[Item]:
        ids = GeneratedIds()
        latest = _FIRST
        where = "where conversation_id = ? order by position, id"
        for row_id, values in self._rows("messages", where, conversation_id):
            # Scripts may have stored messages without an id.
            if error := _damage(values, _REQUIRED & set(_MESSAGE) - {"source_id"}):
                yield Skipped(None, f"message {row_id}: {error}")
                continue
            values["is_error"] = bool(values["is_error"])
            if values["source_id"] is None:
                said = (values[name] for name in ("role", "kind", "ts", "content"))
                values["source_id"] = ids.next(*said)
            # Messages stay in the order that they have there, whatever their times are.
            latest = max(latest, values["ts"] or "")
            attachments = self._attachments(row_id)
            yield from self._new_files(attachments)
            yield Said(
                source_id,
                Message(
                    **values,
                    sort_ts=latest,
                    refs=self._refs(row_id),
                    tags=self._tags("message", row_id),
                    attachments=attachments,
                ),
            )

    def _rows(self, table: str, rest: str, *params: object) -> Iterator[tuple[int, dict[str, Any]]]:
        """(id, values) of rows. What an older archive has no column for is left out."""
        there = self._columns[table]
        sql = f"select id, {', '.join(there)} from {table} {rest}"
        for row_id, *row in self._conn.execute(sql, params):
            yield row_id, dict(zip(there, row, strict=True))

    def _tags(self, owner: str, row_id: int) -> tuple[str, ...]:
        rows = self._conn.execute(
            f"select name from {owner}_tags as j join tags as t on t.id = j.tag_id"
            f" where j.{owner}_id = ? order by name",
            [row_id],
        )
        return tuple(name for (name,) in rows if isinstance(name, str) and name.strip())

    def _refs(self, message_id: int) -> tuple[Ref, ...]:
        rows = self._conn.execute(
            "select ref_type, ref_value from message_refs where message_id = ?"
            " order by ref_type, ref_value",
            [message_id],
        )
        return tuple(
            Ref(kind, value)
            for kind, value in rows
            if kind in get_args(RefType) and isinstance(value, str) and value
        )

    def _attachments(self, message_id: int) -> tuple[Attachment, ...]:
        if not self._has_attachments:
            return ()
        rows = self._conn.execute(
            "select a.sha256, a.media_type, a.size, m.name from message_attachments as m"
            " join attachments as a on a.sha256 = m.sha256 where m.message_id = ?"
            " order by m.rowid",
            [message_id],
        )
        return tuple(
            Attachment(sha256=sha256, media_type=media_type, size=size, name=name)
            for sha256, media_type, size, name in rows
            if isinstance(sha256, str) and isinstance(media_type, str)
        )

    def _new_files(self, attachments: tuple[Attachment, ...]) -> Iterator[Item]:
        for each in attachments:
            if each.sha256 is None or each.sha256 in self._files:
                continue
            self._files.add(each.sha256)
            sql = "select data from attachments where sha256 = ?"
            (data,) = self._conn.execute(sql, [each.sha256]).fetchone()
            if isinstance(data, bytes):
                yield File(
                    Attachment(
                        media_type=each.media_type, size=each.size, sha256=each.sha256, data=data
                    )
                )


def _damage(values: Mapping[str, Any], required: frozenset[str]) -> str | None:
    """What is wrong with a row that no release wrote."""
    for name, value in values.items():
        if value is None:
            wrong = name in required
        elif name in _NUMBERS:
            wrong = not isinstance(value, int)
        elif not isinstance(value, str):
            wrong = True
        elif name in _TIMES:
            wrong = normalise_time(value) != value
        else:
            wrong = name in _CHOICES and value not in _CHOICES[name]
        if wrong:
            return f"{name} cannot be {str(value)[:40]!r}"
    return None
