"""Telling the database of llm from others."""

from __future__ import annotations

from pathlib import Path

from ..sqlite_file import is_database, table_names

__all__ = ["identify"]


def identify(path: Path, head: bytes) -> bool:
    """Whether it is a database with the tables of either generation."""
    if not is_database(head):
        return False
    names = table_names(path)
    return "_llm_migrations" in names and (
        {"conversations", "responses"} <= names
        or {"threads", "turns", "messages", "parts"} <= names
    )
