"""Telling the files of Cursor from those of other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..jsonl import BadLine, decode
from ..sqlite_file import is_database, table_names
from ..text import string

__all__ = ["MARKERS", "ROLES", "TABLE", "is_agent", "is_editor"]

#: The table of the editor that is read.
TABLE = "cursorDiskKV"

#: What the records of an agent's transcript are.
ROLES = ("user", "assistant")
MARKERS = frozenset({"turn_ended"})
#: The beginning of a record whose end is not there.
_CUT = re.compile(
    rb'\s*\{\s*"role"\s*:\s*"(?:user|assistant)"\s*,\s*"message"\s*:\s*\{\s*"content"\s*:\s*[\["]'
)


def is_editor(path: Path, head: bytes) -> bool:
    """Whether it is a database with the table that only Cursor has."""
    return is_database(head) and TABLE in table_names(path)


def is_agent(head: bytes) -> bool:
    """Whether a line has a role, a message with content, and nothing else."""
    lines = head.split(b"\n")
    for line in lines[:-1]:
        try:
            record = decode(line)
        except BadLine:
            continue
        if _is_record(record):
            return True
        if string(record.get("type")) not in MARKERS:
            return False
    try:
        return _is_record(decode(lines[-1]))
    except BadLine:
        return _CUT.match(lines[-1]) is not None


def _is_record(record: Mapping[str, Any]) -> bool:
    message = record.get("message")
    return (
        record.keys() == {"role", "message"}
        and record["role"] in ROLES
        and isinstance(message, dict)
        and message.keys() == {"content"}
    )
