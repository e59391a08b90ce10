"""Searching: words of every frequency, alone and with each filter, ranked and newest first.

- *ours* is ``search()``: it reads what a person typed, counts all hits, and gives the first 20
  with their snippets and conversations.
- The *floor* is one statement by ``sqlite3`` on the same file: the first 20 of the bare FTS5
  query, with the same filter and their snippets, and no total. It ranks every match. Where ids
  tell the answer, as for a conversation or a stretch of time, it takes them as given.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import sqlite_utils

from benchmarks.bench import Bench
from benchmarks.conversations import TAGS
from benchmarks.text import MARKERS, PHRASE, PREFIX
from benchmarks.timing import print_table, ratio, say
from glin_datasette.search import Sort, facets, search

#: What is searched for -> how it is typed.
WORDS = {
    **{f"{share:.2%}".replace(".00%", "%"): word for word, share in MARKERS.items()},
    "two words": "badger sparrow",
    "a phrase": f'"{" ".join(PHRASE)}"',
    "a prefix": f"{PREFIX}*",
}

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Narrowed:
    """A filter: its name, how it is typed, and what it means to a floor."""

    name: str
    typed: str
    condition: str = ""
    params: tuple[object, ...] = ()
    #: Whether the condition is one on the id alone.
    by_id: bool = False

    @property
    def join(self) -> str:
        if not self.condition or self.by_id:
            return ""
        return (
            "cross join messages as m indexed by idx_messages_narrow on m.id = messages_fts.rowid"
        )


def measure(bench: Bench) -> None:
    """Print the tables of searches and of their facets."""
    with bench.reading() as (db, bare):
        narrowed = filters(bare)
        say(
            "A search should take at most 1.2× its floor, or 100 ms where ranking everything "
            "takes longer; newest first, 5 ms."
        )
        by_rank = ("p50 ms", "p95", "floor p50", "ratio")
        by_time = ("newest p50", "p95", "floor p50", "ratio")
        columns = ("word", "filter", "hits", "ranked", *by_rank, *by_time)
        rows = _searches(bench, db, bare, narrowed)
        print_table("Searching, the best 20 and the newest 20", columns, rows)
        rows = _facets(bench, db, bare, narrowed)
        of_facets = ("word", "filter", "p50 ms", "p95", "by role alone", "ratio")
        print_table("Facets of all that is found", of_facets, rows)


def filters(bare: sqlite3.Connection) -> tuple[Narrowed, ...]:
    """No filter, and one of each kind, of what is frequent in the archive."""
    (tag,) = _row(bare, "select id from tags where name = ?", TAGS[0])
    longest, first, last = _row(
        bare,
        "select conversation_id, min(id), max(id) from messages group by conversation_id"
        " order by count(*) desc limit 1",
    )
    (file,) = _row(
        bare,
        "select ref_value from message_refs where ref_type = 'file' group by 1"
        " order by count(*) desc limit 1",
    )
    (repo,) = _row(
        bare,
        "select repo_root from conversations group by 1 order by count(*) desc limit 1",
    )
    since, until = "2025-03-01", "2025-03-31"
    from_id, to_id = _row(
        bare, "select min(id), max(id) from messages where ts between ? and ?", since, until + "~"
    )
    conversations = "+m.conversation_id in (select id from conversations where {} = ?)".format
    return (
        Narrowed("none", ""),
        Narrowed(
            "tag",
            f"tag:{TAGS[0]}",
            "(+m.conversation_id in"
            " (select conversation_id from conversation_tags where tag_id = ?)"
            " or +m.id in (select message_id from message_tags where tag_id = ?))",
            (tag, tag),
        ),
        Narrowed("source", "source:codex", conversations("source"), ("codex",)),
        Narrowed("role", "role:assistant", "m.role = ?", ("assistant",)),
        Narrowed("repository", f"repo:{repo}", conversations("repo_root"), (repo,)),
        Narrowed(
            "conversation", f"conversation:{longest}", "messages_fts.rowid between ? and ?",
            (first, last), by_id=True,
        ),
        Narrowed(
            "a month", f"since:{since} until:{until}", "messages_fts.rowid between ? and ?",
            (from_id, to_id), by_id=True,
        ),
        Narrowed(
            "file",
            f"file:{file}",
            "+m.id in (select message_id from message_refs"
            " where ref_type = 'file' and ref_value = ?)",
            (file,),
        ),
    )  # fmt: skip


def _row(bare: sqlite3.Connection, sql: str, *params: object) -> tuple[object, ...]:
    row: tuple[object, ...] = bare.execute(sql, params).fetchone()
    return row


def _searches(
    bench: Bench,
    db: sqlite_utils.Database,
    bare: sqlite3.Connection,
    narrowed: tuple[Narrowed, ...],
) -> Iterator[tuple[object, ...]]:
    for name, word in WORDS.items():
        for each in narrowed:
            typed = f"{word} {each.typed}".rstrip()
            result = search(db, typed)
            row: list[object] = [name, each.name, result.total, result.ranked]
            sorts: tuple[Sort, ...] = ("rank", "newest")
            for sort in sorts:
                found = len(search(db, typed, sort=sort).hits)
                floored = len(floor(bare, word, each, sort))
                if found != floored:
                    sys.exit(f"{typed!r} by {sort} finds {found}, its floor {floored}")
                ours, least = bench.in_turns(
                    partial(search, db, typed, sort=sort), partial(floor, bare, word, each, sort)
                )
                row += [ours.p50, ours.p95, least.p50, ratio(ours.p50, least.p50)]
            yield tuple(row)


def floor(bare: sqlite3.Connection, word: str, narrowed: Narrowed, sort: Sort) -> list[object]:
    """The first hits with their snippets, by nothing but the index."""
    condition = f"and {narrowed.condition}" if narrowed.condition else ""
    order = "rank" if sort == "rank" else "id desc"
    score = "bm25(messages_fts, 1.0, 0.3)" if sort == "rank" else "0"
    return bare.execute(
        # The cross join leaves the snippets to the rows that are kept.
        "select f.id, f.snippet, m.ts from ("
        f" select messages_fts.rowid as id, {score} as rank,"
        "  snippet(messages_fts, 0, '[', ']', '…', 24) as snippet"
        f" from messages_fts {narrowed.join}"
        f" where messages_fts match ? {condition} order by {order} limit {_SHOWN}"
        ") as f cross join messages as m on m.id = f.id",
        [word, *narrowed.params],
    ).fetchall()


def _facets(
    bench: Bench,
    db: sqlite_utils.Database,
    bare: sqlite3.Connection,
    narrowed: tuple[Narrowed, ...],
) -> Iterator[tuple[object, ...]]:
    for name, word in WORDS.items():
        for each in (narrowed[0], narrowed[1]):
            ours, least = bench.in_turns(
                partial(facets, db, f"{word} {each.typed}"), partial(_roles, bare, word, each)
            )
            yield name, each.name, ours.p50, ours.p95, least.p50, ratio(ours.p50, least.p50)


def _roles(bare: sqlite3.Connection, word: str, narrowed: Narrowed) -> list[object]:
    """One facet of all hits, where ours are seven and a histogram."""
    condition = f"and {narrowed.condition}" if narrowed.condition else ""
    return bare.execute(
        "select m.role, count(*) from messages_fts cross join messages as m"
        " indexed by idx_messages_narrow on m.id = messages_fts.rowid"
        f" where messages_fts match ? {condition} group by m.role",
        [word, *narrowed.params],
    ).fetchall()
