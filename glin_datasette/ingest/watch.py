"""Importing what the tools write, as they write it.

The operating system tells of changes (inotify, FSEvents, ReadDirectoryChangesW), so that
nothing is done while nothing happens. A change is followed by an ordinary import of the
watched places: what did not change costs a ``stat``, and a last line that is still being
written waits for the next change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import sqlite_utils
from watchdog.events import (
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_CREATED,
    EVENT_TYPE_MODIFIED,
    EVENT_TYPE_MOVED,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import ObservedWatch

from ..errors import GlinError
from ..importers import importers, may_be_transcript
from ..models import ImportReport
from .options import ImportOptions
from .run import import_paths

__all__ = ["Watcher"]

#: Reading a file is an event too, and our own import reads.
_CHANGES = frozenset({EVENT_TYPE_CLOSED, EVENT_TYPE_CREATED, EVENT_TYPE_MODIFIED, EVENT_TYPE_MOVED})

#: Seconds without a change before an import, and the most that a change waits for it.
_QUIET = 1.0
_PATIENCE = 10.0
#: Seconds after which the places are looked at again: a tool may be new on this machine,
#: or its folder may have been replaced.
_LOOK_AGAIN = 60.0
#: An import that takes long, because there are very many files, is not run without pause.
_PAUSE = 5


class Watcher:
    """Keeps the archive current until :meth:`stop` is called.

    ``open_db`` opens the archive for one import; ``paths`` as for
    :func:`~glin_datasette.ingest.import_paths`. ``report`` is called after each import that
    found something, and after the first; ``problem`` with what keeps one from being done,
    which is then tried again.
    """

    def __init__(
        self,
        open_db: Callable[[], sqlite_utils.Database],
        paths: Sequence[Path] | None = None,
        options: ImportOptions | None = None,
        *,
        archive: Path,
        report: Callable[[ImportReport], None],
        problem: Callable[[str], None],
    ) -> None:
        self._open_db = open_db
        self._paths = paths
        self._options = options
        self._archive = archive.absolute()
        self._report = report
        self._problem = problem
        self._stopped = threading.Event()
        self._changed = threading.Event()
        self._last_change = 0.0
        self._observer = Observer()
        #: Folder -> what watches it, and the inode that it had.
        self._watched: dict[Path, tuple[ObservedWatch, int]] = {}
        self._told: set[str] = set()
        #: Whether the last import could not be done.
        self._failed = False

    def stop(self) -> None:
        """Let :meth:`run` return after the import that is running, if one is."""
        self._stopped.set()
        self._changed.set()

    def run(self) -> None:
        """Import, and import again whenever something changes."""
        self._observer.start()
        try:
            self._look()
            self._import(first=True)
            while not self._stopped.is_set():
                changed = self._changed.wait(_LOOK_AGAIN)
                found = self._look()
                if (changed or found or self._failed) and self._settled():
                    self._import()
        finally:
            self._observer.stop()
            self._observer.join()

    def changed(self, path: Path) -> None:
        """Note that a file was changed, if it is one that an import might read."""
        path = path.absolute()
        if path.parent == self._archive.parent and path.name.startswith(self._archive.name):
            return
        for ending in ("", *(e for each in importers() for e in each.sidecars)):
            if path.name.endswith(ending) and may_be_transcript(
                path.with_name(path.name.removesuffix(ending)) if ending else path
            ):
                self._last_change = time.monotonic()
                self._changed.set()
                return

    def _settled(self) -> bool:
        """Wait until nothing changes any more, but not for ever. Whether to import."""
        began = time.monotonic()
        while (now := time.monotonic()) - began < _PATIENCE:
            left = self._last_change + _QUIET - now
            if left <= 0:
                break
            if self._stopped.wait(left):
                return False
        self._changed.clear()
        return not self._stopped.is_set()

    def _import(self, *, first: bool = False) -> None:
        started = time.monotonic()
        try:
            with self._open_db() as db:
                report = import_paths(db, self._paths, self._options)
        except GlinError as ex:
            # Tried again when the places are looked at the next time, or something changes.
            self._failed = True
            self._problem(str(ex))
            return
        self._failed = False
        if first or report.messages or report.conversations or self._news(report):
            self._report(report)
        self._stopped.wait((time.monotonic() - started) * _PAUSE)

    def _news(self, report: ImportReport) -> bool:
        """Whether a report has errors that were not told before."""
        errors = {f"{each.path} {each.line} {each.error}" for each in report.errors}
        new = not errors <= self._told
        self._told = errors
        return new

    def _look(self) -> bool:
        """Watch the folders that are there now. Whether one is new."""
        found = False
        for folder, recursive in self._folders():
            try:
                inode = folder.stat().st_ino
            except OSError:
                if known := self._watched.pop(folder, None):
                    self._observer.unschedule(known[0])
                continue
            known = self._watched.get(folder)
            if known and known[1] == inode:
                continue
            try:
                if known:
                    self._observer.unschedule(known[0])
                watch = self._observer.schedule(_Handler(self), str(folder), recursive=recursive)
            except OSError as ex:
                self._problem(
                    f"{folder}: cannot be watched: {ex.strerror or ex}; it is looked at every "
                    f"{_LOOK_AGAIN:.0f} seconds (on Linux, raise fs.inotify.max_user_watches)"
                )
                found = True
                continue
            self._watched[folder] = (watch, inode)
            found = True
        return found

    def _folders(self) -> list[tuple[Path, bool]]:
        """The folders to watch, and whether with all that is below them."""
        if self._paths is None:
            return [(place, each.nested) for each in importers() for place in each.places()]
        return [
            (path.absolute(), True) if path.is_dir() else (path.absolute().parent, False)
            for path in self._paths
        ]


class _Handler(FileSystemEventHandler):
    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in _CHANGES and not event.is_directory:
            for path in (event.src_path, event.dest_path):
                if path:
                    self._watcher.changed(Path(_text(path)))


def _text(path: str | bytes) -> str:
    return path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
