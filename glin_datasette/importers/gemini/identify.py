"""Telling sessions of Gemini CLI from files of other formats."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..documents import outline
from ..jsonl import BadLine, decode
from ..text import string
from .kinds import TYPES

__all__ = ["identify"]

_HEADER = frozenset({"sessionId", "projectHash"})
_MESSAGE = frozenset({"id", "timestamp", "type", "content"})
_MAY_HAVE = _MESSAGE | {"displayContent", "model", "thoughts", "tokens", "toolCalls"}
_TYPE = re.compile(rb'"type"\s*:\s*"(?:' + "|".join(sorted(TYPES)).encode() + rb')"')


def identify(path: Path, head: bytes) -> bool:
    """Whether it is a document of a session, or one of the first lines is a record."""
    is_array, keys = outline(head)
    if not is_array and keys >= _HEADER:
        return True
    cut = b""
    for line in head.split(b"\n"):
        try:
            if _is_record(decode(line)):
                return True
        except BadLine:
            cut = line
    # A line may go on behind the head, the last one.
    if not cut or not head.endswith(cut):
        return False
    is_array, keys = outline(cut)
    return not is_array and (
        keys >= _HEADER or (_MESSAGE <= keys <= _MAY_HAVE and bool(_TYPE.search(cut)))
    )


def _is_record(record: Mapping[str, object]) -> bool:
    if isinstance(record.get("$rewindTo"), str) or isinstance(record.get("$set"), dict):
        return True
    if record.keys() >= _HEADER:
        return all(isinstance(record[key], str) for key in _HEADER)
    kind = record.get("type")
    return record.keys() >= _MESSAGE and record.keys() <= _MAY_HAVE and string(kind) in TYPES
