"""Telling histories of aider from files of other formats."""

from __future__ import annotations

import re
from pathlib import Path

from . import NAME

__all__ = ["identify"]

_HEADER_LINE = re.compile(rb"\s*# aider chat started at \d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\s*\n")
_BEGINS = b"# aider chat started at "
_BOM = b"\xef\xbb\xbf"


def identify(path: Path, head: bytes) -> bool:
    """Whether it begins with the header of a run; or has one, if it is called so."""
    head = head.removeprefix(_BOM)
    if path.name.endswith(NAME):
        return _BEGINS in head
    return _HEADER_LINE.match(head) is not None
