"""Everything but searching: what is read without words.

- *ours* is the function, or the canned query, that the pages and the command line use.
- The *floor* is the one statement by ``sqlite3`` that gives the same rows, or the first of
  them, from the best index that there is, with what can be known before taken as known.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial

import sqlite_utils

from benchmarks import canned
from benchmarks.bench import Bench
from benchmarks.conversations import COMMIT, TAGS
from benchmarks.timing import print_table, ratio, say
from glin_datasette.models import Filters
from glin_datasette.queries.functions import register_functions
from glin_datasette.storage import (
    about_commit,
    about_file,
    iter_messages,
    list_tags,
    messages_between,
    outline,
    overview,
    query_conversations,
    query_messages,
    stats,
    tagged,
    transcript_facts,
)

#: What is measured, how, and its floor: SQL, if there is one statement for it, and parameters.
Case = tuple[str, Callable[[], object], str, tuple[object, ...]]

_SINCE, _UNTIL = "2025-03-01", "2025-03-31"

_NEWEST = "order by ended_at desc, id desc limit 50"
_MESSAGES_BY = (
    "select * from messages where id in"
    " (select message_id from message_refs where ref_type = '{}' and {}) order by ts desc limit 50"
)


def measure(bench: Bench) -> None:
    """Print the table."""
    with bench.reading() as (db, bare):
        register_functions(db.conn)
        say("All of these should take at most 50 ms at a million messages.")
        columns = ("what is read", "p50 ms", "p95", "floor p50", "ratio")
        print_table("Everything else", columns, _rows(bench, db, bare))


def _rows(
    bench: Bench, db: sqlite_utils.Database, bare: sqlite3.Connection
) -> Iterator[tuple[object, ...]]:
    for name, ours, sql, params in _cases(db, bare):
        if not sql:
            (times,) = bench.in_turns(ours)
            yield name, times.p50, times.p95, None, None
            continue
        times, least = bench.in_turns(ours, partial(_all, bare, sql, params))
        yield name, times.p50, times.p95, least.p50, ratio(times.p50, least.p50)


def _all(bare: sqlite3.Connection, sql: str, params: tuple[object, ...]) -> list[object]:
    return bare.execute(sql, params).fetchall()


def _cases(db: sqlite_utils.Database, bare: sqlite3.Connection) -> Iterator[Case]:
    query = partial(canned.run, db.conn)
    yield from _conversations(db, query)
    yield from _references(db, bare, query)
    yield from _sums(db, query)
    yield from _transcript(db, bare)


def _conversations(db: sqlite_utils.Database, query: Callable[..., object]) -> Iterator[Case]:
    recent = f"select * from conversations {_NEWEST}"
    yield "recent conversations", partial(query_conversations, db), recent, ()
    yield "recent conversations, canned, counted", partial(query, "recent"), recent, ()

    dated = f"select * from conversations where ended_at >= ? and started_at <= ? {_NEWEST}"
    month = (_SINCE, _UNTIL + "~")
    by_date = Filters(since=_SINCE, until=_UNTIL)
    yield "conversations of a month", partial(query_conversations, db, by_date), dated, month
    yield "conversations of a month, canned", partial(query, "by_date"), dated, month
    yield (
        "messages of a month, the newest",
        partial(query_messages, db, by_date),
        "select * from messages where ts between ? and ? order by ts desc limit 50",
        month,
    )

    having = (
        "select * from conversations where id in (select conversation_id from conversation_tags"
        " where tag_id = (select id from tags where name = ?) union select conversation_id from"
        " messages where id in (select message_id from message_tags"
        f" where tag_id = (select id from tags where name = ?))) {_NEWEST}"
    )
    tag = (TAGS[0], TAGS[0])
    by_tag = Filters(tag=TAGS[:1])
    yield "conversations with a tag", partial(query_conversations, db, by_tag), having, tag
    yield "conversations with a tag, canned", partial(query, "by_tag"), having, tag
    yield "the page of a tag", partial(tagged, db, TAGS[0]), having, tag
    yield (
        "messages with a tag, the newest",
        partial(query_messages, db, by_tag),
        "select * from messages where id in (select message_id from message_tags where tag_id ="
        " (select id from tags where name = ?)) or conversation_id in (select conversation_id from"
        " conversation_tags where tag_id = (select id from tags where name = ?))"
        " order by ts desc limit 50",
        tag,
    )


def _references(
    db: sqlite_utils.Database, bare: sqlite3.Connection, query: Callable[..., object]
) -> Iterator[Case]:
    (path,) = bare.execute(
        "select ref_value from message_refs where ref_type = 'file' group by 1"
        " order by count(*) desc limit 1"
    ).fetchone()
    folder, name = path.rpartition("/")[::2]
    exact = _MESSAGES_BY.format("file", "ref_value = ?")
    yield "messages of a file", partial(query_messages, db, Filters(file=(path,))), exact, (path,)
    yield "messages of a file, canned", partial(query, "by_file", file=path), exact, (path,)
    yield "the page of a file", partial(about_file, db, path), exact, (path,)

    below = _MESSAGES_BY.format("file", "ref_value >= ? and ref_value < ?")
    bounds = (f"{folder}/", f"{folder}0")
    filters = Filters(file=(folder,))
    yield "messages of a folder", partial(query_messages, db, filters), below, bounds
    yield "messages of a folder, canned", partial(query, "by_file", file=folder), below, bounds

    values = tuple(
        value
        for (value,) in bare.execute(
            "select distinct ref_value from message_refs where ref_type = 'file'"
        )
        if value.endswith(f"/{name}")
    )
    named = _MESSAGES_BY.format("file", f"ref_value in ({', '.join('?' * len(values))})")
    filters = Filters(file=(name,))
    yield "messages of a file by its name", partial(query_messages, db, filters), named, values
    yield "the same, canned", partial(query, "by_file", file=name), named, values

    yield (
        "files that the most messages are about",
        partial(query, "discussed_files"),
        "select ref_value, count(*) from message_refs where ref_type = 'file'"
        " group by 1 order by 2 desc limit 50",
        (),
    )

    hashed = _MESSAGES_BY.format("commit", "ref_value >= ? and ref_value < ?")
    digits = (COMMIT[:12], f"{COMMIT[:12]}g")
    filters = Filters(commit=(COMMIT[:12],))
    yield "messages of a commit", partial(query_messages, db, filters), hashed, digits
    yield "messages of a commit, canned", partial(query, "by_commit"), hashed, digits
    yield "the page of a commit", partial(about_commit, db, COMMIT), hashed, digits


def _sums(db: sqlite_utils.Database, query: Callable[..., object]) -> Iterator[Case]:
    days = "select substr(ts, 1, 10), count(*) from messages group by 1"
    yield "the front door", partial(overview, db), "", ()
    yield "activity by day, canned", partial(query, "activity_by_day"), days, ()
    yield (
        "stats: by source, role, kind, model and month",
        partial(stats, db),
        "select role, count(*) from messages group by 1",
        (),
    )
    yield (
        "tokens by model and month, canned",
        partial(query, "tokens_by_model"),
        "select model, sum(token_in), sum(token_out) from messages"
        " where model is not null or token_in is not null or token_out is not null group by 1",
        (),
    )
    counted = (
        "select tag_id, count(*) from conversation_tags group by 1 union all"
        " select tag_id, count(*) from message_tags group by 1"
    )
    yield "tags, counted", partial(list_tags, db), counted, ()
    yield "tags, counted, canned", partial(query, "tag_counts"), counted, ()


def _transcript(db: sqlite_utils.Database, bare: sqlite3.Connection) -> Iterator[Case]:
    longest, count = bare.execute(
        "select conversation_id, count(*) from messages group by 1 order by 2 desc limit 1"
    ).fetchone()
    whole = "select * from messages where conversation_id = ? order by position, id"
    yield (
        f"one conversation of {count:,} messages, all of it",
        lambda: list(iter_messages(db, longest)),
        whole,
        (longest,),
    )
    first = partial(messages_between, db, longest, limit=1000)
    yield "the same, its first thousand", first, f"{whole} limit 1000", (longest,)
    last = partial(messages_between, db, longest, skip=count - 1000, limit=1000)
    yield (
        "the same, its last thousand",
        last,
        f"{whole} limit 1000 offset {count - 1000}",
        (longest,),
    )
    yield (
        "the same, its sums",
        partial(transcript_facts, db, longest),
        "select kind, count(*), sum(token_in) from messages where conversation_id = ? group by 1",
        (longest,),
    )
    yield (
        "the same, its outline",
        partial(outline, db, longest),
        "select id, ts, substr(content, 1, 200) from messages"
        " where conversation_id = ? and role = 'user' order by position, id limit 1000",
        (longest,),
    )
