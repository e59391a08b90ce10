"""The tables of ``logs.db``, whichever of them and of their columns a version of llm made."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from ..jsonl import BadLine
from ..sqlite_file import columns, json_value, select
from ..text import identifier

__all__ = ["TABLES", "Row", "Tables", "as_id", "as_json"]

#: All that is ever read.
TABLES = frozenset(
    {"conversations", "responses", "attachments", "prompt_attachments", "fragments"}
    | {"prompt_fragments", "system_fragments", "tool_calls", "tool_results"}
    | {"tool_results_attachments", "threads", "turns", "messages", "parts"}
)

Row = dict[str, Any]


class Tables:
    """Rows of the database by what their columns are called; a column that this version
    does not have is ``None``, and a table that it does not have is empty."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self.conn = conn
        self._columns: dict[str, frozenset[str]] = {}

    def has(self, table: str) -> bool:
        """Whether there is such a table."""
        return bool(self._known(table))

    def rows(
        self, table: str, wanted: Sequence[str], where: str, *parameters: object, order: str = ""
    ) -> list[Row]:
        """Columns of the rows that meet a condition.

        :raises Unreadable: if one of them is damaged or too large
        """
        known = self._known(table)
        if not known:
            return []
        found = [f'"{name}"' if name in known else "null" for name in wanted]
        sql = f'select {", ".join(found)} from "{table}" where {where}'
        if order:
            sql += f" order by {order}"
        return [dict(zip(wanted, row, strict=True)) for row in select(self.conn, sql, parameters)]

    def row(self, table: str, wanted: Sequence[str], id: object, key: str = "id") -> Row | None:
        """The row that ``id`` names."""
        return next(iter(self.rows(table, wanted, f'"{key}" = ?', id)), None)

    def _known(self, table: str) -> frozenset[str]:
        if table not in self._columns:
            self._columns[table] = columns(self.conn, table)
        return self._columns[table]


def as_id(value: object) -> str | None:
    """An id as text. Python's own numbers are ids in some tables."""
    return str(value) if type(value) is int else identifier(value)


def as_json(value: object) -> Any:
    """What a JSON column holds; ``None`` if that is damaged."""
    try:
        return json_value(value)
    except BadLine:
        return None
