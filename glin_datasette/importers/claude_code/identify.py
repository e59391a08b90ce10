"""Telling transcripts of Claude Code from files of other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..documents import outline
from ..jsonl import BadLine, decode
from ..records import cut_line, records_in
from .kinds import KNOWN

__all__ = ["identify"]

#: Keys that tell Claude Code's records from those of others that have a type as well.
_KEYS = frozenset({"leafUuid", "messageId", "parentUuid", "sessionId", "uuid"})
#: What stands before the first object, list or long text on a line.
_SCALARS = re.compile(rb'\{(?:"\w+"\s*+:\s*+(?:null|true|false|[\d.]++|"[^"\\]*+")\s*+,\s*+)+')
#: Keys that a line of which only the beginning is known has beside the session.
_CUT_KEYS = frozenset(
    {
        "cwd",
        "gitBranch",
        "isSidechain",
        "message",
        "parentUuid",
        "toolUseResult",
        "userType",
        "uuid",
    }
)
_CUT_LINE = re.compile(rb'"(?:parentUuid|sessionId)"\s*:\s*(?:null|"[0-9a-f-]{36}")')


def identify(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is a record of Claude Code."""
    others = False
    for record in records_in(head):
        if _is_record(record):
            return True
        others = True
    cut = cut_line(head)
    if others or not cut.startswith(b"{"):
        return False
    begins = _SCALARS.match(cut)
    if begins and _begins_record(begins[0]):
        return True
    # Other formats have sessions as well, and lines that are as long.
    return bool(_CUT_LINE.search(cut)) and not _CUT_KEYS.isdisjoint(outline(cut)[1])


def _is_record(record: Mapping[str, object]) -> bool:
    kind = record.get("type")
    return isinstance(kind, str) and kind in KNOWN and not _KEYS.isdisjoint(record)


def _begins_record(scalars: bytes) -> bool:
    try:
        return _is_record(decode(scalars.rstrip(b", \t") + b"}"))
    except BadLine:
        return False
