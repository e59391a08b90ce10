"""``get_db()``, but quicker where there is no archive yet: making one writes its schema to the
disk step by step, which takes most of the time of a small test, and is a test's matter in
``storage/`` only."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path

import sqlite_utils

from glin_datasette.storage import get_db


def quick_db(path: Path) -> sqlite_utils.Database:
    """Open the archive at ``path``; where there is none, a copy of one that was made once."""
    if not path.exists():
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
            out.write(_made())
    return get_db(path)


@functools.cache
def _made() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "glin.db")
        get_db(path).close()
        return path.read_bytes()
