"""Dates as people write them, in the time zone of the machine."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.dates import resolve
from glin_datasette.errors import FilterError

NOW = datetime(2026, 3, 10, 15, 30, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not hasattr(time, "tzset"), reason="needs tzset to set a zone")


@pytest.fixture(params=["UTC", "EST5EDT,M3.2.0,M11.1.0"], ids=["UTC", "New York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


CASES = [
    # what is typed, its first and its last moment in UTC, and the same in New York
    ("2026-02-11", "02-11T00", "02-11T23", "02-11T05", "02-12T04"),
    ("2026-02", "02-01T00", "02-28T23", "02-01T05", "03-01T04"),
    ("today", "03-10T00", "03-10T23", "03-10T04", "03-11T03"),
    # The clocks went forward on the 8th.
    ("2026-03-08", "03-08T00", "03-08T23", "03-08T05", "03-09T03"),
    ("Yesterday", "03-09T00", "03-09T23", "03-09T04", "03-10T03"),
    ("7d", "03-03T00", "03-03T23", "03-03T05", "03-04T04"),
    ("2w", "02-24T00", "02-24T23", "02-24T05", "02-25T04"),
]


@pytest.mark.parametrize(("text", "first", "last", "ny_first", "ny_last"), CASES)
def test_days(zone: str, text: str, first: str, last: str, ny_first: str, ny_last: str) -> None:
    if zone != "UTC":
        first, last = ny_first, ny_last
    assert resolve(text, now=NOW) == f"2026-{first}:00:00.000Z"
    assert resolve(text, end=True, now=NOW) == f"2026-{last}:59:59.999Z"


@pytest.mark.parametrize(
    ("place", "day", "first"),
    [
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00:00.000Z"),
        ("America/Havana", "2024-03-10", "2024-03-10T05:00:00.000Z"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00:00.000Z"),
    ],
)
def test_a_day_begins_at_one_where_the_clocks_go_forward_at_midnight(
    place: str, day: str, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not any(Path(folder, place).exists() for folder in zoneinfo.TZPATH):
        pytest.skip("needs the time zones of the system")
    monkeypatch.setenv("TZ", place)
    time.tzset()
    try:
        assert resolve(day) == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_times_and_years() -> None:
    assert resolve("12h", now=NOW) == "2026-03-10T03:30:00.000Z"
    assert resolve("2026-02-11T05:53:33.335Z") == "2026-02-11T05:53:33.335Z"
    assert resolve("2026-02-11T05:53:33+02:00", end=True) == "2026-02-11T03:53:33.000Z"
    assert resolve("2025", now=NOW)[:7] in ("2025-01", "2024-12")
    assert resolve("2024", end=True, now=NOW)[:7] in ("2024-12", "2025-01")


@pytest.mark.parametrize(
    "text", ["", "x", "2026-02-30", "2026-13", "0000", "99999y", "9999999999d", "tomorrow"]
)
def test_what_is_no_date_says_so(text: str) -> None:
    with pytest.raises(FilterError, match="is no date"):
        resolve(text, now=NOW)


@given(st.text(max_size=30), st.booleans())
def test_any_text_is_a_moment_or_an_error(text: str, end: bool) -> None:
    try:
        moment = resolve(text, end=end)
    except FilterError:
        return
    assert datetime.fromisoformat(moment).tzinfo is UTC
    assert resolve(moment) == moment
