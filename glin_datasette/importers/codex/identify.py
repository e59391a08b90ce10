"""Telling transcripts of Codex from files of other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..records import cut_line, records_in
from ..text import string
from .records import ENVELOPES, is_bare_item, is_bare_meta

__all__ = ["identify"]

#: A line that is cut off behind its envelope.
_CUT_LINE = re.compile(
    rb'\{\s*"timestamp"\s*:\s*"[^"\\]{10,40}"\s*,\s*(?:"ordinal"\s*:\s*\d+\s*,\s*)?"type"\s*:\s*"('
    + "|".join(sorted(ENVELOPES)).encode()
    + rb')"\s*,'
)
_CUT_BARE_META = re.compile(
    rb'\{\s*"id"\s*:\s*"[^"\\]{8,60}"\s*,\s*"timestamp"\s*:\s*"[^"\\]{10,40}"\s*,'
    rb'\s*"(?:instructions|git)"\s*:'
)


def identify(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is a record of Codex."""
    if any(map(_is_record, records_in(head))):
        return True
    cut = cut_line(head)
    return bool(_CUT_LINE.match(cut) or _CUT_BARE_META.match(cut))


def _is_record(record: Mapping[str, object]) -> bool:
    if string(record.get("type")) in ENVELOPES:
        return isinstance(record.get("payload"), dict)
    return is_bare_meta(record) or is_bare_item(record)
