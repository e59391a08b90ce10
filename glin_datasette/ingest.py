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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import sqlite_utils

from .errors import NotFound
from .importers import importer_for, importers
from .importers.base import Checkpoint, Importer, Said, Skipped, Summary, Unknown, Usage
from .importers.glin import GlinImporter
from .models import Conversation, ImportReport, Problem
from .storage.connection import transaction
from .storage.import_files import ImportFile, find_import_file, record_import_file
from .storage.load import loading, set_summary, settle

__all__ = ["Progress", "import_paths", "known_places"]

#: Called after each file with files done, files in all, and the file's path.
Progress = Callable[[int, int, Path], None]

#: How much of a file's beginning, and of its end as it was, tells a grown file from a
#: rewritten one. In bytes.
_FINGERPRINT = 4096

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

    def problem(self, path: Path, line: int | None, error: str) -> None:
        if len(self.errors) < _MAX_PROBLEMS:
            self.errors.append(Problem(str(path), line, error))


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
    progress: Progress | None = None,
) -> ImportReport:
    """Import transcript files and folders; with ``None`` those in the known places.

    What is damaged inside a file is skipped, counted and named in the report. So is what
    cannot be read, and a named file that is of no known format: these errors come first
    and have no line.

    :raises NotFound: if a path does not exist
    """
    started = time.perf_counter()
    tally = _Tally()
    found = _find(paths, tally)
    named = {path.absolute() for path in paths or ()}
    summaries: list[tuple[str, Summary]] = []
    for done, (path, importer) in enumerate(found, 1):
        try:
            _import_file(db, path, importer, path in named, tally, summaries)
        except OSError as ex:
            tally.files += 1
            tally.unreadable(path, ex)
        if progress:
            progress(done, len(found), path)
    if summaries:
        with transaction(db):
            for source, summary in summaries:
                set_summary(db, source, summary.leaf, summary.title)
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


def _import_file(
    db: sqlite_utils.Database,
    path: Path,
    importer: Importer | None,
    named: bool,
    tally: _Tally,
    summaries: list[tuple[str, Summary]],
) -> None:
    stat = path.stat()
    known = find_import_file(db, str(path))
    if known and known.format == GlinImporter.name:
        # A copy of an archive: importing it again brings back what was deleted.
        known = None
    if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        tally.files += 1
        tally.unchanged += 1
        return
    importer = importer or importer_for(path)
    if importer is None:
        # In a folder, other files are none of our business; a file that was named is.
        if named and stat.st_size:
            tally.files += 1
            tally.failure(path, "is of no known format")
        return
    start = _resume(path, known, importer) if known else Checkpoint()
    end = start
    before, last_error = (known.skipped, known.last_error) if known and start.offset else (0, None)
    skipped = 0
    unknown: Counter[str] = Counter()
    problems: list[Skipped] = []
    waiting: list[Summary] = []
    exact = isinstance(importer, GlinImporter)
    with loading(db, None if exact else importer.name) as load:
        for item in importer.read(path, start):
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
                    waiting.append(item)
                case Skipped():
                    skipped += 1
                    if len(problems) < _MAX_PROBLEMS:
                        problems.append(item)
                case Unknown():
                    unknown[item.kind] += 1
                case Checkpoint():
                    end = item
        # A last line that is still being written will be read again, and may be whole then.
        torn = bool(problems) and (problems[-1].line or 0) > end.line > 0
        waiting = [summary for summary in waiting if not load.summary(summary.leaf, summary.title)]
        record_import_file(
            db,
            ImportFile(
                path=str(path),
                format=importer.name,
                size=stat.st_size,
                mtime_ns=stat.st_mtime_ns,
                offset=end.offset,
                digest=_fingerprint(path, end.offset),
                state={_LINE: end.line, **end.state},
                skipped=before + skipped - torn,
                last_error=_told(problems[-1]) if problems else last_error,
            ),
        )
    summaries += [(importer.name, summary) for summary in waiting]
    tally.conversations += load.conversations
    tally.messages += load.messages
    tally.files += 1
    tally.skipped += skipped + unknown.total()
    tally.unknown.update(unknown)
    for problem in problems:
        tally.problem(path, problem.line, problem.error)


def _told(problem: Skipped) -> str:
    return f"line {problem.line}: {problem.error}" if problem.line else problem.error


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
    """A digest of the beginning of a file and of the last bytes before ``offset``."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        digest.update(file.read(min(_FINGERPRINT, offset)))
        file.seek(max(0, offset - _FINGERPRINT))
        digest.update(file.read(min(_FINGERPRINT, offset)))
    return digest.hexdigest()
