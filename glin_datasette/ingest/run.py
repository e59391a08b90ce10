"""One import: which files are new or have changed. They are read by :mod:`.loading`, which is
imported for the first of them: where there is none, reading and writing need not be loaded."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlite_utils

from ..errors import UsageError
from ..importers import broken_importers, importer_for, importer_named, importers
from ..importers.importer import Importer
from ..models import ImportReport
from ..paths import told
from ..storage.connection import database_path
from ..storage.import_files import find_import_file
from .failures import ImporterFailed, Overtaken
from .finding import find_transcripts, stamp
from .lookup import Stamp, looked_up
from .options import ATTACHMENTS, REDACTED, ImportOptions
from .tally import Tally

if TYPE_CHECKING:
    from .loading import Loads

__all__ = ["Progress", "import_paths"]

#: Called after each file, and now and then during a long one, with files done, files in
#: all, the file's path, and the messages added so far.
Progress = Callable[[int, int, Path, int], None]


def import_paths(
    db: sqlite_utils.Database,
    paths: Sequence[Path] | None = None,
    options: ImportOptions | None = None,
    *,
    progress: Progress | None = None,
) -> ImportReport:
    """Import transcript files and folders; with ``None`` those in the known places.

    What is damaged inside a file is skipped, counted and named in the report. So is what
    cannot be read, a named file that is of no known format, and what an importer failed on:
    these errors come first and have no line. Conversations that were deleted from the
    archive stay deleted, unless ``options`` say otherwise.

    :raises NotFound: if a path does not exist
    :raises UsageError: if there is no such format
    """
    options = options or ImportOptions()
    if options.format and importer_named(options.format) is None:
        names = ", ".join(importer.name for importer in importers())
        raise UsageError(f"no format {options.format!r}; there are {names}")
    started = time.perf_counter()
    tally = Tally()
    found = find_transcripts(paths, tally)
    named = frozenset(path.absolute() for path in paths or ())
    with contextlib.ExitStack() as until_all_is_read:
        run = _Run(db, tally, named, options, until_all_is_read)
        for done, (path, importer, known) in enumerate(looked_up(db, found)):
            if progress:
                run.tick = functools.partial(progress, done, len(found), path)
            try:
                run.import_file(path, importer, known)
            except OSError as ex:
                tally.files += 1
                tally.unreadable(path, ex)
            except ImporterFailed as ex:
                tally.files += 1
                tally.failure(path, str(ex))
            run.pause()
            if progress:
                progress(done + 1, len(found), path, tally.messages)
    run.settle()
    for broken in broken_importers():
        tally.failure(broken.what, broken.error)
    return tally.report(time.perf_counter() - started)


class _Run:
    """One import: the archive, and what it is about."""

    def __init__(
        self,
        db: sqlite_utils.Database,
        tally: Tally,
        named: frozenset[Path],
        options: ImportOptions,
        until_all_is_read: contextlib.ExitStack,
    ) -> None:
        self._db = db
        self._tally = tally
        #: The paths that were asked for, as against those found in folders.
        self._named = named
        self._options = options
        self._until_all_is_read = until_all_is_read
        self._loads: Loads | None = None
        #: Called with the messages added so far.
        self.tick: Callable[[int], None] = lambda messages: None

    def import_file(self, path: Path, importer: Importer | None, known: Stamp | None) -> None:
        """Import what is new in a file: all of it, or nothing.

        :param known: what the archive knew of it a while ago
        :raises OSError: if it cannot be read
        :raises ImporterFailed: if its importer does something else than it should
        """
        if known and self._is_unchanged(path, known):
            self._pass_over()
            return
        while True:
            try:
                self._import_file(path, importer)
                return
            except Overtaken:
                continue

    def _is_unchanged(self, path: Path, known: Stamp) -> bool:
        """Whether a file need not be looked at any further."""
        options = self._options
        if options.deleted or options.attachments or options.redact is not None:
            return False  # It depends on how it was imported.
        before = importer_named(known.format)
        if before and before.restores:
            return False
        return stamp(path, before) == (known.size, known.mtime_ns)

    def _pass_over(self) -> None:
        self._tally.files += 1
        self._tally.unchanged += 1

    def _import_file(self, path: Path, importer: Importer | None) -> None:
        seen = known = find_import_file(self._db, told(path))
        before = importer_named(known.format) if known else None
        size, mtime_ns = stamp(path, before)
        if before and before.restores:
            known = None  # It brings back what was deleted since it was read.
        elif known and self._asks_for_more(known.state):
            known = replace(known, size=-1, offset=0, digest="", state=_kept(known.state))
        if known and (known.size, known.mtime_ns) == (size, mtime_ns):
            self._pass_over()
            return
        if self._is_archive(path):
            # Before anything looks into it: closing it would drop SQLite's locks on it.
            if path in self._named:
                self._tally.files += 1
                self._tally.failure(path, "is the archive itself")
            return
        importer = self._importer(path, importer)
        if importer is None:
            # In a folder, other files are none of our business; a file that was named is.
            if path in self._named and size:
                self._tally.files += 1
                self._tally.failure(path, "is of no known format")
            return
        if importer.only_named and path not in self._named:
            return
        if importer is not before:
            size, mtime_ns = stamp(path, importer)
        self._loading().load(
            path, importer, seen=seen, known=known, stamp=(size, mtime_ns), tick=self.tick
        )

    def _loading(self) -> Loads:
        if self._loads is None:
            from .loading import Loads

            loads = Loads(self._db, self._tally, self._options)
            self._loads = self._until_all_is_read.enter_context(loads)
        return self._loads

    def pause(self) -> None:
        """Let others write, now and then."""
        if self._loads:
            self._loads.pause()

    def settle(self) -> None:
        """What is left to do once all files are read."""
        if self._loads:
            self._loads.settle()

    def _is_archive(self, path: Path) -> bool:
        archive = database_path(self._db)
        return archive is not None and path.samefile(archive)

    def _importer(self, path: Path, importer: Importer | None) -> Importer | None:
        if self._options.format and path in self._named:
            return importer_named(self._options.format)
        return importer or importer_for(path)

    def _asks_for_more(self, state: Mapping[str, Any]) -> bool:
        """Whether a file has to be read again, though it did not change."""
        options = self._options
        return (
            options.deleted
            or (options.attachments and not state.get(ATTACHMENTS))
            or (options.redact is not None and options.redact != bool(state.get(REDACTED)))
        )


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a file that is to be read from its beginning: how it was imported."""
    return {name: value for name, value in state.items() if name in (ATTACHMENTS, REDACTED)}
