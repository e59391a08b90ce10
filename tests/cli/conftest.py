"""Running commands: in this process, which is fast, and as processes of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from glin_datasette.cli import main
from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.storage import get_db, insert_conversation, insert_message

Run = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run() -> Run:
    """Run a command in this process; ``status`` is what it must exit with."""

    def invoke(*args: object, status: int = 0, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, [str(arg) for arg in args], input=input)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        assert result.exit_code == status, result.output
        return result

    return invoke


@pytest.fixture
def process() -> Process:
    """Run a command as a process; ``status`` is what it must exit with."""

    def start(*args: object, status: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "glin_datasette", *(str(arg) for arg in args)],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=120,  # A server that should not have started would run on.
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return start


@pytest.fixture
def archive(filled_archive: Path, data_dir: Path) -> Path:
    """The default archive, with a conversation (1), its subagent (2) and another (3)."""
    data_dir.mkdir(mode=0o700)
    return Path(shutil.copy(filled_archive, data_dir / "glin.db"))


@pytest.fixture(scope="session")
def filled_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What :func:`archive` is, to be copied."""
    path = tmp_path_factory.mktemp("templates") / "filled.db"
    with get_db(path) as db:
        parser = insert_conversation(
            db,
            Conversation(
                source="claude-code",
                source_id="aaaa-1",
                title="Fix the parser",
                repo_root="/home/ada/parser",
                tags=("bug",),
            ),
        )
        agent = insert_conversation(
            db,
            Conversation(
                source="claude-code",
                source_id="aaaa-2",
                parent_source_id="aaaa-1",
                relation="subagent",
                title="Look for callers",
            ),
        )
        tides = insert_conversation(
            db, Conversation(source="codex", source_id="bbbb", title="潮汐 \x1b[31mtables")
        )
        for owner, message in (
            (
                parser,
                Message(
                    role="user",
                    content="Why does the parser fail?",
                    ts="2026-02-11T05:53:33.335Z",
                    source_id="u1",
                ),
            ),
            (
                parser,
                Message(
                    role="assistant",
                    kind="tool_call",
                    tool_name="Bash",
                    tool_call_id="t1",
                    content="command: git log -1",
                    ts="2026-02-11T05:54:10.120Z",
                    model="claude-x",
                    token_in=10,
                    token_out=5,
                    refs=(Ref("commit", "1a2b3c4"), Ref("file", "src/parser.py")),
                    source_id="a1",
                ),
            ),
            (
                parser,
                Message(
                    role="tool",
                    kind="tool_result",
                    tool_name="Bash",
                    tool_call_id="t1",
                    content="commit 1a2b3c4\nparser: fail early",
                    ts="2026-02-11T05:54:11.000Z",
                    source_id="r1",
                ),
            ),
            (
                agent,
                Message(
                    role="assistant",
                    content="Nobody calls \x1b[5mit.",
                    ts="2026-02-11T06:00:00.000Z",
                ),
            ),
            (
                tides,
                Message(role="user", content="High tide at noon", ts="2026-01-05T12:00:00.000Z"),
            ),
        ):
            insert_message(db, owner, message)
    return path
