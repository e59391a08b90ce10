"""Recovery from real damage: whatever of a file is whole comes back."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemas
import sqlite_utils
from damage import FACTOR, filled, noise, torture, with_page, zeroed
from without_fts5 import ConnectionWithoutFts5

from glin_datasette.errors import ArchiveError, NotAnArchive, NotFound
from glin_datasette.models import RecoveryReport
from glin_datasette.search import search
from glin_datasette.storage import (
    backup_db,
    check_file,
    connection,
    get_db,
    newest_version,
    recover_db,
    restore_db,
)
from glin_datasette.storage.recovery.pages import Pages, Tree
from glin_datasette.storage.recovery.salvage import CUT

SIZE = 1024
TABLES = (
    "conversations", "messages", "tags", "message_refs", "conversation_tags", "message_tags",
    "import_files", "deleted_conversations", "attachments", "message_attachments",
)  # fmt: skip

Rows = dict[str, dict[Any, dict[str, Any]]]


def rows(path: Path) -> Rows:
    """Each table's rows by what tells them apart."""
    with closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        return {
            table: {key(table, row): dict(row) for row in conn.execute(f"select * from {table}")}
            for table in TABLES
        }


def key(table: str, row: Any) -> Any:
    return row["id"] if table in ("conversations", "messages", "tags") else tuple(row)[:2]


