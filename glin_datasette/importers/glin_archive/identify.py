"""Telling an archive from other databases."""

from __future__ import annotations

from pathlib import Path

from ..sqlite_file import is_database, table_names

__all__ = ["identify"]

#: "glin", where SQLite's header has the id of the application.
_APPLICATION_ID = b"glin"
_HEADER_END = 72
_STEPS = "_sqlite_migrations"


def identify(path: Path, head: bytes) -> bool:
    """Whether it is a database with the id or the tables of an archive."""
    if not is_database(head):
        return False
    if head[_HEADER_END - 4 : _HEADER_END] == _APPLICATION_ID:
        return True
    # A new archive that is open has its first page in the WAL.
    try:
        return {_STEPS, "conversations", "messages", "message_refs"} <= table_names(path)
    except (OSError, ValueError):
        return False
