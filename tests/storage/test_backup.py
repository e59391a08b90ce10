"""Backups: whole, verified, pruned only when it is safe, and restored row for row."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

from glin_datasette.errors import BackupError, GlinError, NewerArchive, NotFound
from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.storage import (
    backup,
    backup_db,
    check,
    get_db,
    insert_conversation,
    insert_message,
    list_backups,
    restore_db,
    verify_backup,
)


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
    assert (report.conversations, report.messages, report.schema_version) == (3, 3, 3)
    assert report.verified
    assert report.size == Path(report.path).stat().st_size
    assert dump(report.path) == dump(archive_path)
    folder = archive_path.parent / "glin-backups"
    assert [str(f) for f in folder.iterdir()] == [report.path], "nothing else is left there"
    if os.name != "nt":
        assert stat.S_IMODE(Path(report.path).stat().st_mode) == 0o600


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
    others = [folder / "notes.txt", folder / "other-20200101T000000Z.db", folder / "glin-old.db"]
    for other in others:
        other.write_text("not ours")
    report = backup_db(filled, folder, keep=2)
    assert report.pruned == (first,)
    assert sorted(folder.iterdir()) == sorted([*others, Path(second), Path(report.path)])
    with pytest.raises(BackupError, match="at least 1"):
        backup_db(filled, folder, keep=0)


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
    assert [str(f) for f in Path(old).parent.iterdir()] == [old]
    assert verify_backup(old).verified


def test_a_damaged_archive_gets_no_backup(
    archive_path: Path, filled: sqlite_utils.Database
) -> None:
    filled.execute("pragma foreign_keys = off")
    filled.execute("delete from conversations where id = 1")
    with pytest.raises(BackupError, match=r"glin\.db: its copy does not verify.*check --deep"):
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


def test_what_is_committed_before_a_restore_is_in_its_backup(
    archive_path: Path, filled: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = backup_db(filled).path
    whole = backup._copy
    late = ["1", "2"]

    def copy_then_write(*arguments: Any) -> None:
        whole(*arguments)
        if late:
            insert_conversation(filled, Conversation(source="late", source_id=late.pop()))

    monkeypatch.setattr(backup, "_copy", copy_then_write)
    previous = restore_db(archive_path, wanted).previous
    assert previous is not None
    assert verify_backup(previous).conversations == 5
    late[:] = [str(n) for n in range(100)]
    with pytest.raises(BackupError, match="keeps writing"):
        restore_db(archive_path, wanted)
    assert filled.table("conversations").count > 3, "nothing was replaced"


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
    assert report.previous is not None
    assert Path(report.previous).read_bytes().endswith(b"\xff" * 5000)
    assert dump(damaged) == dump(archive_path)


def test_what_cannot_be_restored_is_refused_before_anything_changes(
    filled: sqlite_utils.Database, archive_path: Path, tmp_path: Path
) -> None:
    good = Path(backup_db(filled).path)
    cut, flipped, newer, empty = (tmp_path / n for n in ("cut.db", "flip.db", "new.db", "empty"))
    cut.write_bytes(good.read_bytes()[:20000])
    data = bytearray(good.read_bytes())
    data[4096 * 3 : 4096 * 4] = os.urandom(4096)
    flipped.write_bytes(data)
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
