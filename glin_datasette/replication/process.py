"""Litestream as it runs: started, asked, and ended with us."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import ReplicationError
from .litestream import LAST_SYNC, environment, explain

__all__ = ["WHILE_WE_LIVE", "Litestream", "NoAnswer", "Refused", "working_folder"]

log = logging.getLogger("glin_datasette.replication")

#: Seconds that an answer to such a question may take; a large archive takes longer the
#: first time, and is asked about again.
_ANSWER = 20
#: Seconds that Litestream has to start.
_START = 20

#: Litestream ends when this ends, which is when we close our end of the pipe, or are killed:
#: no signal and no handler is needed for that. Litestream inherits the other end and hands it
#: on. (A pipe with a name would be waited for by who opens it when we are gone already.) The
#: folder holds the socket and the configuration.
WHILE_WE_LIVE = 'cat "/dev/fd/$GLIN_ALIVE"; rm -rf "$0"'


class NoAnswer(Exception):
    """Litestream is still busy."""


class Refused(Exception):
    """Litestream says that replicating failed, and why."""


class Litestream:
    """The running program."""

    def __init__(self, program: str, config: Path, folder: Path, archive: Path, lock: int) -> None:
        self._archive = archive
        self._socket = folder / "socket"
        self._last = ""
        self._alive: int | None
        theirs, self._alive = os.pipe()
        try:
            self._process = subprocess.Popen(
                [program, "replicate", "-no-expand-env", "-config", str(config)],
                env=environment() | {"GLIN_ALIVE": str(theirs)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                # It holds the lock as long as it runs, even if we are killed.
                pass_fds=(lock, theirs),
                # Ctrl-C is for us: we end it in our own way.
                start_new_session=True,
            )
        except BaseException:
            self._release()
            raise
        finally:
            os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Litestream:
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
            raise NoAnswer from None
        except (OSError, http.client.HTTPException, ValueError) as ex:
            self.require()
            raise Refused(f"Litestream cannot be asked: {ex}") from None
        if status == 200 and isinstance(found.get("replicated_txid"), int):
            if found["replicated_txid"] >= found.get("txid", 0):
                return int(found["replicated_txid"])
            raise NoAnswer
        error = str(found.get("error") or text)
        if "not ready" in error or "deadline exceeded" in error or "timeout" in error.lower():
            raise NoAnswer
        raise Refused(explain(error))

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
        while not self._listens():
            self.require()
            if time.monotonic() > give_up:
                raise ReplicationError(f"Litestream does not start within {_START} seconds")
            time.sleep(0.02)

    def _listens(self) -> bool:
        # The socket's file is there a moment before anybody listens.
        try:
            with contextlib.closing(_UnixConnection(self._socket, _ANSWER)) as connection:
                connection.connect()
        except OSError:
            return False
        return True

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
def working_folder() -> Iterator[Path]:
    """A folder for what Litestream needs; only its owner can enter it."""
    # Not the default one of $TMPDIR where that is long: a socket's path may have about 100
    # characters.
    base = tempfile.gettempdir()
    if len(base) > 60 and Path("/tmp").is_dir():
        base = "/tmp"
    with tempfile.TemporaryDirectory(prefix="glin-", dir=base, ignore_cleanup_errors=True) as name:
        yield Path(name)
