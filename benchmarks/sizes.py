"""How large an archive is beside the text that it holds, and where its bytes are."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, open_bare
from benchmarks.text import Style
from benchmarks.timing import milliseconds, print_table, ratio, say
from glin_datasette.storage import compact_db, delete_conversation, get_db

_TEXT = "select sum(length(cast(content as blob))) from messages"


def measure(bench: Bench) -> None:
    """Print the tables."""
    say(
        "An archive should be at most 1.85× its text where messages are short, 1.6× where they "
        "are long, and hold a million of 260 bytes in 500 MB."
    )
    sized = ("bytes of a message", "MB of text", "MB of archive", "ratio", "MB for a million")
    print_table("Size", ("text", "messages", *sized), _styles(bench))
    with contextlib.closing(open_bare(bench.archive)) as bare:
        print_table(
            "Where the bytes are",
            ("table or index", "MB", "bytes for each message", "share"),
            _shares(dict(_parts(bare)), bench.messages),
        )
    print_table("Compacting", ("an archive", "MB", "seconds"), _compacting(bench))


def _styles(bench: Bench) -> Iterator[tuple[object, ...]]:
    # Of long messages fewer: they are many times as large.
    few = bench.messages // 5
    styles: tuple[tuple[str, Style, int], ...] = (
        ("prose of about 260 bytes", "short", bench.messages),
        ("code of about 3,500 bytes", "long", few),
        ("as people have it", "mixed", bench.messages),
    )
    for name, style, messages in styles:
        path = bench.archive_of(style, messages)
        with contextlib.closing(open_bare(path)) as bare:
            (text,) = bare.execute(_TEXT).fetchone()
        size = path.stat().st_size
        million = size / messages
        yield name, messages, text / messages, text / 1e6, size / 1e6, ratio(size, text), million


def _shares(sizes: dict[str, int], messages: int) -> Iterator[tuple[object, ...]]:
    """The largest first, and what is next to nothing together."""
    total = sum(sizes.values())
    shown = {name: size for name, size in sizes.items() if size >= total / 500}
    largest = sorted(shown.items(), key=lambda each: -each[1])
    for name, size in [*largest, ("all others", total - sum(shown.values()))]:
        yield name, size / 1e6, size / messages, f"{size / total:.1%}"


def _parts(bare: sqlite3.Connection) -> list[tuple[str, int]]:
    """Bytes of each table and index."""
    try:
        return bare.execute("select name, pgsize from dbstat where aggregate = 1").fetchall()
    except sqlite3.OperationalError:
        return _parts_by_dropping(bare)


def _parts_by_dropping(bare: sqlite3.Connection) -> list[tuple[str, int]]:
    """The same where SQLite was built without ``dbstat``: what would be free if it was gone. An
    index that belongs to a constraint counts with its table."""
    name = bare.execute("select file from pragma_database_list").fetchone()[0]
    found = []
    for kind, table in bare.execute(
        "select type, name from sqlite_master where type in ('table', 'index')"
        " and sql not like 'create virtual %' and name not like 'sqlite\\_%' escape '\\'"
    ).fetchall():
        with contextlib.closing(sqlite3.connect(name, isolation_level=None)) as writing:
            # Nothing of it is written: an index cannot be dropped by who may only read.
            writing.execute("begin")
            found.append((table, _freed(writing, kind, table)))
            writing.execute("rollback")
    return found


def _freed(writing: sqlite3.Connection, kind: str, name: str) -> int:
    before = _free(writing)
    if kind == "table":
        # Its other indexes are counted by themselves.
        for (index,) in writing.execute(
            "select name from sqlite_master where type = 'index' and tbl_name = ? and sql > ''",
            [name],
        ).fetchall():
            writing.execute(f'drop index "{index}"')
        before = _free(writing)
    writing.execute(f'drop {kind} "{name}"')
    return _free(writing) - before


def _free(writing: sqlite3.Connection) -> int:
    pages, size = writing.execute(
        "select freelist_count, page_size from pragma_freelist_count, pragma_page_size"
    ).fetchone()
    return int(pages * size)


def _compacting(bench: Bench) -> Iterator[tuple[object, ...]]:
    with bench.copy(bench.archive) as copy, contextlib.closing(get_db(copy)) as db:
        yield "as it was", copy.stat().st_size / 1e6, None
        every_other = db.execute("select id from conversations where id % 2").fetchall()
        with db.atomic():
            spent = milliseconds(lambda: [delete_conversation(db, row[0]) for row in every_other])
        db.execute("pragma wal_checkpoint(truncate)")
        yield "every other conversation deleted", copy.stat().st_size / 1e6, spent / 1000
        report = compact_db(db)
        yield "compacted", report.after / 1e6, report.seconds
        least = copy.with_suffix(".least")
        spent = milliseconds(lambda: db.execute("vacuum into ?", [str(least)]))
        yield "the floor: `VACUUM INTO`", _removed(least) / 1e6, spent / 1000


def _removed(path: Path) -> int:
    """The size of a file that is of no more use."""
    size = path.stat().st_size
    path.unlink()
    return size
