"""Finding transcripts: what lies in a folder, what a file is, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette.ingest import import_paths


def record(n: int, text: str = "some words", session: str = "s1", **more: object) -> str:
    said = {
        "type": "user",
        "uuid": f"{session}-{n}",
        "sessionId": session,
        "timestamp": f"2026-02-01T10:00:{n:02}.000Z",
        "cwd": "/src/project",
        "message": {"role": "user", "content": text},
        **more,
    }
    return json.dumps(said) + "\n"


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    file = tmp_path / "projects" / "-src-project" / "s1.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(record(n) for n in range(10)))
    return file


@pytest.mark.parametrize(
    "first",
    [
        json.dumps({"type": "queue-operation", "content": "x" * 100_000, "sessionId": "s1"}),
        json.dumps({"type": "file-history-snapshot", "snapshot": "x" * 2_000_000}),
        record(5, "x" * 3_000_000)[:-200],  # Cut off in the middle, and overwritten behind.
        "\0" * 5_000_000,
        "no JSON at all " * 10_000,
    ],
    ids=["queue", "snapshot", "damaged", "nul", "words"],
)
def test_a_long_first_line_hides_no_transcript(
    db: sqlite_utils.Database, transcript: Path, first: str
) -> None:
    transcript.write_text(first + "\n" + transcript.read_text())
    assert import_paths(db, [transcript.parent]).messages == 10
