"""Progress bars on stderr, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import click

__all__ = ["Show", "progress_bar"]


class Show(Protocol):
    """Called with the number done, the number in all, and a note to stand behind the bar."""

    def __call__(self, done: int, total: int, note: str = "", /) -> None: ...


@contextmanager
def progress_bar(label: str) -> Iterator[Show | None]:
    """Yields what to tell of progress; ``None`` where nobody would see it."""
    if not sys.stderr.isatty():
        yield None
        return
    notes = [""]
    bar: Any = click.progressbar(
        length=1, label=label, file=sys.stderr, item_show_func=lambda _: notes[0]
    )

    def show(done: int, total: int, note: str = "", /) -> None:
        bar.length = total
        if note != notes[0]:
            notes[0] = note
            bar.render_progress()
        bar.update(done - bar.pos)

    with bar:
        yield show
