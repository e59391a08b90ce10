"""How long a command takes to start, and to do little."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks.bench import Bench
from benchmarks.timing import Times, in_turns, print_table, ratio, say

#: A process that does nothing but what its name says.
LEAST = {
    "pass": "pass",
    "click": "import click",
    "click, sqlite3": "import click, sqlite3",
    "sqlite_utils, click": "import sqlite_utils, click",
}


def measure(bench: Bench) -> None:
    """Print the table."""
    say(
        "`--version` should take at most 1.3× `import click`, and a search its query and 1.5× "
        "`import click, sqlite3`. Each runs in a process of its own."
    )
    columns = ("command", "p50 ms", "p95", "floor", "its p50", "ratio")
    print_table("Starts", columns, _rows(bench))


def _rows(bench: Bench) -> Iterator[tuple[object, ...]]:
    commands: tuple[tuple[str, tuple[str, ...], str], ...] = (
        ("`--version`", ("--version",), "click"),
        ("`--help`", ("--help",), "click"),
        ("`search`, a rare word", ("search", "quokka"), "click, sqlite3"),
        ("`search`, a word in 10 %", ("search", "badger"), "click, sqlite3"),
        ("`list`", ("list",), "click, sqlite3"),
        ("`show` one of the first", ("show", "2"), "click, sqlite3"),
        ("`query tag_counts`", ("query", "tag_counts"), "click, sqlite3"),
    )
    for name, arguments, least in commands:
        ours, floor = beside(bench, arguments, least)
        yield name, ours.p50, ours.p95, f"`import {least}`", floor.p50, ratio(ours.p50, floor.p50)
    alone, nothing = in_turns(*map(_python, ("click, sqlite3", "pass")), rounds=bench.rounds)
    yield "`import click, sqlite3`", alone.p50, alone.p95, "`pass`", nothing.p50, None


def beside(bench: Bench, arguments: Sequence[str], least: str) -> list[Times]:
    """A command of ours, and the least that a process would do."""
    return in_turns(
        partial(run, [*PROGRAM, "--db", str(bench.archive), *arguments]),
        _python(least),
        rounds=bench.rounds,
        seconds=5,
    )


def _python(least: str) -> Callable[[], None]:
    return partial(run, [sys.executable, "-c", LEAST[least]])


#: The command line, as its script starts it.
PROGRAM = (sys.executable, "-m", "glin_datasette")


def run(command: Sequence[str]) -> None:
    """Run a command to its end. What it prints is read, as a terminal would."""
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
