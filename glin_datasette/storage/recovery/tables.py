"""The tables of an archive, and how their rows are told apart where nothing else tells."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..schema import build, newest_version
from .pages import Row, Tree, Value

__all__ = ["ALIKE", "FROM_INDEX", "INDEXES", "Table", "columns_of", "newest_roots", "newest_tables"]

#: The index of each table that tells its rows, and the columns of the table that it holds.
INDEXES = {
    "conversations": ("idx_conversations_source_source_id", ("source", "source_id")),
    "messages": ("idx_messages_narrow", ("id",)),
    "tags": ("idx_tags_name", ("name",)),
    "message_refs": ("sqlite_autoindex_message_refs_1", ("message_id", "ref_type", "ref_value")),
    "conversation_tags": ("sqlite_autoindex_conversation_tags_1", ("conversation_id", "tag_id")),
    "message_tags": ("sqlite_autoindex_message_tags_1", ("message_id", "tag_id")),
    "import_files": ("sqlite_autoindex_import_files_1", ("path",)),
    "deleted_conversations": ("sqlite_autoindex_deleted_conversations_1", ("source", "source_id")),
    "attachments": ("sqlite_autoindex_attachments_1", ("sha256",)),
    "message_attachments": ("sqlite_autoindex_message_attachments_1", ("message_id", "sha256")),
}
#: Of these a row can be made from what the index holds.
FROM_INDEX = {
    "conversations",
    "tags",
    "message_refs",
    "conversation_tags",
    "message_tags",
    "deleted_conversations",
    "message_attachments",
}

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
#: What else is true of the rows of a table, where several have the same columns.
_TRUE_OF: dict[str, Callable[[list[Value]], bool]] = {
    "message_refs": lambda row: not _SHA256.fullmatch(str(row[1])),
    "message_attachments": lambda row: bool(_SHA256.fullmatch(str(row[1]))),
    "deleted_conversations": lambda row: bool(_TIME.match(str(row[2]))),
    "attachments": lambda row: bool(_SHA256.fullmatch(str(row[0]))),
}
#: Two tables that nothing tells apart but what the numbers are numbers of.
ALIKE = {"conversation_tags", "message_tags"}


@dataclass(slots=True)
class Table:
    """A table of the new archive, and what is known of it in the damaged file."""

    name: str
    #: As they are in the damaged file.
    columns: list[str]
    types: dict[str, str]
    required: set[str]
    #: The column that is the rowid, which records leave out.
    id: str | None
    root: int = 0
    tree: Tree = field(default_factory=Tree)
    index: int = 0
    salvaged: int = 0
    cut: int = 0
    #: Rows on its pages that cannot be rows of it.
    refused: int = 0

    @property
    def whole(self) -> bool:
        return bool(self.root) and self.tree.whole and not self.refused

    def fits(self, row: Row, strict: bool) -> bool:
        """Whether ``row`` may be one of this table; ``strict`` where nothing else says so."""
        if not len(row.values) <= len(self.columns):
            return False
        if strict and row.whole and len(row.values) < min(len(self.columns), _least(self.name)):
            return False
        for name, value in zip(self.columns, row.values, strict=False):
            if name == self.id:
                if value is not None:
                    return False
            elif value is None:
                if name in self.required:
                    return False
            elif strict and not isinstance(value, _CLASSES[self.types[name]]):
                return False
        told = _TRUE_OF.get(self.name)
        if not strict or told is None:
            return True
        return len(row.values) >= 2 + (self.name == "deleted_conversations") and told(row.values)

    def named(self, row: Row) -> dict[str, Value]:
        """The row by the names of its columns."""
        values = dict(zip(self.columns, row.values, strict=False))
        if self.id:
            values[self.id] = row.rowid
        return values


_CLASSES: dict[str, type | tuple[type, ...]] = {
    "INTEGER": int,
    "TEXT": str,
    "BLOB": (bytes, str),
}


def _least(table: str) -> int:
    """The fewest columns that a release gave a table."""
    # SQLite does not write again the rows that are there when a column is added.
    return 15 if table == "messages" else 100


def newest_tables() -> Iterator[tuple[str, Table]]:
    with contextlib.closing(build(newest_version())) as db:
        for name in INDEXES:
            columns = db.table(name).columns
            yield (
                name,
                Table(
                    name=name,
                    columns=[column.name for column in columns],
                    types={column.name: column.type for column in columns},
                    required={column.name for column in columns if column.notnull},
                    id=next((c.name for c in columns if c.is_pk and c.type == "INTEGER"), None)
                    if "id" in {column.name for column in columns}
                    else None,
                ),
            )


def newest_roots() -> list[tuple[str, int]]:
    with contextlib.closing(build(newest_version())) as db:
        return db.execute("select name, rootpage from sqlite_master").fetchall()


def columns_of(sql: str) -> list[str]:
    """The columns that a ``CREATE TABLE`` names; none if it is damaged."""
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as conn:
            conn.execute(sql)
            (name,) = conn.execute("select name from sqlite_master").fetchone()
            found = conn.execute("select name from pragma_table_info(?)", [name])
            return [column for (column,) in found]
    except (sqlite3.Error, TypeError, ValueError):
        return []
