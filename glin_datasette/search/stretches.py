"""Stretches of ids, in which the messages lie that a filter lets through."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import sqlite_utils

from ..models import Filters
from ..queries import Span
from ..queries.filters import ALL_OF, CONVERSATIONS, MESSAGES, PREDICATES

__all__ = ["Stretches", "stretches_of"]

#: Where a filter means more conversations than this, or messages, it lets so much through
#: that where they lie does not matter.
_MOST_CONVERSATIONS = 1_000
_MOST_MESSAGES = 100_000


@dataclass(frozen=True, slots=True)
class Stretches:
    """Spans of ids in ascending order, apart from each other.

    ``pure`` if every message in them is meant; what is meant is in them in any case.
    """

    spans: tuple[Span, ...]
    pure: bool = True

    @property
    def width(self) -> int:
        """How many ids they span."""
        return sum(last - first + 1 for first, last in self.spans)

    def __or__(self, other: Stretches) -> Stretches:
        return Stretches(_joined((*self.spans, *other.spans)), self.pure and other.pure)

    def __and__(self, other: Stretches) -> Stretches:
        return Stretches(tuple(_common(self.spans, other.spans)), self.pure and other.pure)


def stretches_of(
    db: sqlite_utils.Database, filters: Filters
) -> tuple[Stretches | None, frozenset[str]]:
    """Where the messages lie that pass ``filters``, and which of the filters are thereby
    settled: every message there passes those.

    :returns: ``None`` where what they let through is nearly everything, or may lie anywhere
    """
    whole: Stretches | None = None
    settled = set()
    for name in (*dict.fromkeys([*CONVERSATIONS, *MESSAGES]), "conversation", "since"):
        found = _of_filter(db, filters, name)
        known = [each for each in found if each is not None]
        for each in known:
            whole = each if whole is None else whole & each
        if known and len(known) == len(found) and all(each.pure for each in known):
            settled |= {"since", "until"} if name == "since" else {name}
    return whole, frozenset(settled)


def _of_filter(db: sqlite_utils.Database, filters: Filters, name: str) -> list[Stretches | None]:
    """What must be met of one filter, each with its stretches, if they are known."""
    if name == "since":
        return [_of_time(db, filters)] if filters.since or filters.until else []
    if name == "conversation":
        return [_of_conversations(db, filters.conversation)] if filters.conversation else []
    found = [_of_value(db, name, value) for value in getattr(filters, name)]
    if name in ALL_OF or len(found) < 2:
        return found
    either = found[0]
    for each in found[1:]:
        either = None if either is None or each is None else either | each
    return [either]


def _of_value(db: sqlite_utils.Database, name: str, value: str) -> Stretches | None:
    whole = Stretches(())
    if name in CONVERSATIONS:
        ids = _ids(db, CONVERSATIONS[name], value, _MOST_CONVERSATIONS)
        if ids is None:
            return None
        whole |= _of_conversations(db, ids)
    if name in MESSAGES:
        ids = _ids(db, MESSAGES[name], value, _MOST_MESSAGES)
        if ids is None:
            return None
        whole |= Stretches(_joined((each, each) for each in ids))
    return whole


def _ids(db: sqlite_utils.Database, sql: str, value: str, most: int) -> list[int] | None:
    sql = f"select id from ({sql.format(value=':value')}) limit {most + 1}"
    ids = [row[0] for row in db.execute(sql, {"value": value})]
    return ids if len(ids) <= most else None


def _of_conversations(db: sqlite_utils.Database, ids: Iterable[int]) -> Stretches:
    rows = db.execute(
        "select min(m.id), max(m.id), count(*) from json_each(?) as c cross join messages as m"
        " indexed by idx_messages_conversation_id_position on m.conversation_id = c.value"
        " group by c.key",
        [json.dumps(list(set(ids)))],
    ).fetchall()
    found = Stretches(_joined((first, last) for first, last, _ in rows))
    return Stretches(found.spans, pure=found.width == sum(row[2] for row in rows))


def _of_time(db: sqlite_utils.Database, filters: Filters) -> Stretches | None:
    params = {"since": filters.since, "until": filters.until}
    said = [name for name, value in params.items() if value]
    within = " and ".join(PREDICATES[name].format(value=f":{name}") for name in said)
    if not filters.until:
        # So many of the newest that looking for them from there on will do.
        many = f"select count(*) from (select 1 from messages as m where {within} limit :most)"
        if db.execute(many, {**params, "most": _MOST_MESSAGES}).fetchone()[0] == _MOST_MESSAGES:
            return None
    first, last, count = db.execute(
        f"select min(id), max(id), count(*) from messages as m where {within}", params
    ).fetchone()
    if not count:
        return Stretches(())
    return Stretches(((first, last),), pure=last - first + 1 == count)


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Those that overlap or follow on another as one."""
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def _common(ours: tuple[Span, ...], theirs: tuple[Span, ...]) -> Iterator[Span]:
    """What is in both."""
    i = j = 0
    while i < len(ours) and j < len(theirs):
        first = max(ours[i][0], theirs[j][0])
        last = min(ours[i][1], theirs[j][1])
        if first <= last:
            yield first, last
        if ours[i][1] < theirs[j][1]:
            i += 1
        else:
            j += 1
