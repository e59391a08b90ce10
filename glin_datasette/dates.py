"""Days and times, as people and programs write them, as the UTC text that the archive holds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from .errors import FilterError

__all__ = ["epoch_time", "normalise_time", "resolve", "utc_now"]

_AGO = re.compile(r"(\d{1,5})([hdwmy])")
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}
_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


def resolve(text: str, *, end: bool = False, now: datetime | None = None) -> str:
    """The moment that ``text`` means, as ISO 8601 UTC with milliseconds.

    ``today``, ``yesterday``, ``12h``, ``7d``, ``2w``, ``3m``, ``1y`` (ago), ``2026``,
    ``2026-02``, ``2026-02-11`` and ISO 8601 times. Days are those of the local time zone.

    :param end: the last moment that is meant instead of the first
    :param now: an aware time to count from; the current one by default
    :raises FilterError: if it means no moment
    """
    said = text.strip()
    here = (now or datetime.now(UTC)).astimezone()
    try:
        first, last = _span(said.lower(), said, here)
        return _utc(last - timedelta(milliseconds=1) if end and last > first else first)
    except (ValueError, OverflowError):
        raise FilterError(
            f"{text!r} is no date (write 2026-02-11, 2026-02, today, yesterday or 7d)"
        ) from None


def _span(word: str, said: str, here: datetime) -> tuple[datetime, datetime]:
    """The first moment that is meant, and the first behind it."""
    if word in ("today", "yesterday"):
        day = here.date() - timedelta(days=word == "yesterday")
        return _midnight(day), _midnight(day + timedelta(days=1))
    if ago := _AGO.fullmatch(word):
        count, unit = int(ago[1]), ago[2]
        if unit == "h":
            moment = here - timedelta(hours=count)
            return moment, moment
        day = here.date() - timedelta(days=count * _DAYS[unit])
        return _midnight(day), _midnight(day + timedelta(days=1))
    if month := _MONTH.fullmatch(word):
        first = date(int(month[1]), int(month[2] or 1), 1)
        following = first + timedelta(days=32 if month[2] else 366)
        return _midnight(first), _midnight(following.replace(day=1, **_january(month[2])))
    if len(word) == len("2026-02-11"):
        day = date.fromisoformat(word)
        return _midnight(day), _midnight(day + timedelta(days=1))
    moment = datetime.fromisoformat(said)
    if moment.tzinfo is None:
        moment = moment.astimezone()
    return moment, moment


def _january(month: str | None) -> dict[str, int]:
    return {} if month else {"month": 1}


def _midnight(day: date) -> datetime:
    """The first moment of a day: where clocks go forward at midnight, that is 1 o'clock.
    From its timestamp, since astimezone() of the midnight that is not goes back an hour."""
    return datetime.fromtimestamp(datetime.combine(day, time.min).timestamp(), UTC).astimezone()


def _utc(moment: datetime) -> str:
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def utc_now() -> str:
    """The present moment, as ISO 8601 UTC with milliseconds."""
    return _utc(datetime.now(UTC))


def normalise_time(value: object) -> str | None:
    """ISO 8601 in any offset -> ``2026-02-11T05:53:33.335Z``; ``None`` if it is no time.

    A time without an offset is taken for UTC.
    """
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        # Nearly every time in a transcript is what is wanted already.
        if len(value) == len("2026-02-11T05:53:33.335Z") and _WANTED.fullmatch(value):
            return value
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return _utc(moment)
    except (ValueError, OverflowError):
        return None


_WANTED = re.compile(r"....-..-..T..:..:..\....Z")

#: Seconds of 2286-11-20. A larger number since 1970 counts milliseconds.
_MOST_SECONDS = 10**10


def epoch_time(value: object) -> str | None:
    """Seconds or milliseconds since 1970 -> ``2026-02-11T05:53:33.335Z``; ``None`` if it
    is no such number, or 0, which stands for no time at all."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = value / 1000 if abs(value) >= _MOST_SECONDS else value
        return _utc(datetime.fromtimestamp(seconds, tz=UTC)) if seconds > 0 else None
    except (ValueError, OverflowError, OSError):
        return None
