"""From transcript files into the archive: finds them, reads what is new, loads it.

A file that did not change since the last time costs one ``stat``; one that grew is read
from where it ended; one that was rewritten is read again, and its records are recognised
by their ids. Each file is one transaction, together with the note how far it was read: an
import that is killed has loaded whole files and goes on with the rest the next time.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import sqlite_utils

from .errors import NotFound
from .importers import importer_for, importers
from .importers.base import Checkpoint, Importer, Item, Said, Skipped, Summary, Unknown, Usage
from .importers.glin import GlinImporter
from .models import Conversation, ImportReport, Problem
from .storage.connection import transaction
from .storage.import_files import ImportFile, find_import_file, record_import_file
from .storage.load import Loader, loading, set_summary, settle

__all__ = ["Progress", "import_paths", "known_places"]

#: Called after each file with files done, files in all, and the file's path.
Progress = Callable[[int, int, Path], None]

_BLOCK = 1024 * 1024

#: The importer's line number travels with its state, under a name that none uses.
_LINE = "#line"

#: A report names so many damaged places; all are counted.
_MAX_PROBLEMS = 1000


@dataclass(slots=True)
class _Tally:
    """An ImportReport in the making."""

    files: int = 0
    unchanged: int = 0
    conversations: int = 0
    messages: int = 0
    skipped: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    #: What could not be read at all, and damage inside of what could.
    failures: dict[str, Problem] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)

    def failure(self, path: Path, error: str) -> None:
        if len(self.failures) < _MAX_PROBLEMS:
            self.failures.setdefault(str(path), Problem(str(path), None, error))

    def unreadable(self, path: Path, ex: OSError) -> None:
        self.failure(path, f"cannot be read: {ex.strerror or ex}")

    def add(self, path: Path, load: Loader, reading: _Reading) -> None:
        """Count a file that was imported."""
        self.files += 1
        self.conversations += load.conversations
        self.messages += load.messages
        self.skipped += reading.skipped + reading.unknown.total()
        self.unknown.update(reading.unknown)
        for problem in reading.problems[: _MAX_PROBLEMS - len(self.errors)]:
            self.errors.append(Problem(str(path), problem.line, problem.error))


def known_places() -> list[tuple[Importer, Path]]:
    """Where the tools keep their transcripts on this machine: the folders that exist."""
    return [
        (importer, place)
        for importer in importers()
        for place in importer.places()
        if place.is_dir()
    ]


def import_paths(
    db: sqlite_utils.Database,
    paths: Sequence[Path] | None = None,
    *,
    deleted: bool = False,
    progress: Progress | None = None,
) -> ImportReport:
    """Import transcript files and folders; with ``None`` those in the known places.

    Conversations that were deleted from the archive stay deleted, unless ``deleted`` is
    set: then every file is read again from its beginning.

    What is damaged inside a file is skipped, counted and named in the report. So is what
    cannot be read, and a named file that is of no known format: these errors come first
    and have no line.

    :raises NotFound: if a path does not exist
    """
    started = time.perf_counter()
    tally = _Tally()
    found = _find(paths, tally)
    named = frozenset(path.absolute() for path in paths or ())
    run = _Run(db, tally, named, deleted)
    for done, (path, importer) in enumerate(found, 1):
        try:
            run.import_file(path, importer)
        except OSError as ex:
            tally.files += 1
            tally.unreadable(path, ex)
        if progress:
            progress(done, len(found), path)
    run.settle_summaries()
    settle(db, tally.messages)
    return ImportReport(
        files=tally.files,
        unchanged=tally.unchanged,
        conversations=tally.conversations,
        messages=tally.messages,
        skipped=tally.skipped,
        unknown=dict(sorted(tally.unknown.items())),
        errors=(*tally.failures.values(), *tally.errors)[:_MAX_PROBLEMS],
        seconds=round(time.perf_counter() - started, 3),
    )


def _find(paths: Sequence[Path] | None, tally: _Tally) -> list[tuple[Path, Importer | None]]:
    """The files to look at, with their importer where the place tells it. The oldest come
    first: a session that continues another one repeats its records, and they belong to
    the one that had them first."""
    found: dict[Path, Importer | None] = {}

    def look(importer: Importer, folder: Path, known: Importer | None) -> None:
        for file in importer.find(folder.absolute(), on_error):
            found[file] = known

    def on_error(ex: OSError) -> None:
        tally.unreadable(Path(ex.filename), ex)

    if paths is None:
        for known, place in known_places():
            look(known, place, known)
    for path in paths or ():
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"{path}: no such file or folder") from None
        except OSError as ex:
            tally.unreadable(path.absolute(), ex)
            continue
        if S_ISDIR(mode):
            for importer in importers():
                look(importer, path, None)
        elif S_ISREG(mode):
            found[path.absolute()] = None
        else:
            tally.failure(path.absolute(), "is not a regular file; save it to a file first")
    return [(path, found[path]) for path in sorted(found, key=_age)]


def _age(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_mtime_ns, str(path)
    except OSError:
        return 0, str(path)


@dataclass(slots=True)
class _Reading:
    """What one reading of a file said, beside what went into the archive."""

    end: Checkpoint
    skipped: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    problems: list[Skipped] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)

    @property
    def torn(self) -> bool:
        """Whether the last line is still being written: it will be read again."""
        return bool(self.problems) and (self.problems[-1].line or 0) > self.end.line > 0

    @property
    def last_error(self) -> str | None:
        if not self.problems:
            return None
        last = self.problems[-1]
        return f"line {last.line}: {last.error}" if last.line else last.error


@dataclass(slots=True)
class _Run:
    """One import: the archive, and what it is about."""

    db: sqlite_utils.Database
    tally: _Tally
    #: The paths that were asked for, as against those found in folders.
    named: frozenset[Path]
    deleted: bool
    #: (source, summary) of conversations that no file so far has held.
    summaries: list[tuple[str, Summary]] = field(default_factory=list)

    def import_file(self, path: Path, importer: Importer | None) -> None:
        """Import what is new in a file, in one transaction.

        :raises OSError: if it cannot be read
        """
        stat = path.stat()
        known = find_import_file(self.db, str(path))
        if self.deleted or (known and known.format == GlinImporter.name):
            # A copy of an archive, too, brings back what was deleted.
            known = None
        if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            self.tally.files += 1
            self.tally.unchanged += 1
            return
        importer = importer or importer_for(path)
        if importer is None:
            # In a folder, other files are none of our business; a file that was named is.
            if path in self.named and stat.st_size:
                self.tally.files += 1
                self.tally.failure(path, "is of no known format")
            return
        start = _resume(path, known, importer) if known else Checkpoint()
        before = known if start.offset else None
        source = None if isinstance(importer, GlinImporter) else importer.name
        with loading(self.db, source, bring_back=self.deleted) as load:
            reading = _feed(load, importer.read(path, start), start)
            later = [s for s in reading.summaries if not load.summary(s.leaf, s.title)]
            record_import_file(
                self.db,
                ImportFile(
                    path=str(path),
                    format=importer.name,
                    size=stat.st_size,
                    mtime_ns=stat.st_mtime_ns,
                    offset=reading.end.offset,
                    digest=_fingerprint(path, reading.end.offset),
                    state={_LINE: reading.end.line, **reading.end.state},
                    skipped=(before.skipped if before else 0) + reading.skipped - reading.torn,
                    last_error=reading.last_error or (before.last_error if before else None),
                ),
            )
        self.summaries += [(importer.name, summary) for summary in later]
        self.tally.add(path, load, reading)

    def settle_summaries(self) -> None:
        """Title the conversations that other files than their own had a summary of."""
        if self.summaries:
            with transaction(self.db):
                for source, summary in self.summaries:
                    set_summary(self.db, source, summary.leaf, summary.title)


def _feed(load: Loader, items: Iterator[Item], start: Checkpoint) -> _Reading:
    """Put what an importer yields into the archive."""
    reading = _Reading(start)
    for item in items:
        match item:
            case Said():
                load.message(item.conversation, item.message)
            case Conversation():
                load.conversation(item)
            case Usage():
                load.usage(
                    item.conversation,
                    item.message,
                    item.token_in,
                    item.token_out,
                    item.token_cached,
                )
            case Summary():
                reading.summaries.append(item)
            case Skipped():
                reading.skipped += 1
                if len(reading.problems) < _MAX_PROBLEMS:
                    reading.problems.append(item)
            case Unknown():
                reading.unknown[item.kind] += 1
            case Checkpoint():
                reading.end = item
        # A large one is not held while the next one is read.
        del item
    return reading


def _resume(path: Path, known: ImportFile, importer: Importer) -> Checkpoint:
    """Where to go on reading: behind what was read, if that is still what it was."""
    if (
        known.format != importer.name
        or path.stat().st_size < known.offset
        or _fingerprint(path, known.offset) != known.digest
    ):
        return Checkpoint()
    state = dict(known.state)
    return Checkpoint(offset=known.offset, line=state.pop(_LINE, 0), state=state)


def _fingerprint(path: Path, offset: int) -> str:
    """A digest of a file up to ``offset``: what was read, if nobody rewrote it."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while offset > 0 and (block := file.read(min(_BLOCK, offset))):
            digest.update(block)
            offset -= len(block)
    return digest.hexdigest()
