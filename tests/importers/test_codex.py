"""Codex: whose records a file holds, each thing once, and what was taken back."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from archived import archived, read_from, storable
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import changed
from transcripts import FIXTURES, messages

from glin_datasette.importers.base import Checkpoint, Said, Skipped, Unknown, Usage
from glin_datasette.importers.codex import Codex
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation

FILES = sorted((FIXTURES / "codex").rglob("rollout-*.jsonl"))
BYTES = {path: path.read_bytes() for path in FILES}
CODEX = Codex()

PARENT = "0199a000-1000-7000-8000-00000000000a"
FORK = "0199a100-1000-7000-8000-00000000000b"
AGENT = "0199a010-9000-7000-8000-00000000000c"
REWOUND = "0199a200-1000-7000-8000-00000000000e"
STRANGE = "0199a300-1000-7000-8000-00000000000f"
BEFORE = "0197f000-1000-7000-8000-000000000010"
BARE = "8c5d1f0e-0000-4000-8000-000000000011"
NOW = "2026-03-02T09:00:00.000Z"


def fixture(id: str) -> Path:
    return next(path for path in FILES if id in path.name)


def line(kind: str, **payload: Any) -> dict[str, Any]:
    return {"timestamp": NOW, "type": kind, "payload": payload}


def item(kind: str, **payload: Any) -> dict[str, Any]:
    return line("response_item", type=kind, **payload)


def event(kind: str, **payload: Any) -> dict[str, Any]:
    return line("event_msg", type=kind, **payload)


def user(text: str) -> dict[str, Any]:
    return item("message", role="user", content=[{"type": "input_text", "text": text}])


def reply(text: str) -> dict[str, Any]:
    return item("message", role="assistant", content=[{"type": "output_text", "text": text}])


def counted(total: int, tokens: int) -> dict[str, Any]:
    info = {
        "total_token_usage": {"input_tokens": total, "output_tokens": 1},
        "last_token_usage": {"input_tokens": tokens, "output_tokens": 1},
    }
    return event("token_count", info=info)


META = line("session_meta", id=PARENT, timestamp=NOW, cwd="/src/tide", cli_version="1.0")


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(*records: Any, name: str = f"rollout-2026-03-02T09-00-00-{PARENT}.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
        return path

    return write


def said(path: Path) -> list[tuple[str, str, str]]:
    return [(m.role, m.kind, m.content) for m in messages(CODEX.read(path, Checkpoint()))]


def usage(items: Any) -> list[tuple[str, int | None]]:
    return [(each.message, each.token_in) for each in items if isinstance(each, Usage)]


# --- where they are, and what they are -------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    home = Path.home() / ".codex"
    assert CODEX.places() == [home / "sessions", home / "archived_sessions"]
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    assert CODEX.places() == [tmp_path / "sessions", tmp_path / "archived_sessions"]


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("rollout-2026-03-02T09-00-00-x.jsonl", True),
        ("session_index.jsonl", False),
        ("history.jsonl", False),
        ("rollout-2026-03-02T09-00-00-x.jsonl.zst", False),
        ("rollout-1.json", False),
    ],
)
def test_matches(name: str, own: bool) -> None:
    assert CODEX.matches(Path("/home/ada/.codex/sessions/2026/03/02", name)) is own


@pytest.mark.parametrize(
    ("head", "own"),
    [
        (json.dumps(META), True),
        (json.dumps(META)[:90], True),
        (json.dumps(META)[:60], False),
        ("not JSON\n" + json.dumps(reply("yes")), True),
        ('{"id":"a-b-c-d-e-f","timestamp":"2025-06-12T07:00:00Z","instructions":null}', True),
        ('{"id":"a-b-c-d-e-f","timestamp":"2025-06-12T07:00:00Z","instructions":"Be br', True),
        ('{"type":"message","role":"user","content":[{"type":"input_text","text":"a"}]}', True),
        ('{"type":"message","role":"user","content":"a"}', False),
        ('{"type":"function_call","call_id":"c","name":"shell","arguments":"{}"}', True),
        ('{"type":"response_item","payload":"text"}', False),
        ('{"type":"session_meta"}', False),
        ('{"type":"user","uuid":"u","sessionId":"s"}', False),
        ('{"sessionId":"s","projectHash":"p"}', False),
        ("[]", False),
        ("", False),
    ],
)
def test_identify(head: str, own: bool) -> None:
    assert CODEX.identify(Path("x.jsonl"), head.encode()) is own


# --- each thing once -------------------------------------------------------------------


def test_a_prompt_is_what_was_typed(written: Callable[..., Path]) -> None:
    path = written(
        META,
        user("# AGENTS.md instructions for /src/tide\n\n<INSTRUCTIONS>a</INSTRUCTIONS>"),
        user("<environment_context><cwd>/src</cwd></environment_context>"),
        user("<recommended_plugins>none</recommended_plugins>"),
        item("message", role="developer", content=[{"type": "input_text", "text": "obey"}]),
        user("Why?"),
        event("user_message", message="Why?"),
        reply("Because."),
        user("<subagent_notification>done</subagent_notification>"),
        reply("And so on."),
    )
    assert said(path) == [
        ("user", "text", "Why?"),
        ("assistant", "text", "Because."),
        ("assistant", "text", "And so on."),
    ]


def test_markup_that_somebody_typed_is_a_prompt(written: Callable[..., Path]) -> None:
    typed = "<my_tag>What is this?</my_tag>"
    path = written(META, user(typed), event("user_message", message=typed), reply("A tag."))
    assert said(path)[0] == ("user", "text", typed)


def test_without_events_the_items_are_the_prompts(written: Callable[..., Path]) -> None:
    path = written(META, user("<environment_context>x</environment_context>"), user("Why?"))
    assert said(path) == [], "what it is cannot be known before the next record"
    path = written(
        META, user("<environment_context>x</environment_context>"), user("Why?"), reply("So.")
    )
    assert said(path) == [("user", "text", "Why?"), ("assistant", "text", "So.")]


@pytest.mark.parametrize("same", [True, False])
def test_an_item_is_better_than_its_event(written: Callable[..., Path], same: bool) -> None:
    path = written(
        META,
        event("agent_reasoning", text="**Hm**"),
        event("agent_message", message="Yes." if same else "[redacted]"),
        counted(1, 1),
        item("reasoning", summary=[{"type": "summary_text", "text": "**Hm**"}]),
        reply("Yes."),
        event("agent_message", message="Told by an event alone."),
        event("task_complete"),
    )
    assert said(path) == [
        ("assistant", "thinking", "**Hm**"),
        ("assistant", "text", "Yes."),
        ("assistant", "text", "Told by an event alone."),
    ]


def test_a_command_of_a_call_is_not_a_second_one(written: Callable[..., Path]) -> None:
    ran = {"type": "CommandExecution", "command": ["ls"], "exit_code": 1, "aggregated_output": "x"}
    path = written(
        META,
        item("function_call", name="shell", arguments='{"command":["ls"]}', call_id="c1"),
        event("item_completed", item=ran | {"id": "c1"}),
        event("exec_command_end", call_id="c1", command=["ls"], exit_code=1, stdout="x"),
        event("item_completed", item=ran | {"id": "c2"}),
    )
    found = messages(CODEX.read(path, Checkpoint()))
    assert [(m.kind, m.tool_call_id, m.is_error) for m in found] == [
        ("tool_call", "c1", False),
        ("tool_call", "c2", False),
        ("tool_result", "c2", True),
    ]


@pytest.mark.parametrize(
    ("output", "text", "failed"),
    [
        ("plain", "plain", False),
        ('{"output":"x","metadata":{"exit_code":0}}', "x", False),
        ('{"output":"x","metadata":{"exit_code":2}}', "x", True),
        ('{"a":1}', '{"a":1}', False),
        ("Exit code: 1\nWall time: 1 seconds\nOutput:\nno", None, True),
        ("Wall time: 1 seconds\nProcess exited with code 0\nOutput:\nExit code: 1", None, False),
        ("Exit code: 1", "Exit code: 1", False),
        ({"content": "no", "success": False}, "no", True),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb", False),
        ('[{"type":"text","text":"from a server"}]', "from a server", False),
        (None, "", False),
    ],
)
def test_results(
    written: Callable[..., Path], output: object, text: str | None, failed: bool
) -> None:
    path = written(META, item("function_call_output", call_id="c", output=output))
    (found,) = messages(CODEX.read(path, Checkpoint()))
    assert found.content == (output if text is None else text)
    assert found.is_error is failed


# --- tokens ----------------------------------------------------------------------------


def test_a_count_that_is_written_again_counts_once(written: Callable[..., Path]) -> None:
    path = written(META, reply("a"), counted(5, 5), counted(5, 5), reply("b"), counted(9, 4))
    items = list(CODEX.read(path, Checkpoint()))
    first, second = messages(items)
    assert usage(items) == [(first.source_id, 5), (second.source_id, 4)]


def test_a_count_before_its_reply(written: Callable[..., Path]) -> None:
    path = written(
        META,
        counted(5, 5),
        reply("a"),
        item("function_call", name="f", arguments="{}", call_id="c"),
        item("function_call_output", call_id="c", output="x"),
        counted(9, 4),
        reply("b"),
    )
    items = list(CODEX.read(path, Checkpoint()))
    a, _, _, b = messages(items)
    assert usage(items) == [(a.source_id, 5), (b.source_id, 4)]


def test_the_count_of_a_summary_is_not_lost(written: Callable[..., Path]) -> None:
    path = written(
        META, reply("a"), counted(5, 5), counted(8, 3), line("compacted", message=""),
        reply("b"), counted(9, 1),
    )  # fmt: skip
    items = list(CODEX.read(path, Checkpoint()))
    a, _, b = messages(items)
    assert dict(usage(items)) == {a.source_id: 5, b.source_id: 4}


# --- forks, subagents, what was taken back ---------------------------------------------


def first_conversation(path: Path) -> Conversation:
    items = CODEX.read(path, Checkpoint())
    return next(each for each in items if isinstance(each, Conversation))


@pytest.mark.parametrize(
    ("id", "relation", "prompt"),
    [
        (FORK, "fork", "Now do the same for Saltholm"),
        (AGENT, "subagent", "List the stations that have an offset."),
    ],
)
def test_a_copy_is_left_to_the_parent(id: str, relation: str, prompt: str) -> None:
    path = fixture(id)
    assert first_conversation(path).parent_source_id == PARENT
    assert first_conversation(path).relation == relation
    found = said(path)
    assert found[0][0] == "user"
    assert prompt in found[0][2]
    assert not any("Porthaven one hour late" in text for _, _, text in found)
    items = list(CODEX.read(path, Checkpoint()))
    assert sum(tokens or 0 for _, tokens in usage(items)) in (1200, 800)


def test_a_fork_whose_first_line_is_damaged_is_still_one(written: Callable[..., Path]) -> None:
    lines = BYTES[fixture(FORK)].splitlines(keepends=True)
    path = written(name=fixture(FORK).name)
    path.write_bytes(b'{"timestamp":\n' + b"".join(lines[1:]))
    told = first_conversation(path)
    assert (told.source_id, told.parent_source_id, told.relation) == (FORK, PARENT, "fork")
    assert [role for role, _, _ in said(path)] == ["user", "assistant"]


def test_a_prompt_may_stand_before_its_turn(written: Callable[..., Path]) -> None:
    meta = line("session_meta", id=FORK, timestamp=NOW, forked_from_id=PARENT, cwd="/src")
    turn = "0199a100-2000-7000-8000-0000000000b1"
    path = written(
        meta, META, user("Old"), event("user_message", message="Old"),
        line("turn_context", turn_id="0199a000-2000-7000-8000-0000000000a1", model="m"),
        reply("Old."), user("New"), event("user_message", message="New"),
        line("turn_context", turn_id=turn, model="m"), reply("New."),
    )  # fmt: skip
    assert [text for _, _, text in said(path)] == ["New", "New."]


@pytest.mark.parametrize(("seconds", "texts"), [(0, []), (3, ["New", "New."])])
def test_without_a_clock_in_the_ids_the_time_tells(
    written: Callable[..., Path], seconds: int, texts: list[str]
) -> None:
    meta = line("session_meta", id=FORK, timestamp=NOW, forked_from_id=PARENT, cwd="/src")
    own = [
        event("task_started", turn_id="2"), user("New"), event("user_message", message="New"),
        reply("New."),
    ]  # fmt: skip
    for record in own:
        record["timestamp"] = f"2026-03-02T09:00:0{seconds}.000Z"
    path = written(meta, META, event("task_started", turn_id="1"), user("Old"), reply("Old."), *own)
    assert [text for _, _, text in said(path)] == texts


def test_turns_that_were_taken_back(db: sqlite_utils.Database) -> None:
    import_paths(db, [fixture(REWOUND)])
    found = {
        row["title"]: (row["relation"], row["texts"])
        for row in db.query(
            "select c.title, c.relation, group_concat(m.content, '|') as texts from messages m"
            " join conversations c on c.id = m.conversation_id group by c.id order by m.position"
        )
    }
    assert found == {
        "Write a limerick on tides": (
            None,
            "Write a limerick on tides|There was a young tide…|Make it merry"
            "|A tide that was merry…",
        ),
        "Write a poem on tides": ("branch", "Write a poem on tides|Slow the water…"),
        "Make it sadder": (
            "branch",
            "Make it sadder|There was a sad tide…|Sadder still|…",
        ),
    }


def test_what_was_taken_back_outlives_an_empty_session(
    db: sqlite_utils.Database, written: Callable[..., Path]
) -> None:
    back = (META, user("a"), event("user_message", message="a"), reply("b"))
    path = written(*back, event("thread_rolled_back", num_turns=3))
    import_paths(db, [path])
    assert [row["relation"] for row in db.query("select relation from conversations")] == ["branch"]
    assert db.table("messages").count == 2
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(event("user_message", message="c")) + "\n")
    import_paths(db, [path])
    rows = list(db.query("select id, parent_id, title from conversations order by parent_id"))
    assert [row["title"] for row in rows] == ["c", "a"]
    assert rows[1]["parent_id"] == rows[0]["id"]


# --- older and stranger ----------------------------------------------------------------


def test_the_oldest_files() -> None:
    told = first_conversation(fixture(BARE))
    assert (told.source_id, told.title) == (BARE, "Rename the north pier")
    assert (told.repo_root, told.git_branch) == ("/home/robin/src/harbour", "piers")
    assert [role for role, _, _ in said(fixture(BARE))][:2] == ["user", "assistant"]


def test_a_name_that_somebody_gave_is_the_title() -> None:
    *_, told = (i for i in CODEX.read(fixture(BEFORE), Checkpoint()) if isinstance(i, Conversation))
    assert (told.title, told.title_from) == ("Counting gulls", "custom")


def test_only_what_is_new_is_unknown() -> None:
    unknown = {
        each.kind
        for path in FILES
        for each in CODEX.read(path, Checkpoint())
        if isinstance(each, Unknown)
    }
    assert unknown == {
        "content sound", "event fanfare", "item (none)", "item hologram", "postcard",
    }  # fmt: skip


# --- in parts, and whatever is in them -------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_cut_anywhere_reads_the_same_in_two_steps(folder: Path, data: Any) -> None:
    source = data.draw(st.sampled_from(FILES))
    raw = BYTES[source]
    ends = [place + 1 for place, byte in enumerate(raw) if byte == 0x0A]
    cut = data.draw(st.integers(0, len(raw)) | st.sampled_from(ends))
    file = folder / source.name
    file.write_bytes(raw)
    whole, end = read_from(CODEX, file)
    file.write_bytes(raw[:cut])
    first, middle = read_from(CODEX, file)
    assert middle.offset <= cut
    file.write_bytes(raw)
    second, last = read_from(CODEX, file, middle)
    assert archived(first + second) == archived(whole)
    assert (last.offset, last.line) == (end.offset, end.line)
    again, same = read_from(CODEX, file, last)
    assert not [each for each in again if isinstance(each, Said | Usage | Skipped)]
    assert (same.offset, same.line) == (last.offset, last.line)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_in_a_file_is_an_exception(folder: Path, data: Any) -> None:
    records = []
    for each in BYTES[data.draw(st.sampled_from(FILES))].splitlines():
        try:
            records.append(json.loads(each))
        except ValueError:
            continue
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(records) - 1))
        records[at] = changed(data.draw, records[at])
    file = folder / f"rollout-{PARENT}.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    items, end = read_from(CODEX, file)
    storable(items)
    archived(items)
    assert end.line <= len(records)


def test_the_state_stays_small(written: Callable[..., Path]) -> None:
    turns: list[Any] = [META]
    for n in range(1500):
        turns += [user(f"{n}?"), event("user_message", message=f"{n}?"), reply(f"{n}.")]
        turns.append(item("function_call", name="f", arguments="{}", call_id=f"c{n}"))
    _, end = read_from(CODEX, written(*turns))
    assert len(json.dumps(end.state)) < 300_000


# --- real ones -------------------------------------------------------------------------


def test_real_transcripts(real_transcripts: Path) -> None:
    paths = sorted((real_transcripts / "codex").rglob("rollout-*.jsonl"))
    if not paths:
        pytest.skip("no transcripts of Codex there")
    for path in paths:
        items = list(CODEX.read(path, Checkpoint()))
        assert not [each for each in items if isinstance(each, Skipped | Unknown)], path.name
        prompts, expected, seen = 0, 0, None
        for raw in path.read_bytes().splitlines():
            payload = json.loads(raw)["payload"]
            prompts += payload.get("type") == "user_message"
            info = payload.get("info")
            if payload.get("type") == "token_count" and info and info["total_token_usage"] != seen:
                seen = info["total_token_usage"]
                expected += info["last_token_usage"]["input_tokens"]
        found = archived(items)
        (said_there,) = found["messages"].values()
        assert sum(each.token_in or 0 for each in said_there) == expected
        assert not prompts or sum(each.role == "user" for each in said_there) == prompts
        (told,) = found["conversations"].values()
        assert told["title"]
        assert told["title"][0] not in "<#{"
        assert told["client"].startswith("codex")
        assert all(each.model for each in said_there if each.role == "assistant")
