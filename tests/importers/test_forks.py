"""Forked sessions: whose records they are does not depend on which file is read first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from glin_datasette.importers.base import Checkpoint, Said
from glin_datasette.importers.claude_code import ClaudeCode
from glin_datasette.ingest import import_paths
from glin_datasette.models import Message
from glin_datasette.storage import get_db, iter_messages, query_conversations

OLD = "00000000-0000-4000-8000-0000000000aa"
NEW = "00000000-0000-4000-8000-0000000000bb"


def said(session: str, uuid: str, second: int, **more: object) -> dict[str, Any]:
    return {
        "type": "user",
        "uuid": uuid,
        "sessionId": session,
        "timestamp": f"2026-02-11T09:00:{second:02}.000Z",
        "cwd": "/home/ada/tide",
        "message": {"role": "user", "content": f"Words of {uuid.removeprefix('copy-')}"},
        **more,
    }


def copy_of(uuid: str, second: int, name: str, **more: object) -> dict[str, Any]:
    origin = {"sessionId": OLD, "messageUuid": uuid}
    return said(NEW, name, second, forkedFrom=origin, **more)


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    return path


def files(folder: Path, prefix: str = "") -> list[Path]:
    """A session that went on after it was forked, and the fork."""
    old = [said(OLD, f"u{n}", n) for n in range(3)]
    copies = [copy_of(f"u{n}", n, f"{prefix}u{n}") for n in range(3)]
    own = said(NEW, "n1", 10, parentUuid=f"{prefix}u2")
    title = {"type": "custom-title", "customTitle": "The other way", "sessionId": NEW}
    return [
        write(folder / f"{OLD}.jsonl", *old, said(OLD, "u3", 20)),
        write(folder / f"{NEW}.jsonl", title, *copies, own),
    ]


def imported(db_path: Path, steps: list[list[Path]]) -> dict[str, Any]:
    """What an archive holds, without the ids that depend on the order."""
    found = {}
    with get_db(db_path) as db:
        for paths in steps:
            assert import_paths(db, paths).errors == ()
        for each in query_conversations(db):
            assert each.id is not None
            messages = [(m.source_id, m.content, m.ts) for m in iter_messages(db, each.id)]
            facts = (each.title, each.relation, each.parent_source_id, each.parent_id is None)
            found[each.source_id] = (facts, messages)
    return found


@pytest.mark.parametrize("prefix", ["", "copy-"], ids=["same uuid", "new uuid"])
def test_the_order_of_the_files_makes_no_difference(tmp_path: Path, prefix: str) -> None:
    old, new = files(tmp_path, prefix)
    once = imported(tmp_path / "1.db", [[old], [new]])
    assert once == imported(tmp_path / "2.db", [[new], [old]])
    assert once == imported(tmp_path / "3.db", [[new, old]])
    assert [m[0] for m in once[OLD][1]] == ["u0", "u1", "u2", "u3"]
    assert [m[0] for m in once[NEW][1]] == ["n1"]
    assert once[OLD][0] == ("Words of u0", None, None, True)
    assert once[NEW][0] == ("The other way", "fork", OLD, False)


def test_a_fork_is_known_in_a_later_reading(tmp_path: Path) -> None:
    old, new = files(tmp_path)
    whole = new.read_text()
    lines = whole.splitlines(keepends=True)
    new.write_text("".join(lines[:3]))
    with get_db(tmp_path / "1.db") as db:
        import_paths(db, [new])
    new.write_text(whole)
    assert imported(tmp_path / "1.db", [[new], [old]]) == imported(tmp_path / "2.db", [[old, new]])


def test_a_reply_to_a_copy_stands_behind_it(tmp_path: Path) -> None:
    """Under the copy's own uuid, whatever the times are."""
    path = write(
        tmp_path / f"{NEW}.jsonl",
        copy_of("u1", 30, "copy-u1"),
        said(NEW, "n1", 10, parentUuid="copy-u1"),
    )
    items = ClaudeCode().read(path, Checkpoint())
    placed: list[Message] = [item.message for item in items if isinstance(item, Said)]
    assert [m.sort_ts or m.ts for m in placed] == ["2026-02-11T09:00:30.000Z"] * 2


@pytest.mark.parametrize(
    "origin",
    [None, "x", [], {}, {"sessionId": 7}, {"sessionId": NEW, "messageUuid": "u9"}],
)
def test_a_damaged_origin_is_none(tmp_path: Path, origin: object) -> None:
    path = write(tmp_path / f"{NEW}.jsonl", said(NEW, "n1", 1, forkedFrom=origin))
    found = imported(tmp_path / "1.db", [[path]])
    assert found[NEW][0][1:] == (None, None, True)
    assert [m[0] for m in found[NEW][1]] == ["n1"]
