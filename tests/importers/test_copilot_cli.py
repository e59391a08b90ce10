"""The Copilot CLI's event logs. What each fixture yields as a whole is in test_golden.py."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import FIXTURES, messages, read

from glin_datasette.importers.base import Checkpoint, Item, Said, Skipped, Unknown, Usage
from glin_datasette.importers.copilot import CopilotCli
from glin_datasette.ingest import import_paths
from glin_datasette.models import KINDS, ROLES, Conversation
from glin_datasette.storage import get_db

SESSIONS = FIXTURES / "copilot-cli" / ".copilot" / "session-state"
ID = "5e551001-0000-4000-8000-00000000000"
FULL = SESSIONS / f"{ID}1" / "events.jsonl"
FLAT = SESSIONS / f"{ID}2.jsonl"
START = '{"type":"session.start","data":{"sessionId":"s1","copilotVersion":"1"},"id":"a"}\n'


def event(kind: str, number: int = 1, **data: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "data": data,
        "id": f"{number:08x}-0000-4000-8000-00000000abcd",
        "timestamp": f"2026-05-12T00:00:{number:02}.000Z",
        "parentId": None,
    }


def log(folder: Path, *events: dict[str, Any], session: str = f"{ID}9") -> Path:
    path = folder / "session-state" / session / "events.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in events))
    return path


# --- finding and telling ---------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("COPILOT_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def below(*homes: Path) -> list[Path]:
        names = ("session-state", "history-session-state")
        return [home / name for home in homes for name in names]

    assert CopilotCli().places() == below(tmp_path / ".copilot")
    monkeypatch.setenv("XDG_STATE_HOME", "~/state")
    assert CopilotCli().places() == below(tmp_path / ".copilot", tmp_path / "state" / ".copilot")
    monkeypatch.setenv("COPILOT_HOME", "~/elsewhere")
    assert CopilotCli().places() == below(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("session-state/abc/events.jsonl", True),
        ("session-state/abc.jsonl", True),
        ("history-session-state/abc.jsonl", True),
        ("session-state/abc/other.jsonl", False),
        ("session-state/abc/workspace.yaml", False),
        ("session-state/abc/files/events.jsonl", False),
    ],
)
def test_matches(path: str, expected: bool) -> None:
    assert CopilotCli().matches(Path("/home/ada/.copilot") / path) is expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (START, True),
        ("broken\n" + START, True),
        ('{"sess\n' + START, True),
        ('{"a":1}\n' + START, True),
        ('{"type":"session.start","da', True),
        ('{"id":"a","timestamp":"b","parentId":null,"type":"user.message","data":{"con', True),
        ('broken\n{"type":"user.message","data":{"content":"' + "x" * 70_000, True),
        ('{"a":1}\n{"type":"user.message","da', False),
        ('{"type":"session.st', False),
        ('{"type":"user.message","data":"text"}\n', False),
        ('{"type":"user.message"}\n', False),
        ('{"type":"session_meta","payload":{}}\n', False),
        ('{"type":"user","uuid":"a","data":{}}\n', False),
        ('{"type":["user.message"],"data":{}}\n', False),
        ("[" * 100_000, False),
        ("", False),
        ("\0\0", False),
    ],
)
def test_identify(head: str, expected: bool) -> None:
    assert CopilotCli().identify(Path("x.jsonl"), head.encode()) is expected


@given(st.binary())
def test_identify_never_raises(head: bytes) -> None:
    assert CopilotCli().identify(Path("x.jsonl"), head) is False


def test_identify_however_it_is_cut() -> None:
    raw = FULL.read_bytes()
    assert all(CopilotCli().identify(Path("x"), raw[:end]) for end in range(40, len(raw), 7))


def test_events_that_vs_code_keeps_are_left_alone() -> None:
    path = Path("workspaceStorage/ab12/GitHub.copilot-chat/transcripts/s1.jsonl")
    assert not CopilotCli().identify(path, START.encode())


# --- conversations ---------------------------------------------------------------------


def test_a_session_is_known_by_its_folder_else_by_what_it_says(tmp_path: Path) -> None:
    events = [event("session.start", sessionId="s1"), event("user.message", 2, content="Hi")]

    def ids(path: Path) -> set[str]:
        return {
            item.source_id for item in read(CopilotCli(), path) if isinstance(item, Conversation)
        }

    assert ids(log(tmp_path, *events)) == {f"{ID}9"}
    assert ids(log(tmp_path, *events, session="copy")) == {"s1"}
    assert ids(log(tmp_path, events[1], session="copy")) == {"copy"}


def test_a_call_is_said_once_whoever_tells_of_it_first(tmp_path: Path) -> None:
    request = {"toolCallId": "c1", "name": "view", "arguments": '{"path": "a.py"}'}
    reply = event("assistant.message", 1, content="", toolRequests=[request])
    start = event("tool.execution_start", 2, toolCallId="c1", toolName="view", arguments={})
    done = event("tool.execution_complete", 3, toolCallId="c1", success=True, result="x")
    for number, events in enumerate([(reply, start, done), (start, reply, done), (start, done)]):
        path = log(tmp_path, *events, session=f"{ID}{number}")
        found = [(m.kind, m.tool_name, m.tool_call_id) for m in messages(read(CopilotCli(), path))]
        assert found == [("tool_call", "view", "c1"), ("tool_result", "view", "c1")]


def test_arguments_may_be_json_in_a_string(tmp_path: Path) -> None:
    requests = [
        {"toolCallId": "c1", "name": "a", "arguments": '{"path": "a.py"}'},
        {"toolCallId": "c2", "name": "b", "arguments": "*** Begin Patch"},
        {"toolCallId": "c3", "name": "c", "arguments": {"path": "a.py"}},
    ]
    path = log(tmp_path, event("assistant.message", content="", toolRequests=requests))
    assert [message.content for message in messages(read(CopilotCli(), path))] == [
        "path: a.py",
        "*** Begin Patch",
        "path: a.py",
    ]


@pytest.mark.parametrize(
    ("data", "text", "failed"),
    [
        ({"success": True, "result": {"content": "short", "detailedContent": "long"}},
         "short", False),
        ({"success": True, "result": {"content": "", "detailedContent": "long"}}, "long", False),
        ({"result": {"result_type": "success", "text_result_for_llm": "ok"}}, "ok", False),
        ({"result": {"resultType": "denied", "textResultForLlm": "no"}}, "no", True),
        ({"success": False, "error": {"message": "broke", "code": "x"}}, "broke", True),
        ({"success": True, "result": "text"}, "text", False),
        ({"success": True, "result": {"contents": [{"type": "terminal", "text": "out"}, 7]}},
         "out", False),
        ({"success": False}, "", True),
        ({"result": 7, "error": []}, "", False),
    ],
)  # fmt: skip
def test_results(tmp_path: Path, data: dict[str, Any], text: str, failed: bool) -> None:
    path = log(tmp_path, event("tool.execution_complete", toolCallId="c1", **data))
    assert [(m.content, m.is_error) for m in messages(read(CopilotCli(), path))] == [(text, failed)]


def test_thinking_is_said_once(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        event("assistant.reasoning", 1, content="Hm."),
        event("assistant.message", 2, content="Yes.", reasoningText="Hm."),
        event("assistant.message", 3, content="No.", reasoningText="Hm, hm."),
    )
    said = [(m.kind, m.content) for m in messages(read(CopilotCli(), path))]
    assert said == [("thinking", "Hm."), ("text", "Yes."), ("thinking", "Hm, hm."), ("text", "No.")]


def test_tokens_are_counted_once_for_a_reply() -> None:
    items = read(CopilotCli(), FULL)
    sums = sum(message.token_out or 0 for message in messages(items))
    records = [json.loads(line) for line in FULL.read_text().splitlines()]
    assert sums == sum(
        record["data"].get("outputTokens", 0)
        for record in records
        if record["type"] == "assistant.message"
    )
    assert [(i.token_in, i.token_out, i.token_cached) for i in items if isinstance(i, Usage)] == [
        (4200, 373, 4000)
    ]


@pytest.mark.parametrize("parts", [1, 2])
def test_usage_adds_to_what_a_reply_told(
    db: sqlite_utils.Database, tmp_path: Path, parts: int
) -> None:
    events = [
        event("user.message", 1, content="Why?"),
        event("assistant.message", 2, content="So.", outputTokens=9),
        event("assistant.usage", 3, inputTokens=100, outputTokens=9, cacheReadTokens=80),
    ]
    if parts == 2:
        import_paths(db, [log(tmp_path, *events[:2])])
    import_paths(db, [log(tmp_path, *events)])
    sql = "select sum(token_in), sum(token_out), sum(token_cached) from messages"
    assert db.execute(sql).fetchone() == (100, 9, 80)


def test_the_title_is_that_of_the_workspace(db: sqlite_utils.Database, tmp_path: Path) -> None:
    path = log(tmp_path, event("user.message", content="Why is it late?"))
    yaml = path.with_name("workspace.yaml")

    def title() -> str:
        import_paths(db, [path])
        return str(db.execute("select title from conversations").fetchone()[0])

    assert title() == "Why is it late?"
    yaml.write_text("id: x\nname: |-\n  The first line\n  and another\nuser_named: false\n")
    assert title() == "The first line"
    yaml.write_text('id: x\nname: "Late: \\"tides\\""\nuser_named: true\n')
    assert title() == 'Late: "tides"'


def test_a_copied_session_is_a_fork(db: sqlite_utils.Database, tmp_path: Path) -> None:
    events = [event("user.message", n, content=f"Words {n}") for n in range(1, 4)]
    import_paths(db, [log(tmp_path, *events[:2], session=f"{ID}7")])
    import_paths(db, [log(tmp_path, *events, session=f"{ID}8")])
    found = db.execute(
        "select c.source_id, c.relation, count(*) from messages m join conversations c"
        " on c.id = m.conversation_id group by c.id order by c.id"
    ).fetchall()
    assert found == [(f"{ID}7", None, 2), (f"{ID}8", "fork", 1)]


def test_subagents_by_their_id_or_by_their_call(tmp_path: Path) -> None:
    events = [
        event("user.message", 1, content="Look"),
        {**event("subagent.started", 2, toolCallId="c1", agentName="a"), "agentId": "x1"},
        event("assistant.message", 3, content="by call", parentToolCallId="c1"),
        {**event("assistant.message", 4, content="by id"), "agentId": "x1"},
        event("assistant.message", 5, content="another", parentToolCallId="c2"),
    ]
    items = read(CopilotCli(), log(tmp_path, *events))
    told = {
        (i.conversation.partition("/")[2], i.message.content) for i in items if isinstance(i, Said)
    }
    assert told == {
        ("", "Look"),
        ("agent-x1", "by call"),
        ("agent-x1", "by id"),
        ("agent-c2", "another"),
    }


# --- whatever is in it -----------------------------------------------------------------


def archived(path: Path, db_path: Path, cuts: list[int], raw: bytes) -> list[object]:
    """What an archive holds after the file was imported at each length."""
    with get_db(db_path) as db:
        for cut in [*cuts, len(raw)]:
            path.write_bytes(raw[:cut])
            import_paths(db, [path])
        rows = db.execute(
            "select c.source_id, c.parent_source_id, c.title, c.client, c.git_branch, m.position,"
            " m.role, m.kind, m.content, m.ts, m.model, m.token_in, m.token_out, m.tool_name,"
            " m.tool_call_id, m.is_error, m.source_id from messages m"
            " join conversations c on c.id = m.conversation_id order by c.source_id, m.position"
        )
        return list(rows.fetchall())


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([FULL, FLAT]), st.data())
def test_reading_in_parts_gives_what_reading_at_once_gives(file: Path, data: st.DataObject) -> None:
    raw = file.read_bytes()
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=3))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / file.name
        parts = archived(path, Path(place) / "parts.db", sorted(cuts), raw)
        assert parts == archived(path, Path(place) / "once.db", [], raw)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def places(value: object) -> list[tuple[Any, Any]]:
    """Each holder and key in a JSON value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys:
            found += [(value, key), *places(value[key])]
    return found


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_value_in_any_place(data: st.DataObject) -> None:
    records = [json.loads(line) for line in FULL.read_text().splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(places(records)))
        holder[key] = data.draw(ANY)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "events.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        items: list[Item] = read(CopilotCli(), path)
    assert isinstance(items[-1], Checkpoint)
    json.dumps(items[-1].state)
    for item in items:
        if isinstance(item, Said):
            assert item.message.role in ROLES and item.message.kind in KINDS
            assert item.message.source_id


def test_damage_costs_its_own_line(tmp_path: Path) -> None:
    good = [json.dumps(event("user.message", n, content=f"Words {n}")) for n in (1, 2)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(
        "\n".join([good[0], '{"type":"user.message","da', "[1]", '{"type":"user.message","data":1}',
                   '{"type":"session.telepathy","data":{}}', good[1], ""]).encode()
    )  # fmt: skip
    items = read(CopilotCli(), path)
    assert [item.line for item in items if isinstance(item, Skipped)] == [2, 3, 4]
    assert [item.kind for item in items if isinstance(item, Unknown)] == ["session.telepathy"]
    assert [message.content for message in messages(items)] == ["Words 1", "Words 2"]


def test_real(real_transcripts: Path, db: sqlite_utils.Database) -> None:
    report = import_paths(db, [real_transcripts / "copilot-cli"])
    assert (report.files, report.skipped, report.unknown) == (1, 0, {})
    assert report.conversations == 1
    assert report.messages == 4
    assert db.execute("select count(*) from conversations where title is null").fetchone() == (0,)
