"""Replicating until told to stop: Litestream runs, is asked how far it is, and ends with us."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import json
import logging
import os
import shlex
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from .. import paths
from ..dates import utc_now
from ..errors import ReplicationError
from ..storage.replica import (
    ReplicaState,
    archive_mark,
    commits_told,
    load_replica_state,
    replica_locked,
    replica_owner,
    save_replica_state,
)
from .litestream import (
    LAST_SYNC,
    environment,
    explain,
    find_litestream,
    held,
    write_config,
)
from .target import Target, parse_target, prepare_folder

log = logging.getLogger("glin_datasette.replication")

#: Seconds between two questions how far the replica is.
_BEAT = 1
#: Seconds after which what was learned is written down, even if nothing has changed.
_WRITE = 15
#: Seconds that an answer to such a question may take; a large archive takes longer the
#: first time, and is asked about again.
_ANSWER = 20
#: Seconds that Litestream has to start.
_START = 20
#: Seconds that one that is ending may still hold the archive.
_HANDOVER = LAST_SYNC + 5

#: Litestream ends when this ends, which is when we close our end of the pipe, or are killed:
#: no signal and no handler is needed for that. The folder holds the pipe, the socket and
#: the configuration.
_WHILE_WE_LIVE = 'cat "$0/alive"; rm -rf "$0"'

Tell = Callable[[str], object]


class _NoAnswer(Exception):
    """Litestream is still busy."""


class _Refused(Exception):
    """Litestream says that replicating failed, and why."""


def replicate(
    archive: Path,
    target: str | None,
    stop: threading.Event,
    *,
    tell: Tell | None = None,
    once: bool = False,
) -> None:
    """Replicate the archive until ``stop`` is set, or with ``once`` until the target has
    everything that is in it now.

    Without a ``target`` it is the remembered one. It is remembered once it holds a replica.
    ``tell`` is called with what people should know of: that it works, that it does not.

    :raises UsageError: if the target is none
    :raises ReplicationError: if there is no target, or it cannot be replicated there, or
        Litestream ends
    """
    tell = tell or (lambda _: None)
    known = load_replica_state(archive)
    if target is None:
        if known is None:
            raise ReplicationError(
                f"{archive}: is not replicated yet; name a target, as in "
                "'glin-datasette replicate /media/disk/glin'"
            )
        target = known.target
    if not paths.opens_in_datasette(archive.absolute()):
        # Litestream puts the path into a URI as Datasette does.
        raise ReplicationError(
            f"{archive}: Litestream cannot open a path that holds #, ? or %; move the archive"
        )
    program = find_litestream()
    where = parse_target(target)
    prepare_folder(where, archive)
    with _only_one(archive) as lock, _folder() as folder:
        config = folder / "litestream.yml"
        write_config(
            config,
            archive,
            where,
            exec=shlex.join(["sh", "-c", _WHILE_WE_LIVE, str(folder)]),
            socket={"enabled": True, "path": str(folder / "socket"), "permissions": 0o600},
        )
        # This tells at once of what cannot work, too.
        newest = held(program, config, archive, where)
        if known is not None and known.target == where.url:
            state = known
        elif newest:
            raise ReplicationError(
                f"{where.url}: holds a replica already; bring it back with "
                "'glin-datasette replicate --restore', or name another target"
            )
        else:
            state = ReplicaState(target=where.url)
        with _Litestream(program, config, folder, archive, lock, tell) as litestream:
            _Replication(archive, where, litestream, state, tell).run(stop, once)


class _Replication:
    """Asks Litestream how far it is, and writes it down."""

    def __init__(
        self,
        archive: Path,
        target: Target,
        litestream: _Litestream,
        state: ReplicaState,
        tell: Tell,
    ) -> None:
        self._archive = archive
        self._target = target
        self._litestream = litestream
        self._state = state
        self._tell = tell
        self._written = 0.0

    def run(self, stop: threading.Event, once: bool) -> None:
        if not self._first(stop):
            return
        self._tell(f"Replicating {self._archive} to {self._target.url}")
        while not once and not stop.wait(_BEAT):
            self._litestream.require()
            self._beat()
        self._end()

    def _first(self, stop: threading.Event) -> bool:
        """Wait until the target has everything once; what is wrong now ends the command."""
        waiting = False
        while not stop.is_set():
            self._litestream.require()
            try:
                self._confirm()
                return True
            except _NoAnswer:
                if not waiting:
                    self._tell(f"Copying {self._archive} to {self._target.url}")
                waiting = True
            except _Refused as ex:
                raise ReplicationError(f"{self._target.url}: {ex}") from None
        return False

    def _beat(self) -> None:
        before = self._state.error
        try:
            self._confirm()
        except _NoAnswer:
            self._note(error=before or "Litestream does not answer in time")
        except _Refused as ex:
            self._note(error=str(ex))
        if self._state.error != before:
            self._tell(
                f"{self._target.url}: {self._state.error}; it will be tried again"
                if self._state.error
                else f"{self._target.url}: replicating again"
            )

    def _confirm(self) -> None:
        """Have everything sent that is in the archive now."""
        now, mark = utc_now(), archive_mark(self._archive)
        transaction = self._litestream.sync()
        self._note(confirmed_at=now, mark=mark, transaction=transaction, error=None)

    def _note(self, **found: Any) -> None:
        before = self._state
        self._state = dataclasses.replace(before, checked_at=utc_now(), **found)
        fields = ("mark", "transaction", "error")
        changed = any(getattr(before, name) != getattr(self._state, name) for name in fields)
        if changed or time.monotonic() - self._written >= _WRITE:
            self._save()

    def _save(self) -> None:
        save_replica_state(self._archive, self._state)
        self._written = time.monotonic()

    def _end(self) -> None:
        """Let Litestream send the rest. That it closes the archive changes the file's time:
        what the file is like then is known to be replicated, unless somebody else wrote."""
        confirmed = False
        with commits_told(self._archive) as committed:
            try:
                self._confirm()
            except (_NoAnswer, _Refused) as ex:
                self._note(error=str(ex) or "Litestream does not answer in time")
            else:
                confirmed = not committed()
            self._litestream.end()
            confirmed = confirmed and not committed()
            if confirmed:
                self._note(mark=archive_mark(self._archive))
        self._save()
        if self._state.error:
            raise ReplicationError(f"{self._target.url}: {self._state.error}")


class _Litestream:
    """The running program."""

    def __init__(
        self, program: str, config: Path, folder: Path, archive: Path, lock: int, tell: Tell
    ) -> None:
        self._archive = archive
        self._socket = folder / "socket"
        self._last = ""
        # Both ends: opening only one would wait for the other. As long as this is open,
        # so is the pipe.
        os.mkfifo(folder / "alive", 0o600)
        self._alive: int | None = os.open(folder / "alive", os.O_RDWR | os.O_CLOEXEC)
        self._process = subprocess.Popen(
            [program, "replicate", "-no-expand-env", "-config", str(config)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # It holds the lock as long as it runs, even if we are killed.
            pass_fds=(lock,),
            # Ctrl-C is for us: we end it in our own way.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> _Litestream:
        try:
            self._wait_for_socket()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def require(self) -> None:
        """:raises ReplicationError: if it does not run any more"""
        status = self._process.poll()
        if status is None:
            return
        # What it started to watch us has its end of the log, and ends with this.
        self._release()
        self._reader.join(timeout=5)
        how = f"signal {-status}" if status < 0 else f"status {status}"
        why = f": {explain(self._last)}" if self._last else ""
        raise ReplicationError(f"Litestream has ended with {how}{why}; start the command again")

    def sync(self) -> int:
        """Have everything sent that is in the archive now, and return the transaction that
        the target has."""
        body = {"path": str(self._archive.absolute()), "wait": True, "timeout": _ANSWER}
        try:
            status, text = self._call("/sync", body)
            found = json.loads(text)
        except TimeoutError:
            raise _NoAnswer from None
        except (OSError, http.client.HTTPException, ValueError) as ex:
            self.require()
            raise _Refused(f"Litestream cannot be asked: {ex}") from None
        if status == 200 and isinstance(found.get("replicated_txid"), int):
            if found["replicated_txid"] >= found.get("txid", 0):
                return int(found["replicated_txid"])
            raise _NoAnswer
        error = str(found.get("error") or text)
        if "not ready" in error or "deadline exceeded" in error or "timeout" in error.lower():
            raise _NoAnswer
        raise _Refused(explain(error))

    def end(self) -> None:
        """Let it send the rest and end; by force if it takes too long."""
        self._release()
        try:
            self._process.wait(LAST_SYNC + 10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)

    def _release(self) -> None:
        if self._alive is not None:
            os.close(self._alive)
            self._alive = None

    def _wait_for_socket(self) -> None:
        give_up = time.monotonic() + _START
        while not self._socket.exists():
            self.require()
            if time.monotonic() > give_up:
                raise ReplicationError(f"Litestream does not start within {_START} seconds")
            time.sleep(0.02)

    def _call(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        with contextlib.closing(_UnixConnection(self._socket, _ANSWER + 5)) as connection:
            connection.request("POST", path, json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            _follow(lines, self._said)

    def _said(self, line: str) -> None:
        self._last = line


def _follow(lines: IO[str], said: Callable[[str], None]) -> None:
    """Log what Litestream writes, and keep the last thing that went wrong."""
    for line in lines:
        text = line.strip()
        try:
            entry = json.loads(text)
            level, error = entry["level"], entry.get("error")
        except (ValueError, KeyError, TypeError, AttributeError):
            level, error = "ERROR", text
        log.debug("litestream: %s", text)
        if level == "ERROR" and error:
            said(str(error))


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("litestream", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what Litestream needs; only its owner can enter it."""
    # Not the default one of $TMPDIR where that is long: a socket's path may have about 100
    # characters.
    base = tempfile.gettempdir()
    if len(base) > 60 and Path("/tmp").is_dir():
        base = "/tmp"
    with tempfile.TemporaryDirectory(prefix="glin-", dir=base, ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextlib.contextmanager
def _only_one(archive: Path) -> Iterator[int]:
    """Two at a time would spoil the replica. A Litestream whose command was killed ends by
    itself; that is waited for."""
    give_up = time.monotonic() + _HANDOVER
    while True:
        with replica_locked(archive) as lock:
            if lock is not None:
                yield lock
                return
        if (owner := replica_owner(archive)) or time.monotonic() > give_up:
            raise ReplicationError(
                f"{archive}: is being replicated already, by process {owner or 'unknown'}; "
                "'glin-datasette replicate --status' tells how far it is"
            )
        time.sleep(0.1)
