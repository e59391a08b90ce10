"""What the tables of one run share: its size, and the files that they are measured on."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from benchmarks.archives import write_archive
from benchmarks.text import Style
from benchmarks.timing import Times, in_turns
from glin_datasette.storage import get_db


@dataclass(frozen=True)
class Bench:
    """One run, in a folder of its own. What tables need is made when the first one asks."""

    folder: Path
    messages: int
    #: Of each comparison.
    rounds: int

    def in_turns(self, *functions: Callable[[], object]) -> list[Times]:
        """See :func:`benchmarks.timing.in_turns`."""
        return in_turns(*functions, rounds=self.rounds)

    @functools.cached_property
    def archive(self) -> Path:
        """An archive of all the messages; to be read."""
        return self._archive("mixed", self.messages)

    def archive_of(self, style: Style, messages: int) -> Path:
        """An archive of text of one style; to be read."""
        if style == "mixed" and messages == self.messages:
            return self.archive
        return self._archive(style, messages)

    def _archive(self, style: Style, messages: int) -> Path:
        path = self.folder / f"{style}-{messages}.db"
        if not path.exists():
            write_archive(path, messages, style)
        return path

    @contextlib.contextmanager
    def copy(self, archive: Path) -> Iterator[Path]:
        """A copy of an archive that nobody has open, to be written to; removed in the end."""
        copy = self.folder / f"copy-of-{archive.name}"
        shutil.copyfile(archive, copy)
        copy.chmod(0o600)
        try:
            yield copy
        finally:
            for file in self.folder.glob(f"{copy.name}*"):
                file.unlink()

    @contextlib.contextmanager
    def reading(self) -> Iterator[tuple[sqlite_utils.Database, sqlite3.Connection]]:
        """The archive as the package opens it, and by ``sqlite3`` alone for the floors."""
        with (
            contextlib.closing(get_db(self.archive, readonly=True)) as db,
            contextlib.closing(open_bare(self.archive)) as bare,
        ):
            yield db, bare


def open_bare(path: Path) -> sqlite3.Connection:
    """A connection that can only read, with nothing of the package's."""
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
