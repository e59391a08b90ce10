"""Bringing an archive back from its replica."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..dates import resolve
from ..errors import BackupError, GlinError, NotFound, ReplicationError
from ..models import RestoreReport
from ..storage import restore_db
from ..storage.backups.replacing import refuse_to_replace
from ..storage.replica import ReplicaState, load_replica_state, save_replica_state
from .litestream import find_litestream, held, run_litestream, write_config
from .target import Target, parse_target


def restore_replica(
    archive: Path,
    target: str | None = None,
    *,
    to: Path | None = None,
    timestamp: str | None = None,
    dry_run: bool = False,
    approve: Callable[[RestoreReport], object] | None = None,
) -> RestoreReport:
    """Put what a replica holds in the place of the archive, or into the file ``to``.

    Without a ``target`` it is the remembered one. ``timestamp`` is a moment, as the command
    line takes them: what the archive held then. It is brought back into a file of its own,
    verified, and put in place as :func:`~glin_datasette.storage.restore_db` does it with a
    backup: what was there is kept. ``dry_run`` verifies and changes nothing. Before anything
    is replaced, ``approve`` is called with what will be; it may raise. The target is
    remembered if the archive itself was restored.

    :raises ReplicationError: if there is no replica, or what it holds does not verify
    :raises NotAnArchive: if what is to be replaced is something else
    """
    known = load_replica_state(archive)
    if target is None:
        if known is None:
            raise ReplicationError(
                f"{archive}: no target is remembered; name one, as in "
                "'glin-datasette replicate --restore /media/disk/glin'"
            )
        target = known.target
    program, source = find_litestream(), parse_target(target)
    place = (to or archive).absolute()
    refuse_to_replace(place)
    folder = _existing(place.parent)
    try:
        # On the disk where it is needed: there is not always room elsewhere.
        with tempfile.TemporaryDirectory(prefix=".glin-restore-", dir=folder) as name:
            restored = _fetch(program, archive, source, Path(name), timestamp)
            report = _verified(restored, place, source)
            if not dry_run:
                if approve is not None and place.exists():
                    approve(report)
                report = restore_db(place, restored)
    except OSError as ex:
        raise ReplicationError(f"{folder}: cannot restore there: {ex.strerror or ex}") from None
    if to is None and not dry_run and (known is None or known.target != source.url):
        save_replica_state(archive, ReplicaState(target=source.url))
    return dataclasses.replace(report, restored_from=source.url)


def _fetch(
    program: str, archive: Path, source: Target, folder: Path, timestamp: str | None
) -> Path:
    config, restored = folder / "litestream.yml", folder / archive.name
    write_config(config, archive, source)
    if not held(program, config, archive, source):
        raise ReplicationError(f"{source.url}: holds no replica")
    arguments = ["-o", str(restored)]
    moment = None
    if timestamp is not None:
        moment = resolve(timestamp, end=True)
        arguments += ["-timestamp", moment]
    try:
        run_litestream(program, config, "restore", *arguments, str(archive.absolute()))
    except ReplicationError as ex:
        if moment and "no matching backup files" in str(ex):
            raise ReplicationError(f"{source.url}: holds nothing as old as {moment}") from None
        raise ReplicationError(f"{source.url}: {ex}") from None
    return restored


def _verified(restored: Path, place: Path, source: Target) -> RestoreReport:
    try:
        report = restore_db(place, restored, dry_run=True)
    except NotFound:
        raise ReplicationError(f"{source.url}: Litestream restored nothing") from None
    except GlinError as ex:
        found = str(ex).removeprefix(f"{restored}: ").partition(";")[0]
        raise ReplicationError(
            f"{source.url}: what it holds does not verify ({found}); "
            "try an earlier --timestamp, or a backup"
        ) from None
    return dataclasses.replace(report, restored_from=source.url)


def _existing(folder: Path) -> Path:
    """``folder``, or the nearest one above it that is there."""
    while not folder.is_dir():
        if folder == folder.parent:
            raise BackupError(f"{folder}: is no folder")
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        raise ReplicationError(f"{folder}: cannot restore there: it cannot be written")
    return folder
