"""What cannot be decided before the next records.

A prompt stands in a file twice: as the item that the service got, among others that the
client wrote in the user's name, and behind that as an event, which says that it was typed.
What the service said stands there twice as well, the event first. Of each, the item is
kept, and the event where there is no item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Held", "Waiting"]

#: Records that wait at the same time, and bytes of their lines, at the most.
_MOST = 16
_MOST_BYTES = 4 * 1024 * 1024

#: The item of a text in the user's name; the events of a prompt, of a text that the service
#: said and of its thinking; the item of its thinking.
What = Literal["user", "typed", "text", "thinking", "thought"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits. ``place``: where its line begins, and the lines before it;
    ``size``: how long it is."""

    what: What
    payload: dict[str, Any]
    key: str
    ts: str | None
    place: tuple[int, int]
    size: int


@dataclass(slots=True)
class Held:
    """The records that wait, in their order."""

    records: list[Waiting] = field(default_factory=list)

    def add(self, record: Waiting) -> Iterator[Waiting]:
        """Let a record wait; yields those that have waited too long."""
        self.records.append(record)
        while len(self.records) > _MOST or (
            len(self.records) > 1 and sum(each.size for each in self.records) > _MOST_BYTES
        ):
            yield self.records.pop(0)

    def take(self, *whats: What) -> list[Waiting]:
        """Those of these kinds, which wait no longer; all without any."""
        found = [each for each in self.records if not whats or each.what in whats]
        self.records = [each for each in self.records if whats and each.what not in whats]
        return found

    def only(self, *whats: What) -> bool:
        """Whether none of another kind waits."""
        return all(each.what in whats for each in self.records)

    def last(self, what: What) -> Waiting | None:
        """The newest one of a kind, which waits no longer."""
        for place in reversed(range(len(self.records))):
            if self.records[place].what == what:
                return self.records.pop(place)
        return None
