"""The sample sessions that ship with the package: whole, invented, and worth a look."""

from __future__ import annotations

import json
import re
from pathlib import Path

import sqlite_utils

from glin_datasette.importers.base import Checkpoint, Said, Skipped, Unknown
from glin_datasette.importers.claude_code import ClaudeCode
from glin_datasette.ingest import import_paths
from glin_datasette.models import Message
from glin_datasette.paths import samples_dir


def files() -> list[Path]:
    return sorted(samples_dir().rglob("*.jsonl"))


def said() -> list[Message]:
    found = []
    for path in files():
        for item in ClaudeCode().read(path, Checkpoint()):
            assert not isinstance(item, Skipped | Unknown), path
            if isinstance(item, Said):
                found.append(item.message)
    return found


def test_they_show_what_a_session_holds() -> None:
    messages = said()
    assert 60 <= len(messages) <= 120
    assert {message.kind for message in messages} == {
        "text",
        "thinking",
        "tool_call",
        "tool_result",
        "attachment",
    }
    assert any(message.is_error for message in messages)
    assert any("```" in message.content for message in messages)
    assert {ref.type for message in messages for ref in message.refs} == {"file", "commit", "url"}


def test_they_are_invented() -> None:
    for path in samples_dir().rglob("*.json*"):
        text = path.read_text("utf-8")
        hosts = set(re.findall(r"https?://([\w.-]+)", text))
        assert hosts <= {"example.com", "example.org"}, path
        assert set(re.findall(r"/home/(\w+)", text)) <= {"robin"}, path
        for line in text.splitlines():
            json.loads(line)


def test_an_archive_of_them_hangs_together(db: sqlite_utils.Database) -> None:
    report = import_paths(db, [samples_dir()])
    assert (report.skipped, report.errors, report.unknown) == (0, (), {})
    assert report.conversations == len(files()) == 5
    titles = {row["title"] for row in db["conversations"].rows}
    assert "Map export (GeoJSON)" in titles
    assert children(db) == [("Find the exporters", "Map export (GeoJSON)")]
    again = import_paths(db, [samples_dir()])
    assert (again.unchanged, again.messages) == (again.files, 0)


def children(db: sqlite_utils.Database) -> list[tuple[str, str]]:
    return db.execute(
        "select child.title, parent.title from conversations as child"
        " join conversations as parent on parent.id = child.parent_id"
    ).fetchall()
