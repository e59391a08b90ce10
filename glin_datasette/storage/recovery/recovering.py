"""Salvaging what can be read of a damaged archive into a new one.

The damaged file is never opened by SQLite, which gives up where it should go on: its pages
are read by :mod:`.pages`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ... import paths
from ...errors import ArchiveError, GlinError, NotFound
from ...models import RecoveryReport
from ..archive import get_db
from ..backups.packing import unpacked
from ..backups.temporary import remove_abandoned, temporary_file
from ..connection import connect, sqlite_errors, timed
from .pages import Pages
from .salvage import Progress, Salvage

__all__ = ["recover_db"]


def recover_db(
    damaged: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
) -> RecoveryReport:
    """Salvage what can be read of a damaged archive, or of a backup, into a new archive.

    Reads the file and its WAL and never writes to them. By default the new one is
    ``<name>-recovered.db`` beside it. Messages whose conversation is lost get a placeholder;
    rows that say nothing without others that are lost are left out and counted.

    :raises NotFound: if there is no such file
    :raises NotAnArchive: if nothing of an archive is found in it; nothing is written
    :raises ArchiveError: if it cannot be read, or the new one cannot be written or is there
    """
    source = paths.archive_file(damaged)
    if not source.exists():
        raise NotFound(f"{source}: no such file to recover")
    target = paths.expanded(to) if to is not None else _beside(source)
    if not source.is_file():  # A pipe would be waited for, and some devices have no end.
        raise ArchiveError(f"{source}: cannot be read: it is no file")
    if target.exists():
        raise ArchiveError(f"{target}: is there already; name another file with --to")
    started = time.perf_counter()
    with timed("recover_db") as facts, _errors(source, target):
        with unpacked(source) as database, contextlib.closing(Pages(database)) as pages:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_abandoned(target.parent)
            with temporary_file(target.parent) as temporary:
                salvage = Salvage(pages, source, progress)
                with (
                    _called(temporary, target),
                    contextlib.closing(get_db(temporary)) as db,
                    sqlite_errors(temporary),
                ):
                    salvage.run(db)
                _sync(temporary)
                # link() fails where the name was taken meanwhile.
                os.link(temporary, target)
        facts["rows"] = sum(table.salvaged for table in salvage.tables.values())
    report = salvage.report(target, time.perf_counter() - started)
    # The check only reads, and leaves an empty WAL that only a writer removes.
    connect(target).close()
    if report.health.status == "fail":
        report = replace(report, complete=False)
    return report


def _beside(source: Path) -> Path:
    stem = source.name.partition(".")[0] or source.name
    return source.with_name(f"{stem}-recovered.db")


@contextlib.contextmanager
def _errors(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except GlinError:
        raise
    except OSError as ex:
        # Only opening the damaged file raises; what cannot be read in it is a bad page.
        which = source if ex.filename and str(ex.filename) == str(source) else target
        raise ArchiveError(
            f"{which}: {ex.strerror or ex}; name a file with --to where there is space"
            if which is target
            else f"{which}: cannot be read: {ex.strerror or ex}"
        ) from None


@contextlib.contextmanager
def _called(temporary: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except GlinError as ex:
        raise type(ex)(str(ex).replace(str(temporary), str(target))) from None


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
