"""Counting the tokens of each request once, on the first message of its reply.

Newer versions write the count behind the reply's items, older ones before them, and all
write it again whenever the limits of the account are known better.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..text import count, digest

__all__ = ["Count", "Ledger"]

#: token_in, token_cached, token_out
Count = tuple[int, int, int]


@dataclass(slots=True)
class Ledger:
    """Which reply a count belongs to."""

    #: Digest of the last count, which may come again.
    last: str | None = None
    #: Whether counts were seen to stand behind their replies.
    behind: bool = False
    #: First message of the reply that is being written and has no count yet.
    reply: str | None = None
    #: Whether the reply that is being written has its count.
    counted: bool = False
    #: A count that no reply has yet, and one that ``reply`` has of another request.
    waiting: Count | None = None
    carried: Count | None = None

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Ledger:
        """From a JSON object of its fields."""
        found = cls(**value)
        found.waiting = _count(found.waiting)
        found.carried = _count(found.carried)
        return found

    def counts(self, payload: dict[str, Any]) -> tuple[str, Count] | None:
        """Take a ``token_count``: the message that it belongs to, if that was said."""
        info = payload.get("info")
        usage = info.get("last_token_usage") if isinstance(info, dict) else None
        if not isinstance(info, dict) or not isinstance(usage, dict):
            return None
        seen = digest(json.dumps([info.get("total_token_usage"), usage], sort_keys=True))
        if seen == self.last:
            return None
        self.last = seen
        names = ("input_tokens", "cached_input_tokens", "output_tokens")
        found = [count(usage.get(name)) or 0 for name in names]
        if not any(found):
            return None
        told = (found[0], found[1], found[2])
        if self.reply is None:
            # Of a summary, or of a reply that is still to come.
            self.waiting = _sum(self.waiting, told)
            return None
        message, told = self.reply, _sum(self.carried, told)
        self.reply, self.carried, self.counted, self.behind = None, None, False, True
        return message, told

    def takes(self, message: str) -> Count | None:
        """Take a message of a reply: the count that it carries, if that is known."""
        found, self.waiting = self.waiting, None
        if self.behind and self.reply is None:
            self.reply, self.carried = message, found
        elif found:
            self.counted = True
        elif self.reply is None and not self.counted:
            self.reply = message
        return found

    def turns(self, *, prompt: bool) -> None:
        """A result or a prompt: what the service says now is another reply."""
        self.counted = False
        if prompt:
            self.reply, self.carried = None, None


def _sum(one: Count | None, other: Count) -> Count:
    return other if one is None else (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def _count(value: Any) -> Count | None:
    return (value[0], value[1], value[2]) if value else None
