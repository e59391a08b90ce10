"""Days, weeks, months and years of the local time zone, as ``since:`` and ``until:`` say them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ..dates import resolve
from ..errors import FilterError
from ..models import Filters, Step

__all__ = ["STEPS", "Period", "asked_for", "containing", "day_of", "wider"]

#: From the shortest to the longest.
STEPS: tuple[Step, ...] = ("day", "week", "month", "year")


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One day, week, month or year. A month and a year begin with their first day."""

    first: date
    step: Step

    @property
    def last(self) -> date:
        """Its last day."""
        following = self.shifted(1)
        return following.first - timedelta(days=1) if following else date.max

    @property
    def since(self) -> str:
        """As ``since:`` takes it."""
        return _said(self.first, self.step)

    @property
    def until(self) -> str:
        """As ``until:`` takes it."""
        return _said(self.last, self.step)

    def shifted(self, by: int) -> Period | None:
        """The one ``by`` steps later; ``None`` where the calendar ends."""
        try:
            return Period(self._shifted(by), self.step)
        except (ValueError, OverflowError):
            return None

    def _shifted(self, by: int) -> date:
        if self.step in ("day", "week"):
            return self.first + timedelta(days=by * (7 if self.step == "week" else 1))
        months = self.first.year * 12 + self.first.month - 1
        months += by * (12 if self.step == "year" else 1)
        return date(months // 12, months % 12 + 1, 1)


def containing(day: date, step: Step) -> Period:
    """The period that a day is in. Weeks begin on Monday."""
    if step == "week":
        weekday = min(day.weekday(), (day - date.min).days)
        return Period(day - timedelta(days=weekday), step)
    if step == "day":
        return Period(day, step)
    return Period(day.replace(day=1, month=day.month if step == "month" else 1), step)


def asked_for(filters: Filters) -> Period | None:
    """The period that ``filters`` ask for from its first moment to its last; a week may
    begin on any day."""
    if not (filters.since and filters.until):
        return None
    first = day_of(filters.since)
    for step in STEPS if first else ():
        assert first
        period = Period(first, step)
        if step in ("day", "week") or containing(first, step) == period:
            try:
                bounds = resolve(period.since), resolve(period.until, end=True)
            except FilterError:
                continue
            if bounds == (filters.since, filters.until):
                return period
    return None


def wider(filters: Filters) -> Period | None:
    """The shortest period with more in it than ``filters`` ask for, on both ends or one;
    ``None`` if they set no two bounds, or if no year holds them."""
    first, last = day_of(filters.since), day_of(filters.until)
    if not (first and last):
        return None
    now = asked_for(filters)
    for step in STEPS[1:]:
        period = containing(first, step)
        if last <= period.last and (now is None or STEPS.index(step) > STEPS.index(now.step)):
            return period
    return None


def day_of(ts: str | None) -> date | None:
    """The local day of a time of the archive; ``None`` if it is none."""
    try:
        return datetime.fromisoformat(ts).astimezone().date() if ts else None
    except (ValueError, OverflowError, OSError):
        return None


def _said(day: date, step: Step) -> str:
    return day.isoformat()[: {"month": 7, "year": 4}.get(step, 10)]
