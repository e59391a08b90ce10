"""``kill -9`` at random moments, of the commands as people run them: the archive opens, passes
the deep check and has every row that was committed; the same again completes what was cut off.

3 kills of each; ``GLIN_TORTURE=N`` makes it 200 times N.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
import schemas
import sqlite_utils
from damage import FACTOR, MARKS, filled
from surroundings import GLIN, sound, transcript

from glin_datasette.errors import NotFound
from glin_datasette.storage import (
    delete_conversation,
    get_db,
    list_backups,
    newest_version,
    verify_backup,
    version,
)

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL"), *MARKS]

COUNT = 200 * FACTOR or 3
#: No moment before this share of the time that a command takes: Python starts then.
START = 0.25


class Victim:
    """A command that is killed at one moment after another of the time that it takes."""

    def __init__(self, path: Path, seed: str) -> None:
        self._path = path
        self._numbers = random.Random(seed)
        self._takes = 0.0
        self.killed = 0

    def run(self, *args: object) -> None:
        """Let it run to its end."""
        started = time.perf_counter()
        with self._start(args) as process:
            _, told = process.communicate()
        assert process.returncode == 0, told
        self._takes = time.perf_counter() - started

    def kill(self, *args: object) -> str:
        """Kill it.

        :returns: what it had printed
        """
        started = time.perf_counter()
        with self._start(args) as process:
            try:
                printed, told = process.communicate(
                    timeout=self._takes * self._numbers.uniform(START, 1.05)
                )
            except subprocess.TimeoutExpired:
                process.kill()
                printed, told = process.communicate()
            else:
                # The machine may have more or less to do besides than before.
                self._takes = time.perf_counter() - started
        assert process.returncode in (0, -9), told
        self.killed += process.returncode == -9
        return printed

    def _start(self, args: tuple[object, ...]) -> subprocess.Popen[str]:
        command = [*GLIN, "--db", self._path, *args]
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder / "glin.db"


@pytest.fixture
def victim(path: Path, request: pytest.FixtureRequest) -> Victim:
    return Victim(path, request.node.name)


def rows(path: Path) -> dict[str, set[str]]:
    with closing(sqlite3.connect(path)) as conn:
        return {
            table: set(map(repr, conn.execute(f"select * from {table}")))
            for table in ("conversations", "messages", "message_refs", "tags")
        }


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as conn:
        return int(conn.execute(f"select count(*) from {table}").fetchone()[0])


def restored_from(whole: Path, path: Path) -> None:
    """The archive again as it was, without a WAL."""
    for each in path.parent.glob(f"{path.name}-*"):
        each.unlink()
    shutil.copyfile(whole, path)


def left_over(folder: Path) -> list[Path]:
    """What is in a folder, and in those inside it, but whole backups and manifests."""
    return [
        each
        for each in folder.rglob("*")
        if each.is_file()
        and not each.name.endswith(("Z.db", "Z.db.zst", "Z.db.json", "Z.db.zst.json"))
    ]


def test_import(path: Path, victim: Victim, tmp_path: Path) -> None:
    folder = tmp_path / "projects"
    for number in range(12):
        transcript(folder / f"s{number}.jsonl", f"s{number}", 100, words=50)
    victim.run("import", folder)
    empty = tmp_path / "empty.db"
    get_db(empty).close()
    restored_from(empty, path)
    for _ in range(COUNT):
        before = rows(path)["messages"]
        victim.kill("import", folder)
        sound(path)
        # What was committed is there, and files are there whole.
        assert before <= rows(path)["messages"]
        assert count(path, "messages") == 100 * count(path, "import_files")
        if count(path, "messages") == 1200:
            restored_from(empty, path)
    victim.run("import", folder)
    assert count(path, "messages") == 1200
    assert count(path, "import_files") == 12
    sound(path)
    assert victim.killed > COUNT / 3


def test_tag(path: Path, victim: Victim) -> None:
    filled(path, messages=100)
    victim.run("tag", "add", "first", 1)
    committed = {"first"}
    for number in range(COUNT):
        name = f"t{number}"
        printed = victim.kill("tag", "add", name, 1, 2)
        sound(path)
        with closing(sqlite3.connect(path)) as conn:
            held = conn.execute(
                "select t.name, count(*) from tags as t join conversation_tags as c"
                " on c.tag_id = t.id where c.conversation_id in (1, 2) group by t.name"
            ).fetchall()
        counts = dict(held)
        # Both or none; what it said that it did is done.
        assert counts.get(name, 0) in (0, 2)
        assert name in counts or not printed
        committed |= {name} & counts.keys()
        assert committed <= counts.keys()
    assert victim.killed > COUNT / 3


@pytest.mark.parametrize("compress", [(), ("--compress",)], ids=["plain", "compressed"])
def test_backup(path: Path, victim: Victim, compress: tuple[str, ...]) -> None:
    filled(path, messages=1000)
    with get_db(path):
        pass
    victim.run("backup", *compress)
    before = rows(path)
    known = {each.path for each in list_backups(path)}
    for _ in range(COUNT):
        printed = victim.kill("backup", "--keep", 5, *compress)
        backups = list_backups(path)
        for each in backups:
            if each.path not in known:
                assert verify_backup(each.path).messages == 1000
        assert backups
        assert not printed or len(backups) <= 5
        known = {each.path for each in backups}
    assert rows(path) == before
    sound(path)
    victim.run("backup", "--keep", 1, *compress)
    # Of what was cut off nothing is left, and of a backup its manifest.
    folder = path.with_name("glin-backups")
    assert not left_over(folder), left_over(folder)
    assert len(list(folder.iterdir())) == 2
    assert victim.killed > COUNT / 3


def test_restore(path: Path, victim: Victim, tmp_path: Path) -> None:
    filled(path, messages=600)
    victim.run("backup")
    [backup] = list_backups(path)
    old = rows(path)
    filled_again = tmp_path / "new.db"
    filled(filled_again, messages=400)
    with get_db(filled_again) as db:
        db.execute("update conversations set title = 'other'")
        db.conn.commit()
    get_db(filled_again).close()
    new = rows(filled_again)
    restored_from(filled_again, path)
    victim.run("restore", backup.path, "--force")
    assert rows(path) == old
    for _ in range(COUNT):
        restored_from(filled_again, path)
        victim.kill("restore", backup.path, "--force")
        sound(path)
        now = rows(path)
        # The one or the other, and what there was is there as a backup.
        assert now in (old, new)
        if now == old:
            newest = list_backups(path)[0]
            assert newest.path != backup.path
            assert verify_backup(newest.path).messages == 400
        for each in list_backups(path):
            if each.path != backup.path:
                Path(each.path).unlink()
    victim.run("restore", backup.path, "--force")
    assert rows(path) == old
    assert victim.killed > COUNT / 3


def test_migrate(path: Path, victim: Victim) -> None:
    schemas.make(path, 1)
    whole = path.read_bytes()
    messages = count(path, "messages")
    victim.run("migrate")
    complete = rows(path)
    seen: dict[int, int] = {}
    for _ in range(COUNT):
        for each in path.parent.glob("glin*/*"):
            each.unlink()
        for each in path.parent.glob("glin.db-*"):
            each.unlink()
        path.write_bytes(whole)
        victim.kill("migrate")
        with closing(sqlite3.connect(path)) as conn:
            assert conn.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert count(path, "messages") == messages
        # As it is: opened to be read, an older one gets what it lacks.
        with sqlite_utils.Database(path) as db:
            number = version(db)
            seen[number] = seen.get(number, 0) + 1
            with closing(schemas.build(number)) as exact:
                assert schemas.shape(db) == schemas.shape(exact)
        with get_db(path) as db:
            assert version(db) == newest_version()
        assert rows(path) == complete
        sound(path)
    assert set(seen) <= {1, newest_version()}, seen
    assert victim.killed > COUNT / 3


def test_compact(path: Path, victim: Victim, tmp_path: Path) -> None:
    with get_db(filled(path, messages=1500)) as db:
        for number in range(1, 150, 2):
            # What belonged to another one is gone with that.
            with contextlib.suppress(NotFound):
                delete_conversation(db, number)
    get_db(path).close()
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
    whole = tmp_path / "whole.db"
    shutil.copyfile(path, whole)
    before = rows(path)
    victim.run("compact")
    small = path.stat().st_size
    assert small < whole.stat().st_size
    for _ in range(COUNT):
        restored_from(whole, path)
        victim.kill("compact")
        sound(path)
        assert rows(path) == before
    victim.run("compact")
    assert path.stat().st_size == small
    assert rows(path) == before
    assert victim.killed > COUNT / 3
