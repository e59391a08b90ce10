"""What people install: the wheel holds everything, works without the checkout, and is what
the suite tests when it is run against it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import glin_datasette

ROOT = Path(__file__).resolve().parents[1]
CHECKOUT = ROOT / "glin_datasette"


def test_the_right_package_is_under_test() -> None:
    """Beside a checkout that checkout; beside nothing the installed wheel."""
    imported = Path(glin_datasette.__file__).resolve().parent
    if CHECKOUT.exists():
        assert imported == CHECKOUT
    else:
        assert imported.parent == Path(sysconfig.get_path("purelib")).resolve()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not CHECKOUT.exists():
        pytest.skip("no checkout to build a wheel from")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def run(installed: Path, cwd: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )


def tracked(*patterns: str) -> set[str]:
    """The files that git knows, as paths from the top of the checkout."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return {line for line in done.stdout.splitlines() if (ROOT / line).exists()}


def test_the_wheel_holds_every_file_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
    expected = tracked("glin_datasette") | {
        "glin_datasette/migrations/migrations.py",
        "glin_datasette/metadata.yml",
    }
    assert names == expected


@pytest.mark.parametrize(
    "pattern",
    [
        r"glin_datasette/migrations/migrations\.py",
        r"glin_datasette/metadata\.yml",
        r"glin_datasette/py\.typed",
        r"glin_datasette/queries/\w+\.sql",
        r"glin_datasette/samples/.+\.jsonl",
        r"glin_datasette/plugin/templates/.+\.html",
        r"glin_datasette/plugin/static/.+\.css",
        r"glin_datasette-[\d.]+\.dist-info/licenses/LICENSE",
    ],
)
def test_the_wheel_holds(wheel: Path, pattern: str) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert [n for n in archive.namelist() if re.fullmatch(pattern, n)]


def test_plain_pip_install_gets_the_stable_datasette(wheel: Path) -> None:
    """No requirement names a pre-release, which would let pip choose one."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("METADATA"))
        needs = re.findall(r"^Requires-Dist: (.+)$", archive.read(name).decode(), re.MULTILINE)
    runtime = [need for need in needs if "extra ==" not in need]
    assert sorted(re.match(r"[\w-]+", need)[0] for need in runtime) == [  # type: ignore[index]
        "click",
        "datasette",
        "detect-secrets",
        "linkify-it-py",
        "markdown-it-py",
        "platformdirs",
        "pygments",
        "sqlite-utils",
        "watchdog",
        "zstandard",
    ]
    assert not [need for need in runtime if re.search(r"\d(a|b|rc|\.dev)\d", need)]


def test_the_wheel_works_on_its_own(installed: Path, tmp_path: Path) -> None:
    db = tmp_path / "glin.db"
    where = run(installed, tmp_path, "-c", "import glin_datasette as g; print(g.__file__)")
    assert Path(where.stdout.strip()).is_relative_to(installed)

    made = run(installed, tmp_path, "-m", "glin_datasette", "--db", str(db), "init")
    assert (made.returncode, made.stderr) == (0, "")
    samples = run(
        installed, tmp_path, "-m", "glin_datasette", "--db", str(db), "import", "--samples"
    )
    assert samples.returncode == 0, samples.stderr
    listed = run(installed, tmp_path, "-m", "glin_datasette", "--db", str(db), "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert '"title"' in listed.stdout


def test_sqlite_utils_migrate_builds_the_schema_of_init(installed: Path, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.db", tmp_path / "ours.db"
    migrations = installed / "glin_datasette" / "migrations"
    migrated = run(
        installed, tmp_path, "-m", "sqlite_utils", "migrate", str(theirs), str(migrations)
    )
    assert migrated.returncode == 0, migrated.stderr
    made = run(installed, tmp_path, "-m", "glin_datasette", "--db", str(ours), "init")
    assert made.returncode == 0, made.stderr
    schemas = [
        run(installed, tmp_path, "-m", "sqlite_utils", "schema", str(db)).stdout
        for db in (theirs, ours)
    ]
    assert "messages_fts" in schemas[0]
    assert schemas[0] == schemas[1]
