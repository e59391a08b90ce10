"""The docs tell everything, nothing that is not so, and their examples run."""

from __future__ import annotations

import configparser
import json
import os
import plistlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest

import glin_datasette
from glin_datasette import queries, storage
from glin_datasette.cli import main
from glin_datasette.importers.messages.columns import COLUMNS, REQUIRED
from glin_datasette.storage import get_db

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("*/*.md")])
GENERATED = [page for page in PAGES if "[[[cog" in page.read_text("utf-8")]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def code_of(text: str) -> list[str]:
    """The lines of code blocks and the inline code of a page."""
    blocks = re.findall(r"^```.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()] + re.findall(
        r"`([^`]+)`", prose
    )


def walk(
    command: click.Command, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from walk(below, (*names, name))


COMMANDS = dict(walk(main))


def test_the_generated_pages_are_there() -> None:
    assert {page.name for page in GENERATED} == {"api.md", "cli.md", "queries.md", "schema.md"}


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cogapp", "--check", "-I", "docs", str(page)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\nRun: make docs-write"


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_documented(names: tuple[str, ...]) -> None:
    heading = " ".join(("glin-datasette", *names))
    sections = re.split(r"^#+ (.+)$", read("docs/cli.md"), flags=re.MULTILINE)
    section = dict(zip(sections[1::2], sections[2::2], strict=True))[heading]
    options = [p for p in COMMANDS[names].params if isinstance(p, click.Option) and not p.hidden]
    assert [o.opts for o in options if not all(opt in section for opt in o.opts)] == []
    assert COMMANDS[names].help, f"{heading} has no help"


def test_the_readme_lists_every_command() -> None:
    codes = code_of(read("README.md"))
    named = {word for code in codes for word in re.findall(r"^(?:glin-datasette )?(\w+)", code)}
    assert {names[0] for names in COMMANDS if len(names) == 1} - named == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_command_or_option_that_is_not_there(page: Path) -> None:
    wrong = []
    for code in code_of(page.read_text("utf-8")):
        for call in re.findall(r"(?:glin-datasette|datasette glin) ([^|;#$()]+)", code):
            words = call.split()
            names: tuple[str, ...] = ()
            while words and (*names, words[0]) in COMMANDS:
                names = (*names, words.pop(0))
            if not names and words and re.fullmatch(r"[a-z]+", words[0]):
                wrong.append(code)
                continue
            known = {
                option
                for parameter in [*COMMANDS[names].params, *main.params]
                for option in [*parameter.opts, *parameter.secondary_opts]
            } | {"--help"}
            wrong += [
                f"{code}: {word}"
                for word in words
                if re.fullmatch(r"--[a-z][a-z-]*", word) and word not in known
            ]
    assert wrong == []


def test_every_table_column_and_index_is_documented(tmp_path: Path) -> None:
    get_db(tmp_path / "glin.db").close()
    text = read("docs/schema.md")
    with closing(sqlite3.connect(tmp_path / "glin.db")) as conn:
        rows = conn.execute(
            "select type, name, tbl_name from sqlite_master"
            " where name not like 'sqlite^_%' escape '^' and name not like '^_%' escape '^'"
            " and name not glob 'messages_fts_*' and tbl_name not glob '_sqlite_*'"
        ).fetchall()
        columns = {
            table: [row[1] for row in conn.execute(f"pragma table_info([{table}])")]
            for kind, table, _ in rows
            if kind == "table"
        }
    assert {"conversations", "messages", "schema_version", "messages_ai"} <= {r[1] for r in rows}
    missing = [name for _, name, _ in rows if name not in text]
    sections = dict(re.findall(r"^## (\w+)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    missing += [
        f"{table}.{column}"
        for table, names in columns.items()
        for column in names
        if not re.search(rf"`{column}`|\b{column}\b(?=\]?\))|\[{column}\]", sections[table])
    ]
    assert missing == []


def test_every_column_says_what_it_holds() -> None:
    grids = re.findall(r"^\| column .+?\n\n", read("docs/schema.md"), re.MULTILINE | re.DOTALL)
    rows = [line.split("|") for grid in grids for line in grid.strip().splitlines()[2:]]
    assert len(rows) > 40
    assert [cells[1].strip() for cells in rows if not cells[4].strip()] == []


def test_every_canned_query_is_documented() -> None:
    text = read("docs/queries.md")
    for name in queries.names():
        query = queries.load(name)
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert query.title in section
        assert [p.name for p in query.params if f"`{p.name}`" not in section] == []
        assert query.title and query.description
        assert [p.name for p in query.params if not p.description] == []


def test_every_public_name_is_documented() -> None:
    headings = set(re.findall(r"^### (\w+)$", read("docs/api.md"), re.MULTILINE))
    public = {*glin_datasette.__all__, *storage.__all__} - {"__version__"}
    assert public - headings == set()


def test_every_route_of_the_plugin_is_documented() -> None:
    from glin_datasette import plugin

    text = read("docs/json-api.md")
    patterns = [pattern for pattern, _ in plugin.register_routes()]
    assert len(patterns) >= 2
    paths = {path for path in re.findall(r"/-/glin[\w/.-]*", text)}
    undocumented = [p for p in patterns if not any(re.search(p, path) for path in paths)]
    assert undocumented == []


def test_every_make_target_is_documented_and_no_other_is_named() -> None:
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z][a-z-]*):.*##", makefile, re.MULTILINE))
    codes = [code for page in PAGES for code in code_of(page.read_text("utf-8"))]
    named = {name for code in codes for name in re.findall(r"^make ([a-z][a-z-]*)", code)}
    assert targets - named - {"help"} == set()
    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)|src=\"([^\"]+)\"", text)
    wrong = []
    for target in (inline or src for inline, src in targets):
        if re.match(r"https?://|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        headings = (
            re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            if (file.suffix == ".md" and file.exists())
            else []
        )
        slugs = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in headings}
        if not file.exists() or (anchor and anchor not in slugs):
            wrong.append(target)
    assert wrong == []


