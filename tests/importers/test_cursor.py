"""Cursor's editor: its database, and nothing of it but the conversations."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from transcripts import lay_out, messages, named, read

from glin_datasette.importers import sqlite_file
from glin_datasette.importers.base import Checkpoint, Item, Said, Skipped, Unknown
from glin_datasette.importers.cursor import CursorEditor
from glin_datasette.importers.cursor.bubbles import bubble_time, folder_of
from glin_datasette.importers.cursor.editor import holds
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation, Ref

WORK = "a0000000-0000-4000-8000-0000000000a1"
OTHER = "a0000000-0000-4000-8000-0000000000b1"
#: In the table that is never read.
SECRET = "secret-of-ada"
WEEK = 7 * 24 * 3600 * 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return lay_out("cursor", tmp_path) / "User" / "globalStorage" / "state.vscdb"


def put(path: Path, key: str, value: Any, *, table: str = "cursorDiskKV") -> None:
    text = value if isinstance(value, str | bytes) else json.dumps(value)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(f"insert or replace into {table} values (?, ?)", [key, text])


def get(path: Path, key: str) -> Any:
    with closing(sqlite3.connect(path)) as conn:
        return json.loads(
            conn.execute("select value from cursorDiskKV where key = ?", [key]).fetchone()[0]
        )


def change(path: Path, key: str, **values: Any) -> None:
    put(path, key, {**get(path, key), **values})


def said(items: list[Item], conversation: str) -> list[tuple[str, str, str]]:
    return [
        (i.message.role, i.message.kind, i.message.content)
        for i in items
        if isinstance(i, Said) and i.conversation == conversation
    ]


def told(items: list[Item], conversation: str) -> Conversation:
    return [i for i in items if isinstance(i, Conversation) and i.source_id == conversation][-1]


def again(path: Path, items: list[Item]) -> list[Item]:
    end = items[-1]
    assert isinstance(end, Checkpoint)
    return read(named("cursor"), path, replace(end, state=json.loads(json.dumps(end.state))))


# --- where, and what ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "base"),
    [
        ("linux", "home/.config/Cursor"),
        ("darwin", "home/Library/Application Support/Cursor"),
        ("win32", "roaming/Cursor"),
    ],
)
def test_places(platform: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    monkeypatch.setattr(sys, "platform", platform)
    assert list(CursorEditor().places()) == [tmp_path / base / "User" / "globalStorage"]


def test_matches_the_global_database_alone() -> None:
    importer = CursorEditor()
    assert importer.matches(Path("/x/Cursor/User/globalStorage/state.vscdb"))
    for name in ("globalStorage/state.vscdb.backup", "workspaceStorage/9f/state.vscdb"):
        assert not importer.matches(Path("/x/Cursor/User") / name)


def test_identify(path: Path, tmp_path: Path) -> None:
    importer = CursorEditor()
    head = path.read_bytes()[:4096]
    for size in (1, 16, 100, 4096):
        assert importer.identify(path, head[:size])
    assert not importer.identify(path, b"")
    vscode = tmp_path / "state.vscdb"
    with closing(sqlite3.connect(vscode)) as conn:
        conn.execute("create table ItemTable (key text, value blob)")
    assert not importer.identify(vscode, vscode.read_bytes())


# --- secrets -----------------------------------------------------------------------------


def test_the_secrets_are_never_read(
    path: Path, db: sqlite_utils.Database, archive_path: Path
) -> None:
    assert SECRET.encode() in path.read_bytes()
    report = import_paths(db, [path])
    assert report.messages > 20
    with closing(sqlite3.connect(archive_path)) as conn:
        assert not any(SECRET in line for line in conn.iterdump())
    assert SECRET.encode() not in archive_path.read_bytes()


def test_only_the_one_table_is_ever_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[str]] = []

    def only(tables: frozenset[str]) -> Any:
        asked.append(tables)
        return decide(tables)

    decide = sqlite_file._only
    monkeypatch.setattr(sqlite_file, "_only", only)
    head = path.read_bytes()[:4096]
    assert CursorEditor().identify(path, head)
    read(CursorEditor(), path)
    assert holds(path, WORK)
    assert asked == [frozenset(), {"cursorDiskKV"}, {"cursorDiskKV"}]


def test_not_even_behind_the_name_of_what_is_read(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute("drop table cursorDiskKV")
        conn.execute(
            "create view cursorDiskKV as select 'composerData:x' as key, value, 1 as rowid"
            " from ItemTable"
        )
    items = read(named("cursor"), path)
    assert [type(item) for item in items] == [Skipped, Checkpoint]
    assert SECRET not in repr(items)


# --- a conversation ----------------------------------------------------------------------


def test_a_conversation(path: Path) -> None:
    items = read(named("cursor"), path)
    facts = told(items, WORK)
    assert (facts.title, facts.title_from) == ("Kestrel start-up time", "generated")
    assert facts.repo_root == "/home/ada/src/kestrel"
    assert (facts.git_branch, facts.client, facts.transport) == ("speed", "cursor", "ide")
    assert [content for _, _, content in said(items, WORK)] == [
        "Why does @src/start.py take so long?",
        "[image/png, profile.png]",
        "The imports may be slow.",
        "I will measure it.",
        'command: git log -1 --oneline\ncwd: ""',
        "3f9a1c2 Faster start",
        "relativeWorkspacePath: /home/ada/src/kestrel/src/start.py",
        "",
        "target_file: src/config.py",
        "No such file",
        "command: pytest -q",  # Still running: no result.
        "Stop, that is enough.",
        "Lazy imports halve it; see https://example.com/lazy.",
    ]


def test_calls_are_paired_and_point_at_files(path: Path) -> None:
    found = [
        i.message
        for i in read(named("cursor"), path)
        if isinstance(i, Said) and i.conversation == WORK and i.message.tool_call_id
    ]
    pairs: dict[str, list[Any]] = {}
    for message in found:
        pairs.setdefault(message.tool_call_id or "", []).append(message)
    assert [len(each) for each in pairs.values()] == [2, 2, 2, 1]
    assert [each[-1].is_error for each in pairs.values()] == [False, False, True, False]
    assert Ref("commit", "3f9a1c2") in pairs["toolu_01"][1].refs
    assert pairs["tool_02"][0].refs == (Ref("file", "src/start.py"),)


def test_models_and_tokens(path: Path) -> None:
    items = read(named("cursor"), path)
    replies = [m for m in messages(items) if m.token_in is not None or m.token_out is not None]
    with closing(sqlite3.connect(path)) as conn:
        values = [
            json.loads(value)
            for (value,) in conn.execute(
                "select value from cursorDiskKV where key like 'bubbleId:%' and json_valid(value)"
                " and typeof(value) in ('text', 'blob')"
            )
        ]
    counts = [v.get("tokenCount") or {} for v in values if v.get("type") == 2]
    assert sum(m.token_in or 0 for m in replies) == sum(c.get("inputTokens", 0) for c in counts)
    assert sum(m.token_out or 0 for m in replies) == sum(c.get("outputTokens", 0) for c in counts)
    by_id = {m.source_id: m.model for m in messages(items)}
    assert by_id[f"{WORK}:b2#thinking"] == "claude-4.5-sonnet"
    assert by_id[f"{WORK}:b3#text"] == "claude-4.5-opus"
    assert by_id[f"{OTHER}:p2#text"] is None  # "default" names no model.


def test_who_started_whom(path: Path) -> None:
    items = read(named("cursor"), path)
    agent = told(items, "a0000000-0000-4000-8000-0000000000c1")
    assert (agent.parent_source_id, agent.relation) == (WORK, "subagent")
    attempts = {
        (i.source_id, i.parent_source_id)
        for i in items
        if isinstance(i, Conversation) and i.relation == "branch" and "/" not in i.source_id
    }
    assert attempts == {("a0000000-0000-4000-8000-0000000000b2", OTHER)}


def test_attempts_are_children_in_the_archive(path: Path, db: sqlite_utils.Database) -> None:
    import_paths(db, [path])
    rows = db.execute(
        "select c.relation, p.source_id from conversations c join conversations p"
        " on p.id = c.parent_id where c.source_id like '%b2'"
    ).fetchall()
    assert rows == [("branch", OTHER)]
    # Those that hold nothing are not there.
    assert not db.execute("select 1 from conversations where source_id like '%f1'").fetchall()


def test_old_conversations_hold_their_messages(path: Path) -> None:
    id = "a0000000-0000-4000-8000-0000000000d1"
    inline = get(path, f"composerData:{id}")["conversation"]
    thanks = {"type": 1, "text": "Thanks"}  # Twice, without an id.
    change(path, f"composerData:{id}", conversation=[*inline, thanks, {"type": 2, "text": "Bye"}])
    items = read(named("cursor"), path)
    assert [c for _, _, c in said(items, id)] == [
        "What is a kestrel?",
        "A small falcon.",
        "Thanks",
        "Thanks",
        "Bye",
    ]
    found = [i.message for i in items if isinstance(i, Said) and i.conversation == id]
    # The first prompt is what it was made for; of the others no time is known.
    assert [m.ts for m in found] == ["2025-01-01T10:00:00.000Z", None, None, None, None]
    assert len({m.source_id for m in found}) == 5


# --- branches ----------------------------------------------------------------------------


def branched(db: sqlite_utils.Database) -> list[str]:
    rows = db.execute(
        "select m.content from messages m join conversations c on c.id = m.conversation_id"
        " where c.source_id glob ? order by m.position",
        [f"{WORK}/branch-*"],
    )
    return [row[0] for row in rows]


def test_what_was_rewound_goes_to_a_branch_and_comes_back(
    path: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [path])
    count = db.table("messages").count
    assert branched(db) == ["And the tests?", "They take a minute."]
    key = f"composerData:{WORK}"
    headers = get(path, key)["fullConversationHeadersOnly"]
    old = [{"bubbleId": "b8old", "type": 1}, {"bubbleId": "b9old", "type": 2}]
    change(path, key, fullConversationHeadersOnly=[*headers[:-2], *old])
    assert import_paths(db, [path]).messages == 0
    assert branched(db) == [
        "Stop, that is enough.",
        "Lazy imports halve it; see https://example.com/lazy.",
    ]
    change(path, key, fullConversationHeadersOnly=[*headers[:-2], *old, *headers[-2:]])
    assert import_paths(db, [path]).messages == 0
    assert branched(db) == []
    assert db.table("messages").count == count
    times = [
        row[0]
        for row in db.execute(
            "select m.ts from messages m join conversations c on c.id = m.conversation_id"
            " where c.source_id = ? order by m.position",
            [WORK],
        )
    ]
    assert times == sorted(times)


# --- read again --------------------------------------------------------------------------


def conversations(items: list[Item]) -> set[str]:
    return {item.conversation for item in items if isinstance(item, Said)}


@pytest.fixture
def resting(path: Path) -> Path:
    """One conversation is much newer than all others, which rest."""
    put(
        path,
        "composerData:new",
        {"createdAt": 1790000000000, "lastUpdatedAt": 1790000000000, "name": "New"},
    )
    put(path, "bubbleId:new:n1", {"type": 1, "text": "New"})
    return path


def test_what_rests_is_passed_over(resting: Path) -> None:
    first = read(named("cursor"), resting)
    second = again(resting, first)
    # Those without a time of the last change are always read.
    assert conversations(second) == {
        "new",
        "a0000000-0000-4000-8000-0000000000d1",
        "a0000000-0000-4000-8000-0000000000e1",
    }
    assert len(json.dumps(first[-1].state)) < 10_000  # type: ignore[union-attr]


def test_a_new_prompt_in_an_old_conversation_is_read(resting: Path) -> None:
    first = read(named("cursor"), resting)
    key = f"composerData:{WORK}"
    headers = get(resting, key)["fullConversationHeadersOnly"]
    put(resting, f"bubbleId:{WORK}:b10", {"type": 1, "text": "One more"})
    change(
        resting,
        key,
        fullConversationHeadersOnly=[*headers, {"bubbleId": "b10", "type": 1}],
        lastUpdatedAt=1790000001000,
    )
    assert ("user", "text", "One more") in said(again(resting, first), WORK)


def test_a_message_without_a_new_time_is_read(resting: Path) -> None:
    first = read(named("cursor"), resting)
    key = f"composerData:{WORK}"
    headers = get(resting, key)["fullConversationHeadersOnly"]
    put(resting, f"bubbleId:{WORK}:b10", {"type": 2, "text": "One more"})
    change(resting, key, fullConversationHeadersOnly=[*headers, {"bubbleId": "b10", "type": 2}])
    assert ("assistant", "text", "One more") in said(again(resting, first), WORK)


def test_an_old_conversation_that_comes_late_is_read(resting: Path) -> None:
    first = read(named("cursor"), resting)
    put(resting, "composerData:late", {"createdAt": 1700000000000, "lastUpdatedAt": 1700000000000})
    put(resting, "bubbleId:late:x", {"type": 1, "text": "From a backup"})
    assert "late" in conversations(again(resting, first))


def test_a_reply_that_went_on_behind_the_last_change_is_read(path: Path) -> None:
    """The time of the last change is that of the last prompt."""
    key = f"composerData:{WORK}"
    newest = 1780473800000
    change(path, key, lastUpdatedAt=newest - WEEK + 1000)
    first = read(named("cursor"), path)
    running = f"bubbleId:{WORK}:b7"
    tool = {**get(path, running)["toolFormerData"], "status": "completed", "result": "3 passed"}
    change(path, running, toolFormerData=tool)
    assert ("tool", "tool_result", "3 passed") in said(again(path, first), WORK)
    # And when it rests at last, it is read once more.
    put(path, "composerData:new", {"createdAt": 1, "lastUpdatedAt": newest + 2 * WEEK})
    second = again(path, first)
    assert WORK in conversations(second)
    assert WORK not in conversations(again(path, second))


def test_a_running_call_gets_its_result(path: Path, db: sqlite_utils.Database) -> None:
    import_paths(db, [path])
    running = f"bubbleId:{WORK}:b7"
    tool = {**get(path, running)["toolFormerData"], "status": "completed", "result": "3 passed"}
    change(path, running, toolFormerData=tool)
    assert import_paths(db, [path]).messages == 1
    rows = db.execute(
        "select m.content from messages m join conversations c on c.id = m.conversation_id"
        " where c.source_id = ? order by m.position",
        [WORK],
    ).fetchall()
    at = rows.index(("command: pytest -q",))
    assert rows[at + 1] == ("3 passed",)


# --- a live file -------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_while_the_editor_writes(mode: str, path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"pragma journal_mode = {mode}")
    failed: list[Exception] = []
    begun = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as editor:
            for number in range(30):
                try:
                    text = json.dumps({"type": 1, "text": f"Number {number}"})
                    editor.execute(
                        "insert into cursorDiskKV values (?, ?)", [f"bubbleId:x:{number}", text]
                    )
                except sqlite3.Error as ex:
                    failed.append(ex)
                begun.set()

    editor = threading.Thread(target=write)
    editor.start()
    begun.wait()
    items: list[Item] = []
    for item in CursorEditor().read(path, Checkpoint()):
        items.append(item)
        time.sleep(0.001)
    editor.join()
    assert not failed
    assert {WORK, OTHER} <= conversations(items)
    assert len(said(items, WORK)) == 13
    assert not any("database" in item.error for item in items if isinstance(item, Skipped))


def test_a_locked_database_is_read_next_time(
    path: Path, db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.05)
    import_paths(db, [path])
    put(path, f"bubbleId:{WORK}:b8old", {"type": 1, "text": "And all the tests?"})
    with closing(sqlite3.connect(path, isolation_level=None)) as editor:
        editor.execute("begin exclusive")
        report = import_paths(db, [path])
        assert "locked" in report.errors[0].error
        editor.execute("commit")
    import_paths(db, [path])
    assert "And all the tests?" in branched(db)


# --- damage ------------------------------------------------------------------------------


def test_damage_costs_what_is_damaged(path: Path) -> None:
    items = read(named("cursor"), path)
    problems = [item.error.split(": ")[:2] for item in items if isinstance(item, Skipped)]
    prefix = "a0000000-0000-4000-8000-0000000000"
    assert [where.replace(prefix, "") for where, _ in problems] == [
        "composerData:f3",
        "composerData:f4",
        "bubbleId:d1:a727ec71372c5184867807380957ec5f",
        "bubbleId:f5:d2",
        "bubbleId:f5:d3",
    ]
    assert [why for _, why in problems] == [
        "not JSON",
        "not a JSON object",
        "not a JSON object",
        "not JSON",
        "not UTF-8 at byte 11",
    ]
    id = "a0000000-0000-4000-8000-0000000000f5"
    assert [c for _, _, c in said(items, id)] == ["Is it whole?", "Most of it."]
    assert [i.kind for i in items if isinstance(i, Unknown)] == ["bubble type 9"]


def test_a_value_that_is_too_large(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(path, f"bubbleId:{WORK}:b3", {"type": 2, "text": "x" * 100_000})
    monkeypatch.setattr(sqlite_file, "MAX_VALUE", 50_000)
    items = read(named("cursor"), path)
    assert any("too big" in item.error for item in items if isinstance(item, Skipped))
    assert len(said(items, WORK)) == 12


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_memory_is_bounded(path: Path) -> None:
    headers: list[dict[str, Any]] = [{"bubbleId": f"m{n}", "type": 2} for n in range(80)]
    put(path, "composerData:large", {"fullConversationHeadersOnly": headers, "createdAt": 1})
    for header in headers:
        bubble = {"type": 2, "text": header["bubbleId"] + " word" * 200_000}
        put(path, f"bubbleId:large:{header['bubbleId']}", bubble)
    assert path.stat().st_size > 75_000_000
    script = (
        "import re, sys; from pathlib import Path;"
        "from glin_datasette.importers.base import Checkpoint;"
        "from glin_datasette.importers.cursor import CursorEditor;"
        "count = sum(1 for _ in CursorEditor().read(Path(sys.argv[1]), Checkpoint()));"
        "print(count, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count > 100
    assert kilobytes < 100_000


# --- pieces ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///home/ada/a%20b", "/home/ada/a b"),
        ("file:///c%3A/src/falcon", "c:/src/falcon"),
        ("/home/ada", "/home/ada"),
        ("c:\\src", "c:\\src"),
        ({"fsPath": "/home/ada", "external": "file:///else"}, "/home/ada"),
        ({"external": "file:///home/ada"}, "/home/ada"),
        ("vscode-remote://ssh-remote%2Bbox/home/ada", None),
        ("relative", None),
        ("file://[", None),
        ("", None),
        (7, None),
        ({"fsPath": {"path": 7}}, None),
    ],
)
def test_folder_of(uri: object, folder: str | None) -> None:
    assert folder_of(uri) == folder


@pytest.mark.parametrize(
    ("bubble", "moment"),
    [
        ({"createdAt": "2026-06-01T10:00:00+02:00"}, "2026-06-01T08:00:00.000Z"),
        ({"createdAt": 1780300800000}, "2026-06-01T08:00:00.000Z"),
        ({"timingInfo": {"clientStartTime": 1780300800000.25}}, "2026-06-01T08:00:00.000Z"),
        (
            {"timingInfo": {"clientStartTime": 4745281.3, "clientSettleTime": 1780300800000}},
            "2026-06-01T08:00:00.000Z",
        ),
        ({"timingInfo": {"clientStartTime": 4745281.3}}, None),
        ({"timingInfo": [], "createdAt": {}}, None),
        ({}, None),
    ],
)
def test_bubble_time(bubble: dict[str, Any], moment: str | None) -> None:
    assert bubble_time(bubble) == moment


def test_holds(path: Path, tmp_path: Path) -> None:
    assert holds(path, WORK)
    assert not holds(path, "a0000000-0000-4000-8000-0000000000f1")  # Has no messages.
    assert not holds(path, "a0000000-0000-4000-8000-00000000ffff")  # Was removed.
    assert not holds(path, "%")
    assert not holds(tmp_path / "none", WORK)
    (tmp_path / "no.db").write_bytes(b"no database")
    assert not holds(tmp_path / "no.db", WORK)
