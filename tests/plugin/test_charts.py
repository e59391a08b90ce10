"""The pictures: well-formed, linked, and never more than their numbers say."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from glin_datasette.plugin.charts import calendar, series, spans, weekly

MONDAY = date(2024, 2, 26)  # Of a leap year, over its longest month.


def elements(svg: str, name: str) -> list[Any]:
    """The elements of a name; raises unless the SVG is well-formed."""
    # HTML has attributes without a value, XML has none.
    root = ElementTree.fromstring(svg.replace(" data-glin-arrows", ""))
    return [each for each in root.iter() if each.tag.rpartition("}")[2] == name]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=371))
@settings(max_examples=60, deadline=None)
def test_the_calendar_links_the_days_that_have_something(numbers: list[int]) -> None:
    days = {(MONDAY + timedelta(n)).isoformat(): count for n, count in enumerate(numbers)}
    svg = calendar(days, lambda day: f"/?since={day}&x=<>", today=next(reversed(days)))
    links = elements(svg, "a")
    assert [link.get("href") for link in links] == [
        f"/?since={day}&x=<>" for day, count in days.items() if count
    ]
    assert len(elements(svg, "rect")) >= len(days)
    for link, (day, count) in zip(links, [d for d in days.items() if d[1]], strict=True):
        assert f"{count:,} message" in (link.get("aria-label") or "")
        assert day in (link.get("aria-label") or "") or str(int(day[-2:])) in link.get("aria-label")


@given(
    st.lists(
        st.dictionaries(st.text("ab<&\"'", max_size=3), st.integers(1, 10**6), max_size=9),
        min_size=1,
        max_size=53,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_bars_are_the_weeks(numbers: list[dict[str, int]]) -> None:
    weeks = {(MONDAY + timedelta(7 * n)).isoformat(): said for n, said in enumerate(numbers)}
    svg = weekly(weeks, lambda first, last: f"/{first}/{last}")
    filled = [week for week, said in weeks.items() if said]
    assert [link.get("href").split("/")[1] for link in elements(svg, "a")] == filled
    legend = series(weeks)
    assert len(legend) <= 7
    assert sum(count for _, count in legend) == sum(sum(said.values()) for said in numbers)
    assert [total for *_, total, _ in spans(weeks) if total] == [
        sum(weeks[week].values()) for week in filled
    ] or [total for *_, total, _ in spans(weeks)] == [
        sum(weeks[week].values()) for week in reversed(filled)
    ]


def test_nothing_to_show() -> None:
    assert calendar({}, str) == ""
    assert series({}) == []
