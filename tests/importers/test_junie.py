"""Junie: blocks that are written again and again, and tokens beside them."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import FIXTURES, messages, read

from glin_datasette.importers.base import Checkpoint, Unknown
from glin_datasette.importers.junie import Junie
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation
from glin_datasette.storage import get_db

JUNIE = Junie()
[MILL] = (FIXTURES / "junie" / "sessions").rglob("events.jsonl")
SESSION = MILL.parent.name


def agent(kind: str, ms: int = 1, **facts: Any) -> dict[str, Any]:
    event = {"state": "IN_PROGRESS", "agentEvent": {"kind": kind, **facts}}
    return {"kind": "SessionA2uxEvent", "event": event, "timestampMs": 1783900000000 + ms}


def prompt(text: str, **facts: Any) -> dict[str, Any]:
    return {"kind": "UserPromptEvent", "prompt": text, **facts}


def usage(*counts: int) -> dict[str, Any]:
    names = ("inputTokens", "outputTokens", "cacheInputTokens", "cacheCreateTokens")
    row = {"model": "m1", **dict(zip(names, counts, strict=False))}
    return agent("LlmResponseMetadataEvent", modelUsage=[row])


def write(folder: Path, *events: dict[str, Any]) -> Path:
    path = folder / "session-1" / "events.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def held(db: sqlite_utils.Database) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in db.execute(
            "select c.source_id, c.title, c.title_from, c.repo_root, c.model, c.started_at,"
            " c.ended_at, m.source_id, m.role, m.kind, m.content, m.ts, m.token_in, m.token_out,"
            " m.token_cached, m.tool_name, m.is_error from messages m"
            " join conversations c on c.id = m.conversation_id order by c.id, m.position"
        )
    ]


# --- finding ---------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("JUNIE_HOME", raising=False)
    assert JUNIE.places() == [tmp_path / ".junie" / "sessions"]
    monkeypatch.setenv("JUNIE_HOME", str(tmp_path / "mine"))
    assert JUNIE.places() == [tmp_path / "mine" / "sessions"]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("session-260713-010640-a1b2/events.jsonl", True),
        ("session-260713-010640-a1b2/other.jsonl", False),
        ("0c8a4b52/events.jsonl", False),
        ("index.jsonl", False),
    ],
)
def test_which_files_are_sessions(path: str, ours: bool) -> None:
    assert JUNIE.matches(Path("/sessions") / path) is ours


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        (MILL.read_bytes(), True),
        (MILL.read_bytes()[:60], True),
        (b'{"kind":"UserPromptEvent","prompt":"' + b"x" * 70_000, True),
        (b'{"cut": "off\n' + MILL.read_bytes(), True),
        (b'{"kind":"Unheard","prompt":"x"}', False),
        (b'{"type":"UserPromptEvent"}', False),
        (b'{"kind":["UserPromptEvent"]}', False),
        (b"\xff\0[[[", False),
        (b"", False),
    ],
)
def test_identify(head: bytes, ours: bool) -> None:
    assert JUNIE.identify(Path("x.jsonl"), head) is ours


# --- blocks ----------------------------------------------------------------------------


def test_the_last_writing_of_a_block_counts(tmp_path: Path, db: sqlite_utils.Database) -> None:
    terminal = "TerminalBlockUpdatedEvent"
    failed: dict[str, Any] = {"stepId": "s2", "status": "FAILED", "command": "make"}
    failed["output"] = "no"
    path = write(
        tmp_path,
        prompt("Go"),
        agent("AgentThoughtBlockUpdatedEvent", 1, stepId="s1", text="I"),
        agent(terminal, 2, stepId="s2", status="IN_PROGRESS", command="make"),
        agent("AgentThoughtBlockUpdatedEvent", 3, stepId="s1", text="I think."),
        agent(terminal, 4, **failed),
        agent("ResultBlockUpdatedEvent", 5, stepId="s3", result="<!-- ANSWER -->It fails."),
        agent(terminal, 6, **failed),
    )
    import_paths(db, [path])
    assert [(row[8], row[9], row[10], row[16]) for row in held(db)] == [
        ("user", "text", "Go", 0),
        ("assistant", "thinking", "I think.", 0),
        ("assistant", "tool_call", "command: make", 0),
        ("tool", "tool_result", "no", 1),
        ("assistant", "text", "It fails.", 0),
    ]


def test_what_a_call_was_given_stays(tmp_path: Path, db: sqlite_utils.Database) -> None:
    call: dict[str, Any] = {"stepId": "s1", "toolName": "idea/find"}
    path = write(
        tmp_path,
        prompt("Go"),
        agent("McpBlockUpdatedEvent", status="IN_PROGRESS", details='{"name": "x"}', **call),
        agent("McpBlockUpdatedEvent", status="COMPLETED", details="1 found", **call),
    )
    import_paths(db, [path])
    assert [row[10] for row in held(db)] == ["Go", "name: x", "1 found"]


def test_the_same_words_twice_are_two_messages(tmp_path: Path) -> None:
    yes = {"kind": "UserResponseEvent", "prompt": "Yes", "isChoice": True}
    found = messages(read(JUNIE, write(tmp_path, prompt("Go"), yes, yes, prompt("Go"))))
    assert len({each.source_id for each in found}) == 4


def test_a_prompt_as_it_was_shown(tmp_path: Path) -> None:
    events = [prompt("<context/> Go", presentablePrompt="Go", requestId="r1")]
    [found] = messages(read(JUNIE, write(tmp_path, *events)))
    assert (found.content, found.source_id) == ("Go", "session-1/r1")


def test_titles(tmp_path: Path) -> None:
    events = [
        prompt("Go"),
        agent("AgentTaskNameUpdatedEvent", name="First task"),
        prompt("And on"),
        agent("AgentTaskNameUpdatedEvent", name="Second task"),
        {"kind": "SessionTitleSetEvent", "name": "Mine"},
    ]
    for count, title, source in [
        (1, "Go", "prompt"),
        (4, "First task", "generated"),
        (5, "Mine", "custom"),
    ]:
        items = read(JUNIE, write(tmp_path, *events[:count]))
        told = [item for item in items if isinstance(item, Conversation)][-1]
        assert (told.title, told.title_from) == (title, source)


def test_no_secret_is_read(db: sqlite_utils.Database) -> None:
    import_paths(db, [MILL])
    dump = "\n".join(db.conn.iterdump())
    assert "The mill at night" in dump
    assert "not-for-any-archive" not in dump
    assert "nor-this-one" not in dump


def test_what_is_new_is_counted() -> None:
    unknown = [item.kind for item in read(JUNIE, MILL) if isinstance(item, Unknown)]
    assert unknown == ["HologramBlockUpdatedEvent", "HologramEvent"]


# --- tokens ----------------------------------------------------------------------------


def counts(db: sqlite_utils.Database) -> list[tuple[Any, ...]]:
    return [row[12:15] for row in held(db)]


@pytest.mark.parametrize(
    "events",
    [
        [usage(100, 10, 5, 1), agent("MarkdownBlockUpdatedEvent", stepId="s1", text="x")],
        [agent("MarkdownBlockUpdatedEvent", stepId="s1", text="x"), usage(100, 10, 5, 1)],
        [
            usage(60, 4),
            agent("MarkdownBlockUpdatedEvent", stepId="s1", text="x"),
            usage(40, 6, 5, 1),
            agent("MarkdownBlockUpdatedEvent", stepId="s1", text="x y"),
        ],
        [
            usage(60, 0, 5),
            agent("MarkdownBlockUpdatedEvent", stepId="s1", text="x"),
            usage(0, 0, 0, 1),
            usage(40, 10),
        ],
    ],
    ids=["before", "behind", "both", "none out"],
)
def test_tokens_go_to_the_message_of_their_reply(
    events: list[dict[str, Any]], tmp_path: Path, db: sqlite_utils.Database
) -> None:
    import_paths(db, [write(tmp_path, prompt("Go"), *events)])
    assert counts(db) == [(None, None, None), (106, 10, 5)]


def test_tokens_of_the_fixture_are_all_there(db: sqlite_utils.Database) -> None:
    import_paths(db, [MILL])
    rows = [json.loads(line) for line in MILL.read_text().splitlines() if line.endswith("}")]
    found = [
        each
        for row in rows
        for each in row.get("event", {}).get("agentEvent", {}).get("modelUsage", [])
    ]
    total = sum(each["outputTokens"] for each in found)
    assert sum(row[1] or 0 for row in counts(db)) == total > 0


# --- growing ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for the files of one test; hypothesis runs a test many times."""
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_reading_in_parts_is_reading_at_once(folder: Path, data: st.DataObject) -> None:
    raw = MILL.read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), min_size=1, max_size=3)))
    found = []
    for parts in ([len(raw)], [*cuts, len(raw)]):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place, SESSION, "events.jsonl")
            path.parent.mkdir()
            with get_db(Path(place, "glin.db")) as db:
                for end in parts:
                    path.write_bytes(raw[:end])
                    import_paths(db, [path])
                found.append(held(db))
    assert found[0] == found[1]


def test_a_grown_file_is_read_from_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / SESSION / "events.jsonl"
    path.parent.mkdir()
    raw = MILL.read_bytes()
    path.write_bytes(raw)
    *_, end = read(JUNIE, path)
    assert isinstance(end, Checkpoint)
    assert end.offset == len(raw)
    path.write_bytes(raw + json.dumps(prompt("More")).encode() + b"\n")
    start = Checkpoint(end.offset, end.line, json.loads(json.dumps(end.state)))
    assert [each.content for each in messages(read(JUNIE, path, start))] == ["More"]


def test_what_is_remembered_is_bounded(tmp_path: Path) -> None:
    blocks = [agent("MarkdownBlockUpdatedEvent", stepId=f"s{n}", text="x") for n in range(3000)]
    *_, end = read(JUNIE, write(tmp_path, prompt("Go"), *blocks))
    assert isinstance(end, Checkpoint)
    assert len(json.dumps(end.state)) < 50_000
