"""Ids for the messages of a conversation that have none in their source.

An export needs them, so that importing it twice adds nothing; an import into the archive
that the export came from needs the same ones, so that it adds nothing there. Merging two
archives is no different.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter

__all__ = ["GeneratedIds"]


class GeneratedIds:
    """Makes the ids of one conversation: equal for equal messages in equal order."""

    def __init__(self) -> None:
        self._seen: Counter[bytes] = Counter()

    def next(self, role: str, kind: str, ts: str | None, content: str) -> str:
        """The id of the next message without one, in the conversation's order."""
        said = json.dumps([role, kind, ts, content])
        digest = hashlib.blake2b(said.encode(), digest_size=16)
        self._seen[digest.digest()] += 1
        nth = self._seen[digest.digest()]
        return f"glin:{digest.hexdigest()}" + (f":{nth}" if nth > 1 else "")