@dataclass(frozen=True)
class Whole:
    """A sound archive and where its rows are."""

    path: Path
    data: bytes
    rows: Rows
    #: The pages of each table that hold rows, and which.
    leaves: dict[str, dict[int, set[Any]]]
    #: Pages that are of a b-tree, and those of tables that lead to others.
    trees: set[int]
    interior: set[int]

    @property
    def pages(self) -> range:
        return range(1, len(self.data) // SIZE + 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    path = filled(tmp_path_factory.mktemp("whole") / "glin.db", page_size=SIZE)
    held = rows(path)
    leaves: dict[str, dict[int, set[Any]]] = {}
    with closing(sqlite3.connect(path)) as conn, closing(Pages(path)) as pages:
        roots = dict(conn.execute("select name, rootpage from sqlite_master where type = 'table'"))
        for table in TABLES:
            by_rowid = {
                row["row_id"]: key(table, dict(list(dict(row).items())[1:]))
                if table in ("conversations", "messages", "tags")
                else tuple(row)[1:3]
                for row in _with_rowid(conn, table)
            }
            leaves[table] = {
                page: {by_rowid[row.rowid] for row in pages.rows(page, Tree())}
                for page in pages.walk(roots[table], Tree())
            }
            assert set().union(*leaves[table].values()) == set(held[table]), table
            assert len(leaves[table]) > 1, "a tree of one page is no test"
        kinds = {page: pages.kind(page) for page in range(1, pages.count + 1)}
    trees = {page for page, kind in kinds.items() if kind}
    interior = {page for page, kind in kinds.items() if kind == 0x05}
    return Whole(path, path.read_bytes(), held, leaves, trees, interior)


def _with_rowid(conn: sqlite3.Connection, table: str) -> list[sqlite3.Row]:
    conn.row_factory = sqlite3.Row
    found = conn.execute(f"select rowid as row_id, * from {table}").fetchall()
    conn.row_factory = None
    return found


def recovered(tmp_path: Path, data: bytes) -> tuple[RecoveryReport, Rows]:
    """Recover a file with these bytes; what came out is sound, and the file as it was."""
    for old in tmp_path.glob("damaged*"):
        old.unlink()
    path = tmp_path / "damaged.db"
    path.write_bytes(data)
    report = recover_db(path)
    assert path.read_bytes() == data
    assert sorted(f.name for f in tmp_path.glob("damaged*")) == [
        "damaged-recovered.db",
        "damaged.db",
    ]
    assert {c.name: c.detail for c in report.health.checks if c.status != "ok"}.keys() == {"backup"}
    return report, rows(Path(report.path))


def assert_untouched_rows_are_there(whole: Whole, found: Rows, destroyed: set[int]) -> None:
    for table, leaves in whole.leaves.items():
        for page, keys in leaves.items():
            if page in destroyed:
                continue
            for each in keys:
                if each not in found[table]:
                    assert hangs_on_what_is_lost(table, whole.rows[table][each], found), (
                        table,
                        page,
                        each,
                    )
                else:
                    assert_same(
                        whole.rows[table][each], found[table][each], table, destroyed, whole
                    )


def hangs_on_what_is_lost(table: str, row: dict[str, Any], found: Rows) -> bool:
    """Whether a row says nothing without another one, or is of bytes that are gone."""
    if table == "attachments":
        return bool(row["size"] > SIZE // 2)
    parents = {"message_id": "messages", "conversation_id": "conversations", "tag_id": "tags",
               "sha256": "attachments"}  # fmt: skip
    return table != "messages" and any(
        row[column] not in {k[0] if isinstance(k, tuple) else k for k in found[parent]}
        for column, parent in parents.items()
        if column in row
    )


def assert_same(
    before: dict[str, Any], after: dict[str, Any], table: str, destroyed: set[int], whole: Whole
) -> None:
    if before == after:
        return
    different = {name for name in before if before[name] != after[name]}
    if different == {"parent_id"}:
        assert after["parent_id"] is None
        return
    # Of a value of several pages one may be destroyed, and then it says so.
    assert not destroyed <= whole.trees, (table, before, after)
    if table == "messages":
        assert different <= {"content", "parts"}
        assert after["content"].endswith(CUT)
        assert before["content"].startswith(after["content"].partition("\ufffd")[0][: -len(CUT)])
    else:
        assert table in ("conversations", "import_files")


def test_a_sound_archive_is_copied(whole: Whole, tmp_path: Path) -> None:
    report, found = recovered(tmp_path, whole.data)
    assert report.complete
    assert found == whole.rows
    assert (report.unreadable, report.notes, report.placeholders) == ((), (), 0)
    assert (report.pages, report.page_size) == (len(whole.pages), SIZE)
    assert all(t.lost == t.cut == 0 and t.salvaged for t in report.tables)
    with get_db(whole.path) as before, get_db(report.path) as after:
        assert schemas.shape(before) == schemas.shape(after)
        for words in ("number77", "cafe", "name", "数据", "tag:missing", "lighthouse tide"):
            asked = [search(db, words, limit=50) for db in (before, after)]
            assert asked[0].hits == asked[1].hits
            assert asked[0].total == asked[1].total


@torture
@pytest.mark.parametrize("make", [zeroed, noise])
def test_every_page_in_turn_destroyed(
    make: Callable[[int], bytes], whole: Whole, tmp_path: Path
) -> None:
    """Whichever page is lost, the rows of all others come back, and what is lost is told."""
    of_tables = {page for leaves in whole.leaves.values() for page in leaves}
    for number in whole.pages if FACTOR else sorted({*whole.pages[::31], *whole.interior}):
        report, found = recovered(tmp_path, with_page(whole.data, number, SIZE, make))
        assert_untouched_rows_are_there(whole, found, {number})
        lost = {
            table: len(whole.rows[table]) - len(found[table].keys() & whole.rows[table].keys())
            for table in TABLES
        }
        if report.complete:
            assert not any(lost.values()), number
            same = {t: {k: dict(v, parts=None) for k, v in found[t].items()} for t in ("messages",)}
            assert same["messages"] == {
                k: dict(v, parts=None) for k, v in whole.rows["messages"].items()
            }, number
        if number in of_tables:
            assert not report.complete or not any(lost.values()), number
            told = {t.table: t.lost for t in report.tables}
            (table,) = (t for t in TABLES if number in whole.leaves[t])
            if table in ("messages", "import_files", "attachments"):
                # Of the other tables an index has the rows.
                assert told[table] == len(whole.leaves[table][number]) == lost[table], number
                assert (number, number) in report.unreadable or number in {
                    n for a, b in report.unreadable for n in range(a, b + 1)
                }


def test_the_placeholder_of_a_lost_conversation_keeps_what_an_index_tells(
    whole: Whole, tmp_path: Path
) -> None:
    number, keys = next(iter(whole.leaves["conversations"].items()))
    report, found = recovered(tmp_path, with_page(whole.data, number, SIZE, zeroed))
    assert report.placeholders == len(keys)
    assert set(found["messages"]) == set(whole.rows["messages"]), "no message is lost"
    for each in keys:
        row = found["conversations"][each]
        before = whole.rows["conversations"][each]
        assert (row["source"], row["source_id"]) == (before["source"], before["source_id"])
        assert row["title"] == f"Recovered conversation {each}"
        assert row["started_at"] <= row["ended_at"]
    assert not report.complete
    assert {t.table: t.lost for t in report.tables}["conversations"] == len(keys)


@torture
def test_several_pages_destroyed_at_once(whole: Whole, tmp_path: Path) -> None:
    numbers = random.Random(5)
    for _ in range(3 * (FACTOR or 1)):
        destroyed = set(numbers.sample(whole.pages, len(whole.pages) // 4))
        data = whole.data
        for number in destroyed:
            data = with_page(data, number, SIZE, numbers.choice([zeroed, noise]))
        report, found = recovered(tmp_path, data)
        assert_untouched_rows_are_there(whole, found, destroyed)
        assert not report.complete


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2])
def test_a_file_that_was_cut_off(share: float, whole: Whole, tmp_path: Path) -> None:
    end = int(len(whole.data) * share)
    report, found = recovered(tmp_path, whole.data[:end])
    destroyed = {number for number in whole.pages if number * SIZE > end}
    assert_untouched_rows_are_there(whole, found, destroyed)
    assert not report.complete
    assert report.unreadable


@pytest.mark.parametrize("length", [16, 100])
def test_a_destroyed_header(length: int, whole: Whole, tmp_path: Path) -> None:
    report, found = recovered(tmp_path, b"\xff" * length + whole.data[length:])
    assert found == whole.rows
    assert report.page_size == SIZE
    assert report.complete


def test_a_destroyed_first_page_and_interior_pages(whole: Whole, tmp_path: Path) -> None:
    data = whole.data
    for number in {1, *whole.interior}:
        data = with_page(data, number, SIZE, noise)
    report, found = recovered(tmp_path, data)
    assert found == whole.rows
    assert not report.complete, "who knows what else there was"
    assert "schema is damaged" in report.notes[0]
    # What is left of the schema tells the indexes, and they tell the rows.
    assert {table.lost for table in report.tables} == {0}


def test_a_schema_of_which_nothing_is_left(whole: Whole, tmp_path: Path) -> None:
    data, destroyed = whole.data, {1}
    for number in whole.pages:
        if b"CREATE " in data[(number - 1) * SIZE : number * SIZE]:
            destroyed.add(number)
    for number in destroyed:
        data = with_page(data, number, SIZE, zeroed)
    report, found = recovered(tmp_path, data)
    # Tags of conversations and of messages are told apart by what they are numbers of.
    assert found == whole.rows
    assert {table.lost for table in report.tables} == {None}
    assert not report.complete


def test_a_wrong_page_size_in_the_header(whole: Whole, tmp_path: Path) -> None:
    report, found = recovered(tmp_path, whole.data[:16] + b"\x10\x00" + whole.data[18:])
    assert (found, report.page_size) == (whole.rows, SIZE)


def with_wal(tmp_path: Path) -> tuple[Path, bytes, bytes]:
    """An archive of which all but the beginning is in the WAL."""
    path = tmp_path / "live.db"
    filled(path, messages=40)
    with connection.connect(path) as db:
        db.execute("pragma wal_autocheckpoint = 0")
        for n in range(30):
            db.execute(
                "insert into messages (conversation_id, position, role, kind, content)"
                " values (1, ?, 'user', 'text', ?)",
                [n, f"only in the WAL {n} " * 30],
            )
        wal = path.with_name("live.db-wal").read_bytes()
        return path, path.read_bytes(), wal


def in_wal(found: Rows) -> int:
    return sum("only in the WAL" in row["content"] for row in found["messages"].values())


def test_what_only_the_wal_holds(tmp_path: Path) -> None:
    path, data, wal = with_wal(tmp_path)
    shutil.rmtree(path.parent / "live-backups", ignore_errors=True)
    source = tmp_path / "crashed.db"

    def found_with(wal: bytes | None) -> tuple[RecoveryReport, int]:
        for old in tmp_path.glob("crashed*"):
            old.unlink()
        source.write_bytes(data)
        if wal is not None:
            source.with_name("crashed.db-wal").write_bytes(wal)
        report = recover_db(source)
        assert source.read_bytes() == data
        assert wal is None or source.with_name("crashed.db-wal").read_bytes() == wal
        assert report.health.status != "fail"
        return report, in_wal(rows(Path(report.path)))

    report, found = found_with(wal)
    assert (report.complete, found) == (True, 30)
    # Without it the last commit that was written back is what there is.
    report, found = found_with(None)
    assert (report.complete, found) == (True, 0)
    # A transaction that was not finished is none.
    report, found = found_with(wal[:-100])
    assert (report.complete, found) == (True, 29)
    # SQLite itself gives up at the first damaged frame.
    frame = 32 + 24 + SIZE
    middle = 32 + (len(wal) // frame // 2) * (24 + SIZE)
    broken = wal[:middle] + b"\xff" * 200 + wal[middle + 200 :]
    report, found = found_with(broken)
    assert not report.complete
    assert "pages of the WAL" in " ".join(report.notes)
    assert found >= 28
    report, found = found_with(noise(len(wal)))
    assert (report.complete, found) == (False, 0)


@pytest.mark.parametrize("number", schemas.versions())
def test_an_older_archive(number: int, tmp_path: Path) -> None:
    source = schemas.make(tmp_path / "old.db", number)
    with sqlite_utils.Database(source) as db:
        before = schemas.rows(db)
    report = recover_db(source)
    assert report.complete, report
    with get_db(report.path) as db:
        after = schemas.rows(db)
        assert search(db, "name").total == 1
    for table, held in before.items():
        if table != "_sqlite_migrations":
            assert [dict(row, parts=None) for row in after[table]] == [
                {**after[table][0], **row, "parts": None} for row in held
            ]


def test_a_deleted_message_does_not_come_back(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "deleted.db"
    path.write_bytes(whole.data)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma foreign_keys = on")
        conn.execute("pragma secure_delete = off")
        conn.execute("delete from conversations where id < 20")
        conn.commit()
        conn.execute("pragma wal_checkpoint(truncate)")
        (root,) = conn.execute("select rootpage from sqlite_master where name = 'messages'")
        left = {row[0] for row in conn.execute("select id from messages")}
    data = with_page(path.read_bytes(), root[0], SIZE, zeroed)
    _, found = recovered(tmp_path, data)
    assert set(found["messages"]) == left


def test_it_can_be_put_in_the_place_of_the_archive(whole: Whole, tmp_path: Path) -> None:
    number = next(iter(whole.leaves["tags"]))
    path = tmp_path / "glin.db"
    path.write_bytes(with_page(whole.data, number, SIZE, zeroed))
    assert check_file(path, deep=True).status == "fail"
    report = recover_db(path)
    restored = restore_db(path, report.path)
    assert restored.previous is not None
    assert check_file(path, deep=True).status != "fail"
    assert rows(path) == whole.rows, "an index has all of the tags"


def test_a_compressed_backup(whole: Whole, tmp_path: Path) -> None:
    with get_db(whole.path) as db:
        backup = backup_db(db, tmp_path / "kept", compress=True)
    report = recover_db(backup.path, tmp_path / "new.db")
    assert report.complete
    assert rows(tmp_path / "new.db") == whole.rows


def test_without_fts5(whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        ConnectionWithoutFts5(":memory:").close()
    except OSError as ex:
        pytest.skip(str(ex))
    plain = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *args, **kwargs: plain(
            *args, **{**kwargs, "factory": ConnectionWithoutFts5}
        ))  # fmt: skip
        report = recover_db(whole.path, tmp_path / "new.db")
    assert report.complete
    assert rows(tmp_path / "new.db") == whole.rows
    with get_db(tmp_path / "new.db") as db:
        assert search(db, "number77").total == 1


@pytest.mark.parametrize(
    "data", [b"", b"text", bytes(50_000), noise(50_000), b"SQLite format 3\0" + noise(9000)]
)
def test_what_holds_nothing_of_an_archive(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    file.write_bytes(data)
    with pytest.raises(NotAnArchive, match=r"x\.db") as caught:
        recover_db(file)
    assert "\n" not in str(caught.value)
    assert [f.name for f in tmp_path.iterdir()] == ["x.db"]


def test_somebody_elses_database(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    with closing(sqlite3.connect(file)) as conn:
        conn.execute("create table tags (id integer primary key, name text)")
        conn.execute("insert into tags values (1, 'x')")
        conn.commit()
    with pytest.raises(NotAnArchive):
        recover_db(file)
    assert [f.name for f in tmp_path.iterdir()] == ["x.db"]


def test_where_it_cannot_be_written(whole: Whole, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        recover_db(tmp_path / "none.db")
    (tmp_path / "there.db").write_text("x")
    with pytest.raises(ArchiveError, match="there already"):
        recover_db(whole.path, tmp_path / "there.db")
    with pytest.raises(ArchiveError, match="--to"):
        recover_db(whole.path, tmp_path / "there.db" / "new.db")
    assert (tmp_path / "there.db").read_text() == "x"
    assert [f.name for f in tmp_path.iterdir()] == ["there.db"]


def test_progress_is_told(whole: Whole, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    recover_db(whole.path, tmp_path / "new.db", progress=lambda *done: told.append(done))
    assert told
    assert all(done <= total == len(whole.pages) for done, total in told)
    assert newest_version() >= 3
