"""Disks that are full, folders that go away, clocks that go back, and everything at once:
no error but the expected, and nothing lost.

A few of each; ``GLIN_TORTURE=N`` makes it hundreds, and 10,000 times N requests.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import schemas
from damage import FACTOR, MARKS, filled
from surroundings import (
    GLIN,
    Client,
    Clock,
    Done,
    files,
    fine,
    glin,
    kept,
    refused,
    rows,
    serving,
    sound,
    told,
    transcript,
    whole_backups,
)
from transcripts import FIXTURES
from unprivileged import run_unprivileged

from glin_datasette.models import Conversation
from glin_datasette.storage import get_db, insert_conversation, verify_backup
from glin_datasette.storage.schema import drop_search_triggers

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="limits and mounts are of POSIX"), *MARKS]

#: Limits that each command is tried with.
LIMITS = 12 * FACTOR or 1


@dataclass(frozen=True)
class Case:
    """A command that writes, and the folder that it is run in."""

    #: Fills the folder, and says what the command is.
    prepare: Callable[[Path], tuple[object, ...]]
    #: The archive, which is there before or not.
    archive: str = "glin.db"
    #: Columns that it changes when it is done.
    changes: tuple[str, ...] = ()
    #: Whether the rows that were there before are replaced when it is done.
    replaces: bool = False
    #: What it makes besides backups.
    makes: tuple[str, ...] = ()
    #: The size of the largest file that it writes, where that is gone when it is done.
    most: int = 0


@functools.cache
def _archive() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return filled(Path(folder, "glin.db"), messages=60, page_size=4096).read_bytes()


def _plain(folder: Path) -> Path:
    path = folder / "glin.db"
    path.touch(0o600)
    path.write_bytes(_archive())
    return path


def _import(folder: Path) -> tuple[object, ...]:
    for n in range(3):
        transcript(folder / "projects" / "p" / f"s{n}.jsonl", f"new{n}", 300)
    return "--db", _plain(folder), "import", folder / "projects"


def _first_import(folder: Path) -> tuple[object, ...]:
    transcript(folder / "projects" / "p" / "s.jsonl", "first", 300)
    return "--db", folder / "glin.db", "import", folder / "projects"


def _restore(folder: Path) -> tuple[object, ...]:
    path = _plain(folder)
    fine("--db", path, "backup", "--compress")
    (backup,) = (folder / "glin-backups").glob("*.zst")
    with get_db(path) as db:
        insert_conversation(db, Conversation(source="codex", source_id="later", title="Later"))
    return "--db", path, "restore", backup, "--yes"


def _restore_old(folder: Path) -> tuple[object, ...]:
    backup = schemas.make(folder / "glin-20260211T055333Z.db", 1)
    return "--db", _plain(folder), "restore", backup, "--yes"


def _repair(folder: Path) -> tuple[object, ...]:
    path = _plain(folder)
    with get_db(path) as db:
        drop_search_triggers(db)
        db.execute("insert into messages_fts(messages_fts) values ('delete-all')")
        db.execute("drop index idx_messages_ts")
    return "--db", path, "check", "--repair"


def _recover(folder: Path) -> tuple[object, ...]:
    return "--db", folder / "none.db", "recover", _plain(folder)


def _on(*args: object) -> Callable[[Path], tuple[object, ...]]:
    return lambda folder: ("--db", _plain(folder), *args)


CASES = {
    "import": Case(_import),
    "first import": Case(_first_import),
    "tag": Case(_on("tag", "add", "full", "1", "2", "--message", "1001"), most=20_000),
    "note": Case(_on("note", "1", "a note " * 500), changes=("notes",), most=40_000),
    "backup": Case(_on("backup")),
    "compressed backup": Case(_on("backup", "--compress")),
    "restore": Case(_restore, replaces=True),
    "restore of an old schema": Case(_restore_old, replaces=True),
    "migrate": Case(
        lambda folder: ("--db", schemas.make(folder / "glin.db", 1), "migrate"),
    ),
    "repair": Case(_repair),
    "export": Case(
        lambda folder: ("--db", _plain(folder), "export", "--output", folder / "all.jsonl"),
        makes=("all.jsonl",),
    ),
    "recover": Case(_recover, makes=("glin-recovered.db",)),
}


def _full(case: Case, folder: Path, run: Callable[[tuple[object, ...]], Done]) -> bool:
    """Run a command where the disk may be full; whether it went through all the same.

    Whatever it did, nothing is lost, nothing is left over, and again it succeeds.
    """
    args = case.prepare(folder)
    archive = folder / case.archive
    there = files(folder)
    before = rows(archive) if archive.exists() else {}
    done = run(args)
    went_through = done.returncode == 0
    if not went_through:
        refused(done, folder)
    assert there <= files(folder), done.stderr
    backups = whole_backups(files(folder) - there)
    made = {folder / name for name in case.makes} if went_through else set()
    assert files(folder) - there - backups <= made | {archive}, done.stderr
    if before:
        sound(archive)
        if not (went_through and case.replaces):
            kept(before, rows(archive), but=case.changes if went_through else ())
    if not went_through:
        fine(*args)
        if not case.replaces and archive.exists():
            kept(before, rows(archive), but=case.changes)
    return went_through


#: Without much time, one for each way that something is written.
FEW = ("import", "compressed backup", "restore", "migrate", "export")


@pytest.mark.parametrize("name", CASES if FACTOR else FEW)
def test_a_disk_that_is_full_loses_nothing(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    free = tmp_path / "free"
    free.mkdir()
    args = case.prepare(free)
    if FACTOR:
        fine(*args)
    largest = case.most or max(p.stat().st_size for p in free.rglob("*") if p.is_file())
    numbers = random.Random(name)
    limits = [largest // 3, 0, *(numbers.randrange(largest * 2) for _ in range(LIMITS))]
    seen = {True: 0, False: 0}
    for limit in limits[:LIMITS]:
        folder = tmp_path / str(limit)
        folder.mkdir(exist_ok=True)

        def run(args: tuple[object, ...], limit: int = limit) -> Done:
            return glin(*args, limit=limit)

        seen[_full(case, folder, run)] += 1
        shutil.rmtree(folder)
    assert seen[False], seen
    assert seen[True] or LIMITS < 10, seen


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A disk in memory; the function gives it another size in bytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> bool:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    if not shutil.which("mount") or not mount(f"size={_ROOMY},mode=0700"):
        pytest.skip("this user may mount nothing")

    def resize(size: int) -> Path:
        assert mount(f"remount,size={size}")
        return folder

    yield resize
    subprocess.run(["umount", str(folder)], check=True)


_ROOMY, _PAGE = 64 * 2**20, 4096


ON_A_SMALL_DISK = ("import", "backup", "compressed backup", "restore", "export")


@pytest.mark.parametrize("name", ON_A_SMALL_DISK if FACTOR else ON_A_SMALL_DISK[:2])
def test_a_small_disk_that_is_full_loses_nothing(
    name: str, small_disk: Callable[[int], Path]
) -> None:
    case, numbers = CASES[name], random.Random(name)
    disk = small_disk(_ROOMY)
    size = len(_archive()) // _PAGE
    # Around the size of a backup of it there is no space for what comes behind that.
    spaces = [numbers.randrange(1, size), *(size + n for n in range(-2, 6))]
    spaces += [numbers.randrange(1, size * 4) for _ in range(LIMITS)]
    refusals = 0
    for number, space in enumerate(spaces[: LIMITS + 9 if FACTOR else 1]):
        folder = disk / str(number)
        folder.mkdir()

        def run(args: tuple[object, ...], space: int = space) -> Done:
            used = os.statvfs(disk)
            small_disk((used.f_blocks - used.f_bfree + space) * used.f_frsize)
            try:
                return glin(*args)
            finally:
                small_disk(_ROOMY)

        refusals += not _full(case, folder, run)
        shutil.rmtree(folder)
    assert refusals


@pytest.mark.parametrize("name", [n for n in CASES if FACTOR or n in ("first import", "export")])
def test_a_folder_that_can_only_be_read_stays_as_it_is(name: str, tmp_path: Path) -> None:
    folders: list[Path] = []

    def run(args: tuple[object, ...]) -> Done:
        # Where a WAL is left, an archive can be written all the same.
        for path in tmp_path.glob("*.db"):
            with contextlib.closing(sqlite3.connect(path)) as conn:
                conn.execute("pragma wal_checkpoint(truncate)")
        folders.extend([tmp_path, *(p for p in tmp_path.rglob("*") if p.is_dir())])
        for each in folders:
            each.chmod(0o500)
        try:
            return run_unprivileged(*GLIN, *args)
        finally:
            for each in folders:
                each.chmod(0o700)

    assert not _full(CASES[name], tmp_path, run)


def _stopped_when(
    args: tuple[object, ...], seen: Callable[[], bool], then: Callable[[], None]
) -> Done:
    """Run a command, and do something ``then`` in the middle of it."""
    child = subprocess.Popen(
        [*GLIN, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while child.poll() is None and not seen():
        assert time.monotonic() < deadline
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGSTOP)
    try:
        then()
    finally:
        child.send_signal(signal.SIGCONT)
    out, err = child.communicate(timeout=120)
    return Done([str(arg) for arg in args], child.returncode, out, err)


#: What is removed while a command runs, as soon as something is there.
VANISHING = {
    "the archive's folder": ("import", "home", "home/glin.db-wal"),
    "the transcripts": ("import", "projects", "home/glin.db-wal"),
    "the backups": ("backup", "home/glin-backups", "home/glin-backups/.glin-*.tmp"),
    "the compressed backups": ("backup", "home/glin-backups", "home/glin-backups/.glin-*.tmp"),
    "the export's folder": ("export", "out", "out/.all.jsonl-*"),
}


@pytest.mark.parametrize("what", [w for w in VANISHING if FACTOR or "the e" in w])
def test_a_folder_that_vanishes_meanwhile(what: str, tmp_path: Path) -> None:
    command, gone, sign = VANISHING[what]
    home, projects, out = tmp_path / "home", tmp_path / "projects", tmp_path / "out"
    for each in (home, projects, out):
        each.mkdir()
    count = 6
    for n in range(count):
        transcript(projects / "p" / f"s{n}.jsonl", f"s{n}", 500, words=100)
    path = home / "glin.db"
    more: dict[str, tuple[object, ...]] = {
        "import": (projects,),
        "backup": ("--compress",) if "compressed" in what else (),
        "export": ("--output", out / "all.jsonl"),
    }
    args = ("--db", path, command, *more[command])
    if command != "import":
        fine("--db", path, "import", projects)
    before = rows(path) if path.exists() else {}
    aside = tmp_path / "aside"

    def vanish() -> None:
        # Renamed, and so gone in one moment, whatever is being written there.
        (tmp_path / gone).rename(aside)

    done = _stopped_when(args, lambda: any(tmp_path.glob(sign)), vanish)
    if done.returncode and command != "import":
        refused(done, tmp_path)
    # Each file of an import that cannot be read has its line.
    assert "Traceback" not in done.stderr
    assert all(str(tmp_path) in line for line in done.stderr.splitlines()), done.stderr
    assert (done.returncode == 0) or done.stderr
    if command == "import":
        there = aside / "glin.db" if gone == "home" else path
        sound(there)
        messages = rows(there)["messages"].values()
        # Whole files or nothing of them.
        assert set(Counter(row["conversation_id"] for row in messages).values()) <= {500}
    else:
        sound(path)
        kept(before, rows(path))
        whole_backups(files(aside))
    # Once it is back, so is everything.
    if not (tmp_path / gone).exists():
        aside.rename(tmp_path / gone)
    fine(*args)
    sound(path)
    assert len(rows(path)["messages"]) == count * 500


#: 2026-02-11 05:53:33 UTC, and days before and after it.
NOON, DAY = 1_770_789_213, 86_400


def test_a_clock_that_stands_still_or_goes_back(tmp_path: Path) -> None:
    path, projects = tmp_path / "glin.db", tmp_path / "projects"
    clock = Clock(tmp_path / "clock", path)
    numbers = random.Random(3)
    clocks = [NOON, NOON, NOON - 3650 * DAY, NOON - DAY, NOON]
    clocks += [NOON + DAY * numbers.randrange(-400, 400) for _ in range(20 * FACTOR)]
    made: list[str] = []
    for number, moment in enumerate(clocks):
        grown = f"s{number % 3}"
        transcript(projects / "p" / f"{grown}.jsonl", grown, 5, number // 3 * 5)
        before = rows(path) if path.exists() else {}
        kind = ["--keep", 2] if number % 3 else ["--keep-daily", 1]
        answers = clock.run(
            moment,
            ["import", projects],
            ["import", projects],
            ["backup", *kind, *(["--compress"] if number % 2 else [])],
            ["backup", "--list"],
            ["check"],
            ["note", 1, f"at {moment}"],
        )
        first, again, backup, listed, health, note = map(json.loads, answers)
        assert (first["messages"], again["messages"]) == (5, 0)
        assert (again["files"], again["unchanged"]) == (min(number + 1, 3),) * 2
        # An import moves on what it knows of the file and of the conversation in it.
        moving = ("size", "mtime_ns", "offset", "digest", "state", "imported_at", "ended_at")
        kept(before, rows(path), but=(*moving, "notes"))
        # Named by its clock; no name is given twice, and the new one stays and is the newest.
        name = datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%S")
        assert name in backup["path"]
        assert backup["path"] not in {*backup["pruned"], *made}
        made = [each for each in made if each not in backup["pruned"]] + [backup["path"]]
        assert len(made) <= 2
        paths = [each["path"] for each in listed["backups"]]
        assert sorted(paths) == sorted(made)
        times = [each.partition("Z.db")[0] for each in paths]
        assert times == sorted(times, reverse=True)
        assert all(verify_backup(each).verified for each in made)
        assert health["status"] != "fail"
        assert min(health["last_backup_age"], health["last_import_age"]) >= 0
        assert note["changed"] or clocks[number - 1] == moment
    # Whatever a restore replaces is kept, though the clock shows the same as before.
    for number in range(3):
        before = rows(path)
        restore, note = clock.run(
            NOON - DAY, ["restore", made[0], "--yes"], ["note", 1, f"later {number}"]
        )
        assert rows(Path(json.loads(restore)["previous"])) == before
    sound(path)


def test_a_token_ends_by_the_clock_that_there_is(tmp_path: Path) -> None:
    clock = Clock(tmp_path, tmp_path / "glin.db")
    clock.run(NOON, ["token", "create", "--expires-days", 2], json=False)
    for moment, expired in ((NOON - 3650 * DAY, False), (NOON + 3 * DAY, True), (NOON, False)):
        (found,) = clock.run(moment, ["token", "list"])
        assert [each["expired"] for each in json.loads(found)["tokens"]] == [expired]


def _imports_at_once(path: Path, folders: list[Path]) -> None:
    children = [
        subprocess.Popen([*GLIN, "--db", str(path), "import", str(folder)],
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for folder in folders
    ]  # fmt: skip
    for child in children:
        _, err = child.communicate(timeout=300)
        assert child.returncode == 0, err
        assert "Traceback" not in err


@pytest.mark.parametrize("processes", [2, 4] if FACTOR else [3])
@pytest.mark.parametrize("same", [True, False], ids=["the same folder", "folders of their own"])
def test_imports_at_once_are_as_one(processes: int, same: bool, tmp_path: Path) -> None:
    for trial in range(5 * FACTOR or 1):
        home = tmp_path / str(trial)
        projects = home / "projects"
        for n in range(processes * 3):
            file = projects / f"p{n % processes}" / f"s{n}.jsonl"
            # More than one batch, and one that goes on with what another said.
            transcript(file, f"s{n}", 700 if FACTOR else 60)
        shutil.copytree(FIXTURES / "claude-code" / "projects", projects / "p0", dirs_exist_ok=True)
        folders = [projects if same else projects / f"p{n}" for n in range(processes)]
        _imports_at_once(home / "many.db", folders)
        fine("--db", home / "one.db", "import", projects)
        assert told(home / "many.db") == told(home / "one.db")
        sound(home / "many.db")


SECONDS = 30 * FACTOR or 2
#: What a command may say that others are in the way of.
BUSY = ("another process is writing to it",)
PAGES = (
    "/-/glin", "/-/glin.json", "/-/glin/conversations", "/-/glin/conversations.json",
    "/-/glin/conversations/1", "/-/glin/conversations/1.json", "/-/glin/search?q=number",
    "/-/glin/search.json?q=word", "/-/glin/tags.json", "/-/glin/health.json", "/-/glin/metrics",
    "/glin/messages", "/glin/messages.json?_size=20", "/glin/conversations.json?_facet=source",
    "/glin/search_messages.json?q=number", "/-/glin/files.json",
)  # fmt: skip


def _token() -> str:
    return fine("token", "create", "--allow", "tag").splitlines()[-1]


def test_everything_at_once(tmp_path: Path) -> None:
    home, projects = tmp_path / "home", tmp_path / "projects"
    path = home / "glin.db"
    for n in range(3):
        transcript(projects / "p" / f"s{n}.jsonl", f"s{n}", 50)
    fine("--db", path, "import", projects)
    fine("--db", path, "backup")
    until = 0.0
    done: Counter[str] = Counter()
    sessions = itertools.count(3)

    def loop(name: str, command: Callable[[], tuple[object, ...]]) -> None:
        while not done[name] or time.monotonic() < until:
            ended = glin("--db", path, *command())
            if ended.returncode:
                line = refused(ended, home)
                assert any(each in line for each in BUSY), line
                done[f"{name}: busy"] += 1
            done[name] += 1

    def grow() -> tuple[object, ...]:
        n = next(sessions)
        transcript(projects / "p" / f"s{n}.jsonl", f"s{n}", 50)
        transcript(projects / "p" / "s0.jsonl", "s0", 10, first=n * 10 + 20)
        return "import", projects

    def newest() -> tuple[object, ...]:
        listed = json.loads(fine("--db", path, "backup", "--list", "--json"))["backups"]
        return "restore", listed[len(listed) // 2]["path"], "--yes"

    def ask(port: int, token: str) -> None:
        client = Client(port, token)
        for number in itertools.count():
            if number >= len(PAGES) and time.monotonic() > until:
                client.close()
                return
            page, body = PAGES[number % len(PAGES)], None
            if number % 5 == 0:
                page, body = "/-/glin/tags.json", {"action": "add", "tag": "t", "messages": [1]}
            status, said = client.ask(page, body)
            busy = status == 503 and any(each in said for each in BUSY)
            assert status < 500 or busy, (page, status, said[:500])
            done[f"asked: {status}"] += 1

    with serving(path, tmp_path / "log") as port, ThreadPoolExecutor(6) as pool:
        token = _token()
        until = time.monotonic() + SECONDS
        running = [
            pool.submit(loop, "import", grow),
            pool.submit(loop, "backup", lambda: ("backup",)),
            pool.submit(loop, "compressed backup", lambda: ("backup", "--compress")),
            pool.submit(loop, "restore", newest),
            pool.submit(ask, port, token),
            pool.submit(ask, port, token),
        ]
        for each in running:
            each.result()
    for what in ("import", "backup", "compressed backup", "restore", "asked: 200"):
        assert done[what] > done[f"{what}: busy"] or not FACTOR, done
    sound(path)
    for backup in json.loads(fine("--db", path, "backup", "--list", "--json"))["backups"]:
        assert verify_backup(backup["path"]).verified
    # Each file was imported as a whole, and what an archive that was restored knows of files
    # agrees with its messages: another import adds what it lacks, once.
    fine("--db", path, "import", projects)
    fine("--db", tmp_path / "one.db", "import", projects)
    now, one = told(path), told(tmp_path / "one.db")
    assert [now["conversations"], now["messages"]] == [one["conversations"], one["messages"]]


REQUESTS, CLIENTS = 10_000 * FACTOR or 100, 50


def test_many_requests_while_importing(tmp_path: Path) -> None:
    path, projects = tmp_path / "glin.db", tmp_path / "projects"
    first = 40
    transcript(projects / "p" / "s0.jsonl", "s0", first)
    fine("--db", path, "import", projects)
    for n in range(1, 40 if FACTOR else 10):
        transcript(projects / "p" / f"s{n}.jsonl", f"s{n}", 200)
    token = _token()
    written: list[tuple[str, int]] = []
    statuses: Counter[int] = Counter()
    numbers = iter(range(REQUESTS))
    over = threading.Event()

    def ask(port: int) -> None:
        client = Client(port, token)
        try:
            for number in numbers:
                page, body = PAGES[number % len(PAGES)], None
                if number % 7 == 0:
                    page = "/-/glin/tags.json"
                    body = {"action": "add", "tag": f"t{number}", "messages": [number % first + 1]}
                status, said = client.ask(page, body)
                while status == 503 and any(each in said for each in BUSY):
                    # As the documents say: somebody else was writing for that long.
                    statuses[status] += 1
                    status, said = client.ask(page, body)
                assert status == 200, (page, status, said[:500])
                statuses[status] += 1
                if body:
                    written.append((f"t{number}", number % first + 1))
        finally:
            client.close()

    def imports() -> None:
        # Again and again, so that there is one as long as somebody asks.
        for n in itertools.count():
            done = glin("--db", path, "import", projects)
            # Where fifty write all the time it may have waited for too long; the next one goes on.
            busy = done.returncode == 1 and any(each in done.stderr for each in BUSY)
            assert busy or (done.returncode, done.stderr) == (0, "")
            if over.wait(0.5):
                return
            transcript(projects / "p" / f"more{n}.jsonl", f"more{n}", 50)

    with serving(path, tmp_path / "log") as port, ThreadPoolExecutor(CLIENTS + 1) as pool:
        importer = pool.submit(imports)
        try:
            for each in [pool.submit(ask, port) for _ in range(CLIENTS)]:
                each.result()
        finally:
            over.set()
        importer.result()
    assert statuses[200] == REQUESTS
    assert statuses[503] <= REQUESTS / 100, statuses
    assert " 500 " not in (tmp_path / "log").read_text()
    sound(path)
    held = rows(path)
    names = {tag["id"]: tag["name"] for tag in held["tags"].values()}
    tagged = {(names[row["tag_id"]], row["message_id"]) for row in held["message_tags"].values()}
    assert set(written) == tagged
    assert len(written) >= REQUESTS // 7
    fine("--db", path, "import", projects)
    fine("--db", tmp_path / "one.db", "import", projects)
    assert len(rows(path)["messages"]) == len(rows(tmp_path / "one.db")["messages"])
