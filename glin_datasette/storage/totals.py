"""What an archive holds, at a glance: the numbers of the front door.

None reads messages: they are counted in ``activity`` and ``usage``. Days are counted by
their bounds, which is right on the days on which clocks change, too.
"""

from __future__ import annotations

import itertools
import json
from datetime import date, datetime, timedelta

import sqlite_utils

from ..dates import resolve
from ..models import Overview, Recent, TagCount, Tally
from ..queries import load
from ..queries.functions import register_functions
from .connection import database_path, sqlite_errors, timed
from .query import count_all, first_and_last

__all__ = ["overview"]

#: How many of the tags, repositories and models, and how many conversations.
_MOST = 10

_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
_WEEKS = 53


def overview(db: sqlite_utils.Database, *, today: date | None = None) -> Overview:
    """Totals, activity, what is used most, and the newest conversations.

    Where nothing was said in the year up to ``today``, the calendar ends with the newest
    message instead.

    :param today: the current day by default
    """
    today = today or datetime.now().astimezone().date()
    with timed("overview"), sqlite_errors(database_path(db)):
        register_functions(db.conn)
        first_ts, last_ts = first_and_last(db)
        last_day, mondays, days = _calendar(db, today, last_ts)
        tokens, models = _usage(db)
        last_import, damaged = _imports(db)
        return Overview(
            conversations=db.table("conversations").count,
            messages=count_all(db),
            token_in=tokens[0],
            token_out=tokens[1],
            token_cached=tokens[2],
            first_ts=first_ts,
            last_ts=last_ts,
            last_import=last_import,
            damaged_files=damaged,
            sources=_sources(db),
            today=today.isoformat(),
            last_day=last_day.isoformat(),
            days=days,
            weeks=_weeks(db, mondays),
            tags=_tags(db),
            repositories=_repositories(db),
            models=models,
            recent=_recent(db),
        )


def _calendar(
    db: sqlite_utils.Database, today: date, last_ts: str | None
) -> tuple[date, list[date], dict[str, int]]:
    """The last day to show, the Mondays of its weeks, and the messages of each day."""
    mondays, days = _year(db, today)
    if last_ts and not any(days.values()):
        newest = _local_day(last_ts)
        if newest and newest != today:
            today = newest
            mondays, days = _year(db, today)
    return today, mondays, days


def _year(db: sqlite_utils.Database, last: date) -> tuple[list[date], dict[str, int]]:
    monday = last - timedelta(days=last.weekday())
    mondays = [monday - _WEEK * back for back in range(_WEEKS - 1, -1, -1)]
    days = [mondays[0] + _DAY * number for number in range((last - mondays[0]).days + 1)]
    counted = db.execute(
        "select (select coalesce(sum(messages), 0) from activity"
        " where quarter >= json_extract(d.value, '$[0]')"
        " and quarter < json_extract(d.value, '$[1]'))"
        " from json_each(:days) as d order by d.key",
        {"days": json.dumps(_spans(days, _DAY))},
    )
    counts = [row[0] for row in counted]
    return mondays, {d.isoformat(): n for d, n in zip(days, counts, strict=True)}


def _weeks(db: sqlite_utils.Database, mondays: list[date]) -> dict[str, dict[str, int]]:
    """Messages by source, the most first, of the weeks that begin on ``mondays``."""
    rows = db.execute(
        "select w.week, c.source, sum(w.n) as messages from ("
        " select d.key as week, a.conversation_id, sum(a.messages) as n from json_each(:weeks) as d"
        " cross join activity as a on a.quarter >= json_extract(d.value, '$[0]')"
        " and a.quarter < json_extract(d.value, '$[1]') group by d.key, a.conversation_id"
        ") as w cross join conversations as c on c.id = w.conversation_id"
        " group by w.week, c.source order by w.week, messages desc, c.source",
        {"weeks": json.dumps(_spans(mondays, _WEEK))},
    ).fetchall()
    weeks: dict[str, dict[str, int]] = {monday.isoformat(): {} for monday in mondays}
    for week, source, messages in rows:
        weeks[mondays[week].isoformat()][source] = messages
    return weeks


def _spans(days: list[date], length: timedelta) -> list[tuple[str, str]]:
    """For each of ``days``, which lie ``length`` apart, its first moment and the first behind
    it, as the archive writes them."""
    moments = [resolve(day.isoformat()) for day in [*days, days[-1] + length]]
    return list(itertools.pairwise(moments))


def _local_day(ts: str) -> date | None:
    try:
        return datetime.fromisoformat(ts).astimezone().date()
    except (ValueError, OverflowError, OSError):
        return None


def _usage(db: sqlite_utils.Database) -> tuple[tuple[int, int, int], tuple[Tally, ...]]:
    """Tokens that went in, came out and came from a cache; and the models."""
    rows = db.execute(
        "select model, sum(messages) as messages, sum(token_in), sum(token_out),"
        " sum(token_cached) from usage group by model order by messages desc, model"
    ).fetchall()
    tokens = (sum(r[2] for r in rows), sum(r[3] for r in rows), sum(r[4] for r in rows))
    named = [Tally(name=r[0], messages=r[1]) for r in rows if r[0]]
    return tokens, tuple(named[:_MOST])


def _imports(db: sqlite_utils.Database) -> tuple[str | None, int]:
    sql = "select max(imported_at), count(last_error) from import_files"
    last, damaged = db.execute(sql).fetchone()
    return last, damaged


def _sources(db: sqlite_utils.Database) -> dict[str, int]:
    rows = db.execute(
        "select source, count(*) as n from conversations group by source order by n desc, source"
    )
    return dict(rows.fetchall())


def _tags(db: sqlite_utils.Database) -> tuple[TagCount, ...]:
    rows = db.execute(load("tag_counts").sql).fetchall()
    used = [TagCount(name=r[0], conversations=r[1], messages=r[2]) for r in rows if r[1] or r[2]]
    return tuple(used[:_MOST])


def _repositories(db: sqlite_utils.Database) -> tuple[Tally, ...]:
    rows = db.execute(
        "select c.repo_root, sum(a.messages) as messages from conversations as c"
        " cross join activity as a on a.conversation_id = c.id where c.repo_root > ''"
        " group by c.repo_root order by messages desc, c.repo_root limit ?",
        [_MOST],
    )
    return tuple(Tally(name=name, messages=messages) for name, messages in rows)


def _recent(db: sqlite_utils.Database) -> tuple[Recent, ...]:
    rows = db.execute(load("recent").sql, {"size": _MOST, "skip": 0, "subagents": "no"})
    names = [column[0] for column in rows.description]
    return tuple(Recent(**dict(zip(names, row, strict=True))) for row in rows)
