"""Telling the export of claude.ai from files of other formats."""

from __future__ import annotations

import re
from pathlib import Path

from ..export_files import encrypted_names, outlines
from . import CONVERSATIONS, PROJECTS

__all__ = ["identify"]

_DOCUMENTS = re.compile(f"{CONVERSATIONS.pattern}|{PROJECTS.pattern}")


def identify(path: Path, head: bytes) -> bool:
    """Whether the first conversation has ``chat_messages``, or it is a project."""
    if any(map(_is_ours, outlines(path, head, _DOCUMENTS))):
        return True
    return "users.json" in encrypted_names(path, head, CONVERSATIONS)


def _is_ours(keys: frozenset[str]) -> bool:
    return keys >= {"uuid", "chat_messages"} or keys >= {"uuid", "prompt_template", "docs"}
