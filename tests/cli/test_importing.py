"""``import`` with its options: what is listed, what is kept, what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from glin_datasette.importers import importers
from glin_datasette.storage import get_db

Run = Callable[..., Result]


@pytest.fixture
def transcript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    file = tmp_path / "claude" / "projects" / "-src" / "s1.jsonl"
    file.parent.mkdir(parents=True)
    record = {"type": "user", "uuid": "u", "sessionId": "s", "message": {"content": "words"}}
    file.write_text(json.dumps(record) + "\n")
    return file


def test_list_shows_every_format_its_places_and_what_is_there(
    run: Run, transcript: Path, data_dir: Path
) -> None:
    lines = run("import", "--list").stdout.splitlines()
    (found,) = [line for line in lines if line.startswith("claude-code")]
    assert "1 file" in found
    assert str(transcript.parents[1]) in found
    assert {line.split()[0] for line in lines[1:]} == {each.name for each in importers()}
    assert any("not there" in line for line in lines)
    assert any("where you name it" in line for line in lines)
    assert not data_dir.exists(), "listing needs no archive"


def test_list_as_json(run: Run, transcript: Path) -> None:
    places = json.loads(run("import", "--list", "--json").stdout)
    assert {frozenset(place) for place in places} == {
        frozenset({"format", "title", "path", "exists", "files", "bytes"})
    }
    (place,) = [place for place in places if place["format"] == "claude-code"]
    assert place == {
        "format": "claude-code",
        "title": "Claude Code",
        "path": str(transcript.parents[1]),
        "exists": True,
        "files": 1,
        "bytes": transcript.stat().st_size,
    }


def test_options_that_make_no_sense_are_refused(run: Run, transcript: Path) -> None:
    said = run("import", "--format", "claude-code", status=2).stderr
    assert said == "Error: --format says how to read a PATH; name one\n"
    said = run("import", "--format", "nothing", transcript, status=2).stderr
    assert "no format 'nothing'; there are" in said
    run("import", "--tool-output", "3", status=2)
    run("import", "--attachments", "burn", status=2)


def test_the_options_reach_the_archive(run: Run, data_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"},
    }
    output = {"type": "tool_result", "tool_use_id": "t", "content": "x" * 1000}
    for n, content in enumerate([[image], [output]]):
        record = {"type": "user", "uuid": f"u{n}", "sessionId": "s", "message": {}}
        record["message"] = {"content": content}
        with file.open("a") as out:
            out.write(json.dumps(record) + "\n")
    run("import", file, "--attachments", "keep", "--tool-output", 100)
    with get_db(data_dir / "glin.db") as db:
        assert [row["data"] for row in db["attachments"].rows] == [b"ABC"]
        (text,) = db.execute("select content from messages where role = 'tool'").fetchone()
    assert text == "x" * 50 + "\n[… 900 characters left out …]\n" + "x" * 50
    shown = json.loads(run("show", 1, "--json").stdout)
    (kept,) = shown["messages"][0]["attachments"]
    assert (kept["media_type"], kept["size"], len(kept["sha256"])) == ("image/png", 3, 64)
