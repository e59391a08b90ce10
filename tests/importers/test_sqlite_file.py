"""Reading other tools' databases: nothing but what is asked for, nothing changed, and
whatever state they are in."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.importers import sqlite_file, unchanged
from glin_datasette.importers.jsonl import BadLine
from glin_datasette.importers.places import SQLITE_SIDECARS
from glin_datasette.importers.sqlite_file import (
    Unreadable,
    columns,
    is_database,
    json_value,
    let_writers_in,
    reading,
    select,
    table_names,
)

SECRET = "the password"


def make(path: Path, *, wal: bool = False, rows: int = 3) -> Path:
    """A database with a table for everybody and one for nobody."""
    with closing(sqlite3.connect(path)) as conn:
        if wal:
            conn.execute("pragma journal_mode = wal")
        conn.execute("create table said (id integer primary key, text)")
        conn.execute("create table secrets (value)")
        conn.execute("create view shown as select value from secrets")
        conn.executemany("insert into said (text) values (?)", [[f"row {i}"] for i in range(rows)])
        conn.execute("insert into secrets values (?)", [SECRET])
        conn.commit()
    return path


@contextmanager
def being_written(path: Path, *, wal: bool) -> Iterator[sqlite3.Connection]:
    """A database that another program has open, with something in its log."""
    make(path, wal=wal)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("insert into said (text) values ('in the log')")
        yield writer


def texts(conn: sqlite3.Connection) -> list[str]:
    return [text for (text,) in conn.execute("select text from said order by id")]


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes. (``-shm`` holds the locks of those who read.)"""
    return {
        path.name: None if path.name.endswith("-shm") else path.read_bytes()
        for path in folder.iterdir()
    }


def left_by_a_crash(path: Path, *endings: str) -> Path:
    """The files of a database that is open, as they would be after a power cut."""
    with tempfile.TemporaryDirectory() as place:
        live = Path(place, "live.db")
        with being_written(live, wal=True) as writer:
            assert writer.execute("pragma journal_mode").fetchone() == ("wal",)
            for ending in ("", *endings):
                shutil.copyfile(f"{live}{ending}", f"{path}{ending}")
    return path


