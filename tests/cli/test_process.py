"""The command as a process: exit statuses, pipes, terminals, signals, start-up."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import glin_datasette
from glin_datasette import cli, errors, models
from glin_datasette.storage import get_db, insert_conversation, insert_message

Process = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = [sys.executable, "-m", "glin_datasette"]


def test_exit_statuses(process: Process, archive: Path) -> None:
    process("list", status=0)
    process("show", 99, status=1)
    process("list", "--since", "soon", status=2)
    process("list", "--nope", status=2)
    process("nope", status=2)


def test_version(process: Process) -> None:
    out = process("--version").stdout
    assert out == f"glin-datasette, version {glin_datasette.__version__}\n"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_database_library(option: str) -> None:
    script = (
        "import sys; from glin_datasette.cli import main\n"
        f"try: main(['{option}'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'sqlite_utils', 'datasette', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("\n[]\n")


def test_the_group_says_of_a_command_what_the_command_says() -> None:
    context = click.Context(cli.main)
    for name, (_, text) in cli.main.lazy.items():
        command = cli.main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(200) == text


TOKEN = ["token create", "token list", "token revoke"]


def commands() -> list[str]:
    context = click.Context(cli.main)
    return [name for name in cli.main.list_commands(context) if name not in ("tag", "token")]


@pytest.mark.parametrize("name", [*commands(), "tag add", "tag remove", "tag list", *TOKEN])
def test_help_has_examples_and_exit_statuses(process: Process, name: str) -> None:
    out = process(*name.split(), "--help").stdout
    assert re.search(rf"Examples:\n +glin-datasette {name}\b", out)
    assert re.search(r"Exit status: 0 .*\b1 .*\b2\s+wrong\s+usage\.", out, re.DOTALL)
    assert "--db PATH" in out


def test_a_reader_that_goes_away_is_no_error(archive: Path) -> None:
    with get_db(archive) as db:
        row_id = insert_conversation(db, models.Conversation(source="x", source_id="long"))
        for n in range(200):
            insert_message(db, row_id, models.Message(role="user", content="word " * 500 + str(n)))
    for args in ("export", "show long", "show long --json", "search word --limit 200"):
        # The reader closes its end before the first line is written.
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*PROGRAM, *args.split()], stdout=writing, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
        os.close(writing)
        assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_to_head(archive: Path) -> None:
    line = " ".join(f'"{word}"' for word in PROGRAM)
    done = subprocess.run(
        ["bash", "-c", f"{line} export | head -n 1"], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["type"] == "glin-export"
    assert done.stderr == ""


def test_output_that_cannot_be_written_is_one_line(archive: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    for args in (["list"], ["export"], ["stats", "--json"]):
        with open("/dev/full", "w") as full:  # noqa: PTH123
            done = subprocess.run(
                [*PROGRAM, *args], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert done.stderr == "Error: No space left on device\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_text_prints_in_any_encoding(process: Process, archive: Path, encoding: str) -> None:
    for args in (["list"], ["search", "tide"], ["show", "3"]):
        assert "tables" in process(*args, PYTHONIOENCODING=encoding, LC_ALL="C").stdout
    assert "潮汐" in process("list", "--json", PYTHONIOENCODING=encoding).stdout


def on_a_terminal(*args: object, columns: int = 60) -> str:
    """What a command writes to a terminal, stdout and stderr together."""
    controlling, terminal = pty.openpty()
    child = subprocess.Popen(
        [*PROGRAM, *(str(arg) for arg in args)],
        stdin=terminal, stdout=terminal, stderr=terminal,
        env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm"},
    )  # fmt: skip
    os.close(terminal)
    parts = []
    while True:
        try:
            part = os.read(controlling, 65536)
        except OSError:  # Linux says so when the other end is closed.
            break
        if not part:
            break
        parts.append(part)
    os.close(controlling)
    assert child.wait() == 0
    return b"".join(parts).decode()


def test_a_terminal_gets_bold_words_and_fitting_lines(archive: Path) -> None:
    out = on_a_terminal("search", "noon")
    assert "High tide at \x1b[1mnoon\x1b[0m" in out
    assert "␛[31mtables" in out
    lines = re.sub(r"\x1b\[\d*m", "", on_a_terminal("list", columns=40)).splitlines()
    assert len(lines) == 4
    assert all(len(line) <= 40 for line in lines)
    assert lines[1].endswith("…")


def test_a_pipe_gets_plain_whole_lines(process: Process, archive: Path) -> None:
    assert "\x1b" not in process("search", "noon").stdout
    assert "Look for callers" in process("list", COLUMNS="40").stdout


def test_progress_is_for_terminals_only(process: Process, tmp_path: Path) -> None:
    small = Path(__file__).parents[1] / "fixtures" / "glin" / "small.jsonl"
    for args in (["import", small], ["backup"]):
        assert "100%" in on_a_terminal(*args)
        assert process(*args).stderr == ""


def test_verbose_tells_operations_and_their_time(process: Process, archive: Path) -> None:
    for args in (["-v", "list"], ["list", "--verbose"]):
        done = process(*args)
        assert re.search(r"query_conversations: \d+\.\d ms rows=3", done.stderr)
    assert process("list").stderr == ""


def test_ctrl_c_ends_quietly(archive: Path) -> None:
    with get_db(archive) as db:
        row_id = insert_conversation(db, models.Conversation(source="test", source_id="long"))
        for _ in range(50):
            insert_message(db, row_id, models.Message(role="user", content="word " * 20_000))
    child = subprocess.Popen(
        [*PROGRAM, "--db", str(archive), "export"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    # It is writing now, and waits for somebody to read, until it is interrupted.
    child.stdout.read(1)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert (child.returncode, error) == (130, b"Interrupted\n")


def test_datasette_glin_reaches_the_same_commands(archive: Path) -> None:
    def datasette(*args: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "datasette", "glin", *args],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == status
        assert "Traceback" not in done.stderr
        return done

    assert "Fix the parser" in datasette("list").stdout
    assert len(json.loads(datasette("--db", str(archive), "list", "--json").stdout)) == 1
    assert datasette("show", "99", status=1).stderr.startswith("Error: no conversation")
    assert datasette("list", "--since", "soon", status=2).stderr.startswith("Error: 'soon'")
    assert "Usage: datasette glin search" in datasette("search", "--help").stdout


def test_the_public_api_is_all_there() -> None:
    assert len(glin_datasette.__all__) == len(set(glin_datasette.__all__))
    for name in glin_datasette.__all__:
        assert getattr(glin_datasette, name) is not None
    assert set(errors.__all__) <= set(glin_datasette.__all__)
    assert set(glin_datasette.__all__) <= set(dir(glin_datasette))
    with pytest.raises(AttributeError, match="nope"):
        _ = glin_datasette.nope
