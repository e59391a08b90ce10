"""What this machine knows of an archive's replica: where it is and how far it is behind.

A small file beside the archive remembers the target, and what the process that replicates
last learned. So health is told without asking the target, and without a network. It holds
no credential: none is ever part of a target.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import paths
from ..dates import normalise_time
from ..errors import ReplicationError
from ..models import ReplicaStatus, Status
from .connection import connect

try:
    import fcntl
except ImportError:  # Windows, for which there is no Litestream either.
    fcntl = None  # type: ignore[assignment]

#: A replica that may lack something for longer than this is worth a warning, in seconds.
LONG_LAG = 300

#: Size and time of the archive's file, and of its WAL.
Mark = tuple[int, ...]

_LTX = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.ltx")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """What is remembered. ``mark`` is what the archive's files were like when the replica
    last had everything."""

    target: str
    checked_at: str | None = None
    confirmed_at: str | None = None
    mark: Mark | None = None
    transaction: int | None = None
    error: str | None = None


def load_replica_state(archive: Path) -> ReplicaState | None:
    """What is remembered for the archive at ``archive``; ``None`` if nothing is.

    :raises ReplicationError: if the file cannot be read, or holds something else
    """
    file = paths.replica_state(archive)
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except OSError as ex:
        raise ReplicationError(f"{file}: cannot be read: {ex.strerror or ex}") from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("target"), str):
        raise ReplicationError(
            f"{file}: is damaged; remove it, and name the target again with "
            "'glin-datasette replicate TARGET'"
        )
    return _state(found)


def _state(found: dict[str, Any]) -> ReplicaState:
    mark, transaction, error = (found.get(name) for name in ("mark", "transaction", "error"))
    whole = isinstance(mark, list) and all(isinstance(each, int) for each in mark)
    return ReplicaState(
        target=found["target"],
        checked_at=normalise_time(found.get("checked_at")),
        confirmed_at=normalise_time(found.get("confirmed_at")),
        mark=tuple(mark or ()) if whole else None,
        transaction=transaction if isinstance(transaction, int) else None,
        error=error if isinstance(error, str) else None,
    )


def save_replica_state(archive: Path, state: ReplicaState) -> None:
    """Remember ``state``: the file is replaced as a whole, and only its owner can read it.

    :raises ReplicationError: if it cannot be written
    """
    file = paths.replica_state(archive)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(dataclasses.asdict(state), out, indent=2)
            out.write("\n")
        temporary.replace(file)
    except OSError as ex:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise ReplicationError(f"{file}: cannot be written: {ex.strerror or ex}") from None


def replica_status(archive: str | os.PathLike[str]) -> ReplicaStatus | None:
    """How far the replica of the archive at ``archive`` is behind it; ``None`` if it has
    none. Takes no network and less than a millisecond.

    :raises ReplicationError: if what was remembered cannot be read
    """
    path = Path(archive)
    state = load_replica_state(path)
    if state is None:
        return None
    behind = state.mark is None or archive_mark(path) != state.mark
    lag: float | None = None
    if state.confirmed_at is not None:
        since = datetime.now(UTC) - datetime.fromisoformat(state.confirmed_at)
        lag = max(0.0, round(since.total_seconds(), 1)) if behind else 0.0
    return ReplicaStatus(
        target=state.target,
        running=_is_locked(path),
        checked_at=state.checked_at,
        confirmed_at=state.confirmed_at,
        behind=behind,
        lag_seconds=lag,
        waiting_bytes=_waiting(path, state.transaction or 0),
        transaction=state.transaction,
        error=state.error,
    )


def judge_replica(status: ReplicaStatus) -> tuple[Status, str]:
    """Whether a replica is as it should be, and a sentence about it."""
    start = "" if status.running else "; start 'glin-datasette replicate'"
    # Not the error itself: it names the target, which is not for everybody who may see this.
    why = "; 'glin-datasette replicate --status' says what fails" if status.error else ""
    if status.confirmed_at is None or status.lag_seconds is None:
        return "warn", f"nothing was replicated yet{why}{start}"
    since = f"{status.confirmed_at[:16].replace('T', ' ')}Z"
    if status.lag_seconds > LONG_LAG:
        return "warn", f"the replica may lack what was written since {since}{why}{start}"
    if status.behind:
        return "ok", f"the replica had everything {status.lag_seconds:.0f} s ago{why}"
    stopped = "" if status.running else "; nothing replicates at the moment"
    return "ok", f"the replica has everything{stopped}"


def archive_mark(archive: Path) -> Mark:
    """Something that changes with every commit: size and time of the file and its WAL.

    A checkpoint may change it too, so a replica can be taken to be behind when it is not,
    but never the other way round.
    """
    mark: list[int] = []
    for file in (archive, archive.with_name(archive.name + "-wal")):
        try:
            found = file.stat()
        except OSError:
            mark += (0, 0)
        else:
            # An empty WAL comes and goes with whoever opens the archive.
            mark += (found.st_size, found.st_mtime_ns if found.st_size else 0)
    return tuple(mark)


@contextlib.contextmanager
def commits_told(archive: Path) -> Iterator[Callable[[], bool]]:
    """Give a function that tells whether another process has committed since the start."""
    with contextlib.closing(connect(archive, readonly=True)) as db:

        def version() -> int:
            return int(db.execute("pragma data_version").fetchone()[0])

        before = version()
        yield lambda: version() != before


@contextlib.contextmanager
def replica_locked(archive: Path) -> Iterator[int | None]:
    """Hold what only one process may hold that replicates the archive, and give the
    descriptor that holds it: a program that is given it goes on holding.

    Gives ``None`` if another process has it.
    """
    if fcntl is None:
        raise ReplicationError("replication needs Litestream, which is not made for Windows")
    file = paths.replica_lock(archive)
    try:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as ex:
        raise ReplicationError(f"{file}: cannot be written: {ex.strerror or ex}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            os.truncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            yield handle
    finally:
        os.close(handle)


def replica_owner(archive: Path) -> int | None:
    """The process that replicates the archive, if it runs: not a Litestream that it left."""
    try:
        owner = int(paths.replica_lock(archive).read_text("ascii"))
        os.kill(owner, 0)
    except PermissionError:
        return owner
    except (OSError, ValueError):
        return None
    return owner


def _is_locked(archive: Path) -> bool:
    if fcntl is None:
        return False
    try:
        handle = os.open(paths.replica_lock(archive), os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)


def _waiting(archive: Path, transaction: int) -> int:
    """Bytes that Litestream took from the archive and that are newer than ``transaction``."""
    total = 0
    with contextlib.suppress(OSError):
        for file in (archive.parent / f".{archive.name}-litestream" / "ltx" / "0").iterdir():
            named = _LTX.fullmatch(file.name)
            if named and int(named[2], 16) > transaction:
                total += file.stat().st_size
    return total
