"""opencode: its JSON files and its database, and that they are one archive."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from transcripts import lay_out, messages, read, transcripts

from glin_datasette.importers.base import Checkpoint, Moved, Said, Skipped, Usage
from glin_datasette.importers.opencode import OpencodeDatabase, OpencodeStorage
from glin_datasette.ingest import import_paths
from glin_datasette.ingest.finding import find_transcripts
from glin_datasette.ingest.tally import Tally

STORAGE, DATABASE = OpencodeStorage(), OpencodeDatabase()
TIDES = "ses_40dd1c9aeffeAdaHarborTides1"
REVERTED = f"{TIDES}/branch-msg_bf22e4000010AdaHarborMsg0010"


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return lay_out("opencode", tmp_path) / "opencode" / "storage"


@pytest.fixture
def tides(storage: Path) -> Path:
    return next(storage.glob(f"session/*/{TIDES}.json"))


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return lay_out("opencode-db", tmp_path) / "opencode" / "opencode.db"


def change(path: Path, **facts: Any) -> None:
    document = json.loads(path.read_text())
    document.update(facts)
    path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))


def owners(db: sqlite_utils.Database) -> dict[str, str]:
    """Message -> the conversation that has it."""
    return dict(
        db.execute(
            "select m.source_id, c.source_id from messages m"
            " join conversations c on c.id = m.conversation_id"
        ).fetchall()
    )


# --- finding ---------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("OPENCODE_DB", raising=False)
    data = tmp_path / ".local" / "share" / "opencode"
    assert STORAGE.places() == [data / "storage" / "session", data / "project"]
    assert DATABASE.places() == [data]
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert DATABASE.places() == [tmp_path / "xdg" / "opencode"]
    assert STORAGE.places()[1] == tmp_path / "xdg" / "opencode" / "project"


def test_a_database_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("OPENCODE_DB", str(tmp_path / "mine" / "work.sqlite"))
    assert DATABASE.places() == [tmp_path / "opencode", tmp_path / "mine"]
    assert DATABASE.matches(tmp_path / "mine" / "work.sqlite")
    assert not DATABASE.matches(tmp_path / "other" / "work.sqlite")
    monkeypatch.setenv("OPENCODE_DB", ":memory:")
    assert DATABASE.places() == [tmp_path / "opencode"]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("storage/session/4b0e/ses_1.json", True),
        ("project/x/storage/session/info/ses_1.json", True),
        ("project/x/storage/session/share/ses_1.json", False),
        ("storage/session_share/ses_1.json", False),
        ("storage/message/ses_1/msg_1.json", False),
        ("storage/session/4b0e/notes.json", False),
    ],
)
def test_which_files_are_sessions(path: str, ours: bool) -> None:
    assert STORAGE.matches(Path("/data", path)) is ours


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("opencode.db", True),
        ("opencode-beta.db", True),
        ("opencode.db-wal", False),
        ("other.db", False),
    ],
)
def test_which_files_are_databases(name: str, ours: bool) -> None:
    assert DATABASE.matches(Path("/data") / name) is ours


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        (b'{\n  "id": "ses_1",\n  "version": "1.0", "title": "x"}', True),
        (b'{"id": "ses_1", "projectID": "x", "summary": {"diffs": [{"before": "', True),
        (b'{"title": "x", "id": "ses_1", "time": {}}', True),
        (b'{"id": "ses_1", "secret": "x"}', False),
        (b'{"id": "msg_1", "sessionID": "ses_1", "time": {}}', False),
        (b'{"id": "ses_1"', False),
        (b'["ses_1"]', False),
        (b'{"info": {"id": "ses_1", "title": "x"}, "messages": []}', False),
        (b"\xff\0", False),
    ],
)
def test_identify_a_session(head: bytes, ours: bool) -> None:
    assert STORAGE.identify(Path("x.json"), head) is ours


def test_only_sessions_are_transcripts(storage: Path) -> None:
    found = transcripts(STORAGE, storage.parent)
    assert len(found) == 4
    assert all(STORAGE.matches(path) for path in found)


def test_another_database_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "opencode.db"
    with closing(sqlite3.connect(path)) as conn:
        for table in ("session", "message", "part", "project"):
            conn.execute(f"create table {table} (id text)")
        conn.commit()
    assert not DATABASE.identify(path, path.read_bytes())
    assert [type(item) for item in read(DATABASE, path)] == [Skipped, Checkpoint]


def test_the_data_folder_is_not_searched(
    database: Path, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds hundreds of thousands of files of other kinds."""
    home = database.parent.parent
    monkeypatch.setenv("XDG_DATA_HOME", str(home))
    deep = home / "opencode" / "snapshot" / "opencode.db"
    deep.parent.mkdir()
    shutil.copy(database, deep)
    found = [path for path, _ in find_transcripts(None, Tally()) if path.name == "opencode.db"]
    assert found == [database]


