"""Measure the package beside the least that could be called the same, in the same run.

Usage: python -m benchmarks [small|medium|large] [TABLE,…]

Every table is printed as Markdown as soon as it is there. PEERS=1 in the environment adds the
table of other programs, which installs them.
"""

from __future__ import annotations

import importlib
import os
import platform
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.timing import say

SIZES = {"small": 10_000, "medium": 100_000, "large": 1_000_000}

#: In the order in which they are printed; each is a module with a function ``measure``.
TABLES = ("sizes", "searching", "listing", "serving", "starts", "backups", "importing")
PEERS = "peers"


def main(size: str = "small", only: str = "") -> None:
    if size not in SIZES:
        sys.exit(f"SIZE is one of {', '.join(SIZES)}, not {size!r}")
    tables = [name for name in only.split(",") if name]
    if unknown := [name for name in tables if name not in (*TABLES, PEERS)]:
        sys.exit(f"ONLY is of {', '.join((*TABLES, PEERS))}, not {', '.join(unknown)}")
    if not tables:
        tables = [*TABLES, PEERS] if os.environ.get("PEERS") == "1" else [*TABLES]
    started = time.monotonic()
    print(f"# {SIZES[size]:,} messages")
    say(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}.")
    with tempfile.TemporaryDirectory(prefix="glin-bench-") as folder:
        # Nothing that is measured may touch the archive of whoever measures it.
        os.environ["GLIN_DATA_DIR"] = folder
        bench = Bench(Path(folder), SIZES[size], quick=size == "small")
        for name in tables:
            importlib.import_module(f"benchmarks.{name}").measure(bench)
    say(f"Measured in {time.monotonic() - started:.0f} seconds.")


if __name__ == "__main__":
    main(*sys.argv[1:])
