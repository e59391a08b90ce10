"""The Makefile, by running it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from glin_datasette.storage import get_db

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(
    not (ROOT / "glin_datasette").exists() or not shutil.which("make"),
    reason="needs make and a checkout",
)


def make(*args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # Inside `make test` these would hand that make's own variables down.
    env = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    return subprocess.run(
        ["make", "--no-print-directory", *args],
        cwd=cwd,
        env={k: v for k, v in env.items() if k not in {"PYTHON", "DATASETTE", "PORT", "ARGS"}},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def targets() -> list[str]:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert phony
    return phony[1].split()


def test_help_lists_every_target() -> None:
    done = make()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[0] for line in done.stdout.splitlines()] == targets()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["PYTHON=no-such-python"], "Python 3.11 or newer is needed; 'no-such-python' is not."),
        (["DATASETTE=2"], "DATASETTE is 0.65 or 1.0, not '2'"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(args: list[str], message: str) -> None:
    done = make("test", f"PYTHON={sys.executable}", *args)
    assert done.returncode == 2
    first, last = done.stderr.splitlines()
    assert first.startswith(message)
    assert last.startswith("make: ***")
    assert not list(ROOT.glob(".venv-*-2")) + list(ROOT.glob(".venv--*"))


def test_clean_takes_what_make_made_and_leaves_the_rest(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for made in (".venv-3.11-0.65/bin", "dist", "build", ".mypy_cache", "package/__pycache__"):
        (tmp_path / made).mkdir(parents=True)
    for kept in ("glin.db", "package/module.py", ".env"):
        (tmp_path / kept).touch()
    assert make("clean", cwd=tmp_path).returncode == 0
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {"Makefile", "glin.db", "package/module.py", ".env"}
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["package"]


@pytest.fixture(scope="module")
def combination() -> list[str]:
    """The variables that stand for the environment which runs this test."""
    line = ".".join(importlib.metadata.version("datasette").split(".")[:2])
    python = "{}.{}".format(*sys.version_info)
    venv = ROOT / f".venv-{python}-{re.match(r'[0-9.]+', line)[0]}"  # type: ignore[index]
    if not (venv / "installed").exists():
        pytest.skip("run by make, which has made the environment that this test needs")
    return [f"PYTHON={venv}/bin/python", f"DATASETTE={venv.name.rsplit('-')[-1]}"]


def test_a_second_make_installs_nothing(combination: list[str]) -> None:
    done = make("-n", "db-check", *combination)
    assert done.returncode == 0
    assert "pip" not in done.stdout


def test_the_archive_is_backed_up_and_checked(combination: list[str], data_dir: Path) -> None:
    get_db(data_dir / "glin.db").close()
    backup = make("db-backup", *combination)
    assert backup.returncode == 0, backup.stderr
    assert len(list(data_dir.glob("glin-backups/*.db"))) == 1
    check = make("db-check", *combination)
    assert check.returncode == 0, check.stdout + check.stderr


def test_run_serves_an_archive_with_the_samples(combination: list[str], data_dir: Path) -> None:
    env = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    server = subprocess.Popen(
        ["make", "--no-print-directory", "run", "PORT=0", *combination],
        cwd=ROOT,
        env={**env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert server.stdout
    said = []
    try:
        for line in server.stdout:
            said.append(line)
            if "Uvicorn running" in line:
                break
        found = re.search(r"Serving .+ at (http://127\.0\.0\.1:\d+)/", "".join(said))
        assert found, said
        url = found[1]
        with urllib.request.urlopen(f"{url}/glin/conversations.json?_shape=objects") as response:
            page = response.read().decode()
        assert '"title"' in page
        assert (data_dir / "glin.db").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGINT)
        server.stdout.close()
        server.wait(timeout=20)
