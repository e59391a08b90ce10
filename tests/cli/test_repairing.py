"""``check --repair``: what it says, as text and as JSON, and its exit statuses."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from unprivileged import run_unprivileged


def harm(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(sql)


def test_repair_says_what_it_did_a_line_each(archive: Path, run: Any) -> None:
    harm(
        archive,
        "pragma foreign_keys = off; delete from conversations where id = 3;"
        " drop index idx_messages_ts; drop trigger messages_au;",
    )
    assert "check --repair" in run("check", "--deep", status=1).output
    lines = run("check", "--repair").output.splitlines()
    assert lines[0].startswith("Copy (a backup of it cannot be verified): ")
    assert Path(lines[0].partition(": ")[2]).exists()
    assert lines[1:5] == [
        "dropped 1 rows of messages whose parents are missing",
        "made the index idx_messages_ts",
        "made again: messages_au",
        "rebuilt the search index of 4 messages",
    ]
    assert lines[5].startswith("ok")
    lines = run("check", "--repair").output.splitlines()
    assert lines[0].startswith("Backup: ")
    assert lines[1] == "Nothing to repair."
    assert run("search", "parser").output


def test_repair_as_json(archive: Path, run: Any) -> None:
    harm(archive, "insert into messages_fts(messages_fts) values ('delete-all')")
    told = json.loads(run("check", "--repair", "--json").stdout)
    assert list(told) == ["path", "backup", "verified", "repaired", "health", "seconds"]
    assert (told["path"], told["verified"]) == (str(archive), True)
    assert told["repaired"] == [
        {
            "name": "search",
            "done": True,
            "count": 5,
            "detail": "rebuilt the search index of 5 messages",
        }
    ]
    assert told["health"]["status"] == "ok"


def test_what_cannot_be_repaired_is_one_line(archive: Path, run: Any, tmp_path: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    archive.write_bytes(data)
    done = run("check", "--repair", status=1)
    assert len(done.stderr.splitlines()) == 1
    assert "recover" in done.stderr
    assert archive.read_bytes() == data
    foreign = tmp_path / "foreign.db"
    harm(foreign, "create table songs (a)")
    done = run("check", "--repair", "--db", foreign, status=1)
    assert "songs" in done.stderr
    run("check", "--repair", "--secrets", status=2)


def test_repair_of_what_can_only_be_read(archive: Path) -> None:
    archive.chmod(0o400)
    done = run_unprivileged(sys.executable, "-m", "glin_datasette", "check", "--repair")
    assert done.returncode == 1
    assert done.stderr == (
        f"Error: {archive}: it can only be read; check its file mode and folder\n"
    )


def test_no_archive_to_repair(data_dir: Path, process: Any) -> None:
    done = process("check", "--repair", status=1)
    assert f"{data_dir / 'glin.db'}: no archive there" in done.stderr
    assert not data_dir.exists()
