"""What the tables of one run share: its size, and the files that they are measured on."""

from __future__ import annotations

import contextlib
import functools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlite_utils

from benchmarks.archives import write_archive
from benchmarks.conversations import conversations
from benchmarks.text import Style, Writer
from benchmarks.timing import Times, in_turns
from benchmarks.transcripts import FORMATS
from glin_datasette.storage import get_db

_LATER = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Bench:
    """One run, in a folder of its own. What tables need is made when the first one asks."""

    folder: Path
    messages: int
    #: Whether it is enough that everything runs.
    quick: bool

    @property
    def rounds(self) -> int:
        """Of each comparison."""
        return 5 if self.quick else 20

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

    def transcripts(self, format: str) -> Path:
        """A folder of transcripts with as many messages as the archive, and other ones."""
        return self.new_transcripts(format, self.messages, seed=2)

    def new_transcripts(
        self, format: str, messages: int, *, seed: int, length: int | None = None
    ) -> Path:
        """A folder of transcripts that are newer than all that is in the archive.

        :param length: messages of each; by default it varies
        """
        folder = self.folder / f"{format}-{messages}-{seed}"
        if not folder.exists():
            told = conversations(Writer(seed), messages, source=format, length=length, start=_LATER)
            FORMATS[format](folder, told)
        return folder

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
