"""Where in an archive credentials are, without showing them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest
import sqlite_utils
from credential_samples import made_up, provider_tokens

import glin_datasette as glin
from glin_datasette.credentials import scan_secrets
from glin_datasette.credentials.detector import find
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation, Message, Ref, SecretFound
from glin_datasette.storage import insert_conversation, insert_message

TOKEN = provider_tokens()["GitHub token"][0]
PASSWORD = "-".join(["hunter2", "xyz"])


@pytest.fixture
def conversation(db: sqlite_utils.Database) -> int:
    return insert_conversation(
        db, Conversation(source="s", source_id="1", title="Tides", started_at="2026-02-01")
    )


def test_an_archive_without_any(db: sqlite_utils.Database, conversation: int) -> None:
    insert_message(db, conversation, Message(role="user", content="High tide at noon"))
    report = scan_secrets(db)
    assert (report.total, report.by_kind, report.found, report.more) == (0, {}, (), 0)
    assert report.messages == 1


def test_every_place_is_looked_at(db: sqlite_utils.Database) -> None:
    number = insert_conversation(
        db,
        Conversation(
            source="s",
            source_id="1",
            title=f"Why does {TOKEN} fail",
            notes=f"password: {PASSWORD}",
            started_at="2026-02-01T00:00:00.000Z",
        ),
    )
    url = f"https://example.org/?access_token={made_up(32)}"
    text = f"export GITHUB={TOKEN}\nand {TOKEN}\nDB_PASSWORD={PASSWORD}"
    for content, refs in ((text, ()), ("See there", (Ref("url", url),)), (url, (Ref("url", url),))):
        insert_message(
            db, number, Message(role="user", content=content, refs=refs, ts="2026-02-02T00:00:00Z")
        )
    report = scan_secrets(db)
    told = [(each.place, each.kind, each.count, each.message_id) for each in report.found]
    assert told == [
        ("title", "GitHub token", 1, None),
        ("notes", "password", 1, None),
        ("message", "GitHub token", 2, 1),
        ("message", "password", 1, 1),
        ("message", "token", 1, 3),
        ("reference", "token", 1, 2),
    ]
    assert report.by_kind == {"GitHub token": 3, "password": 2, "token": 2}
    assert report.total == 7
    assert {each.title for each in report.found} == {"Why does [redacted: GitHub token] fail"}
    assert report.found[0].ts == "2026-02-01T00:00:00.000Z"
    assert report.found[2].ts == "2026-02-02T00:00:00.000Z"
    assert report.found[2].role == "user"
    for secret in (TOKEN, PASSWORD, made_up(32)):
        assert secret not in json.dumps(asdict(report))


def test_the_list_is_limited_and_the_counts_are_not(
    db: sqlite_utils.Database, conversation: int
) -> None:
    for n in range(7):
        insert_message(db, conversation, Message(role="user", content=f"{n} {TOKEN}"))
    report = scan_secrets(db, limit=3)
    assert (len(report.found), report.more, report.total) == (3, 4, 7)


def test_progress_goes_up_to_the_end(db: sqlite_utils.Database, conversation: int) -> None:
    for n in range(450):
        insert_message(db, conversation, Message(role="user", content=str(n)))
    told: list[tuple[int, int]] = []
    scan_secrets(db, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == [200, 400, 451]
    assert {total for _, total in told} == {451}


def test_it_is_public(db: sqlite_utils.Database) -> None:
    assert glin.scan_secrets is scan_secrets
    assert glin.scan_secrets(db).total == 0
    assert glin.SecretFound is SecretFound


def test_what_real_transcripts_are_taken_for(
    db: sqlite_utils.Database, real_transcripts: Path
) -> None:
    """Nothing in them is a credential; somebody looked."""
    import_paths(db, [real_transcripts])
    report = scan_secrets(db)
    assert report.messages > 1000
    assert report.found == ()


def test_it_is_fast_enough_on_real_transcripts(
    db: sqlite_utils.Database, real_transcripts: Path
) -> None:
    import_paths(db, [real_transcripts])
    texts = [row[0] for row in db.execute("select content from messages")]
    list(find(texts[0]))
    started = time.process_time()
    for text in texts:
        list(find(text))
    seconds = time.process_time() - started
    # It is 20 MB/s and more where nothing else runs.
    assert sum(map(len, texts)) / seconds > 5e6
