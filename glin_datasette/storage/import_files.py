"""What was read from which transcript file, and how far: the table ``import_files``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlite_utils

from ..dates import utc_now


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFile:
    """One transcript file as it was when it was last read.

    ``offset`` is where the next reading starts, in bytes, and ``digest`` tells whether
    what lies before it is still the same. ``state`` is the importer's own.
    """

    path: str
    format: str
    size: int
    mtime_ns: int
    offset: int = 0
    digest: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)
    #: Damaged records in the file so far.
    skipped: int = 0
    last_error: str | None = None


def find_import_file(db: sqlite_utils.Database, path: str) -> ImportFile | None:
    """What is known of the file at ``path``; ``None`` if it was never read."""
    row = db.execute(
        "select format, size, mtime_ns, offset, digest, state, skipped, last_error"
        " from import_files where path = ?",
        [path],
    ).fetchone()
    if row is None:
        return None
    return ImportFile(
        path=path,
        format=row[0],
        size=row[1],
        mtime_ns=row[2],
        offset=row[3],
        digest=row[4] or "",
        state=json.loads(row[5] or "{}"),
        skipped=row[6] or 0,
        last_error=row[7],
    )


def any_state(db: sqlite_utils.Database, name: str) -> bool:
    """Whether the state of some file holds ``name`` as true."""
    sql = "select 1 from import_files where instr(state, ?) limit 1"
    return db.execute(sql, [f"{json.dumps(name)}: true"]).fetchone() is not None


def record_import_file(db: sqlite_utils.Database, file: ImportFile) -> None:
    """Note how far a file was read. Belongs into the transaction that loads it."""
    row: dict[str, object] = {
        "path": file.path,
        "format": file.format,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "offset": file.offset,
        "digest": file.digest,
        "state": json.dumps(dict(file.state)),
        "skipped": file.skipped,
        "last_error": file.last_error,
        "imported_at": utc_now(),
    }
    changes = ", ".join(f"{name} = excluded.{name}" for name in row if name != "path")
    db.execute(
        f"insert into import_files ({', '.join(row)}) values ({', '.join(f':{n}' for n in row)})"
        f" on conflict(path) do update set {changes}",
        row,
    )
