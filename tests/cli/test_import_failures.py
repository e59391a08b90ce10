"""``import`` of what cannot be imported: told, its neighbours imported, exit status 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

SMALL = Path(__file__).resolve().parents[1] / "fixtures" / "glin" / "small.jsonl"
#: A regular file that root cannot read either.
UNREADABLE = Path("/proc/self/mem")


@pytest.mark.skipif(not UNREADABLE.exists(), reason="there is no such file here")
def test_one_unreadable_file_does_not_stop_the_others(run: Run) -> None:
    result = run("import", UNREADABLE, SMALL, "--json", status=1)
    report = json.loads(result.stdout)
    assert (report["messages"], len(report["errors"])) == (2, 1)
    problem = report["errors"][0]
    assert (problem["path"], problem["line"]) == (str(UNREADABLE), None)
    assert problem["error"].startswith("cannot be read: ")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_no_permission_does_not_stop_the_others(run: Run, tmp_path: Path) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file.jsonl"
    folder.mkdir(0)
    file.touch(0)
    report = json.loads(run("import", folder, file, SMALL, "--json", status=1).stdout)
    assert report["messages"] == 2
    assert sorted(problem["path"] for problem in report["errors"]) == [str(file), str(folder)]


def test_a_pipe_is_to_be_saved_first(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "glin_datasette", "import", "/dev/stdin"],
        input=SMALL.read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "/dev/stdin: is not a regular file; save it to a file first\n"


@pytest.mark.parametrize(
    "args",
    [
        ("import", ""),
        ("import", SMALL, ""),
        ("import", "--db", ""),
        ("--db", "", "list"),
        ("backup", "--to", ""),
        ("restore", "", "--yes"),
        ("export", "--output", ""),
    ],
    ids=lambda args: " ".join(map(str, args[:2])),
)
def test_an_empty_path_is_wrong_usage(run: Run, data_dir: Path, args: tuple[object, ...]) -> None:
    assert "an empty PATH" in run(*args, status=2).stderr
    assert not data_dir.exists()
