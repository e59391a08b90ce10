"""Queries that ask for a little more or a little less than another one: what the links of
filters, facets and histograms lead to."""

from __future__ import annotations

from collections.abc import Iterable

from ..language import Part, join, parts, quote
from ..models import Loosened
from ..search.periods import Period

#: Whose value is compared without regard to case, as the filters themselves do.
_FOLDED = ("tag", "source", "role", "kind")


class Narrowing:
    """One query, taken apart."""

    def __init__(self, q: str) -> None:
        self.parts = parts(q)

    def chips(self) -> list[dict[str, object]]:
        """Its filters, each with the query without it."""
        return [
            {
                "operator": part.name,
                "value": part.value,
                "excluded": part.excluded,
                "without": self.without(part),
            }
            for part in self.operators
        ]

    @property
    def operators(self) -> tuple[Part, ...]:
        """The filters in it."""
        return tuple(part for part in self.parts if part.name is not None)

    def without(self, *taken: Part) -> str:
        """The query without some of its parts."""
        return join(part for part in self.parts if not any(part is one for one in taken))

    def said(self, name: str, value: str) -> list[Part]:
        """The filters in it that ask for this value."""
        return [
            part
            for part in self.operators
            if part.name == name and not part.excluded and _means(part, value)
        ]

    def toggled(self, name: str, value: str) -> str:
        """The query with a filter, or without it if it is there."""
        said = self.said(name, value)
        return self.without(*said) if said else join([*self.parts, f"{name}:{quote(value)}"])

    def within(self, since: str, until: str) -> str:
        """The query for one stretch of time instead of any other."""
        return join([*self._timeless(), f"since:{since}", f"until:{until}"])

    def in_period(self, period: Period) -> str:
        """The query for one period instead of any other time."""
        return self.within(period.since, period.until)

    def at_any_time(self) -> str:
        """The query without any bounds in time."""
        return join(self._timeless())

    def _timeless(self) -> Iterable[Part]:
        return [p for p in self.parts if p.excluded or p.name not in ("since", "until")]


def _means(part: Part, value: str) -> bool:
    if part.name in _FOLDED:
        return part.value.casefold() == value.casefold()
    if part.name == "repo":
        return part.value == value or value.replace("\\", "/").endswith("/" + part.value)
    return part.value == value


def loosened(found: Iterable[Loosened]) -> list[dict[str, object]]:
    """What finds more, for a page."""
    return [
        {"without": one.without, "q": one.query, "total": one.total, "exact": one.exact}
        for one in found
    ]
