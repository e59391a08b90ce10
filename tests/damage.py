"""Archives to damage, and ways to do it."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from glin_datasette.storage import get_db

#: Multiplies how often something is tried.
FACTOR = int(os.environ.get("GLIN_TORTURE") or 0)


#: The marks of a module whose tests try everything where there is time for it, and a part
#: elsewhere.
MARKS = [pytest.mark.torture] if FACTOR else []


def torture(test: Callable[..., None]) -> Callable[..., None]:
    """Mark such a test among others."""
    return pytest.mark.torture(test) if FACTOR else test


_WORDS = ("build", "parser", "tide", "café", "getUserName", "数据库", "error", "lighthouse")


def filled(path: Path, messages: int = 300, page_size: int = 1024) -> Path:
    """An archive with trees of several levels and values of several pages; no WAL beside it."""
    numbers = random.Random(1)
    with get_db(path) as db:
        conn = db.conn
        conn.execute("begin")
        for n in range(1, messages // 10 + 1):
            conn.execute(
                "insert into conversations (id, source, source_id, title, started_at, notes,"
                " parent_id) values (?, 'codex', ?, ?, ?, ?, ?)",
                [n, f"s{n}", f"About {n}", f"2026-01-{n % 28 + 1:02}T00:00:00.000Z",
                 "note " * (n % 40), n - 1 if n % 7 == 0 else None],
            )  # fmt: skip
        conversations = messages // 10
        for n in range(1, messages + 1):
            size = 900 if n % 11 == 0 else numbers.randrange(1, 30)
            content = " ".join(numbers.choices(_WORDS, k=size)) + f" number{n}"
            conn.execute(
                "insert into messages (id, conversation_id, position, ts, role, kind, source_id,"
                " content) values (?, ?, ?, ?, 'user', 'text', ?, ?)",
                [1000 + n, n % conversations + 1, n, f"2026-01-01T00:00:{n % 60:02}.000Z",
                 f"u{n}", content],
            )  # fmt: skip
            conn.execute(
                "insert into message_refs values (?, 'file', ?)", [1000 + n, f"/home/me/{n}.py"]
            )
        for n in range(1, 41):
            conn.execute(
                "insert into tags values (?, ?)", [n, f"tag number {n} of forty, and no other"]
            )
            conn.execute(
                "insert into deleted_conversations values ('codex', ?, '2026-01-01T00:00:00Z')",
                [f"gone{n}"],
            )
            conn.execute(
                "insert into import_files (path, format, size, mtime_ns, offset)"
                " values (?, 'codex', 1, 1, 1)",
                [f"/home/me/{n}.jsonl"],
            )
            data = numbers.randbytes(n * 60)
            digest = hashlib.sha256(data).hexdigest()
            conn.execute("insert into attachments values (?, 'image/png', ?, ?)",
                         [digest, len(data), data])  # fmt: skip
            conn.execute("insert into message_attachments values (?, ?, 'a.png')",
                         [1000 + n, digest])  # fmt: skip
        for n in range(messages):
            tag = n // conversations * 3 % 40 + 1
            owner = n % conversations + 1
            conn.execute("insert into conversation_tags values (?, ?)", [owner, tag])
            conn.execute("insert into message_tags values (?, ?)", [1001 + n, tag])
        conn.execute("commit")
    get_db(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma journal_mode = delete")
        conn.execute(f"pragma page_size = {page_size}")
        conn.execute("vacuum")
        conn.execute("pragma journal_mode = wal")
    return path


def zeroed(size: int) -> bytes:
    """A page of zeros."""
    return bytes(size)


def noise(size: int) -> bytes:
    """A page of anything."""
    return random.Random(size).randbytes(size)


def with_page(whole: bytes, number: int, size: int, make: Callable[[int], bytes]) -> bytes:
    """The file with another page in the place of one."""
    return whole[: (number - 1) * size] + make(size) + whole[number * size :]
