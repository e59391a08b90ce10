"""Finding transcripts: what lies in a folder, what a file is, and what cannot be read."""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils
from transcripts import FIXTURES

from glin_datasette.importers import importers, may_be_transcript
from glin_datasette.importers.walk import walk
from glin_datasette.ingest import import_paths
from glin_datasette.models import Problem


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


@pytest.fixture
def too_deep(transcript: Path) -> Iterator[Path]:
    """A folder beside the transcript that nobody can list, root neither: its path is longer
    than the system takes."""
    top = transcript.parent / "deep"
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)  # pathlib knows no dir_fd.
        below = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    yield top
    shutil.rmtree(top)


def test_a_folder_that_cannot_be_listed_is_told_once(
    db: sqlite_utils.Database, transcript: Path, too_deep: Path
) -> None:
    report = import_paths(db, [transcript.parent])
    assert report.messages == 10
    (problem,) = report.errors
    assert problem.path.startswith(f"{too_deep}/ddd")
    assert (problem.line, problem.error) == (None, "cannot be read: File name too long")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_what_is_not_ours_to_read_is_told_and_the_rest_imported(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    closed = transcript.parent / "closed"
    closed.mkdir(0)
    unsearchable = transcript.parent / "unsearchable"
    unsearchable.mkdir()
    hidden = unsearchable / "x.jsonl"
    hidden.touch()
    unsearchable.chmod(0o600)
    report = import_paths(db, [hidden, transcript.parent])
    unsearchable.chmod(0o700)
    assert report.messages == 10
    assert set(report.errors) == {
        Problem(str(path), None, "cannot be read: Permission denied") for path in (closed, hidden)
    }


def test_walking_finds_regular_files_only(transcript: Path) -> None:
    folder = transcript.parent
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "folder.jsonl").mkdir()
    (folder / "linked.jsonl").symlink_to(transcript)
    (folder / "nowhere.jsonl").symlink_to(folder / "none")
    (folder / "again").symlink_to(folder)
    (folder / "notes.txt").touch()
    errors: list[OSError] = []
    found = [path.name for path, _ in walk(folder, may_be_transcript, errors.append)]
    assert (found, errors) == (["linked.jsonl", "s1.jsonl"], [])
    assert list(walk(folder / "none", may_be_transcript, errors.append)) == []
    assert [type(ex) for ex in errors] == [FileNotFoundError]


def test_what_is_no_file_is_told_and_the_rest_imported(
    db: sqlite_utils.Database, transcript: Path, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    report = import_paths(db, [pipe, Path("/dev/null"), transcript])
    assert report.messages == 10
    assert report.errors == tuple(
        Problem(str(path), None, "is not a regular file; save it to a file first")
        for path in (pipe, Path("/dev/null"))
    )


def test_failures_come_before_any_number_of_damaged_lines(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    with transcript.open("a") as file:
        file.write("damage\n" * 1100)
    report = import_paths(db, [transcript, Path("/dev/null")])
    assert (report.skipped, len(report.errors)) == (1100, 1000)
    assert (report.errors[0].path, report.errors[0].line) == ("/dev/null", None)


def test_no_value_of_a_field_keeps_formats_from_being_told_apart(tmp_path: Path) -> None:
    odd: tuple[object, ...] = (
        None, True, -1, 1e308, "", "\0", "\ud800", [], [[]], {}, {"type": []}, [None], [{"a": 1}],
    )  # fmt: skip
    path = tmp_path / "rollout-1.jsonl"
    tried = 0
    for file in sorted(FIXTURES.rglob("*.json*")):
        try:
            record = json.loads(file.read_text("utf-8").splitlines()[0])
        except (ValueError, IndexError):
            continue
        for key, value in itertools.product(record if isinstance(record, dict) else (), odd):
            head = json.dumps({**record, key: value}).encode()
            for importer in importers():
                importer.identify(path, head)
                importer.identify(path, head + b"\n")
                tried += 1
    assert tried > 1000
