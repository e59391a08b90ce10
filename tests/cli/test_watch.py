"""``import --watch``: a real process, real files that grow, and the archive that follows."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from glin_datasette.ingest import ImportOptions
from glin_datasette.ingest.watch import Watcher
from glin_datasette.models import ImportReport
from glin_datasette.storage import get_db, stats, version

#: Longer than anything here takes: a change is imported about a second after it.
PATIENCE = 60.0


def record(n: int, session: str = "s1") -> bytes:
    said = {
        "type": "user",
        "uuid": f"{session}-{n}",
        "sessionId": session,
        "timestamp": f"2026-02-01T10:{n // 60:02}:{n % 60:02}.000Z",
        "message": {"role": "user", "content": f"words {n}"},
    }
    return json.dumps(said).encode() + b"\n"


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def count(data_dir: Path) -> int:
    """Messages in the archive; -1 before there is one."""
    if not (data_dir / "glin.db").exists():
        return -1
    with get_db(data_dir / "glin.db", readonly=True) as db:
        return stats(db).messages if version(db) else -1


@pytest.fixture
def projects(tmp_path: Path) -> Path:
    folder = tmp_path / "projects" / "-src"
    folder.mkdir(parents=True)
    return folder


@dataclass
class Said:
    """What a process has written, once it has ended."""

    out: str = ""
    err: str = ""


@contextmanager
def watching(*args: object, ends: int = signal.SIGTERM) -> Iterator[Said]:
    process = subprocess.Popen(
        [sys.executable, "-m", "glin_datasette", "import", "--watch", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = Said()
    try:
        yield said
        process.send_signal(ends)
        said.out, said.err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said.err
        assert "Traceback" not in said.err
    finally:
        process.kill()
        process.wait()


def test_it_follows_a_transcript_and_waits_for_a_torn_line(data_dir: Path, projects: Path) -> None:
    file = projects / "s1.jsonl"
    file.write_bytes(record(0))
    with watching(projects.parent, "--json") as watched:
        until(lambda: count(data_dir) == 1, "the first import")
        half = record(1)
        with file.open("ab") as out:
            out.write(half[:40])
            out.flush()
            time.sleep(2.5)
            assert count(data_dir) == 1
            out.write(half[40:] + record(2))
        until(lambda: count(data_dir) == 3, "the rest of the line, and the next")
        (projects / "later").mkdir()
        (projects / "later" / "s2.jsonl").write_bytes(record(0, "s2"))
        until(lambda: count(data_dir) == 4, "a file in a folder that is new")
    reports = [json.loads(line) for line in watched.out.splitlines()]
    assert sum(each["messages"] for each in reports) == 4


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent in another way there")
def test_ctrl_c_ends_it_with_status_0(data_dir: Path, projects: Path) -> None:
    with watching(projects, ends=signal.SIGINT) as watched:
        until(lambda: count(data_dir) == 0, "an archive")
    assert watched.err == "Watching for changes; Ctrl-C stops it\n"


def test_it_finds_a_tool_that_is_new_on_the_machine(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setattr("glin_datasette.ingest.watch._LOOK_AGAIN", 0.2)
    file = tmp_path / "claude" / "projects" / "-src" / "s1.jsonl"
    with in_thread(data_dir) as reports:
        until(lambda: len(reports) == 1, "the first report")
        file.parent.mkdir(parents=True)
        file.write_bytes(record(0))
        until(lambda: count(data_dir) == 1, "the new folder")
        file.write_bytes(record(0) + record(1))
        until(lambda: count(data_dir) == 2, "a change in it")
        shutil.rmtree(tmp_path / "claude")
        time.sleep(0.5)
        file.parent.mkdir(parents=True)
        file.write_bytes(record(2))
        until(lambda: count(data_dir) == 3, "the folder that replaced it")


def test_nothing_is_done_while_nothing_changes(data_dir: Path, projects: Path) -> None:
    (projects / "s1.jsonl").write_bytes(record(0))
    opened = []

    def opening() -> None:
        opened.append(time.monotonic())

    with in_thread(data_dir, [projects], opening=opening):
        until(lambda: count(data_dir) == 1, "the first import")
        (projects / "notes.txt").write_text("of no interest")
        time.sleep(2.5)
        assert len(opened) == 1


def test_the_archive_may_lie_in_a_watched_folder(tmp_path: Path, projects: Path) -> None:
    (projects / "s1.jsonl").write_bytes(record(0))
    opened: list[None] = []
    with in_thread(projects, [projects], opening=lambda: opened.append(None)):
        until(lambda: count(projects) == 1, "the first import")
        time.sleep(2.5)
        assert len(opened) == 1


def test_what_keeps_an_import_from_being_done_is_told_and_tried_again(
    data_dir: Path, projects: Path
) -> None:
    (projects / "s1.jsonl").write_bytes(record(0))
    problems: list[str] = []
    archive, aside, other = data_dir / "glin.db", data_dir / "aside", data_dir / "other"
    with in_thread(data_dir, [projects], problems=problems) as reports:
        # Reported, and closed: whoever closes it last brings the WAL into the file.
        wal = data_dir / "glin.db-wal"
        until(lambda: bool(reports) and not wal.exists(), "the first import")
        other.write_bytes(b"no database at all")
        archive.rename(aside)
        other.rename(archive)
        (projects / "s1.jsonl").write_bytes(record(0) + record(1))
        until(lambda: bool(problems), "a problem")
        assert "not an SQLite database" in problems[0]
        aside.replace(archive)
        (projects / "s1.jsonl").write_bytes(record(0) + record(1) + record(2))
        until(lambda: count(data_dir) == 3, "the next try")


@contextmanager
def in_thread(
    data_dir: Path,
    paths: list[Path] | None = None,
    *,
    opening: Callable[[], None] = lambda: None,
    problems: list[str] | None = None,
) -> Iterator[list[ImportReport]]:
    reports: list[ImportReport] = []
    archive = data_dir / "glin.db"

    def open_db():  # type: ignore[no-untyped-def]
        opening()
        return get_db(archive)

    watcher = Watcher(
        open_db,
        paths,
        ImportOptions(),
        archive=archive,
        report=reports.append,
        problem=(problems if problems is not None else []).append,
    )
    thread = threading.Thread(target=watcher.run)
    thread.start()
    try:
        yield reports
    finally:
        watcher.stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()