# --- what is kept, and what is not -----------------------------------------------------


def test_no_secret_is_read(database: Path, tides: Path, db: sqlite_utils.Database) -> None:
    import_paths(db, [database, tides])
    dump = "\n".join(db.conn.iterdump())
    assert "Lamp turns too slowly" in dump
    assert "not-for-any" not in dump
    assert "nor-this-one" not in dump


def test_tokens_are_those_of_the_replies(storage: Path, database: Path) -> None:
    held = 0
    for path in storage.glob("message/*/*.json"):
        try:
            tokens = json.loads(path.read_text()).get("tokens")
        except ValueError:
            continue
        if tokens:
            held += tokens["input"] + tokens["cache"]["read"] + tokens["cache"]["write"]
    items = [item for path in transcripts(STORAGE, storage) for item in read(STORAGE, path)]
    assert sum(each.token_in or 0 for each in messages(items)) == held > 0
    with closing(sqlite3.connect(database)) as conn:
        [held] = conn.execute(
            "select sum(data ->> '$.tokens.output' + (data ->> '$.tokens.reasoning'))"
            " from message where json_valid(data) and data ->> '$.role' = 'assistant'"
        ).fetchone()
    found = messages(read(DATABASE, database))
    assert sum(each.token_out or 0 for each in found) == held > 0


def test_a_message_of_several_steps_counts_all_of_them(storage: Path) -> None:
    [path] = storage.parent.glob("project/*/storage/session/info/*.json")
    [usage] = [item for item in read(STORAGE, path) if isinstance(item, Usage)]
    assert (usage.token_in, usage.token_out, usage.token_cached) == (220, 39, 100)


@pytest.mark.parametrize("title", ["New session - 2026-02-02T02:50:00.000Z", "", None, 7])
def test_a_placeholder_is_no_title(tides: Path, title: object, db: sqlite_utils.Database) -> None:
    change(tides, title=title, revert=None)
    import_paths(db, [tides])
    [row] = db.query("select title, title_from from conversations")
    assert row["title"].startswith("The tide table in @tides.py")
    assert row["title_from"] == "prompt"


def test_bytes_of_a_data_url(tides: Path) -> None:
    files = [file for each in messages(read(STORAGE, tides)) for file in each.attachments]
    pictures = [file for file in files if file.media_type == "image/png"]
    assert len(pictures) == 2
    assert all(isinstance(each.data, str) and each.data.startswith("iVBOR") for each in pictures)
    assert [each.data for each in files if each.media_type != "image/png"] == [None, None]


# --- changes ---------------------------------------------------------------------------


def test_a_message_that_changes_is_a_change_of_the_session(
    tides: Path, storage: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [tides])
    assert import_paths(db, [tides]).unchanged == 1
    message = storage / "message" / TIDES / "msg_bf22e4000004AdaHarborMsg0004.json"
    part = storage / "part" / message.stem / "prt_bf22e4000021AdaHarborPart21.json"
    change(part, text="Fixed, and tested.")
    change(message, finish="length")
    os.utime(message, ns=(2**62, 2**62))
    assert import_paths(db, [tides]).unchanged == 0
    assert db.execute("select 1 from messages where content = 'Fixed, and tested.'").fetchone()


