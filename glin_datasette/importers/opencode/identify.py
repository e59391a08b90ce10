"""Telling the files of opencode from those of other formats."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

from ..jsonl import BadLine, decode
from ..sqlite_file import Unreadable, columns, is_database, reading
from .layout import SESSION

__all__ = ["has_tables", "is_ours", "is_session", "session_id"]

#: Members that tell a session's document from others that have an id.
_KEYS = frozenset({"directory", "projectID", "slug", "time", "title", "version"})
_BEGINS = re.compile(
    rb'\s*\{\s*"id"\s*:\s*"ses_\w{1,100}"\s*,\s*'
    rb'"(?:directory|parentID|projectID|slug|time|title|version)"\s*:'
)

#: What each table has, if it is opencode's.
_COLUMNS = {
    "message": {"data", "id", "session_id", "time_created", "time_updated"},
    "part": {"data", "id", "message_id", "session_id", "time_updated"},
    "project": {"id", "worktree"},
    "session": {"directory", "id", "parent_id", "project_id", "time_created", "time_updated"}
    | {"title", "version"},
}


def is_session(head: bytes) -> bool:
    """Whether it is a session's document."""
    try:
        return session_id(decode(head)) is not None
    except BadLine:
        pass
    return _BEGINS.match(head) is not None


def session_id(info: dict[str, Any]) -> str | None:
    """The id of a session, if the document is one."""
    id = info.get("id")
    found = isinstance(id, str) and SESSION.fullmatch(id) and not _KEYS.isdisjoint(info)
    return str(id) if found else None


def is_ours(path: Path, head: bytes) -> bool:
    """Whether it is a database with opencode's tables."""
    if not is_database(head):
        return False
    try:
        with reading(path, ()) as conn:
            return has_tables(conn)
    except (OSError, Unreadable):
        return False


def has_tables(conn: sqlite3.Connection) -> bool:
    """Whether a database has opencode's tables, with their columns."""
    return all(wanted <= columns(conn, table) for table, wanted in _COLUMNS.items())
