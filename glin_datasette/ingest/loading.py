"""One file that is new or has changed: read by its importer, stored as a whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlite_utils

from ..importers.base import Checkpoint, Importer, Summary
from ..paths import told
from ..storage.bulk import Together
from ..storage.connection import transaction
from ..storage.import_files import (
    ImportFile,
    any_state,
    find_import_file,
    record_import_file,
)
from ..storage.load import Loader, loading
from ..storage.settling import set_summary, settle
from .failures import Overtaken
from .options import ATTACHMENTS, REDACTED, ImportOptions
from .reading import Reading, blaming, feed, read
from .shaping import Shaper
from .tally import Tally

__all__ = ["Loads"]

_BLOCK = 1024 * 1024

#: The line number travels with an importer's state as well.
_LINE = "#line"


class Loads:
    """The files that one import reads. To be used in ``with``: what is complete when it ends
    is stored, however it ends."""

    def __init__(self, db: sqlite_utils.Database, tally: Tally, options: ImportOptions) -> None:
        self._db = db
        self._together = Together(db)
        self._tally = tally
        self._options = options
        #: (source, summary) of conversations that no file so far has held.
        self._summaries: list[tuple[str, Summary]] = []
        #: Whether some file was redacted; ``None``: not asked yet.
        self._sticky: bool | None = None

    def __enter__(self) -> Loads:
        self._together.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self._together.__exit__(*why)

    def pause(self) -> None:
        """Let others write, now and then."""
        self._together.pause()

    def load(
        self,
        path: Path,
        importer: Importer,
        *,
        seen: ImportFile | None,
        known: ImportFile | None,
        stamp: tuple[int, int],
        tick: Callable[[int], None],
    ) -> None:
        """Load what is new in a file.

        :param seen: what the archive knows of it
        :param known: what of that still counts
        :param stamp: its size and time
        :param tick: called now and then with the messages added so far
        :raises OSError: if it cannot be read
        :raises ImporterFailed: if its importer does something else than it should
        :raises Overtaken: if the archive knows something else of it by now
        """
        name = told(path)
        start = _resume(path, known, importer) if known else Checkpoint()
        redact = self._options.redact
        if redact is None:
            redact = bool(seen.state.get(REDACTED)) if seen else self._redacts()
        shaper = Shaper(self._options, redact=redact)
        with blaming(importer), self._loading(importer) as load:
            # Nobody else writes from here on.
            if find_import_file(self._db, name) != seen:
                raise Overtaken
            items = shaper.shape(read(importer, path, start), exact=importer.exact)
            reading = feed(load, items, start, lambda added: tick(self._tally.messages + added))
            # An earlier import may have stored them.
            load.unlink(shaper.dropped)
            later = [s for s in reading.summaries if not load.summary(s.leaf, s.title)]
            went_on = known if start.offset else None
            if reading.unreadable is None:
                record_import_file(
                    self._db,
                    ImportFile(
                        path=name,
                        format=importer.name,
                        size=stamp[0],
                        mtime_ns=stamp[1],
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
            self._tally.files += 1
            self._tally.failure(path, reading.unreadable)
            return
        if importer.source is not None:
            self._summaries += [(importer.source, summary) for summary in later]
        self._count(path, load, reading, shaper)

    def settle(self) -> None:
        """What is left to do once all is stored: title the conversations that other files than
        their own had a summary of, and put the search index in order."""
        if self._summaries:
            with transaction(self._db):
                for source, summary in self._summaries:
                    set_summary(self._db, source, summary.leaf, summary.title)
        settle(self._db, self._tally.messages)

    def _loading(self, importer: Importer) -> AbstractContextManager[Loader]:
        return loading(
            self._db,
            importer.source,
            exact=importer.exact,
            bring_back=self._options.deleted or importer.restores,
            join=importer.merges,
            together=self._together,
        )

    def _redacts(self) -> bool:
        """Whether to redact a file that is new here: as others were. A tool may have moved it
        from where it was redacted."""
        if self._sticky is None:
            self._sticky = any_state(self._db, REDACTED)
        return self._sticky

    def _state(self, end: Checkpoint, redact: bool) -> dict[str, Any]:
        state: dict[str, Any] = {_LINE: end.line, **end.state}
        if self._options.attachments:
            state[ATTACHMENTS] = True
        if redact:
            state[REDACTED] = True
        return state

    def _count(self, path: Path, load: Loader, reading: Reading, shaper: Shaper) -> None:
        tally = self._tally
        tally.files += 1
        tally.conversations += load.conversations
        tally.messages += load.messages
        tally.skipped += reading.skipped + reading.unknown.total()
        tally.redacted += shaper.redacted
        tally.unknown.update(reading.unknown)
        tally.damage(path, reading.problems)


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