# --- what it may read --------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "select * from secrets",
        "select count(*) from secrets",
        "select value from shown",
        "select text from said union select value from secrets",
        "select (select value from secrets), text from said",
        "insert into said (text) values ('x')",
        "update said set text = ''",
        "delete from said",
        "drop table said",
        "create table more (x)",
        "create temp table more (x)",
        "attach ':memory:' as other",
        "pragma journal_mode = delete",
        "pragma user_version = 7",
        "pragma table_list",
        "vacuum",
        "analyze",
    ],
)
def test_refuses_anything_else(statement: str, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    before = snapshot(tmp_path)
    with reading(path, {"said"}) as conn:
        with pytest.raises(sqlite3.Error):
            conn.execute(statement).fetchall()
        assert texts(conn) == ["row 0", "row 1", "row 2"]
    assert snapshot(tmp_path) == before


def test_a_table_is_not_opened_by_a_view_that_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("create table secrets (value)")
        conn.execute("insert into secrets values (?)", [SECRET])
        conn.execute("create view said as select value as text, 1 as id from secrets")
    with pytest.raises(Unreadable), reading(path, {"said"}) as conn:
        texts(conn)


def test_columns_and_tables(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    assert table_names(path) == {"said", "secrets", "shown"}
    with reading(path, {"said"}) as conn:
        assert columns(conn, "said") == {"id", "text"}
        assert columns(conn, "none") == set()
        assert columns(conn, 'qu"oted') == set()


# --- nothing changes ---------------------------------------------------------------------


@pytest.mark.parametrize("wal", [False, True])
def test_leaves_the_folder_as_it_is(wal: bool, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", wal=wal)
    before = snapshot(tmp_path)
    with reading(path, {"said"}) as conn:
        assert len(texts(conn)) == 3
        assert snapshot(tmp_path) == before
    assert snapshot(tmp_path) == before == {"a.db": path.read_bytes()}


@pytest.mark.parametrize("wal", [False, True])
def test_leaves_a_database_that_is_open_as_it_is(wal: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with being_written(path, wal=wal):
        before = snapshot(tmp_path)
        with reading(path, {"said"}) as conn:
            assert texts(conn)[-1] == "in the log"
        assert snapshot(tmp_path) == before


@pytest.mark.parametrize("endings", [("-wal",), ("-wal", "-shm")])
def test_reads_the_log_that_a_crash_left(endings: tuple[str, ...], tmp_path: Path) -> None:
    path = left_by_a_crash(tmp_path / "a.db", *endings)
    before = snapshot(tmp_path)
    assert "a.db-wal" in before
    with reading(path, {"said"}) as conn:
        assert texts(conn)[-1] == "in the log"
    assert snapshot(tmp_path) == before


def test_an_empty_log_is_none(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", wal=True)
    (tmp_path / "a.db-wal").touch()
    with reading(path, {"said"}) as conn:
        assert len(texts(conn)) == 3
    assert snapshot(tmp_path).keys() == {"a.db", "a.db-wal"}


@contextmanager
def without_rights() -> Iterator[None]:
    """As somebody whom file permissions concern: nobody is kept out who is root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
@pytest.mark.parametrize("kind", ["plain", "wal", "crash"])
def test_a_folder_that_cannot_be_written(kind: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "folder")
        folder.mkdir()
        path = folder / "a.db"
        if kind == "crash":
            left_by_a_crash(path, "-wal")
        else:
            make(path, wal=kind == "wal")
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        Path(place).chmod(0o755)
        try:
            with without_rights():
                with pytest.raises(PermissionError):
                    (folder / "new").touch()
                with reading(path, {"said"}) as conn:
                    assert texts(conn)[0] == "row 0"
        finally:
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has other permissions")
def test_a_file_that_cannot_be_read_is_an_os_error() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        path = make(Path(place, "a.db"))
        path.chmod(0)
        with without_rights(), pytest.raises(PermissionError), reading(path, {"said"}):
            pass


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), reading(tmp_path / "none.db", {"said"}):
        pass
    assert not list(tmp_path.iterdir())
    assert table_names(tmp_path / "none.db") == frozenset()
    assert table_names(tmp_path) == frozenset()
    assert table_names(Path("nul\0byte")) == frozenset()


# --- while it is written -----------------------------------------------------------------


def test_reads_one_moment_of_a_log_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with being_written(path, wal=True) as writer, reading(path, {"said"}) as conn:
        first = texts(conn)
        writer.execute("insert into said (text) values ('later')")
        writer.execute("delete from said where id = 1")
        assert texts(conn) == first
        let_writers_in(conn)
        assert texts(conn) == [*first[1:], "later"]


def test_lets_writers_in_where_there_is_no_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with being_written(path, wal=False) as writer, reading(path, {"said"}) as conn:
        writer.execute("pragma busy_timeout = 0")
        assert texts(conn)[-1] == "in the log"
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            writer.execute("insert into said (text) values ('later')")
        let_writers_in(conn)
        writer.execute("insert into said (text) values ('later')")
        assert texts(conn)[-1] == "later"


def test_another_process_that_writes(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", wal=True)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"insert into said (text) values ('from elsewhere')\")\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        with reading(path, {"said"}) as conn:
            assert texts(conn)[-1] == "from elsewhere"
        process.communicate()


def test_a_locked_database_is_unreadable_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.05)
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        with pytest.raises(Unreadable, match="locked") as caught, reading(path, {"said"}) as conn:
            texts(conn)
        assert caught.value.locked
        # What it is can be told all the same.
        assert table_names(path) == {"said", "secrets"}
        writer.execute("commit")
    with reading(path, {"said"}) as conn:
        assert len(texts(conn)) == 3


# --- damage ------------------------------------------------------------------------------


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for raw, says in ((b"", "empty"), (b"PK\x03\x04" * 99, "no SQLite"), (b"SQLite", "no SQLite")):
        path.write_bytes(raw)
        with pytest.raises(Unreadable, match=says) as caught, reading(path, {"said"}):
            pass
        assert not caught.value.locked
        assert table_names(path) == frozenset()


@pytest.mark.parametrize("size", [16, 100, 512, 4096, 4097, 20_000])
def test_a_truncated_database(size: int, tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", rows=5000)
    assert path.stat().st_size > 2 * size
    os.truncate(path, size)
    with pytest.raises(Unreadable) as caught, reading(path, {"said"}) as conn:
        texts(conn)
    assert not caught.value.locked


def test_a_damaged_page_costs_what_stands_on_it(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db", rows=5000)
    raw = bytearray(path.read_bytes())
    raw[20_000:29_000] = b"\xff" * 9000
    path.write_bytes(raw)
    with reading(path, {"said"}) as conn:
        with pytest.raises(Unreadable, match="malformed"):
            select(conn, "select text from said")
        assert select(conn, "select text from said where id = ?", [5000]) == [("row 4999",)]


def test_a_damaged_schema_with_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    # SQLite names the table in its message, which the module cannot decode.
    raw = path.read_bytes().replace(b"tablesaidsaid", b"tables\x8eidsaid")
    path.write_bytes(re.sub(rb"(?i)create table", b"crxate table", raw))
    with pytest.raises(Unreadable), reading(path, {"said"}) as conn:
        columns(conn, "said")


def test_a_value_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "MAX_VALUE", 10_000)
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("update said set text = ? where id = 2", ["x" * 10_001])
    with reading(path, {"said"}) as conn:
        with pytest.raises(Unreadable, match="too big"):
            select(conn, "select text from said where id = 2")
        assert select(conn, "select text from said where id = 3") == [("row 2",)]


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db")
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("update said set text = cast(x'61ff62' as text) where id = 1")
    with reading(path, {"said"}) as conn:
        assert texts(conn)[0] == "a\ufffdb"


@given(st.binary(max_size=40), st.integers(0, 40))
def test_the_beginning_of_a_database(raw: bytes, cut: int) -> None:
    header = b"SQLite format 3\0"
    assert is_database(header + raw)
    assert is_database((header + raw)[:cut]) == (cut > 0)
    assert not is_database(b"x" + raw)
    assert is_database(raw) == ((header.startswith(raw) and bool(raw)) or raw.startswith(header))


# --- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a b.db", "a?mode=rwc.db", "a#b.db", "100%.db", "ä&=;'\".db", "%41.db", "-wal"]
)
def test_names_with_characters_that_mean_something(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "f?o#%20"
    folder.mkdir()
    path = make(folder / name)
    with reading(path, {"said"}) as conn:
        assert len(texts(conn)) == 3
    assert [each.name for each in folder.iterdir()] == [name]


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="only Linux has such names")
def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    path = make(tmp_path / "a.db").rename(tmp_path / os.fsdecode(b"a\xff.db"))
    with reading(path, {"said"}) as conn:
        assert len(texts(conn)) == 3


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.db")
    monkeypatch.chdir(tmp_path)
    with reading(Path("a.db"), {"said"}) as conn:
        assert len(texts(conn)) == 3


# --- the rest ----------------------------------------------------------------------------


def test_json_in_either_form() -> None:
    assert json_value('{"a": "é"}') == json_value('{"a": "é"}'.encode()) == {"a": "é"}
    for damaged in (None, 7, 1.5, "", "{", b"\xff", "[" * 100_000, '"\ud800'):
        with pytest.raises(BadLine):
            json_value(damaged)


def test_the_log_is_a_part_of_the_file() -> None:
    assert SQLITE_SIDECARS == ("-wal",)


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=3), max_size=30), st.data())
def test_unchanged(marks: dict[str, str], data: st.DataObject) -> None:
    before = unchanged.note(marks)
    assert unchanged.unchanged(marks, before) == marks.keys()
    now = dict(marks)
    for name in data.draw(st.lists(st.text(max_size=5), max_size=3)):
        if data.draw(st.booleans()):
            now.pop(name, None)
        else:
            now[name] = data.draw(st.text(max_size=3))
    # Never one that changed or is new.
    assert all(marks.get(name) == now[name] for name in unchanged.unchanged(now, before))


def test_the_note_is_bounded() -> None:
    many = {f"conversation {i}": f"{i}" for i in range(20_000)}
    before = unchanged.note(many)
    assert len(str(before)) < 10_000
    many["conversation 7"] = "grown"
    assert len(many) - len(unchanged.unchanged(many, before)) < 200
    strange: object
    for strange in (None, [], "x", 7, {"00": 7}):
        assert not unchanged.unchanged({"a": "b"}, strange)
