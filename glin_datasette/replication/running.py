"""Replicating until told to stop: Litestream runs, is asked how far it is, and ends with us."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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
from .litestream import LAST_SYNC, find_litestream, held, write_config
from .process import WHILE_WE_LIVE, Litestream, NoAnswer, Refused, working_folder
from .target import Target, parse_target, prepare_folder

#: Seconds between two questions how far the replica is.
_BEAT = 1
#: Seconds after which what was learned is written down, even if nothing has changed.
_WRITE = 15
#: Seconds that one that is ending may still hold the archive.
_HANDOVER = LAST_SYNC + 5

Tell = Callable[[str], object]


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
    with _only_one(archive) as lock, working_folder() as folder:
        config = folder / "litestream.yml"
        write_config(
            config,
            archive,
            where,
            exec=shlex.join(["sh", "-c", WHILE_WE_LIVE, str(folder)]),
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
        with Litestream(program, config, folder, archive, lock) as litestream:
            _Replication(archive, where, litestream, state, tell).run(stop, once)


class _Replication:
    """Asks Litestream how far it is, and writes it down."""

    def __init__(
        self,
        archive: Path,
        target: Target,
        litestream: Litestream,
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
            except NoAnswer:
                if not waiting:
                    self._tell(f"Copying {self._archive} to {self._target.url}")
                waiting = True
            except Refused as ex:
                raise ReplicationError(f"{self._target.url}: {ex}") from None
        return False

    def _beat(self) -> None:
        before = self._state.error
        try:
            self._confirm()
        except NoAnswer:
            self._note(error=before or "Litestream does not answer in time")
        except Refused as ex:
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
            except (NoAnswer, Refused) as ex:
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
