"""Files that are gone again unless they are finished, whatever ends the process."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from ...errors import BackupError

__all__ = ["no_space", "remove_abandoned", "temporary_file"]

# The dot and the ending keep it out of every listing of backups.
_NAME = re.compile(r"\.glin-(?P<host>[\w.-]*)-(?P<pid>\d+)-\d+\.tmp(-journal|-wal|-shm)?")
_BESIDE = ("", "-journal", "-wal", "-shm")


@contextlib.contextmanager
def temporary_file(folder: Path) -> Iterator[Path]:
    """An empty file in ``folder`` that only its owner can read, gone again at the end
    unless it was renamed.

    :raises OSError: if it cannot be made
    """
    temporary = folder / f".glin-{_host()}-{os.getpid()}-{time.monotonic_ns()}.tmp"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        yield temporary
    finally:
        for ending in _BESIDE:
            with contextlib.suppress(OSError):
                temporary.with_name(temporary.name + ending).unlink()


@contextlib.contextmanager
def no_space(archive: Path) -> Iterator[None]:
    """Say of a temporary file beside an archive what to do if it cannot be written."""
    try:
        yield
    except OSError as ex:
        raise BackupError(
            f"{archive}: cannot write there: {ex.strerror or ex}; free some space and try again"
        ) from None


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary files of processes that were killed on this machine."""
    for file in folder.iterdir():
        name = _NAME.fullmatch(file.name)
        if name and name["host"] == _host() and not _runs(int(name["pid"])):
            with contextlib.suppress(OSError):
                file.unlink()


def _host() -> str:
    return re.sub(r"[^\w.]", "", platform.node(), flags=re.ASCII)


def _runs(pid: int) -> bool:
    if os.name == "nt":
        return True  # There os.kill() would end it.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # Somebody else's, but there.
    return True
