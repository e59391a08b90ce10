"""Measure import and search against plain SQLite doing the least that could be called the
same, in the same run: the ratios travel between machines, the times do not.

Usage: python -m benchmarks [small|medium|large]
"""

from __future__ import annotations

import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import sqlite_utils

from benchmarks.generate import MARKERS, write_transcripts
from glin_datasette.ingest import import_paths
from glin_datasette.search import search
from glin_datasette.storage import get_db

SIZES = {"small": 20_000, "medium": 100_000, "large": 1_000_000}
ROUNDS = 15


def main(size: str) -> None:
    if size not in SIZES:
        sys.exit(f"SIZE is one of {', '.join(SIZES)}, not {size!r}")
    messages = SIZES[size]
    with tempfile.TemporaryDirectory(prefix="glin-bench-") as name:
        folder = Path(name)
        transcripts = folder / "projects"
        write_transcripts(transcripts, messages)
        with get_db(folder / "glin.db") as db, sqlite3.connect(folder / "raw.db") as raw:
            print(f"# {messages:,} messages\n")
            print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, ", end="")
            print(f"{_megabytes(transcripts)} MB of transcripts\n")
            _importing(db, raw, transcripts, messages)
            print(
                f"\nThe archive holds {db.conn.execute(_BYTES).fetchone()[0] / messages:,.0f} "
                "bytes a message.\n"
            )
            _searching(db, raw)
        raw.close()


_BYTES = "select page_count * page_size from pragma_page_count, pragma_page_size"


def _importing(
    db: sqlite_utils.Database, raw: sqlite3.Connection, transcripts: Path, messages: int
) -> None:
    first = _seconds(lambda: import_paths(db, [transcripts]))
    stored = db.table("messages").count
    if stored != messages:
        sys.exit(f"{stored} of {messages} messages were imported: nothing here can be believed")
    rows = db.execute(
        "select id, conversation_id, ts, role, content from messages order by id"
    ).fetchall()
    bare = _seconds(lambda: _load_raw(raw, rows))
    again = _seconds(lambda: import_paths(db, [transcripts]))
    next(transcripts.rglob("*.jsonl")).touch()
    touched = _seconds(lambda: import_paths(db, [transcripts]))
    print("| importing | seconds | messages/s | × raw |")
    print("| --- | --- | --- | --- |")
    print(f"| raw: rows in memory, executemany, one FTS5 index | {_rate(bare, messages)} | 1.0 |")
    print(f"| transcripts, first time | {_rate(first, messages)} | {first / bare:.1f} |")
    print(f"| the same, nothing changed | {again:.3f} | | |")
    print(f"| the same, one file touched | {touched:.3f} | | |")


def _load_raw(raw: sqlite3.Connection, rows: list[tuple[object, ...]]) -> None:
    raw.execute("pragma journal_mode = wal")
    raw.execute("pragma synchronous = full")
    raw.execute("create table messages (id integer primary key, conversation, ts, role, content)")
    raw.execute("create virtual table fts using fts5(content, content=messages, content_rowid=id)")
    with raw:
        raw.executemany("insert into messages values (?, ?, ?, ?, ?)", rows)
        raw.execute("insert into fts(rowid, content) select id, content from messages")


def _searching(db: sqlite_utils.Database, raw: sqlite3.Connection) -> None:
    print("| searching, the best 20 | matches | bare FTS5 ms | search ms | × bare | newest ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for word, share in MARKERS.items():
        total = search(db, word).total
        bare, ranked, newest = _medians(
            partial(_bare, raw, word),
            partial(search, db, word),
            partial(search, db, word, sort="newest"),
        )
        name = f"a word in {share:.2%} of them".replace(".00%", "%")
        times = f"{bare:.2f} | {ranked:.2f} | {ranked / bare:.1f} | {newest:.2f}"
        print(f"| {name} | {total:,} | {times} |")


def _bare(raw: sqlite3.Connection, word: str) -> list[tuple[int]]:
    sql = "select rowid from fts where fts match ? order by bm25(fts) limit 20"
    return raw.execute(sql, [word]).fetchall()


def _medians(*functions: Callable[[], object]) -> list[float]:
    """The median milliseconds of each, taken in turns so that they share what the machine
    does meanwhile."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(ROUNDS):
        for function, spent in zip(functions, times, strict=True):
            spent.append(_seconds(function) * 1000)
    return [statistics.median(spent) for spent in times]


def _seconds(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _rate(seconds: float, messages: int) -> str:
    return f"{seconds:.2f} | {messages / seconds:,.0f}"


def _megabytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.jsonl")) // 1_000_000


if __name__ == "__main__":
    main(*sys.argv[1:] or ["small"])
