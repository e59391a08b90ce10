"""``recover``: what it says, as text and as JSON, and its exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from damage import filled, with_page, zeroed
from unprivileged import run_unprivileged

from glin_datasette.storage.recovery.pages import Pages


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """An archive of which a page of messages is lost."""
    path = filled(tmp_path / "glin.db", messages=60)
    pages = Pages(path)
    (lost, *_) = (
        page
        for page in range(1, pages.count + 1)
        if pages.kind(page) == 0x0D and b" number30" in pages.get(page)
    )
    pages.close()
    path.write_bytes(with_page(path.read_bytes(), lost, pages.size, zeroed))
    return path


def test_it_tells_what_was_lost_and_what_to_do(damaged: Path, run: Any) -> None:
    new = damaged.with_name("glin-recovered.db")
    done = run("recover", damaged, status=1)
    lines = done.output.splitlines()
    assert lines[0].split() == ["SALVAGED", "LOST", "CUT", "TABLE"]
    told = {line.split()[3]: line.split()[:3] for line in lines[1:11]}
    assert told["conversations"] == ["6", "0", "0"]
    salvaged, lost, _ = map(int, told["messages"])
    assert salvaged + lost == 60
    assert lost > 0
    assert any(line.startswith("Unreadable of ") for line in lines)
    assert f"{new}: not everything was salvaged; its health: warn" in lines
    at = lines.index("What to do next:")
    check, restore = lines[at + 1].split()[1:], lines[at + 2].split()[1:]
    assert "ok" in run(*check).output
    run(*restore, "--yes")
    assert "60" not in run("stats", "--db", damaged).output
    assert "number58" in run("search", "number58", "--db", damaged).output


def test_as_json(damaged: Path, run: Any, tmp_path: Path) -> None:
    new = tmp_path / "my new.db"
    told = json.loads(run("recover", damaged, "--to", new, "--json", status=1).stdout)
    assert list(told) == [
        "path", "source", "complete", "tables", "placeholders", "pages", "page_size",
        "unreadable", "notes", "health", "seconds",
    ]  # fmt: skip
    assert (told["path"], told["source"], told["complete"]) == (str(new), str(damaged), False)
    assert [list(each) for each in told["tables"]] == [
        ["table", "salvaged", "lost", "estimated", "cut"]
    ] * 10
    ((first, last),) = told["unreadable"]
    assert first == last


def test_a_sound_archive(tmp_path: Path, run: Any) -> None:
    path = filled(tmp_path / "glin.db", messages=40)
    done = run("recover", path)
    assert "everything was salvaged" in done.output
    assert "Unreadable" not in done.output
    again = run("recover", path, status=1)
    assert len(again.stderr.splitlines()) == 1
    assert "--to" in again.stderr


def test_what_cannot_be_recovered_is_one_line(tmp_path: Path, run: Any) -> None:
    run("recover", status=2)
    (tmp_path / "text.db").write_text("no archive")
    for name in ("none.db", "text.db"):
        done = run("recover", tmp_path / name, status=1)
        assert len(done.stderr.splitlines()) == 1
        assert name in done.stderr
    assert run("recover", tmp_path, status=2)


def test_what_cannot_be_read_or_written_is_one_line(tmp_path: Path) -> None:
    path = filled(tmp_path / "glin.db", messages=40)
    locked = tmp_path / "locked"
    locked.mkdir(0o500)
    path.chmod(0)
    command = [sys.executable, "-m", "glin_datasette", "recover", path]
    for args, named in (([], path), (["--to", locked / "new.db"], path)):
        done = run_unprivileged(*command, *args)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert str(named) in done.stderr
    path.chmod(0o400)
    done = run_unprivileged(*command, "--to", locked / "new.db")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert str(locked) in done.stderr
    # What can only be read can be recovered.
    assert run_unprivileged(*command).returncode == 0


def test_no_space_for_the_new_archive_is_one_line(tmp_path: Path) -> None:
    path = filled(tmp_path / "glin.db", messages=200)
    code = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000,) * 2);"
        "sys.argv[0] = 'glin-datasette'; runpy.run_module('glin_datasette', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "recover", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "glin-recovered.db" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["glin.db"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_what_is_no_file_is_refused_at_once(process: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for command in (
        ("--db", pipe, "list"),
        ("--db", pipe, "check", "--repair"),
        ("verify", pipe),
        ("restore", pipe, "--yes"),
        ("recover", pipe),
        ("import", pipe),
        ("verify", tmp_path),
    ):
        told = process(*command, status=1).stderr
        assert len(told.splitlines()) == 1, told
        assert ": cannot be read: " in told or "is not a regular file" in told, told
