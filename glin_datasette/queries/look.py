"""Where in the archive a search looks, as SQL.

Beside a full-text match a filter is asked of each match, at about ten times what finding the
match costs. That is soon done where few hold the words, or where most matches pass. For the rest
there are the ids: those of a conversation mostly follow on another, so what a filter lets
through lies in stretches of them, and the index can start from an id.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["EVERYWHERE", "Look", "Span"]

#: The first and the last id of a stretch.
Span = tuple[int, int]

_NARROW = "cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid"
_EACH = "json_each(:spans) as span cross join"
_IN_SPAN = "between json_extract(span.value, '$[0]') and json_extract(span.value, '$[1]')"


@dataclass(frozen=True, slots=True)
class Look:
    """What a search looks at, and which of its filters that settles.

    - ``spans``: one stretch of ids after the other, which is quick as long as they are few; all
      that is found there is then put in order
    - ``among``: the ids of these stretches are looked up for each match instead, where
      looking for the words again and again would cost more
    - ``first`` and ``last``: nothing before and behind these ids

    Messages come newest id first.
    """

    spans: tuple[Span, ...] | None = None
    among: bool = False
    first: int | None = None
    last: int | None = None
    #: The names of the filters that every message there passes.
    settled: frozenset[str] = frozenset()

    @property
    def params(self) -> dict[str, object]:
        """The parameters of the SQL."""
        named = {
            "spans": None if self.spans is None else json.dumps(self.spans),
            "first": self.first,
            "last": self.last,
        }
        return {name: value for name, value in named.items() if value is not None}

    def matches(self, *, narrow: bool) -> str:
        """What stands behind ``from`` to go through the matches in ``messages_fts``; with
        ``narrow`` also through the index ``m`` of what filters ask for."""
        source = f"{_EACH} messages_fts" if self._one_by_one else "messages_fts"
        return f"{source} {_NARROW}" if narrow else source

    @property
    def within(self) -> str:
        """The conditions on these matches: text that begins with ``and``, or nothing."""
        conditions = ""
        if self._one_by_one:
            conditions += f" and messages_fts.rowid {_IN_SPAN}"
        elif self.spans is not None:
            conditions += (
                f" and +messages_fts.rowid in (select x.id from {_EACH} messages as x"
                f" indexed by idx_messages_narrow on x.id {_IN_SPAN})"
            )
        if self.first is not None:
            conditions += " and messages_fts.rowid >= :first"
        if self.last is not None:
            conditions += " and messages_fts.rowid <= :last"
        return conditions.lstrip()

    @property
    def messages(self) -> str:
        """What stands behind ``from`` to go through the messages ``m`` themselves."""
        if self.spans is None:
            return "messages as m"
        return f"{_EACH} messages as m indexed by idx_messages_narrow on m.id {_IN_SPAN}"

    @property
    def _one_by_one(self) -> bool:
        return self.spans is not None and not self.among


EVERYWHERE = Look()