def test_a_part_that_is_new_is_a_change_of_the_session(
    tides: Path, storage: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [tides])
    folder = storage / "part" / "msg_bf22e4000004AdaHarborMsg0004"
    (folder / "prt_bf22e5AdaHarborNew.json").write_text('{"type": "text", "text": "And more."}')
    os.utime(folder, ns=(2**62, 2**62))
    assert import_paths(db, [tides]).messages == 1


def test_reverted_messages_come_back(tides: Path, db: sqlite_utils.Database) -> None:
    import_paths(db, [tides])
    kept = json.loads(tides.read_text())["revert"]
    held = owners(db)
    assert sorted(k for k, v in held.items() if v == REVERTED) == [
        "prt_bf22e4000028AdaHarborPart28",
        "prt_bf22e4000029AdaHarborPart29",
    ]
    change(tides, revert=None, title="Tide table, once more")
    import_paths(db, [tides])
    assert set(owners(db).values()) == {TIDES}
    change(tides, revert=kept, title="Tide table")
    import_paths(db, [tides])
    assert owners(db) == held


def test_reverted_messages_stay_when_opencode_deletes_them(
    tides: Path, storage: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [tides])
    held = owners(db)
    for name in ("msg_bf22e4000010AdaHarborMsg0010", "msg_bf22e4000011AdaHarborMsg0011"):
        (storage / "message" / TIDES / f"{name}.json").unlink()
        shutil.rmtree(storage / "part" / name)
    change(tides, revert=None, title="Tide table, in the end")
    import_paths(db, [tides])
    assert owners(db) == held


def test_a_part_of_a_message_can_be_reverted(database: Path) -> None:
    items = read(DATABASE, database)
    [moved] = [item for item in items if isinstance(item, Moved)]
    assert moved.conversation == "ses_39f0AdaLampFork/branch-msg_c5f4b0006"
    assert moved.messages == ("prt_c5f4b0062", "prt_c5f4b0062#result", "prt_c5f4b0071")
    where = {i.message.source_id: i.conversation for i in items if isinstance(i, Said)}
    assert where["prt_c5f4b0061"] == "ses_39f0AdaLampFork"


def test_a_session_that_did_not_change_is_not_read_again(database: Path) -> None:
    *_, end = read(DATABASE, database)
    assert isinstance(end, Checkpoint)
    assert messages(read(DATABASE, database, end)) == []
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute(
            "update part set data = json_set(data, '$.text', 'A belt slips.'), time_updated = 1"
            " where id = 'prt_c5f4b0061'"
        )
        conn.execute("update part set time_updated = 2e15 where id = 'prt_c5f4b0051'")
    again = messages(read(DATABASE, database, end))
    assert "A belt slips." in [each.content for each in again]
    assert "prt_c5f4b0011" not in [each.source_id for each in again]


def test_what_the_log_beside_the_database_holds_is_read(
    database: Path, db: sqlite_utils.Database
) -> None:
    with closing(sqlite3.connect(database)) as conn:
        conn.execute("pragma journal_mode = wal")
        import_paths(db, [database])
        assert import_paths(db, [database]).unchanged == 1
        conn.execute(
            "insert into part values ('prt_c5f4b0099', 'msg_c5f4b0003', 'ses_3a01AdaLamp', 1,"
            ' 1772000009000, \'{"type": "text", "text": "One more."}\')'
        )
        conn.commit()
        assert import_paths(db, [database]).messages == 1


