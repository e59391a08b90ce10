"""Backups: whole, verified, pruned only when it is safe, and restored row for row."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
import zstandard

from glin_datasette.errors import (
    ArchiveBusy,
    BackupError,
    DamagedArchive,
    GlinError,
    NewerArchive,
    NotAnArchive,
    NotFound,
)
from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.storage import (
    Keep,
    backup_db,
    check,
    check_file,
    connection,
    get_db,
    insert_conversation,
    insert_message,
    list_backups,
    newest_version,
    restore_db,
    verify_backup,
)
from glin_datasette.storage.backups import files, making, replacing
from glin_datasette.storage.backups.files import backup_files, backup_time
from glin_datasette.storage.backups.manifest import manifest_path
from glin_datasette.storage.backups.temporary import temporary_file


@pytest.fixture
def filled(db: sqlite_utils.Database) -> sqlite_utils.Database:
    for n in range(3):
        row = insert_conversation(
            db, Conversation(source="t", source_id=str(n), tags=("kept",), title=f"No. {n}")
        )
        insert_message(
            db, row, Message(role="user", content="some text", refs=(Ref("file", "a.py"),))
        )
    return db


def dump(path: Path | str) -> list[str]:
    with get_db(path, readonly=True) as db:
        return list(db.conn.iterdump())


def test_a_backup_is_an_equal_archive(archive_path: Path, filled: sqlite_utils.Database) -> None:
    report = backup_db(filled)
    assert (report.conversations, report.messages, report.schema_version) == (3, 3, 4)
    assert report.verified
    assert report.size == Path(report.path).stat().st_size
    assert dump(report.path) == dump(archive_path)
    folder = archive_path.parent / "glin-backups"
    assert set(folder.iterdir()) == {Path(report.path), manifest_path(Path(report.path))}
    for file in folder.iterdir():
        assert os.name == "nt" or stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_manifest_tells_what_is_in_a_backup(filled: sqlite_utils.Database) -> None:
    report = backup_db(filled)
    path = Path(report.path)
    told = json.loads(manifest_path(path).read_text())
    assert told["sha256"] == report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (told["size"], told["schema_version"]) == (path.stat().st_size, newest_version())
    assert told["created_at"] == report.created_at
    assert told["release"] == version("glin-datasette")
    with get_db(path, readonly=True) as db:
        derived = ("messages_fts", "activity", "usage", "files")
        tables = [name for name in db.table_names() if not name.startswith(derived)]
        assert told["counts"] == {name: db.table(name).count for name in tables}


def test_a_backup_is_held_against_its_manifest(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    path = Path(backup_db(filled).path)
    manifest = manifest_path(path)
    whole = manifest.read_text()
    # As good an archive, but not this one.
    with sqlite_utils.Database(path) as db:
        db.execute("update messages set content = 'other text' where id = 1")
        db.conn.commit()
    with pytest.raises(DamagedArchive, match=f"{path.name}: damaged: .*SHA-256"):
        verify_backup(path)
    with pytest.raises(DamagedArchive, match=path.name):
        restore_db(archive_path, path)
    told = json.loads(whole)
    told["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps({**told, "counts": {**told["counts"], "messages": 4}}))
    with pytest.raises(DamagedArchive, match="does not hold the rows"):
        verify_backup(path)
    for text in ("", "[]", "{}", "null", '{"sha256": 1}', "\0", whole.replace('"size"', '"sise"')):
        manifest.write_text(text)
        with pytest.raises(BackupError, match=f"{manifest.name}: not the manifest"):
            verify_backup(path)
        # It is found, and opened.
        assert [b.messages for b in list_backups(archive_path)] == [3]
    manifest.unlink()
    assert verify_backup(path).messages == 3


def test_a_compressed_backup(archive_path: Path, filled: sqlite_utils.Database) -> None:
    for n in range(200):
        insert_message(filled, 1, Message(role="user", content=f"the same text {n} " * 50))
    plain = backup_db(filled)
    report = backup_db(filled, compress=True)
    path = Path(report.path)
    assert path.name.endswith("Z.db.zst")
    assert report.compressed
    assert report.size == path.stat().st_size < plain.size / 3
    assert verify_backup(path).messages == 203
    (listed, _) = list_backups(archive_path)
    assert (listed.path, listed.messages, listed.compressed) == (str(path), 203, True)
    before = dump(archive_path)
    insert_conversation(filled, Conversation(source="t", source_id="later"))
    restore_db(archive_path, path)
    assert dump(archive_path) == before
    assert not list(archive_path.parent.rglob("*.tmp*"))

    manifest_path(path).unlink()
    assert list_backups(archive_path)[1].messages == 203
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DamagedArchive, match=r"\.zst: damaged: .*use another"):
        verify_backup(path)
    path.write_bytes(data[:100] + bytes([data[100] ^ 255]) + data[101:])
    with pytest.raises(DamagedArchive, match=r"\.zst: damaged: .*use another"):
        verify_backup(path)
    path.write_bytes(zstandard.ZstdCompressor().compress(b"no database" * 1000))
    with pytest.raises(GlinError, match=rf"^{re.escape(str(path))}: not an SQLite database"):
        restore_db(archive_path, path)
    assert dump(archive_path) == before


def test_names_never_collide_and_sort_by_time(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    made = [backup_db(filled).path for _ in range(4)]
    assert len(set(made)) == 4
    assert [b.path for b in list_backups(archive_path)] == made[::-1]


def test_only_old_backups_of_this_archive_are_pruned(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    first, second = backup_db(filled, folder).path, backup_db(filled, folder).path
    names = ["notes.txt", "other-20200101T000000Z.db", "glin-old.db", "glin-20200101T000000Z.db"]
    others = [folder / name for name in names]
    for other in others:
        other.write_text("not ours")
    with get_db(tmp_path / "another" / "glin.db") as db:
        others.append(Path(backup_db(db, folder).path))
    report = backup_db(filled, folder, keep=2)
    assert report.pruned == (first,)
    backups = [others[-1], Path(second), Path(report.path)]
    assert set(folder.iterdir()) == {*others, *backups, *map(manifest_path, backups)}
    with pytest.raises(BackupError, match="at least 1"):
        backup_db(filled, folder, keep=0)


def test_an_empty_archive_removes_no_backup_that_holds_something(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    full = backup_db(filled).path
    bare = Path(full).with_name("glin-20200101T000000Z.db")
    bare.write_bytes(Path(full).read_bytes())
    with filled.conn:
        filled.execute("delete from conversations")
    first, second = (backup_db(filled, keep=1) for _ in range(2))
    assert (first.pruned, set(first.spared)) == ((), {full, str(bare)})
    assert (second.pruned, set(second.spared)) == ((first.path,), {full, str(bare)})
    insert_conversation(filled, Conversation(source="t", source_id="again"))
    third = backup_db(filled, keep=1)
    assert (set(third.pruned), third.spared) == ({full, str(bare), second.path}, ())


def test_archives_that_differ_in_their_ending_keep_their_backups(tmp_path: Path) -> None:
    made = []
    for name in ("work.db", "work.sqlite", "work.db"):
        with get_db(tmp_path / name) as db:
            made.append(backup_db(db, keep=1))
    assert [report.pruned for report in made] == [(), (), (made[0].path,)]
    # What the other one left is its own to remove, and so is what may be either's.
    folder = tmp_path / "work-backups"
    theirs, nobodys = (folder / f"work-2020010{n}T000000Z.db" for n in (1, 2))
    Path(made[1].path).unlink()
    manifest_path(Path(made[1].path)).rename(manifest_path(theirs))
    nobodys.write_text("a backup without a manifest")
    with get_db(tmp_path / "work.db") as db:
        insert_conversation(db, Conversation(source="t", source_id="0"))
        backup_db(db, keep=1)
    assert nobodys.exists()
    assert manifest_path(theirs).exists()
    # The other archive is gone, but a manifest still tells of it.
    (tmp_path / "work.sqlite").unlink()
    theirs.write_text("a backup")
    with get_db(tmp_path / "work.db") as db:
        insert_conversation(db, Conversation(source="t", source_id="1"))
        backup_db(db, keep=1)
        assert {theirs, nobodys} < set(folder.iterdir())
        for file in (theirs, manifest_path(theirs)):
            file.unlink()
        assert str(nobodys) in backup_db(db, keep=1).pruned


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_machines_that_share_a_folder_keep_their_backups(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    folder = archive_path.parent / "glin-backups"
    folder.symlink_to(share)
    theirs, left = (Path(backup_db(filled).path) for _ in range(2))
    for each in (theirs, left):
        told = json.loads(manifest_path(each).read_text())
        manifest_path(each).write_text(json.dumps({**told, "host": "another machine"}))
    left.unlink()
    manifest_path(left).rename(manifest_path(left := share / "glin-20200101T000000Z.db"))
    first, second = (backup_db(filled, keep=1) for _ in range(2))
    assert (first.pruned, second.pruned) == ((), (first.path,))
    assert theirs.exists()
    assert manifest_path(left).exists()
    # What has no manifest may be theirs.
    for file in (manifest_path(theirs), manifest_path(left)):
        file.unlink()
    assert backup_db(filled, keep=1).pruned == (second.path,)
    assert theirs.exists()


def test_an_archive_that_has_moved_leaves_its_older_backups(tmp_path: Path) -> None:
    with get_db(tmp_path / "here" / "glin.db") as db:
        old = Path(backup_db(db).path)
    (tmp_path / "here").rename(tmp_path / "moved")
    with get_db(tmp_path / "moved" / "glin.db") as db:
        first, second = (backup_db(db, keep=1) for _ in range(2))
    assert (first.pruned, second.pruned) == ((), (first.path,))
    assert (tmp_path / "moved" / "glin-backups" / old.name).exists()


def test_backups_of_days_weeks_and_months_are_kept(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    folder = archive_path.parent / "glin-backups"
    folder.mkdir()
    newest = datetime.now(UTC)
    times = [newest - timedelta(hours=9 * n) for n in range(1, 200)]
    for when in times:
        (folder / f"glin-{when:%Y%m%dT%H%M%S}Z.db").write_text("a backup")
    report = backup_db(filled, keep=Keep(last=2, daily=3, weekly=4, monthly=2))
    kept = [backup_time(f) for f in backup_files(archive_path, folder)]
    assert len(kept) + len(report.pruned) == 200
    # What each rule keeps, counted by hand: the last of each of so many days, weeks, months.
    every = sorted([backup_time(Path(report.path)), *(t.replace(microsecond=0) for t in times)])
    by_day = {t.date(): t for t in every}
    by_week = {t.isocalendar()[:2]: t for t in every}
    by_month = {(t.year, t.month): t for t in every}
    wanted = {*every[-2:], *list(by_day.values())[-3:]}
    wanted |= {*list(by_week.values())[-4:], *list(by_month.values())[-2:]}
    assert sorted(kept) == sorted(wanted)
    with pytest.raises(BackupError, match="keep at least 1"):
        Keep()


def test_the_new_one_stays_though_the_clock_went_back(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    old = Path(backup_db(filled).path)
    future = old.with_name("glin-20990101T000000Z.db")
    old.rename(future)
    report = backup_db(filled, keep=1)
    assert report.pruned == (str(future),)
    assert [b.path for b in list_backups(archive_path)] == [report.path]


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_what_a_killed_process_left_is_removed(filled: sqlite_utils.Database) -> None:
    folder = Path(backup_db(filled).path).parent
    killed = subprocess.run([sys.executable, "-c", KILLED, folder], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    (left,) = folder.glob(".glin-*.tmp")
    others = [folder / ".glin-elsewhere-1-1.tmp", folder / ".glin-notes.tmp"]
    for other in others:
        other.write_text("not of this machine, or not of ours")
    with temporary_file(folder) as running:
        backup_db(filled)
        assert running.exists()
    assert not left.exists()
    assert all(other.exists() for other in others)


KILLED = """
import os, signal, sys
from pathlib import Path
from glin_datasette.storage.backups.temporary import temporary_file
with temporary_file(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_progress_is_told(filled: sqlite_utils.Database) -> None:
    told: list[tuple[int, int]] = []
    backup_db(filled, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 0


def test_a_copy_under_writes_is_of_one_moment(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    stop = threading.Event()

    def write() -> None:
        with get_db(archive_path) as other:
            n = 100
            while not stop.is_set():
                with other.atomic():
                    row = insert_conversation(other, Conversation(source="t", source_id=str(n)))
                    insert_message(other, row, Message(role="user", content="x" * 5000))
                n += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [backup_db(filled) for _ in range(5)]
    finally:
        stop.set()
        writer.join()
    assert all(r.conversations == r.messages for r in reports)
    assert check(filled, deep=True).status != "fail"


def test_a_folder_that_cannot_be_written(filled: sqlite_utils.Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match="another folder"):
        backup_db(filled, tmp_path / "file")


LIMITED = """
import resource, signal, sys
from glin_datasette.errors import GlinError
from glin_datasette.storage import backup_db, get_db
db = get_db(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
try:
    backup_db(db)
except GlinError as ex:
    sys.exit(f"told: {ex}")
"""


@pytest.mark.skipif(os.name == "nt", reason="file size limits are of POSIX")
def test_a_full_disk_leaves_the_old_backups_and_nothing_new(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    old = backup_db(filled).path
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, archive_path], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("told: ")
    assert len(done.stderr.splitlines()) == 1
    assert set(Path(old).parent.iterdir()) == {Path(old), manifest_path(Path(old))}
    assert verify_backup(old).verified


def test_a_backup_whose_manifest_cannot_be_written_is_none(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "stamp", lambda: "20260211T055333")
    in_the_way = archive_path.parent / "glin-backups" / "glin-20260211T055333Z.db.json"
    in_the_way.mkdir(parents=True)
    with pytest.raises(BackupError, match="glin-backups: cannot write a backup there"):
        backup_db(filled)
    assert list(in_the_way.parent.iterdir()) == [in_the_way]


def test_a_manifest_whose_backup_is_gone_goes_with_the_next_that_go(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path
) -> None:
    # As a kill between the two leaves it.
    for folder in (archive_path.with_name("glin-backups"), tmp_path / "elsewhere"):
        gone, stays = (Path(backup_db(filled, folder).path) for _ in range(2))
        gone.unlink()
        other = folder / "notes-20260211T055333Z.db.json"
        other.write_text("{}")
        made = Path(backup_db(filled, folder, keep=Keep(last=2)).path)
        left = {stays, manifest_path(stays), made, manifest_path(made), other}
        assert set(folder.iterdir()) == left


def test_a_damaged_archive_gets_no_backup(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    filled.execute("pragma foreign_keys = off")
    filled.execute("delete from conversations where id = 1")
    with pytest.raises(DamagedArchive, match=r"glin\.db: its copy does not verify.*check --deep"):
        backup_db(filled)
    assert list_backups(archive_path) == []
    assert list((archive_path.parent / "glin-backups").iterdir()) == []


def test_restoring_gives_back_every_row(archive_path: Path, filled: sqlite_utils.Database) -> None:
    backup = backup_db(filled)
    before = dump(archive_path)
    insert_conversation(filled, Conversation(source="t", source_id="later"))
    report = restore_db(archive_path, backup.path)
    assert dump(archive_path) == before
    # The one that was replaced is a backup of its own, and this connection sees the new one.
    assert report.previous is not None
    assert verify_backup(report.previous).conversations == 4
    assert filled.table("conversations").count == 3
    insert_conversation(filled, Conversation(source="t", source_id="after"))


def commits(archive: Path, name: str) -> bool:
    """Whether another connection can commit a conversation now."""
    with contextlib.closing(sqlite3.connect(archive, timeout=0)) as conn:
        try:
            conn.execute("insert into conversations (source, source_id) values ('late', ?)", [name])
            conn.commit()
        except sqlite3.OperationalError as ex:
            assert "locked" in str(ex)
            return False
        return True


def late_ones(*files: Path | str) -> set[str]:
    found: set[str] = set()
    for file in files:
        with contextlib.closing(sqlite3.connect(file)) as conn:
            sql = "select source_id from conversations where source = 'late'"
            found |= {name for (name,) in conn.execute(sql)}
    return found


@pytest.mark.parametrize("before", ["_copy", "inspect", "take_name", "write_manifest"])
def test_what_is_committed_before_a_restore_is_in_its_backup(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    wanted = backup_db(filled).path
    whole = getattr(making, before)
    done: list[bool] = []

    def committing(*arguments: Any, **named: Any) -> Any:
        made = whole(*arguments, **named)
        done.append(commits(archive_path, str(len(done))))
        return made

    monkeypatch.setattr(making, before, committing)
    previous = restore_db(archive_path, wanted).previous
    # While the second backup was made nobody could write, and the first one was removed.
    assert done == [True, False]
    assert previous is not None
    assert late_ones(previous) == {"0"}
    assert late_ones(archive_path) == set()
    assert {b.path for b in list_backups(archive_path)} == {previous, wanted}


def test_what_is_committed_at_the_last_moment_is_not_lost(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backup_db(filled).path
    whole = making.step_by_step
    done: list[bool] = []

    def committing(*arguments: Any) -> Any:
        # The backup of what is there is made and compared, and the copy about to begin.
        done.append(commits(archive_path, "last"))
        return whole(*arguments)

    monkeypatch.setattr(replacing, "step_by_step", committing)
    previous = restore_db(archive_path, wanted).previous
    assert done == [True]
    assert previous is not None
    assert late_ones(archive_path, previous) == {"last"}


WRITING = """
import sqlite3, sys, time
conn = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
n = 0
while True:
    n += 1
    conn.execute(
        "insert into conversations (source, source_id) values ('late', ?)", [str(n)]
    )
    print(n, flush=True)
    time.sleep(0.001 * (n % 40))
"""


def test_no_commit_of_another_process_is_lost_in_restores(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    wanted = backup_db(filled).path
    filled.close()
    with subprocess.Popen(
        [sys.executable, "-c", WRITING, archive_path], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            kept = [restore_db(archive_path, wanted).previous for _ in range(15)]
        finally:
            writer.kill()
            told = writer.stdout.read().split()
    assert len(told) > 15
    assert {"1", *told} <= late_ones(archive_path, *filter(None, kept))
    assert len(list_backups(archive_path)) == 16
    assert check_file(archive_path, deep=True).status != "fail"


@pytest.mark.parametrize("written", [False, True], ids=["alone", "written"])
def test_a_restore_that_fails_leaves_all_as_it_was(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch,
    written: bool,
) -> None:  # fmt: skip
    wanted = backup_db(filled).path
    insert_conversation(filled, Conversation(source="t", source_id="later"))
    monkeypatch.setattr(replacing, "PAGES_PER_STEP", 3)
    seen = []

    def stop(done: int, total: int) -> None:
        # The copy has begun, and others still see what was there.
        seen.append(filled.table("conversations").count)
        if done > total // 2:
            raise KeyboardInterrupt

    if written:
        whole = making.backup_db
        monkeypatch.setattr(
            replacing, "backup_db", lambda db: (whole(db), commits(archive_path, "late"))[0]
        )
    with pytest.raises(KeyboardInterrupt):
        restore_db(archive_path, wanted, progress=stop)
    assert set(seen) == {5 if written else 4}
    assert filled.table("conversations").count == seen[-1]
    assert [b.path for b in list_backups(archive_path)] == [wanted]
    assert len(list((archive_path.parent / "glin-backups").iterdir())) == 2
    assert commits(archive_path, "after")
    assert check(filled, deep=True).status != "fail"


def test_a_writer_that_never_ends_leaves_no_backup(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backup_db(filled).path
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 200)
    monkeypatch.setattr(making, "BUSY_TIMEOUT_MS", 200)
    filled.execute("begin immediate")
    with pytest.raises(ArchiveBusy, match=r"glin\.db: another process is writing"):
        restore_db(archive_path, wanted)
    filled.conn.rollback()
    assert [b.path for b in list_backups(archive_path)] == [wanted]


@pytest.mark.skipif(os.name == "nt", reason="this kind of locks is of POSIX")
@pytest.mark.parametrize("late", [False, True])
def test_restoring_where_there_can_be_no_wal(
    tmp_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    wanted = backup_db(filled).path
    whole = connection._uri
    monkeypatch.setattr(connection, "_uri", lambda *given: f"{whole(*given)}&vfs=unix-dotfile")
    path = tmp_path / "other" / "glin.db"
    with get_db(path) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("delete",)
        insert_conversation(db, Conversation(source="late", source_id="early"))
    if late:
        backup = making.backup_db

        def committing(db: sqlite_utils.Database) -> Any:
            made = backup(db)
            with get_db(path) as other:
                insert_conversation(other, Conversation(source="late", source_id="late"))
            return made

        monkeypatch.setattr(replacing, "backup_db", committing)
    report = restore_db(path, wanted)
    assert report.previous is not None
    assert late_ones(report.previous) == ({"early", "late"} if late else {"early"})
    assert dump(path) == dump(wanted)
    assert len(list_backups(path)) == (0 if late else 1)


def test_what_is_no_damage_sets_nothing_aside(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    wanted = Path(backup_db(filled).path)
    elsewhere = archive_path.parent / "kept.db"
    wanted.rename(elsewhere)
    # No backup of the present archive can be made now.
    folder = archive_path.parent / "glin-backups"
    manifest_path(wanted).unlink()
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(BackupError, match="cannot write a backup"):
        restore_db(archive_path, elsewhere)
    assert not list(archive_path.parent.glob("*.replaced-*"))
    assert filled.table("conversations").count == 3


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
def test_pages_of_another_size_are_restored(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path, there: bool
) -> None:
    for pragma in ("journal_mode = delete", "page_size = 1024"):
        filled.execute(f"pragma {pragma}")
    filled.execute("vacuum")
    backup, before = backup_db(filled).path, dump(archive_path)
    other = tmp_path / "other" / "glin.db"
    if there:
        get_db(other).close()
    restore_db(other, backup)
    assert dump(other) == before
    assert check_file(other, deep=True).status != "fail"
    assert not list(other.parent.glob(".glin-*"))


def test_what_is_set_aside_stays_though_the_clock_stands_still(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = backup_db(filled).path
    filled.close()
    monkeypatch.setattr(files, "stamp", lambda: "20260211T055333")
    aside = []
    for damage in (b"first", b"second"):
        archive_path.write_bytes(damage)
        aside.append(restore_db(archive_path, backup).previous)
    name = f"{archive_path}.replaced-20260211T055333"
    assert aside == [f"{name}Z", f"{name}.001Z"]
    assert [Path(each or "").read_bytes() for each in aside] == [b"first", b"second"]


def test_an_archive_of_a_newer_release_is_set_aside(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    wanted = backup_db(filled).path
    before = dump(archive_path)
    filled.table("_sqlite_migrations").insert(
        {"migration_set": "glin", "name": "0999_future", "applied_at": "2030"}
    )
    filled.conn.commit()
    report = restore_db(archive_path, wanted)
    assert report.previous is not None
    assert ".replaced-" in report.previous
    with sqlite_utils.Database(report.previous) as db:
        assert db.table("conversations").count == 3
        assert db.table("_sqlite_migrations").count == newest_version() + 1
    assert dump(archive_path) == before


def test_a_dry_run_changes_nothing(archive_path: Path, filled: sqlite_utils.Database) -> None:
    backup = backup_db(filled)
    insert_conversation(filled, Conversation(source="t", source_id="later"))
    report = restore_db(archive_path, backup.path, dry_run=True)
    assert (report.conversations, report.previous) == (3, None)
    assert filled.table("conversations").count == 4
    assert len(list_backups(archive_path)) == 1


def test_restoring_where_there_is_nothing_yet(
    filled: sqlite_utils.Database, archive_path: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new" / "glin.db"
    report = restore_db(new, backup_db(filled).path)
    assert report.previous is None
    assert dump(new) == dump(archive_path)


def test_restoring_over_a_damaged_archive_sets_it_aside(
    filled: sqlite_utils.Database, archive_path: Path, tmp_path: Path
) -> None:
    backup = backup_db(filled)
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"SQLite format 3\x00" + b"\xff" * 5000)
    report = restore_db(damaged, backup.path)
    assert not report.in_place
    assert report.previous is not None
    assert Path(report.previous).read_bytes().endswith(b"\xff" * 5000)
    assert dump(damaged) == dump(archive_path)


READING = """
import sqlite3, sys
conn = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for _ in sys.stdin:
    try:
        found = conn.execute("select count(*), max(title) from conversations").fetchone()
        print(*found, flush=True)
    except sqlite3.DatabaseError as ex:
        print("error", ex, flush=True)
"""


def _schema_is_garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


def _pages_are_garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 20)


def _is_cut_off(path: Path) -> None:
    os.truncate(path, 4096 * 3)


def _is_of_a_newer_release(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(
            "insert into _sqlite_migrations (migration_set, name, applied_at)"
            " values ('glin', '0999_future', '2030')"
        )


def _is_in_journal_mode(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as conn:
        assert conn.execute("pragma journal_mode = delete").fetchone() == ("delete",)
    _schema_is_garbage(path)


@pytest.mark.parametrize(
    "damage",
    [_schema_is_garbage, _pages_are_garbage, _is_cut_off, _is_of_a_newer_release,
     _is_in_journal_mode],
)  # fmt: skip
def test_who_has_a_damaged_archive_open_sees_what_is_restored(
    archive_path: Path, filled: sqlite_utils.Database, damage: Callable[[Path], None]
) -> None:
    wanted = backup_db(filled).path
    before = dump(archive_path)
    filled.close()
    damage(archive_path)
    held, inode = archive_path.read_bytes(), archive_path.stat().st_ino
    with subprocess.Popen(
        [sys.executable, "-c", READING, archive_path],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("now\n")
        reader.stdin.flush()
        first = reader.stdout.readline()
        report = restore_db(archive_path, wanted)
        told, _ = reader.communicate("again\n")
    assert first.startswith("3 " if damage is _is_of_a_newer_release else "error ")
    assert told == "3 No. 2\n"
    assert report.in_place
    assert archive_path.stat().st_ino == inode
    assert report.previous is not None
    assert Path(report.previous).read_bytes() == held
    assert re.search(r"glin\.db\.replaced-\d+T\d+Z$", report.previous)
    assert dump(archive_path) == before
    assert check_file(archive_path, deep=True).status != "fail"


def test_what_is_no_archive_is_replaced_only_by_force(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path
) -> None:
    good = backup_db(filled).path
    letter = tmp_path / "there" / "notes.txt"
    letter.parent.mkdir()
    letter.write_text("Dear diary, " * 1000)
    foreign = tmp_path / "foreign.db"
    with sqlite_utils.Database(foreign) as db:
        db.table("bills").insert({"id": 1})
    with get_db(letter.with_suffix(".db")) as db:
        backup_db(db)  # In notes-backups, but not of notes.txt.
    held = {file: file.read_bytes() for file in (letter, foreign)}
    for dry_run in (True, False):
        with pytest.raises(NotAnArchive, match=r"notes\.txt: not an SQLite database.*--force"):
            restore_db(letter, good, dry_run=dry_run)
        for force in (True, False):
            with pytest.raises(NotAnArchive, match=r"foreign\.db: a database, but not"):
                restore_db(foreign, good, dry_run=dry_run, force=force)
    assert {file: file.read_bytes() for file in held} == held
    assert len(list(letter.parent.iterdir())) == 3
    restore_db(letter, good, dry_run=True, force=True)
    assert letter.read_bytes() == held[letter]
    report = restore_db(letter, good, force=True)
    assert not report.in_place
    assert Path(report.previous or "").read_bytes() == held[letter]
    assert dump(letter) == dump(good)
    # An empty file is nothing that could be lost.
    empty = tmp_path / "empty.db"
    empty.touch()
    assert restore_db(empty, good).previous is None
    assert dump(empty) == dump(good)


@pytest.mark.parametrize("knows", ["backup", "beside", "replica"])
def test_an_archive_without_its_header_is_known_as_one(
    archive_path: Path, filled: sqlite_utils.Database, tmp_path: Path, knows: str
) -> None:
    path = tmp_path / "archive" / "glin.db"
    with get_db(path) as db:
        own = backup_db(db, tmp_path / "stick").path
        if knows == "beside":
            backup_db(db)
    if knows == "replica":
        path.with_name("glin.db-replica.json").write_text("{}")
    other = backup_db(filled).path
    path.write_bytes(b"\0" * 8192)
    report = restore_db(path, own if knows == "backup" else other)
    assert not report.in_place
    assert Path(report.previous or "").read_bytes() == b"\0" * 8192


def test_what_cannot_be_restored_is_refused_before_anything_changes(
    filled: sqlite_utils.Database, archive_path: Path, tmp_path: Path
) -> None:
    good = Path(backup_db(filled).path)
    cut, flipped, newer, empty = (tmp_path / n for n in ("cut.db", "flip.db", "new.db", "empty"))
    cut.write_bytes(good.read_bytes()[:20000])
    data = bytearray(good.read_bytes())
    data[4096 * 3 : 4096 * 4] = os.urandom(4096)
    flipped.write_bytes(data)
    foreign = tmp_path / "foreign.db"
    with sqlite_utils.Database(foreign) as db:
        db.table("bills").insert({"id": 1})
    newer.write_bytes(good.read_bytes())
    with sqlite_utils.Database(newer) as db:
        db.table("_sqlite_migrations").insert(
            {"migration_set": "glin", "name": "0999_future", "applied_at": "2030"}
        )
    empty.write_bytes(b"")
    before = dump(archive_path)
    for file, error in ((cut, GlinError), (flipped, GlinError), (newer, NewerArchive)):
        with pytest.raises(error, match=file.name):
            verify_backup(file)
        with pytest.raises(error, match=file.name):
            restore_db(archive_path, file)
    with pytest.raises(NotAnArchive, match=r"foreign\.db.*bills"):
        restore_db(foreign, good)
    with sqlite_utils.Database(foreign) as db:
        assert db.table("bills").count == 1
    with pytest.raises(BackupError, match="no archive"):
        restore_db(archive_path, empty)
    with pytest.raises(BackupError, match="itself"):
        restore_db(archive_path, archive_path)
    with pytest.raises(NotFound, match=r"none\.db: no such backup"):
        restore_db(archive_path, tmp_path / "none.db")
    assert dump(archive_path) == before
    assert len(list_backups(archive_path)) == 1


def test_a_database_in_memory_has_no_backup() -> None:
    with (
        sqlite_utils.Database(memory=True) as memory,
        pytest.raises(BackupError, match="in memory"),
    ):
        backup_db(memory)
