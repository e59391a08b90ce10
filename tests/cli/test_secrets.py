"""``check --secrets``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from credential_samples import made_up, provider_tokens

from glin_datasette.models import Message
from glin_datasette.storage import get_db, insert_message

Run = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[str]"]

TOKEN = provider_tokens()["GitHub token"][0]


@pytest.fixture
def leaky(archive: Path) -> Path:
    with get_db(archive) as db:
        for text in (f"{TOKEN} and {TOKEN}", f"DB_PASSWORD={made_up(20)}"):
            insert_message(db, 3, Message(role="user", content=text, ts="2026-01-05T12:01:00.000Z"))
        db.execute("update conversations set title = 'Tides of ' || ? where id = 3", [TOKEN])
        db.conn.commit()
    return archive


def test_nothing_is_found(run: Run, archive: Path) -> None:
    out = run("check", "--secrets").output
    assert out == f"{archive}: nothing in 5 messages looks like a credential\n"


def test_it_is_told_where_they_are(run: Run, leaky: Path) -> None:
    out = run("check", "--secrets", status=1).output
    lines = out.splitlines()
    title = "Tides of [redacted: GitHub token]"
    assert lines[:3] == [
        f"conversation 3, title: GitHub token  2026-01-05 12:00Z  {title}",
        f"conversation 3, message 6: 2 × GitHub token  2026-01-05 12:01Z  {title}",
        f"conversation 3, message 7: password  2026-01-05 12:01Z  {title}",
    ]
    assert "4 times: 3 × GitHub token, 1 × password" in lines[3]
    assert "import --redact" in out
    assert TOKEN not in out
    assert made_up(20) not in out


def test_as_json(run: Run, leaky: Path) -> None:
    out = run("check", "--secrets", "--json", status=1).output
    document = json.loads(out)
    assert set(document) == {
        "path", "total", "by_kind", "found", "more", "messages", "seconds",
    }  # fmt: skip
    assert (document["path"], document["total"], document["more"]) == (str(leaky), 4, 0)
    assert document["found"][1] == {
        "kind": "GitHub token",
        "place": "message",
        "count": 2,
        "conversation_id": 3,
        "message_id": 6,
        "title": "Tides of [redacted: GitHub token]",
        "role": "user",
        "ts": "2026-01-05T12:01:00.000Z",
    }
    assert TOKEN not in out
    named = run("check", "--help").output
    assert [name for name in {*document, *document["found"][0]} if name not in named] == []


def test_many_are_cut(run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with get_db(archive) as db:
        for _ in range(1003):
            insert_message(db, 3, Message(role="user", content=TOKEN))
    lines = run("check", "--secrets", status=1).output.splitlines()
    assert lines[1000] == "and 3 more places"
    assert "1,003 times" in lines[1001]


def test_it_changes_nothing(process: Process, leaky: Path) -> None:
    before = leaky.read_bytes()
    process("check", "--secrets", status=1)
    assert leaky.read_bytes() == before


def test_health_is_another_question(run: Run, leaky: Path) -> None:
    assert "GitHub" not in run("check").output
    assert "leave --deep out" in run("check", "--secrets", "--deep", status=2).output
