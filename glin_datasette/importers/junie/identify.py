"""Telling sessions of Junie from files of other formats."""

from __future__ import annotations

import re
from pathlib import Path

from ..records import cut_line, records_in
from .kinds import KINDS

__all__ = ["identify"]

#: The beginning of a line that goes on behind the head.
_BEGINS = re.compile(
    rb'\{"kind":\s*"(' + b"|".join(sorted(kind.encode() for kind in KINDS)) + rb')"\s*[,}]'
)


def identify(path: Path, head: bytes) -> bool:
    """Whether one of the first lines is an event of Junie."""
    for record in records_in(head):
        kind = record.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            return True
    return _BEGINS.match(cut_line(head)) is not None