def migrated(storage: Path, path: Path) -> None:
    """What opencode did to move its JSON files into the database."""
    shutil.copy(path, path.with_name("old.db"))
    with closing(sqlite3.connect(path)) as conn, conn:
        for table in ("part", "message", "session", "project"):
            conn.execute(f"delete from {table}")
        for file in storage.glob("project/*.json"):
            tree = json.loads(file.read_text())["worktree"]
            conn.execute(
                "insert into project values (?, ?, 'git', '', 1, 1, '[]')", [file.stem, tree]
            )
        for file in storage.glob("session/*/*.json"):
            info = json.loads(file.read_text())
            facts = {
                "id": file.stem,
                "project_id": file.parent.name,
                "parent_id": info.get("parentID"),
                "slug": info["slug"],
                "directory": info["directory"],
                "title": info["title"],
                "version": info["version"],
                "revert": json.dumps(info.get("revert")),
                "time_created": info["time"]["created"],
                "time_updated": info["time"]["updated"],
            }
            names = ", ".join(facts)
            marks = ", ".join("?" * len(facts))
            conn.execute(f"insert into session ({names}) values ({marks})", list(facts.values()))
        sessions = {}
        for file in storage.glob("message/*/*.json"):
            try:
                info = json.loads(file.read_text())
            except ValueError:
                continue
            sessions[file.stem] = file.parent.name
            row = [file.stem, file.parent.name, info["time"]["created"], 1, json.dumps(info)]
            conn.execute("insert into message values (?, ?, ?, ?, ?)", row)
        for file in storage.glob("part/*/*.json"):
            message = file.parent.name
            if text := file.read_text():
                values = [file.stem, message, sessions[message], 1, 1, text]
                conn.execute("insert into part values (?, ?, ?, ?, ?, ?)", values)


def test_moving_to_the_database_makes_no_second_conversation(
    storage: Path, database: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [storage])
    before = owners(db), db.execute("select source_id, title from conversations").fetchall()
    migrated(storage, database)
    report = import_paths(db, [database])
    assert (report.messages, report.conversations) == (0, 0)
    after = owners(db), db.execute("select source_id, title from conversations").fetchall()
    assert after == before


# --- damage ----------------------------------------------------------------------------


def test_a_part_that_is_too_large_costs_only_itself(
    database: Path, storage: Path, tides: Path
) -> None:
    long = json.dumps({"type": "text", "text": "x" * 40_000_000})
    with closing(sqlite3.connect(database)) as conn, conn:
        conn.execute("update part set data = ? where id = 'prt_c5f4b0022'", [long])
    before = [each.source_id for each in messages(read(DATABASE, database))]
    assert "prt_c5f4b0022" not in before
    assert "prt_c5f4b0023" in before
    [part] = storage.glob("part/*/prt_bf22e4000010AdaHarborPart10.json")
    part.write_text(long)
    items = read(STORAGE, tides)
    assert any(isinstance(i, Skipped) and "longer than" in i.error for i in items)
    assert "prt_bf22e4000011AdaHarborPart11" in [each.source_id for each in messages(items)]


def test_an_id_leads_to_no_other_folder(tides: Path, storage: Path) -> None:
    (storage.parent / "elsewhere").mkdir()
    (storage.parent / "elsewhere" / "msg_1.json").write_text('{"role": "user"}')
    change(tides, id="ses_/../../../elsewhere")
    assert messages(read(STORAGE, tides)) == []


PEAK = (
    "import re, sys; from pathlib import Path;"
    "from glin_datasette.importers import importer_named;"
    "from glin_datasette.importers.base import Checkpoint, Said;"
    "items = importer_named(sys.argv[1]).read(Path(sys.argv[2]), Checkpoint());"
    "count = sum(isinstance(item, Said) for item in items);"
    "status = Path('/proc/self/status').read_text();"
    "print(count, re.search(r'VmHWM:\\s+(\\d+)', status)[1])"
)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
@pytest.mark.parametrize("importer", [STORAGE, DATABASE], ids=lambda each: each.name)
def test_memory_does_not_grow_with_the_session(
    importer: OpencodeStorage | OpencodeDatabase, database: Path, storage: Path, tides: Path
) -> None:
    text = json.dumps({"type": "text", "text": "a line\n" * 140_000})
    if importer is DATABASE:
        path = database
        with closing(sqlite3.connect(path)) as conn, conn:
            for n in range(100):
                row = [f"prt_c5f4b1{n:04}", "msg_c5f4b0003", "ses_3a01AdaLamp", 1, 1, text]
                conn.execute("insert into part values (?, ?, ?, ?, ?, ?)", row)
    else:
        path = tides
        for n in range(100):
            folder = storage / "part" / "msg_bf22e4000004AdaHarborMsg0004"
            (folder / f"prt_bf22e5{n:04}.json").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, importer.name, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    count, kilobytes = map(int, done.stdout.split())
    assert count > 100
    assert kilobytes * 1024 < 100_000_000
