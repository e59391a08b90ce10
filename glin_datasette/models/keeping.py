"""What keeping an archive tells: backups, checks, repairs, replicas; and credentials that
stand in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "BackupReport",
    "Check",
    "CompactReport",
    "HealthReport",
    "Recovered",
    "RecoveryReport",
    "RepairReport",
    "Repaired",
    "ReplicaStatus",
    "RestoreReport",
    "SecretFound",
    "SecretPlace",
    "SecretsReport",
    "Status",
]

Status = Literal["ok", "warn", "fail"]
SecretPlace = Literal["message", "reference", "title", "notes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A backup file that was made or found. ``size`` is in bytes, of the file as it is;
    times are UTC. ``sha256`` is ``None`` where nobody has read the file yet. ``pruned`` are the
    older ones that were removed, ``spared`` those that were not since this one holds no
    conversations."""

    path: str
    created_at: str
    size: int
    sha256: str | None
    compressed: bool
    schema_version: int
    conversations: int
    messages: int
    verified: bool
    seconds: float = 0.0
    pruned: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """An archive that was replaced by a backup. ``previous`` is the backup of what was
    there before; ``None`` if there was nothing. Unless ``in_place``, it is another file now:
    what has the old one open must be restarted."""

    path: str
    restored_from: str
    previous: str | None
    schema_version: int
    conversations: int
    messages: int
    in_place: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One health check: ``detail`` says what was found and, if not ok, what to do."""

    name: str
    status: Status
    detail: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """How far the replica of an archive is behind it, as this machine knows it.

    ``confirmed_at`` is the last moment for which it is known that the replica had
    everything; ``None`` if there was none yet. ``behind`` says that the archive's files have
    changed since, ``lag_seconds`` for how long the replica may lack something: 0 if nothing
    has changed. ``waiting_bytes`` were taken from the archive and not yet confirmed by the
    target. ``transaction`` counts the replica's transactions.
    """

    target: str
    running: bool
    checked_at: str | None
    confirmed_at: str | None
    behind: bool
    lag_seconds: float | None
    waiting_bytes: int
    transaction: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The state of an archive. ``status`` is the worst of its checks."""

    status: Status
    path: str
    schema_version: int | None
    sqlite_version: str
    checks: tuple[Check, ...]
    counts: dict[str, int]
    #: Bytes: ``database``, ``wal``, ``free`` (unused pages) and ``disk_free``.
    sizes: dict[str, int]
    #: Seconds since the newest backup that is as it was made; ``None`` without one.
    last_backup_age: float | None
    #: Seconds since an import last read a transcript; ``None`` before the first.
    last_import_age: float | None
    checked_at: str
    ms: float
    #: ``None`` where the archive is not replicated.
    replication: ReplicaStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """One thing that a repair did, or could not do: ``detail`` says it in a sentence."""

    name: str
    done: bool
    #: Of rows, indexes or whatever was mended.
    count: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What :func:`~glin_datasette.storage.repair_db` did, and the health of the archive then.

    ``backup`` is of what was there before: verified, or where that is not possible a copy
    of the file as it was (``verified`` is false).
    """

    path: str
    backup: str
    verified: bool
    repaired: tuple[Repaired, ...]
    health: HealthReport
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """What :func:`~glin_datasette.storage.compact_db` gave back: the bytes of the archive and
    its WAL ``before`` and ``after``. ``busy``: another process reads, and it is given back
    once that has ended."""

    path: str
    before: int
    after: int
    busy: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was salvaged of a table, and what was not: ``lost`` is ``None`` where that cannot
    be told, and ``estimated`` where it is not counted but judged by the pages that are lost.
    ``cut`` of the salvaged rows lack the end of a text."""

    table: str
    salvaged: int
    lost: int | None
    estimated: bool
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What :func:`~glin_datasette.storage.recover_db` salvaged of a damaged archive.

    ``complete`` is true if nothing is known or to be feared to be lost. ``unreadable`` are
    ranges of pages, first and last. ``placeholders`` are conversations of which only the
    messages, or the name, were found. ``notes`` are sentences on what cannot be counted.
    """

    path: str
    source: str
    complete: bool
    tables: tuple[Recovered, ...]
    placeholders: int
    pages: int
    page_size: int
    unreadable: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    health: HealthReport
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFound:
    """Where in an archive something looks like a credential; never the credential itself.

    ``count`` are of this ``kind`` in this place. ``message_id`` and ``role`` are ``None``
    for the title and the notes of a conversation. Credentials in ``title`` are redacted.
    """

    kind: str
    place: SecretPlace
    count: int
    conversation_id: int
    message_id: int | None
    title: str | None
    role: str | None
    ts: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsReport:
    """What looks like a credential in an archive: ``total`` of them in so many messages,
    by kind, and where they are. ``more`` counts the places that ``found`` leaves out."""

    total: int
    by_kind: dict[str, int]
    found: tuple[SecretFound, ...]
    more: int
    messages: int
    seconds: float