def test_the_docs_are_reached_from_the_readme() -> None:
    text = read("README.md")
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    assert [name for name in pages if f"docs/{name}" not in text] == []


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the commands of this environment, whether it is on PATH or not."""
    folder = tmp_path_factory.mktemp("bin")
    modules = {
        "glin-datasette": "glin_datasette",
        "sqlite-utils": "sqlite_utils",
        "datasette": "datasette",
        "python": None,
    }
    for name, module in modules.items():
        start = f'"{sys.executable}"' + (f" -m {module}" if module else "")
        (folder / name).write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def environment(tools: Path, data_dir: Path) -> dict[str, str]:
    """An archive with the samples, and the commands that the docs name."""
    env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(
        ["glin-datasette", "import", "--samples"], env=env, check=True, capture_output=True
    )
    return env


@pytest.fixture
def port(environment: dict[str, str]) -> Iterator[int]:
    """The port of a server on that archive."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        number: int = s.getsockname()[1]
    server = subprocess.Popen(
        ["glin-datasette", "serve", "--port", str(number)],
        env={**environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    with server.stdout:
        said = []
        for line in server.stdout:
            said.append(line)
            if "Uvicorn running" in line:
                break
        else:
            pytest.fail("".join(said))
        yield number
        server.terminate()
        server.stdout.read()
        server.wait(timeout=20)


def run_script(script: str, environment: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


README_SCRIPTS = code_blocks(read("README.md"), "sh")


def test_the_readme_has_its_tours() -> None:
    for command in ("glin-datasette", "curl", "sqlite-utils"):
        assert any(command in script for script in README_SCRIPTS)


@pytest.mark.parametrize("script", README_SCRIPTS, ids=lambda script: script.split()[0])
def test_the_readme_scripts_run(
    script: str, environment: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if "curl" in script:
        if not shutil.which("curl"):
            pytest.skip("no curl on this machine")
        script = script.replace(":8001", f":{request.getfixturevalue('port')}")
        script = script.replace("curl -s ", "curl -s --fail-with-body ")
    out = run_script(script, environment, tmp_path)
    assert out


@pytest.mark.parametrize("script", code_blocks(read("docs/importers.md"), "sh"))
def test_the_scripts_that_write_messages_run(
    script: str, environment: dict[str, str], tmp_path: Path
) -> None:
    out = run_script(script, environment, tmp_path)
    assert "Imported 1 conversation and 2 messages from 1 file" in out
    # Nothing is different when they run again.
    again = run_script(script.splitlines()[-1], environment, tmp_path)
    assert "Imported 0 conversations and 0 messages" in again


def test_every_column_of_messages_is_documented() -> None:
    table = re.search(r"^\| column .*?\n\n", read("docs/importers.md"), re.MULTILINE | re.DOTALL)
    assert table
    rows = [line.split("|") for line in table[0].strip().splitlines()[2:]]
    told = [name for cells in rows for name in re.findall(r"`(\w+)`", cells[1])]
    assert sorted(told) == sorted(COLUMNS)
    assert tuple(re.findall(r"\w+", c[1])[0] for c in rows if "required" in c[2]) == REQUIRED


@pytest.mark.parametrize("page", ["README.md", "docs/api.md"])
def test_the_python_examples_run(page: str, environment: dict[str, str], tmp_path: Path) -> None:
    example = code_blocks(read(page), "python")[0]
    (tmp_path / "example.py").write_text(example)
    assert run_script("python -W error example.py", environment, tmp_path)


def test_the_screenshots_are_pictures() -> None:
    pictures = re.findall(r"docs/images/[\w-]+\.png", read("README.md"))
    assert pictures
    for picture in pictures:
        assert (ROOT / picture).read_bytes().startswith(b"\x89PNG")


def test_the_changelog_names_this_version_or_what_comes() -> None:
    headings = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "Unreleased" or glin_datasette.__version__ in headings[0]


def test_the_ways_to_start_at_login_are_well_formed() -> None:
    text = read("docs/watching.md")
    unit = configparser.ConfigParser(interpolation=None)
    (ini,) = code_blocks(text, "ini")
    unit.read_string(ini)
    assert unit["Service"]["ExecStart"].endswith("glin-datasette import --watch")
    (xml,) = code_blocks(text, "xml")
    agent = plistlib.loads(xml.encode())
    assert agent["ProgramArguments"][1:] == ["import", "--watch"]


def test_the_ways_to_replicate_at_login_are_well_formed() -> None:
    text = read("docs/replication.md")
    unit = configparser.ConfigParser(interpolation=None)
    (ini,) = code_blocks(text, "ini")
    unit.read_string(ini)
    assert unit["Service"]["ExecStart"].endswith("glin-datasette replicate")
    (xml,) = code_blocks(text, "xml")
    agent = plistlib.loads(xml.encode())
    assert agent["ProgramArguments"][1:] == ["replicate"]


def test_the_session_end_hook_imports(environment: dict[str, str], tmp_path: Path) -> None:
    (hooks,) = code_blocks(read("docs/watching.md"), "json")
    (entry,) = json.loads(hooks)["hooks"]["SessionEnd"]
    (hook,) = entry["hooks"]
    assert hook["type"] == "command"
    assert run_script(hook["command"], environment, tmp_path).startswith("Imported ")
