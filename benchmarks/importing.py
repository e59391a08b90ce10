"""Importing transcripts: whole folders, what is new into what is large, and nothing at all.

- *storage* is what an import takes beyond reading the same files with the same importer, and
  its *floor* the same rows by ``executemany`` into the same tables and indexes, with one
  statement that indexes their text, as durable.
- *lines* is what parsing every line of the files as JSON takes, and nothing else.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, open_bare
from benchmarks.starts import LEAST, PROGRAM, run
from benchmarks.timing import Times, in_turns, milliseconds, print_table, ratio, say, shown
from benchmarks.transcripts import FORMATS
from glin_datasette.importers import importer_for
from glin_datasette.importers.base import Checkpoint
from glin_datasette.ingest import import_paths
from glin_datasette.models import Message
from glin_datasette.storage import get_db, insert_message

#: What is new at most, where that is added to a large archive.
_NEW = 10_000
_FILES = 1_000
_APPENDED = 500


def measure(bench: Bench) -> None:
    """Print the tables."""
    say("Storage should reach at least 0.9 of its floor, however large the archive is.")
    columns = ("transcripts", "files", "MB", "seconds", "messages/s")
    parts = ("lines s", "reading s", "storage s", "floor s", "of the floor")
    print_table("Importing for the first time", (*columns, *parts), _first(bench))
    say(
        "10,000 new messages should take at most 1.3× as long into a million as into none, "
        "1,000 at most 0.1 s of storage; no append afterwards 50 ms."
    )
    grown = ("what is imported", "into none s", "into all s", "ratio", "storage into all s")
    print_table("Importing into a large archive", grown, _growing(bench))
    appended = ("one message more", "p50 ms", "p99", "longest")
    print_table("Appending", appended, _appending(bench))
    say(
        "In a process each. One message more in a session should take at most 0.5 s, nothing "
        "new in 1,000 files 1.5× the imports that it cannot do without."
    )
    print_table(
        "Importing little", ("import", "p50 ms", "p95", "floor p50", "ratio"), _little(bench)
    )
    say("Memory should stay below 200 MB, whatever is imported.")
    held = ("import, in a process", "MB of transcripts", "MB at most")
    print_table("Memory", held, _memory(bench))


@dataclass(frozen=True, slots=True)
class _Spent:
    """What importing a folder took, in seconds."""

    whole: float
    reading: float

    @property
    def storage(self) -> float:
        return self.whole - self.reading


def _first(bench: Bench) -> Iterator[tuple[object, ...]]:
    for format in FORMATS:
        folder = bench.transcripts(format)
        files = sorted(folder.rglob("*.jsonl"))
        archive, floor = bench.folder / "imported.db", bench.folder / "floor.db"
        spent, least, lines = [], [], []
        # Of a million one round says as much as several of fewer.
        for _ in range(1 if bench.quick or bench.messages > 100_000 else 2):
            _remove(archive)
            spent.append(_import(folder, archive, bench.messages))
            _remove(floor)
            least.append(load_rows(archive, floor))
            lines.append(milliseconds(partial(_parse, files)) / 1000)
        _remove(archive)
        _remove(floor)
        whole = min(spent, key=lambda each: each.whole)
        storage = min(each.storage for each in spent)
        yield (
            f"{format} ({_json()[0]})",
            len(files),
            _megabytes(folder),
            whole.whole,
            int(bench.messages / whole.whole),
            min(lines),
            min(each.reading for each in spent),
            storage,
            min(least),
            shown(min(least) / storage),
        )


def _import(folder: Path, archive: Path, expected: int) -> _Spent:
    """Import a folder, and read it once more without storing anything."""
    with contextlib.closing(get_db(archive)) as db:
        before = db.table("messages").count
        whole = milliseconds(lambda: import_paths(db, [folder])) / 1000
        added = db.table("messages").count - before
    if added != expected:
        sys.exit(f"{added} of {expected} messages were imported: nothing here can be believed")
    return _Spent(whole, milliseconds(partial(_read, folder)) / 1000)


def _read(folder: Path) -> None:
    for path in sorted(folder.rglob("*.jsonl")):
        importer = importer_for(path)
        assert importer is not None
        for _ in importer.read(path, Checkpoint()):
            pass


def _json() -> tuple[str, Callable[[bytes], object]]:
    """The fastest parser that is there."""
    if importlib.util.find_spec("orjson"):
        return "orjson", importlib.import_module("orjson").loads
    return "json", json.loads


def _parse(files: list[Path]) -> None:
    loads = _json()[1]
    for path in files:
        with path.open("rb") as file:
            for line in file:
                loads(line)


def load_rows(archive: Path, target: Path) -> float:
    """Put all rows of an archive into an empty file with the same tables and indexes, and
    index their text.

    :returns: the seconds that writing took, without those of reading
    """
    with (
        contextlib.closing(open_bare(archive)) as reading,
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as writing,
    ):
        (size,) = reading.execute("pragma page_size").fetchone()
        writing.execute(f"pragma page_size = {size}")
        writing.execute("pragma journal_mode = wal")
        writing.execute("pragma synchronous = full")
        tables = _make_tables(reading, writing)
        writing.execute("begin")
        spent = 0.0
        for table in tables:
            rows = reading.execute(f'select * from "{table}"')
            insert = f'insert into "{table}" values ({", ".join("?" * len(rows.description))})'
            while batch := rows.fetchmany(10_000):
                spent += milliseconds(partial(writing.executemany, insert, batch))
        indexed = ", ".join(
            row[0] for row in reading.execute("select name from pragma_table_info('messages_fts')")
        )
        index = f"insert into messages_fts(rowid, {indexed}) select id, {indexed} from messages"
        spent += milliseconds(partial(writing.execute, index))
        spent += milliseconds(partial(writing.execute, "commit"))
    return spent / 1000


def _make_tables(reading: sqlite3.Connection, writing: sqlite3.Connection) -> list[str]:
    """Make the tables and indexes of an archive, without its triggers.

    :returns: the tables that hold rows of their own
    """
    made = []
    for kind, name, sql in reading.execute(
        "select type, name, sql from sqlite_master where type in ('table', 'index')"
        " and sql is not null order by rowid"
    ).fetchall():
        # What FTS5 and SQLite keep for themselves is made with what they keep it for.
        if name.startswith(("messages_fts_", "sqlite_")):
            continue
        writing.execute(sql)
        if kind == "table" and name != "messages_fts":
            made.append(name)
    return made


def _growing(bench: Bench) -> Iterator[tuple[object, ...]]:
    most = min(_NEW, bench.messages // 4)
    for messages in (most, most // 10):
        folder = bench.new_transcripts("claude-code", messages, seed=3 + (messages == most))
        empty, large = [], []
        for _ in range(1 if bench.quick else 3):
            _remove(bench.folder / "none.db")
            empty.append(_import(folder, bench.folder / "none.db", messages))
            with bench.copy(bench.archive) as copy:
                _warm(copy)
                large.append(_import(folder, copy, messages))
        _remove(bench.folder / "none.db")
        alone, beside = (min(each.whole for each in spent) for spent in (empty, large))
        storage = min(each.storage for each in large)
        yield f"{messages:,} new messages", alone, beside, ratio(beside, alone), storage


def _warm(archive: Path) -> None:
    """Read a file that was just copied, as one that is in use was."""
    with archive.open("rb") as file:
        while file.read(1 << 20):
            pass


def _appending(bench: Bench) -> Iterator[tuple[object, ...]]:
    new = min(_NEW, bench.messages // 4)
    folder = bench.new_transcripts("claude-code", new, seed=4)
    with bench.copy(bench.archive) as copy:
        _import(folder, copy, new)
        with contextlib.closing(get_db(copy)) as db:
            texts = [
                row[0] for row in db.execute(f"select content from messages limit {_APPENDED}")
            ]
            spent = [
                milliseconds(partial(insert_message, db, 1, Message(role="user", content=text)))
                for text in texts
            ]
    percentiles = statistics.quantiles(spent, n=100)
    yield (
        f"`insert_message()` {_APPENDED} times after an import",
        percentiles[49],
        percentiles[98],
        max(spent),
    )


def _little(bench: Bench) -> Iterator[tuple[object, ...]]:
    floor = partial(run, [sys.executable, "-c", LEAST["sqlite_utils, click"]])
    session = bench.new_transcripts("claude-code", 200, seed=5, length=200)
    (path,) = session.rglob("*.jsonl")
    lines = path.read_text("utf-8").splitlines(keepends=True)
    with bench.copy(bench.archive) as copy:
        path.write_text("".join(lines[:100]), "utf-8")
        _import(session, copy, 100)
        rest = itertools.cycle(lines[100:])

        def append() -> None:
            with path.open("a", encoding="utf-8") as file:
                file.write(next(rest))
            run([*PROGRAM, "--db", str(copy), "import", str(path)])

        yield _compared("one message more in a session of the archive", append, floor, bench)
    shutil.rmtree(session)

    many = bench.new_transcripts("claude-code", _FILES * 5, seed=6, length=5)
    archive = bench.folder / "files.db"
    _import(many, archive, _FILES * 5)
    again = partial(run, [*PROGRAM, "--db", str(archive), "import", str(many)])
    yield _compared(f"nothing new in {_FILES:,} files", again, floor, bench)
    _remove(archive)


def _compared(
    name: str, ours: Callable[[], None], floor: Callable[[], None], bench: Bench
) -> tuple[object, ...]:
    times: list[Times] = in_turns(ours, floor, rounds=bench.rounds, seconds=5)
    return name, times[0].p50, times[0].p95, times[1].p50, ratio(times[0].p50, times[1].p50)


#: Runs the command line and then tells the most memory that it had, in kB: of this process,
#: where the system says so, since what rusage says may be that of whoever started it.
_TOLD = """
import atexit, resource, sys
from pathlib import Path

def tell():
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    kb = [int(line.split()[1]) for line in lines if line.startswith("VmHWM:")]
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "darwin":
        largest //= 1024
    print("kB", *(kb or [largest]), file=sys.stderr)

atexit.register(tell)
from glin_datasette.cli import main
main()
"""


def _memory(bench: Bench) -> Iterator[tuple[object, ...]]:
    archive = bench.folder / "memory.db"
    most = min(bench.messages, 100_000)
    cases = {
        "`--version`, no import": None,
        f"{bench.messages:,} messages in a folder": bench.transcripts("claude-code"),
        f"{most:,} in one file": bench.new_transcripts("claude-code", most, seed=7, length=most),
    }
    for name, folder in cases.items():
        arguments = ["import", str(folder)] if folder else ["--version"]
        ended = subprocess.run(
            [sys.executable, "-c", _TOLD, "--db", str(archive), *arguments],
            check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        kilobytes = int(ended.stderr.split("kB")[-1])
        yield name, _megabytes(folder) if folder else None, kilobytes / 1000
        _remove(archive)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*.jsonl")) / 1e6


def _remove(database: Path) -> None:
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
