"""The pictures of the front door, as SVG: numbers in, markup out, and nothing else.

Each is a group of links, so it has ``role="group"`` with a title and a description; the page
puts a table with the same numbers behind it. The links are one stop of the tab key, which
``charts.js`` lets the arrow keys walk; without JavaScript the links of the table do.

Colours come from ``charts.css`` by class: ``glin-heat-0`` to ``4``, ``glin-series-1`` to ``7``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise

from markupsafe import Markup

from .shown import count

__all__ = ["OTHER", "calendar", "series", "spans", "weekly"]

#: What the sources beyond those that have a colour are called together.
OTHER = "other"
#: Sources that get a colour of their own.
_MOST_SERIES = 6

#: Units of the picture, which is as wide as the page makes it.
_STEP, _CELL = 14, 11
_LEFT, _TOP = 32, 18
_PLOT = 140

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

_PICTURE = Markup(
    '<svg class="{name}" viewBox="0 0 {width} {height}" role="group"'
    ' aria-labelledby="{name}-title" aria-describedby="{name}-desc" data-glin-arrows>'
    '<title id="{name}-title">{title}</title><desc id="{name}-desc">{desc}</desc>{parts}</svg>'
)
_LABEL = Markup('<text x="{}" y="{}">{}</text>')
_LABEL_LEFT = Markup('<text x="{}" y="{}" text-anchor="end">{}</text>')
_LINK = Markup('<a href="{}" tabindex="-1" aria-label="{}">{}<title>{}</title></a>')
_DAY = Markup('<rect class="{}" x="{}" y="{}" width="11" height="11" rx="2"></rect>')
_EMPTY_DAY = Markup(
    '<rect class="{}" x="{}" y="{}" width="11" height="11" rx="2"><title>{}</title></rect>'
)
_BAR = Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"></rect>')
_LINE = Markup('<line x1="{}" x2="{}" y1="{}" y2="{}"></line>')


def calendar(days: Mapping[str, int], link: Callable[[str], str], today: str = "") -> Markup:
    """The messages of each day, a column for each week and a row for each weekday.

    :param days: day (``2026-02-11``) -> messages, without gaps and in order
    :param link: day -> where it leads; called for days that have messages
    """
    if not days:
        return Markup("")
    known = {date.fromisoformat(day): messages for day, messages in days.items()}
    first = min(known)
    monday = first - timedelta(days=first.weekday())
    weeks = (max(known) - monday).days // 7 + 1
    bounds = _quartiles(known.values())
    parts = [
        _LABEL_LEFT.format(_LEFT - 6, _TOP + _STEP * row + 9, _WEEKDAYS[row][:3])
        for row in (0, 2, 4)
    ]
    parts += _months([monday + timedelta(weeks=week) for week in range(weeks)], _TOP - 6)
    for day, messages in known.items():
        column, row = divmod((day - monday).days, 7)
        x, y = _LEFT + _STEP * column, _TOP + _STEP * row
        level = "glin-heat-" + str(_level(messages, bounds))
        if day.isoformat() == today:
            level += " glin-today"
        said = f"{_WEEKDAYS[row]} {day}: {count(messages, 'message') if messages else 'nothing'}"
        if messages:
            square = _DAY.format(level, x, y)
            parts.append(_LINK.format(link(day.isoformat()), said, square, said))
        else:
            parts.append(_EMPTY_DAY.format(level, x, y, said))
    busy = sum(1 for messages in known.values() if messages)
    return _PICTURE.format(
        name="glin-calendar",
        width=_LEFT + _STEP * weeks,
        height=_TOP + _STEP * 7,
        title="Messages per day",
        desc=f"{count(sum(known.values()), 'message')} on {count(busy, 'day')} from {first} to"
        f" {max(known)}. The darker a day, the more messages. Each leads to its conversations.",
        parts=Markup("").join(parts),
    )


def series(weeks: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int]]:
    """The sources that :func:`weekly` shows, and their messages, the most first.

    More than six are six and :data:`OTHER`.
    """
    totals: dict[str, int] = {}
    for sources in weeks.values():
        for source, messages in sources.items():
            totals[source] = totals.get(source, 0) + messages
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(messages for _, messages in ranked[_MOST_SERIES:])
    return ranked[:_MOST_SERIES] + ([(OTHER, rest)] if rest else [])


def spans(weeks: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str, int, Mapping[str, int]]]:
    """(Monday, Sunday, messages, by source) of the weeks that have any, the newest first."""
    return [
        (monday, _sunday(date.fromisoformat(monday)), sum(sources.values()), sources)
        for monday, sources in reversed(list(weeks.items()))
        if any(sources.values())
    ]


def weekly(weeks: Mapping[str, Mapping[str, int]], link: Callable[[str, str], str]) -> Markup:
    """The messages of each week by source, as stacked bars.

    :param weeks: Monday -> source -> messages, without gaps and in order
    :param link: Monday, Sunday -> where the week leads; called for weeks with messages
    """
    if not weeks:
        return Markup("")
    shown = [source for source, _ in series(weeks)][:_MOST_SERIES]
    most = max(sum(sources.values()) for sources in weeks.values())
    ticks = _ticks(most)
    scale = _PLOT / ticks[-1]
    bottom = 8 + _PLOT
    right = _LEFT + _STEP * len(weeks)
    parts = []
    for tick in ticks:
        y = round(bottom - tick * scale, 1)
        parts += [
            _LINE.format(_LEFT, right, y, y),
            _LABEL_LEFT.format(_LEFT - 6, y + 3, _tick(tick)),
        ]
    mondays = [date.fromisoformat(monday) for monday in weeks]
    parts += _months(mondays, bottom + 14)
    for column, (monday, sources) in enumerate(zip(mondays, weeks.values(), strict=True)):
        total = sum(sources.values())
        if not total:
            continue
        x = _LEFT + _STEP * column
        # The whole height can be clicked, not only the bar.
        bars = [_BAR.format("glin-hit", x, 8, _STEP, _PLOT)]
        y = float(bottom)
        for number, messages in _stacked(sources, shown):
            height = max(messages * scale, 0.8)
            y -= height
            bars.append(
                _BAR.format(
                    f"glin-series-{number}", x + 2, round(y, 1), _STEP - 4, round(height, 1)
                )
            )
        sunday = _sunday(monday)
        said = f"{monday} to {sunday}: {count(total, 'message')}; " + ", ".join(
            f"{source} {messages:,}" for source, messages in sources.items()
        )
        address = link(monday.isoformat(), sunday)
        parts.append(_LINK.format(address, said, Markup("").join(bars), said))
    return _PICTURE.format(
        name="glin-weekly",
        width=right,
        height=bottom + 20,
        title="Messages per week, by source",
        desc=f"{count(sum(sum(s.values()) for s in weeks.values()), 'message')} in the weeks from"
        f" {mondays[0]} to {_sunday(mondays[-1])}, at most {count(most)} in one. Each"
        " bar leads to the conversations of its week.",
        parts=Markup("").join(parts),
    )


def _sunday(monday: date) -> str:
    return (monday + timedelta(days=6)).isoformat()


def _stacked(sources: Mapping[str, int], shown: Sequence[str]) -> list[tuple[int, int]]:
    """(number of the colour, messages), from the bottom up."""
    known = [(number, sources.get(source, 0)) for number, source in enumerate(shown, 1)]
    rest = sum(messages for source, messages in sources.items() if source not in shown)
    return [part for part in [*known, (_MOST_SERIES + 1, rest)] if part[1]]


def _months(mondays: Sequence[date], y: int) -> list[Markup]:
    """The names of the months, each over the week that its first day is in."""
    starts = [0] + [
        column
        for column, monday in enumerate(mondays)
        if column
        and (monday + timedelta(days=6)).month != (mondays[column - 1] + timedelta(days=6)).month
    ]
    # Of two that would touch, the first is of a month that is nearly over.
    kept = [one for one, following in pairwise([*starts, len(mondays) + 2]) if following - one > 2]
    return [
        _LABEL.format(
            _LEFT + _STEP * column, y, _MONTHS[(mondays[column] + timedelta(days=6)).month - 1]
        )
        for column in kept
    ]


def _quartiles(counts: Iterable[int]) -> tuple[int, int, int]:
    """The bounds of the four levels of days that have any messages."""
    busy = sorted(number for number in counts if number) or [1]
    return busy[len(busy) // 4], busy[len(busy) // 2], busy[len(busy) * 3 // 4]


def _level(messages: int, bounds: Sequence[int]) -> int:
    return 1 + sum(messages >= bound for bound in bounds) if messages else 0


def _ticks(most: int) -> list[int]:
    """Two to four round numbers from 0 on, of which the last is not below ``most``."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            step = digit * power
            if step * 3 >= most:
                return list(range(0, max(-(-most // step), 1) * step + 1, step))
        power *= 10


def _tick(number: int) -> str:
    return f"{number // 1000}k" if number >= 1000 and number % 1000 == 0 else count(number)
