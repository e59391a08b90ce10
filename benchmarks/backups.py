"""A backup that is verified, beside copying the file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.timing import in_turns, print_table, ratio, say
from glin_datasette.storage import backup_db, check, get_db, restore_db, verify_backup


def measure(bench: Bench) -> None:
    """Print the table."""
    say(
        "A backup with its digest should take at most 1.8× a copy if it is checked quickly, and "
        "2.8× with the full check of its integrity."
    )
    columns = ("of the same archive", "p50 ms", "p95", "× `cp`")
    print_table("Backups and checks", columns, _rows(bench))


def _rows(bench: Bench) -> Iterator[tuple[object, ...]]:
    archive = bench.archive
    backups = bench.folder / "backups"
    copied, restored = bench.folder / "copied.db", bench.folder / "restored.db"
    with contextlib.closing(get_db(archive)) as db:
        backup_db(db, backups)
        runs: dict[str, Callable[[], object]] = {
            "`cp`, and its bytes on the disk": lambda: _copy(archive, copied),
            "`sqlite3`: `backup()`": lambda: _bare_backup(archive, copied),
            "`backup_db()`": lambda: backup_db(db, backups, keep=1),
            "`verify_backup()`": lambda: verify_backup(_newest(backups)),
            "`restore_db()`": lambda: _restore(_newest(backups), restored),
            "`check()`": lambda: check(db),
            "`check(deep=True)`": lambda: check(db, deep=True),
            "`sqlite3`: `quick_check`": lambda: _pragma(copied, "quick_check"),
            "`sqlite3`: `integrity_check`": lambda: _pragma(copied, "integrity_check"),
            "`hashlib`: sha256": lambda: _digest(copied),
        }
        # Few rounds: each of them writes the whole archive several times.
        times = in_turns(*runs.values(), rounds=5, seconds=4)
    floor = times[0].p50
    for name, spent in zip(runs, times, strict=True):
        yield name, spent.p50, spent.p95, ratio(spent.p50, floor)
    shutil.rmtree(backups)
    copied.unlink()
    restored.unlink()


def _newest(backups: Path) -> Path:
    return max(backups.glob("*.db"))


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _bare_backup(source: Path, target: Path) -> None:
    # Into an empty file: one that is overwritten is journaled.
    target.unlink()
    with (
        contextlib.closing(sqlite3.connect(source)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.backup(writing)


def _restore(backup: Path, target: Path) -> None:
    # One that is there would be backed up first.
    target.unlink(missing_ok=True)
    restore_db(target, backup)


def _pragma(path: Path, name: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"pragma {name}").fetchall()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
