"""Commands as processes in surroundings that fail them, and what has to be true afterwards."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from json import dumps, loads
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from glin_datasette.cli import main
from glin_datasette.storage import check_file, verify_backup
from glin_datasette.storage.backups.manifest import manifest_path
from glin_datasette.storage.counts import COUNTS

GLIN = (sys.executable, "-m", "glin_datasette")
#: The same with no file that grows beyond its first argument, as on a disk that is full there.
LIMITED = (
    sys.executable,
    "-c",
    "import resource, runpy, signal, sys\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
    "sys.argv[:2] = ['glin-datasette']\n"
    "runpy.run_module('glin_datasette', run_name='__main__')",
)

Rows = dict[str, dict[int, dict[str, Any]]]
Done = subprocess.CompletedProcess[str]


def glin(*args: object, limit: int | None = None, **env: str) -> Done:
    """Run a command as a process of its own."""
    command = GLIN if limit is None else (*LIMITED, str(limit))
    return subprocess.run(
        [*command, *map(str, args)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **env},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def fine(*args: object) -> str:
    """Run a command in this process, where nothing is in its way; what it prints."""
    done = CliRunner().invoke(main, [str(arg) for arg in args])
    assert done.exit_code == 0, (args, done.output, done.exception)
    return done.stdout


def refused(done: Done, *named: object) -> str:
    """The one line on stderr of a command that failed; it names one of ``named``."""
    assert done.returncode == 1, (done.args, done.returncode, done.stdout, done.stderr)
    # What a migration says before it begins is no error.
    lines = [each for each in done.stderr.splitlines() if not each.startswith("Backup made ")]
    assert len(lines) == 1, (done.args, done.stderr)
    assert "Traceback" not in done.stderr
    assert any(str(each) in lines[0] for each in named), (done.args, named, lines)
    return lines[0]


def rows(path: Path) -> Rows:
    """Every row of an archive, by table and rowid; what is made of others is left out."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        tables = [
            name
            for (name,) in conn.execute("select name from sqlite_master where type = 'table'")
            if not name.startswith(("messages_fts", "sqlite_")) and name not in COUNTS
        ]
        return {
            table: {
                row["#"]: {key: row[key] for key in row.keys() if key not in ("#", "parts")}  # noqa: SIM118
                for row in conn.execute(f'select rowid as "#", * from {table}')
            }
            for table in tables
        }


def kept(before: Rows, after: Rows, *, but: tuple[str, ...] = ()) -> None:
    """Nothing is lost: each row that was there is there as it was, but for columns ``but``."""
    for table, held in before.items():
        for number, row in held.items():
            now = after[table].get(number)
            assert now is not None, (table, row)
            for name, value in row.items():
                assert name in but or now[name] == value, (table, name, row, now)


def sound(path: Path) -> None:
    """A deep check of an archive finds no damage."""
    report = check_file(path, deep=True)
    assert report.status != "fail", [each for each in report.checks if each.status == "fail"]


def files(folder: Path) -> set[Path]:
    """All files below a folder, but for what SQLite has beside an open database."""
    endings = ("-wal", "-shm")
    return {p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(endings)}


def whole_backups(new: set[Path]) -> set[Path]:
    """Those of ``new`` files that are backups with their manifests; each is verified."""
    found = {p for p in new if p.name.endswith((".db", ".zst")) and manifest_path(p) in new}
    for each in found:
        assert verify_backup(each).verified
    return found | {manifest_path(each) for each in found}


def transcript(path: Path, session: str, count: int, first: int = 0, words: int = 20) -> Path:
    """Write, or go on with, a transcript of Claude Code that says ``SESSION number N``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for n in range(first, first + count):
            said = {
                "type": "user",
                "uuid": f"{session}-{n}",
                "parentUuid": f"{session}-{n - 1}" if n else None,
                "sessionId": session,
                "timestamp": f"2026-02-01T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}.000Z",
                "cwd": "/src/project",
                "version": "2.1.0",
                "message": {"role": "user", "content": f"{session} number {n} " + "word " * words},
            }
            file.write(dumps(said) + "\n")
    return path


#: What a process finds as ``sitecustomize``: its clock stands at ``$CLOCK``.
_STOPPED = """
import datetime, os, time

now = float(os.environ["CLOCK"])
time.time = lambda: now
time.time_ns = lambda: int(now * 1_000_000_000)


class Stopped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(now, tz)

    @classmethod
    def utcnow(cls):
        return cls.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None)


datetime.datetime = Stopped
"""


#: Runs commands one after the other, and prints what each printed.
_COMMANDS = """
import json, sys
from click.testing import CliRunner
from glin_datasette.cli import main
for args in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, args)
    print(json.dumps([done.exit_code, done.stdout, done.stderr, repr(done.exception)]))
"""


class Clock:
    """Runs commands in processes that have another time than everybody else."""

    def __init__(self, folder: Path, archive: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(_STOPPED)
        self._env = {**os.environ, "PYTHONPATH": str(folder)}
        self._archive = str(archive)

    def run(self, now: float, *commands: list[Any], json: bool = True) -> list[str]:
        """What each of these commands prints, as JSON, while the clock stands at ``now``."""
        asked = [
            ["--db", self._archive, *map(str, each), *(["--json"] if json else [])]
            for each in commands
        ]
        done = subprocess.run(
            [sys.executable, "-c", _COMMANDS, dumps(asked)],
            env={**self._env, "CLOCK": str(now)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        ended = [loads(line) for line in done.stdout.splitlines()]
        for args, (status, _, stderr, exception) in zip(asked, ended, strict=True):
            assert status == 0, (now, args, stderr, exception)
        return [stdout for _, stdout, _, _ in ended]


def told(path: Path) -> dict[str, list[Any]]:
    """What an archive says, whatever ids its rows have and in whatever order they are."""
    held = rows(path)
    names: dict[int | None, Any] = {
        n: (row["source"], row["source_id"]) for n, row in held["conversations"].items()
    }
    messages: dict[int | None, Any] = {
        n: (names[m["conversation_id"]], m["source_id"]) for n, m in held["messages"].items()
    }
    ids = {"id", "conversation_id", "message_id", "parent_id", "imported_at"}
    tables = ("conversations", "messages", "message_refs", "import_files", "message_attachments")
    return {
        table: sorted(
            (
                [
                    names.get(row.get("parent_id")),
                    names.get(row.get("conversation_id")),
                    messages.get(row.get("message_id")),
                    *((name, value) for name, value in row.items() if name not in ids),
                ]
                for row in held[table].values()
            ),
            key=repr,
        )
        for table in tables
    }


@contextlib.contextmanager
def serving(path: Path, log: Path) -> Iterator[int]:
    """A server of an archive, and its port. All that it says stands in ``log`` in the end."""
    with log.open("w") as out:
        child = subprocess.Popen(
            [*GLIN, "--db", str(path), "serve", "--port", "0"],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not (found := re.search(r"running on http://\S+:(\d+)", log.read_text())):
                assert child.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield int(found[1])
            assert child.poll() is None, log.read_text()[-3000:]
        finally:
            child.send_signal(signal.SIGINT)
            child.wait(60)
    assert "Traceback" not in log.read_text()


class Client:
    """One who asks a server, on one connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(self, page: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
        """The status and the text of an answer."""
        method = "GET" if body is None else "POST"
        said = None if body is None else dumps(body)
        self._connection.request(method, page, said, self._headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()
