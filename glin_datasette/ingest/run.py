"""One import: file by file, each stored as a whole or not at all."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlite_utils

from ..errors import UsageError
from ..importers import broken_importers, importer_for, importer_named, importers
from ..importers.base import Checkpoint, Importer, Summary
from ..models import ImportReport
from ..paths import told
from ..storage.bulk import Together
from ..storage.connection import database_path, transaction
from ..storage.import_files import (
    ImportFile,
    any_state,
    find_import_file,
    record_import_file,
)
from ..storage.load import Loader, loading
from ..storage.settling import set_summary, settle
from .finding import find_transcripts, stamp
from .options import ImportOptions, Shaper
from .reading import ImporterFailed, Overtaken, Reading, blaming, feed, read
from .tally import Tally

__all__ = ["Progress", "import_paths"]

#: Called after each file, and now and then during a long one, with files done, files in
#: all, the file's path, and the messages added so far.
Progress = Callable[[int, int, Path, int], None]

_BLOCK = 1024 * 1024

#: What travels with an importer's state, under names that none uses: its line number, and
#: how the file was imported.
_LINE = "#line"
_ATTACHMENTS = "#attachments"
_REDACTED = "#redacted"


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
    with Together(db) as together:
        run = _Run(db, together, tally, named, options)
        for done, (path, importer) in enumerate(found):
            if progress:
                run.tick = functools.partial(progress, done, len(found), path)
            try:
                run.import_file(path, importer)
            except OSError as ex:
                tally.files += 1
                tally.unreadable(path, ex)
            except ImporterFailed as ex:
                tally.files += 1
                tally.failure(path, str(ex))
            together.pause()
            if progress:
                progress(done + 1, len(found), path, tally.messages)
    run.settle_summaries()
    settle(db, tally.messages)
    for broken in broken_importers():
        tally.failure(broken.what, broken.error)
    return tally.report(time.perf_counter() - started)


@dataclass(slots=True)
class _Run:
    """One import: the archive, and what it is about."""

    db: sqlite_utils.Database
    together: Together
    tally: Tally
    #: The paths that were asked for, as against those found in folders.
    named: frozenset[Path]
    options: ImportOptions
    #: (source, summary) of conversations that no file so far has held.
    summaries: list[tuple[str, Summary]] = field(default_factory=list)
    #: Called with the messages added so far.
    tick: Callable[[int], None] | None = None
    #: Whether some file was redacted; ``None``: not asked yet.
    sticky: bool | None = None

    def import_file(self, path: Path, importer: Importer | None) -> None:
        """Import what is new in a file: all of it, or nothing.

        :raises OSError: if it cannot be read
        :raises ImporterFailed: if its importer does something else than it should
        """
        while True:
            try:
                self._import_file(path, importer)
                return
            except Overtaken:
                continue

    def _import_file(self, path: Path, importer: Importer | None) -> None:
        name = told(path)
        seen = known = find_import_file(self.db, name)
        before = importer_named(known.format) if known else None
        size, mtime_ns = stamp(path, before)
        was_redacted = bool(known and known.state.get(_REDACTED))
        if before and before.restores:
            known = None  # It brings back what was deleted since it was read.
        elif known and self._asks_for_more(known.state):
            known = replace(known, size=-1, offset=0, digest="", state=_kept(known.state))
        if known and (known.size, known.mtime_ns) == (size, mtime_ns):
            self.tally.files += 1
            self.tally.unchanged += 1
            return
        if self._is_archive(path):
            # Before anything looks into it: closing it would drop SQLite's locks on it.
            if path in self.named:
                self.tally.files += 1
                self.tally.failure(path, "is the archive itself")
            return
        importer = self._importer(path, importer)
        if importer is None:
            # In a folder, other files are none of our business; a file that was named is.
            if path in self.named and size:
                self.tally.files += 1
                self.tally.failure(path, "is of no known format")
            return
        if importer.only_named and path not in self.named:
            return
        if importer is not before:
            size, mtime_ns = stamp(path, importer)
        start = _resume(path, known, importer) if known else Checkpoint()
        redact = self.options.redact
        if redact is None:
            redact = was_redacted if seen else self._redacts()
        shaper = Shaper(self.options, redact=redact)
        with blaming(importer), self._loading(importer) as load:
            # Nobody else writes from here on.
            if find_import_file(self.db, name) != seen:
                raise Overtaken
            items = shaper.shape(read(importer, path, start), exact=importer.exact)
            reading = feed(load, items, start, self._tell)
            # An earlier import may have stored them.
            load.unlink(shaper.dropped)
            later = [s for s in reading.summaries if not load.summary(s.leaf, s.title)]
            went_on = known if start.offset else None
            if reading.unreadable is None:
                record_import_file(
                    self.db,
                    ImportFile(
                        path=name,
                        format=importer.name,
                        size=size,
                        mtime_ns=mtime_ns,
                        offset=reading.end.offset,
                        digest=_fingerprint(path, reading.end.offset),
                        state=shaper.state(self._state(reading.end, redact)),
                        skipped=(went_on.skipped if went_on else 0)
                        + reading.skipped
                        - reading.torn,
                        last_error=shaper.state(reading.last_error)
                        or (went_on.last_error if went_on else None),
                    ),
                )
        if reading.unreadable is not None:
            # It is told again the next time, and tried again.
            self.tally.files += 1
            self.tally.failure(path, reading.unreadable)
            return
        if importer.source is not None:
            self.summaries += [(importer.source, summary) for summary in later]
        self._count(path, load, reading, shaper)

    def _is_archive(self, path: Path) -> bool:
        archive = database_path(self.db)
        return archive is not None and path.samefile(archive)

    def _loading(self, importer: Importer) -> AbstractContextManager[Loader]:
        return loading(
            self.db,
            importer.source,
            exact=importer.exact,
            bring_back=self.options.deleted or importer.restores,
            join=importer.merges,
            together=self.together,
        )

    def _redacts(self) -> bool:
        """Whether to redact a file that is new here: as others were. A tool may have moved it
        from where it was redacted."""
        if self.sticky is None:
            self.sticky = any_state(self.db, _REDACTED)
        return self.sticky

    def _tell(self, added: int) -> None:
        if self.tick:
            self.tick(self.tally.messages + added)

    def _importer(self, path: Path, importer: Importer | None) -> Importer | None:
        if self.options.format and path in self.named:
            return importer_named(self.options.format)
        return importer or importer_for(path)

    def _asks_for_more(self, state: Mapping[str, Any]) -> bool:
        """Whether a file has to be read again, though it did not change."""
        options = self.options
        return (
            options.deleted
            or (options.attachments and not state.get(_ATTACHMENTS))
            or (options.redact is not None and options.redact != bool(state.get(_REDACTED)))
        )

    def _state(self, end: Checkpoint, redact: bool) -> dict[str, Any]:
        state: dict[str, Any] = {_LINE: end.line, **end.state}
        if self.options.attachments:
            state[_ATTACHMENTS] = True
        if redact:
            state[_REDACTED] = True
        return state

    def _count(self, path: Path, load: Loader, reading: Reading, shaper: Shaper) -> None:
        tally = self.tally
        tally.files += 1
        tally.conversations += load.conversations
        tally.messages += load.messages
        tally.skipped += reading.skipped + reading.unknown.total()
        tally.redacted += shaper.redacted
        tally.unknown.update(reading.unknown)
        tally.damage(path, reading.problems)

    def settle_summaries(self) -> None:
        """Title the conversations that other files than their own had a summary of."""
        if self.summaries:
            with transaction(self.db):
                for source, summary in self.summaries:
                    set_summary(self.db, source, summary.leaf, summary.title)


def _kept(state: Mapping[str, Any]) -> dict[str, Any]:
    """Of a file that is to be read from its beginning: how it was imported."""
    return {name: value for name, value in state.items() if name in (_ATTACHMENTS, _REDACTED)}


def _resume(path: Path, known: ImportFile, importer: Importer) -> Checkpoint:
    """Where to go on reading: behind what was read, if that is still what it was."""
    if (
        known.format != importer.name
        or path.stat().st_size < known.offset
        or _fingerprint(path, known.offset) != known.digest
    ):
        return Checkpoint()
    state = {name: value for name, value in known.state.items() if not name.startswith("#")}
    return Checkpoint(offset=known.offset, line=known.state.get(_LINE, 0), state=state)


def _fingerprint(path: Path, offset: int) -> str:
    """A digest of a file up to ``offset``: what was read, if nobody rewrote it."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while offset > 0 and (block := file.read(min(_BLOCK, offset))):
            digest.update(block)
            offset -= len(block)
    return digest.hexdigest()
