"""Measuring side by side, and saying what came of it.

The times of a machine that others use too come and go. So what is compared is taken in turns,
within the same seconds, and told as a ratio; its times stand beside it to be read, not to be
remembered.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

#: A comparison ends after so long for each of what it compares, whatever rounds are left.
SECONDS = 1.5
#: Of what takes long there are so many at least.
FEWEST = 3

#: What stands where there is nothing to say.
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Times:
    """What some rounds took, in milliseconds, in order."""

    ms: tuple[float, ...]

    @classmethod
    def of(cls, ms: Iterable[float]) -> Times:
        return cls(tuple(sorted(ms)))

    @property
    def p50(self) -> float:
        return statistics.median(self.ms)

    @property
    def p95(self) -> float:
        return self.ms[min(len(self.ms) - 1, int(len(self.ms) * 0.95))]

    @property
    def best(self) -> float:
        return self.ms[0]


def in_turns(
    *functions: Callable[[], object],
    rounds: int,
    seconds: float = SECONDS,
    warm: bool = True,
) -> list[Times]:
    """The times of each function, called one after the other in every round, each first in its
    turn. ``warm``: a round before them does not count."""
    spent: list[list[float]] = [[] for _ in functions]
    if warm:
        for function in functions:
            function()
    until = time.perf_counter() + seconds * len(functions)
    for number in range(rounds):
        if number >= FEWEST and time.perf_counter() > until:
            break
        for place in range(len(functions)):
            which = (place + number) % len(functions)
            spent[which].append(milliseconds(functions[which]))
    return [Times.of(each) for each in spent]


def milliseconds(function: Callable[[], object]) -> float:
    """What one call takes."""
    started = time.perf_counter()
    function()
    return (time.perf_counter() - started) * 1000


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print Markdown: a heading, and a table of which each row is shown once it is there."""
    print(f"\n## {title}\n")
    print(f"| {' | '.join(columns)} |")
    print(f"| --- |{' ---: |' * (len(columns) - 1)}", flush=True)
    for row in rows:
        print(f"| {' | '.join(shown(value) for value in row)} |", flush=True)


def say(text: str) -> None:
    """Print a paragraph."""
    print(f"\n{text}", flush=True)


def shown(value: object) -> str:
    """A value as a cell: three digits are as many as a measurement is worth."""
    if value is None:
        return NOTHING
    if isinstance(value, float):
        if value >= 100:
            return f"{value:,.0f}"
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def ratio(ours: float, floor: float) -> str:
    """How many times the floor ours is."""
    return f"{ours / floor:.2f}×" if floor else NOTHING
