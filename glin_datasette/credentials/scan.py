"""Looking for credentials in an archive, without showing them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import sqlite_utils

from ..models import SecretFound, SecretsReport
from ..storage.connection import database_path, sqlite_errors, timed
from .detector import find
from .redactor import Redactor

__all__ = ["scan_secrets"]

#: How many places a report names.
MAX_FOUND = 1000

#: Called now and then with the number of texts that were read, and of all.
Progress = Callable[[int, int], None]

_EVERY = 200


def scan_secrets(
    db: sqlite_utils.Database, *, limit: int = MAX_FOUND, progress: Progress | None = None
) -> SecretsReport:
    """Look for what looks like a credential in the text of all messages, in what they
    refer to, and in the titles and notes of conversations.

    The report says where, never what. One text is in memory at a time. Attachments are
    not looked into. Nothing is sent anywhere.

    :param limit: name at most so many places; the report counts all
    """
    started = time.perf_counter()
    with timed("scan_secrets") as facts, sqlite_errors(database_path(db)):
        kinds: Counter[str] = Counter()
        found: list[SecretFound] = []
        messages = db.table("messages").count
        total = messages + sum(db.table(name).count for name in ("conversations", "message_refs"))
        places = texts = 0
        for texts, (place, text) in enumerate(_texts(db), 1):
            for kind, count in _kinds(text).items():
                if place.place == "reference" and kind in _kinds(_content(db, place)):
                    continue  # It is the one that stands in the message.
                kinds[kind] += count
                places += 1
                if len(found) < limit:
                    found.append(replace(place, kind=kind, count=count))
            if progress and texts % _EVERY == 0:
                progress(min(texts, total), total)
        if progress:
            progress(total, total)
        facts["rows"] = texts
        redact = Redactor()
        return SecretsReport(
            total=kinds.total(),
            by_kind=dict(kinds.most_common()),
            found=tuple(_named(db, each, redact) for each in found),
            more=places - len(found),
            messages=messages,
            seconds=time.perf_counter() - started,
        )


def _texts(db: sqlite_utils.Database) -> Iterator[tuple[SecretFound, str]]:
    """Every text with its place, one at a time."""
    for query, place in (
        ("select id, null, null, null, title from conversations where title is not null", "title"),
        ("select id, null, null, null, notes from conversations where notes is not null", "notes"),
        ("select conversation_id, id, role, ts, content from messages order by id", "message"),
    ):
        for row in db.execute(query):
            yield _place(place, *row[:-1]), row[-1] or ""
    for *where, value in db.execute(
        "select m.conversation_id, m.id, m.role, m.ts, r.ref_value"
        " from message_refs as r join messages as m on m.id = r.message_id"
        " order by m.id, r.ref_type, r.ref_value"
    ):
        yield _place("reference", *where), value


def _kinds(text: str) -> Counter[str]:
    return Counter(each.kind for each in find(text))


def _content(db: sqlite_utils.Database, place: SecretFound) -> str:
    sql = "select content from messages where id = ?"
    return str(db.execute(sql, [place.message_id]).fetchone()[0])


def _place(place: Any, conversation: int, message: int | None, role: Any, ts: Any) -> SecretFound:
    return SecretFound(
        kind="",
        count=0,
        place=place,
        conversation_id=conversation,
        message_id=message,
        title=None,
        role=role,
        ts=ts,
    )


def _named(db: sqlite_utils.Database, found: SecretFound, redact: Redactor) -> SecretFound:
    row = db.execute(
        "select title, started_at from conversations where id = ?", [found.conversation_id]
    ).fetchone()
    if not row:
        return found
    title = redact(row[0])[0] if row[0] else None
    return replace(found, title=title, ts=found.ts or row[1])
