"""Compaction gives back what deletes freed, and changes nothing else."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from damage import filled
from unprivileged import run_unprivileged

from glin_datasette.cli import main
from glin_datasette.errors import NotFound
from glin_datasette.search import search
from glin_datasette.storage import check, compact_db, connection, delete_conversation, get_db


def halved(path: Path) -> Path:
    """An archive of which half was deleted."""
    with get_db(filled(path, page_size=4096)) as db:
        for number in range(1, 31, 2):
            # What belonged to another one is gone with that.
            with contextlib.suppress(NotFound):
                delete_conversation(db, number)
    return path


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as conn:
        return [line for line in conn.iterdump() if "_fts" not in line]


def test_it_gives_back_what_deletes_freed(tmp_path: Path) -> None:
    path = halved(tmp_path / "glin.db")
    before = rows(path)
    with get_db(path) as db:
        found = search(db, "lighthouse").total
        report = compact_db(db)
        assert db.execute("pragma freelist_count").fetchone()[0] == 0
        assert search(db, "lighthouse").total == found > 0
        assert check(db, deep=True).status != "fail"
    assert report.after == path.stat().st_size < 0.7 * report.before
    assert not report.busy
    assert rows(path) == before
    with get_db(path) as db:
        assert compact_db(db).after == report.after


def test_it_is_given_back_when_readers_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = halved(tmp_path / "glin.db")
    whole = path.stat().st_size
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 100)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("begin")
        count = reader.execute("select count(*) from messages").fetchone()
        reading = CliRunner().invoke(main, ["--db", str(path), "compact"])
        assert reading.exit_code == 0
        assert "Another process reads the archive" in reading.stderr
        assert reader.execute("select count(*) from messages").fetchone() == count
    assert path.stat().st_size < 0.7 * whole
    result = CliRunner().invoke(main, ["--db", str(path), "compact"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert " MB before, " in result.stdout or " KB before, " in result.stdout


def test_what_it_cannot_do_it_says_in_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = halved(folder / "glin.db")
    path.chmod(0o400)
    folder.chmod(0o500)
    command = (sys.executable, "-m", "glin_datasette", "--db", path, "compact")
    try:
        done = run_unprivileged(*command)
    finally:
        folder.chmod(0o700)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert str(path) in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows limits no files")
def test_without_space_nothing_changes(tmp_path: Path) -> None:
    path = halved(tmp_path / "glin.db")
    before = rows(path)

    def limit() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [sys.executable, "-m", "glin_datasette", "--db", str(path), "compact"]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert f"{path}: " in done.stderr and "free some space" in done.stderr
    assert rows(path) == before
    with get_db(path) as db:
        assert check(db, deep=True).status != "fail"
