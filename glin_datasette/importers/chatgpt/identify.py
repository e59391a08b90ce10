"""Telling the export of ChatGPT from files of other formats."""

from __future__ import annotations

from pathlib import Path

from ..export_files import encrypted_names, outlines
from . import DOCUMENTS

__all__ = ["identify"]

#: What a .zip of this service holds beside the conversations.
_BESIDE = frozenset({"chat.html", "message_feedback.json", "user.json"})


def identify(path: Path, head: bytes) -> bool:
    """Whether the first conversation has a ``mapping``."""
    if any(map(_is_conversation, outlines(path, head, DOCUMENTS))):
        return True
    return bool(_BESIDE & encrypted_names(path, head, DOCUMENTS))


def _is_conversation(keys: frozenset[str]) -> bool:
    return "mapping" in keys and not keys.isdisjoint({"create_time", "current_node"})
