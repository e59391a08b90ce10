"""Paths that somebody may have or mistype: links, names that are not UTF-8, homes of nobody."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

SAID = (
    '{"type":"user","sessionId":"s1","uuid":"a","timestamp":"2026-01-01T00:00:00.000Z",'
    '"message":{"role":"user","content":"tide"}}\n'
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="of POSIX")


def line(told: str) -> str:
    """The only line, or the last one below the usage."""
    assert "Traceback" not in told
    return told.splitlines()[-1]


@pytest.mark.parametrize(
    "command",
    ["check --db {}", "export -o {}", "backup --to {}", "restore {}", "recover {}", "verify {}",
     "import {}", "replicate {}"],
)  # fmt: skip
def test_a_home_of_nobody(process: Any, archive: Path, command: str) -> None:
    told = process(*command.format("~nobody-is-called-this/x").split(), status=1).stderr
    assert "~nobody-is-called-this/x" in line(told)
    assert not Path("~nobody-is-called-this").exists()


def test_homes_of_nobody_in_the_environment(process: Any) -> None:
    for name in ("GLIN_DATA_DIR", "CLAUDE_CONFIG_DIR", "COPILOT_HOME"):
        told = process("import", status=1, **{name: "~nobody-is-called-this"}).stderr
        assert "there is no home folder ~nobody-is-called-this" in line(told)


def test_names_that_are_not_utf_8(process: Any, archive: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/n\xff")
    for command in (("check", "--db"), ("backup", "--to"), ("verify",), ("recover",)):
        told = process(*command, odd, status=2).stderr
        assert "the name is not UTF-8" in line(told)
    told = process("list", status=1, GLIN_DATA_DIR=odd).stderr
    assert "SQLite takes no names that are not UTF-8" in line(told)


def test_transcripts_whose_names_are_not_utf_8_are_read(
    process: Any, data_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    odd = os.fsdecode(os.fsencode(folder) + b"/n\xff.jsonl")
    Path(odd).write_text(SAID)
    Path(odd.replace("/n", "/damaged")).write_text("no JSON\n")
    first = json.loads(process("import", folder, "--json").stdout)
    assert first["messages"] == 1
    again = json.loads(process("import", folder, "--json").stdout)
    assert (again["messages"], again["unchanged"]) == (0, 1)
    named = json.loads(process("import", odd, "--json").stdout)
    assert named["unchanged"] == 1


def test_a_link_to_an_archive_is_that_archive(process: Any, archive: Path, tmp_path: Path) -> None:
    link = tmp_path / "link" / "notes.db"
    link.parent.mkdir()
    link.symlink_to(archive)
    process("backup", "--db", link)
    [listed] = json.loads(process("backup", "--list", "--json", "--db", link).stdout)["backups"]
    assert Path(listed["path"]).parent == archive.with_name("glin-backups").resolve()
    process("verify", Path(listed["path"]).name, "--db", link)
    process("tag", "add", "new", "1", "--db", link)
    process("restore", listed["path"], "--yes", "--db", link)
    assert link.is_symlink()
    assert list(link.parent.iterdir()) == [link]
    assert "new" not in process("tag", "list", "--db", archive).stdout


def test_checking_makes_no_archive(process: Any, tmp_path: Path) -> None:
    path = tmp_path / "mistyped.db"
    for command in (["check"], ["check", "--repair"], ["check", "--secrets"]):
        told = process(*command, "--db", path, status=1)
        assert f"{path}: no archive there" in told.stdout + told.stderr
        assert not path.exists()
