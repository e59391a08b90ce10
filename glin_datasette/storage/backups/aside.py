"""Keeping an archive as it is where no backup of it can be made: its bytes, in files beside it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from ...errors import BackupError
from .files import aside_name

__all__ = ["copy_aside", "move_aside", "remove_aside"]

_CHUNK = 1024 * 1024


def copy_aside(path: Path, why: str, held: contextlib.ExitStack) -> Path:
    """Copy the file and its WAL as they are. They stay open as long as what ``held`` holds:
    closing them would drop the locks of the connection.

    :raises BackupError: if there is no place for them; then nothing of them is left
    """
    aside = aside_name(path, why)
    try:
        # The WAL first: what is written back meanwhile is then in both, and as it was.
        for ending in ("-wal", ""):
            part = path.with_name(path.name + ending)
            if part.exists():
                target = aside.with_name(aside.name + ending)
                os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
                source = held.enter_context(part.open("rb"))
                with target.open("wb") as copy:
                    shutil.copyfileobj(source, copy, _CHUNK)
                    copy.flush()
                    os.fsync(copy.fileno())
    except OSError as ex:
        remove_aside(aside)
        raise BackupError(
            f"{path.parent}: cannot set a copy of the archive aside there: {ex.strerror or ex}; "
            "free some space and try again. Nothing was changed"
        ) from None
    return aside


def remove_aside(aside: Path) -> None:
    """Remove such a copy."""
    for ending in ("-wal", ""):
        with contextlib.suppress(OSError):
            aside.with_name(aside.name + ending).unlink()


def move_aside(path: Path, why: str) -> Path:
    """Give a file that SQLite cannot open another name, with what belongs to it: somebody may
    still want to salvage it."""
    aside = aside_name(path, why)
    for ending in ("", "-wal", "-shm"):
        part = path.with_name(path.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside
