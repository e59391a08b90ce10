"""Telling sessions of pi from files of other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..records import cut_line, records_in
from .tree import KINDS

__all__ = ["identify"]

#: The beginning of a header that goes on behind the head.
_HEADER = re.compile(
    rb'\{"type":\s*"session",\s*(?:"version":\s*\d+,\s*)?"id":\s*"[^"]+",\s*"timestamp":\s*"'
)


def identify(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is a header or an entry of pi."""
    if any(map(_is_record, records_in(head))):
        return True
    return _HEADER.match(cut_line(head)) is not None


def _is_record(record: Mapping[str, object]) -> bool:
    kind = record.get("type")
    if kind == "session":
        times = isinstance(record.get("id"), str) and isinstance(record.get("timestamp"), str)
        return times and isinstance(record.get("cwd"), str)
    if not isinstance(kind, str) or kind not in KINDS or "parentId" not in record:
        return False
    return isinstance(record.get("id"), str) and isinstance(record.get("timestamp"), str)
