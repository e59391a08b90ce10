"""The transcripts of Cursor's agents."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import lay_out, messages, named, read

from glin_datasette.importers.base import Checkpoint, Item, Said, Skipped, Unknown
from glin_datasette.importers.cursor import CursorAgent, CursorEditor
from glin_datasette.importers.cursor.prompts import read_prompt, without_redactions
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation, Ref

MAIN = "b0000000-0000-4000-8000-0000000000a1"
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "cursor-agent"
TEXT = next(FIXTURES.rglob(f"{MAIN}.jsonl")).read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return next(lay_out("cursor-agent", tmp_path).rglob(f"{MAIN}.jsonl"))


def record(role: str, *blocks: Any) -> str:
    return json.dumps({"role": role, "message": {"content": list(blocks)}})


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def told(items: list[Item]) -> Conversation:
    return [item for item in items if isinstance(item, Conversation)][-1]


# --- where, and what ---------------------------------------------------------------------


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    assert list(CursorAgent().places()) == [tmp_path / ".cursor" / "projects"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("x/agent-transcripts/1.jsonl", True),
        ("x/agent-transcripts/1/1.jsonl", True),
        ("x/agent-transcripts/1/subagents/2.jsonl", True),
        ("x/agent-transcripts/1/subagents/deep/er/2.jsonl", False),
        ("x/agent-transcripts/1.txt", False),
        ("x/terminals/1.jsonl", False),
        ("x/agent-transcripts.jsonl", False),
    ],
)
def test_matches(name: str, ours: bool) -> None:
    assert CursorAgent().matches(Path("/home/ada/.cursor/projects") / name) == ours


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        (TEXT, True),
        (TEXT[:60], True),
        (b'{"role":"user","message":{"content":[{"type":"text","text":"' + b"x" * 70_000, True),
        (b' { "role" : "assistant", "message": {"content": "', True),
        (b'{"role":"user","mess', False),
        (b'{"role":"user"', False),
        (b'{damaged\n{"role":"user","message":{"content":[]}}\n', True),
        (b'{"type":"turn_ended"}\n{"role":"user","message":{"content":[]}}', True),
        (b'{"type":"turn_ended"}\n', False),
        (b'{"role":"system","message":{"content":[]}}', False),
        (b'{"role":"user","content":"hi"}\n', False),
        (b'{"type":"user","message":{"role":"user","content":"hi"}}\n', False),
        (b'{"role":"user","message":{"content":[]},"uuid":"1"}\n', False),
        (b'{"role":"user","message":{"content":[],"id":"1"}}\n', False),
        (b'[{"role":"user","message":{"content":[]}}]', False),
        (b"", False),
        (b"\0\xff", False),
    ],
)
def test_identify(head: bytes, ours: bool) -> None:
    assert CursorAgent().identify(Path("x.jsonl"), head) == ours


# --- a transcript ------------------------------------------------------------------------


def test_a_transcript(path: Path) -> None:
    items = read(named("cursor-agent"), path)
    facts = told(items)
    assert (facts.source, facts.source_id) == ("cursor", MAIN)
    assert (facts.title, facts.title_from) == ("Make @docs/speed.md shorter", "prompt")
    assert facts.repo_root == "/home/ada/src/kestrel"
    contents = [m.content for m in messages(items)]
    assert not any("REDACTED" in c or "user_query" in c or "timestamp" in c for c in contents)
    assert contents[:3] == [
        "Make @docs/speed.md shorter\n[Image]",
        "I will read it first.",
        "path: /home/ada/src/kestrel/docs/speed.md\nlimit: 40",
    ]
    edit = next(m for m in messages(items) if m.tool_name == "StrReplace")
    assert edit.refs == (Ref("file", "docs/speed.md"),)


def test_only_prompts_tell_their_time(path: Path) -> None:
    found = messages(read(named("cursor-agent"), path))
    assert [m.ts for m in found if m.ts] == [
        "2026-09-03T18:21:00.000Z",
        "2026-09-04T17:35:00.000Z",
        "2026-09-06T09:01:00.000Z",  # The one before has no offset, so it is no moment.
    ]
    assert all(m.ts is None for m in found if m.role == "assistant")


def test_lines_that_are_equal_are_told_apart(path: Path) -> None:
    found = messages(read(named("cursor-agent"), path))
    assert len({m.source_id for m in found}) == len(found)
    assert sum(m.content.startswith("command: git show") for m in found) == 3
    assert [m.content for m in found].count("Again") == 2
    assert [m.content for m in found].count("Done.") == 2


def test_a_subagent_belongs_to_who_started_it(path: Path) -> None:
    (other,) = path.parent.rglob("subagents/*.jsonl")
    facts = told(read(named("cursor-agent"), other))
    assert (facts.source_id, facts.parent_source_id) == (other.stem, MAIN)
    assert facts.relation == "subagent"
    assert facts.title == "You look for what the docs say about speed. Report file names."


def test_a_file_that_was_rewritten_repeats_nothing(path: Path, db: sqlite_utils.Database) -> None:
    """Cursor takes out markers when it goes on, and an early record may be another one."""
    import_paths(db, [path])
    count = db.table("messages").count
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "turn_ended" not in line]
    path.write_text("".join(kept), "utf-8")
    assert import_paths(db, [path]).messages == 0
    kept[1] = record("assistant", text("Another beginning")) + "\n"
    path.write_text("".join(kept), "utf-8")
    assert import_paths(db, [path]).messages == 1
    assert db.table("messages").count == count + 1


# --- beside the editor -------------------------------------------------------------------


def test_what_the_editor_holds_is_read_from_there(
    path: Path, tmp_path: Path, db: sqlite_utils.Database
) -> None:
    place = CursorEditor().places()[0]
    place.mkdir(parents=True)
    shutil.copy(next(lay_out("cursor", tmp_path).rglob("state.vscdb")), place)
    held = path.with_name("a0000000-0000-4000-8000-0000000000a1.jsonl")
    held.write_text(record("user", text("<user_query>\nWhy?\n</user_query>")) + "\n", "utf-8")
    assert read(named("cursor-agent"), held) == [Checkpoint()]
    assert messages(read(named("cursor-agent"), path))
    import_paths(db, [place / "state.vscdb", held])
    assert not db.execute("select 1 from messages where content = 'Why?'").fetchall()
    assert db.execute("select 1 from conversations where source_id = ?", [held.stem]).fetchall()


# --- prompts -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("<user_query>\nWhy?\n</user_query>", "Why?"),
        ("<rules>a</rules><user_query>Why?</user_query>", "Why?"),
        (
            "<user_query>What does <rules>x</rules> do?</user_query>",
            "What does <rules>x</rules> do?",
        ),
        ("<user_query>One</user_query>\n<user_query>Two</user_query>", "One\nTwo"),
        (
            "<user_query>\nWhy?\n</user_query>\n[Image]\n[File: spec.pdf]",
            "Why?\n[Image]\n[File: spec.pdf]",
        ),
        ("Just words", "Just words"),
        ("<b>Bold</b> words", "<b>Bold</b> words"),
        ("<user_query>never closed", "<user_query>never closed"),
        ("<timestamp>now</timestamp>\nDo it", "Do it"),
        ("<system_reminder>Be nice</system_reminder>", ""),
        ("", ""),
    ],
)
def test_read_prompt(raw: str, said: str) -> None:
    prompt = read_prompt(raw)
    assert (prompt.text, prompt.role) == (said, "user")


def test_what_cursor_tells_is_no_prompt() -> None:
    prompt = read_prompt("<system_notification>\nA task has finished.\n</system_notification>")
    assert (prompt.text, prompt.role) == ("A task has finished.", "system")


@pytest.mark.parametrize(
    ("stamp", "moment"),
    [
        ("Friday, Sep 4, 2026, 2:21 AM (UTC+8)", "2026-09-03T18:21:00.000Z"),
        ("Friday, Sep 4, 2026, 2:21\u202fPM (UTC-7)", "2026-09-04T21:21:00.000Z"),
        ("Friday, September 4, 2026, 12:00 AM (UTC)", "2026-09-04T00:00:00.000Z"),
        ("Friday, Sep 4, 2026, 12:00 PM (UTC+5:30)", "2026-09-04T06:30:00.000Z"),
        ("Friday, Sep 4, 2026, 2:21 AM", None),
        ("Friday, Sep 34, 2026, 2:21 AM (UTC)", None),
        ("Friday, Foo 4, 2026, 2:21 AM (UTC)", None),
        ("Friday, Sep 4, 2026, 2:21 AM (UTC+99)", None),
        ("Friday, Jan 1, 0001, 2:21 AM (UTC+8)", None),
        ("now", None),
        ("", None),
    ],
)
def test_the_minute_of_a_prompt(stamp: str, moment: str | None) -> None:
    assert read_prompt(f"<timestamp>{stamp}</timestamp>\nWhy?").ts == moment


def test_redactions() -> None:
    assert without_redactions("[REDACTED]") == ""
    assert without_redactions("Here.\n\n[REDACTED]") == "Here."
    assert without_redactions("Here.\n\n[REDACTED]\n\n- one") == "Here.\n\n\n- one"
    assert without_redactions("It says [REDACTED] there.") == "It says [REDACTED] there."


def test_wrappers_that_never_end_take_no_time() -> None:
    read_prompt("<rules>" * 200_000)
    read_prompt("<user_query>" * 200_000)


@given(st.text(max_size=200))
def test_any_text_is_a_prompt(raw: str) -> None:
    assert read_prompt(raw).text in raw or "<" in raw
    assert read_prompt(f"<user_query>{raw}</user_query>").role == "user"


# --- in parts, and damaged ---------------------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def merged(items: list[Item]) -> dict[str, Any]:
    return {
        "said": [asdict(i.message) for i in items if isinstance(i, Said)],
        "skipped": [
            i for i in items if isinstance(i, Skipped) and not i.error.startswith("cut off")
        ],
        "unknown": [i for i in items if isinstance(i, Unknown)],
        "told": asdict(told(items)) if any(isinstance(i, Conversation) for i in items) else None,
    }


@given(st.lists(st.integers(0, len(TEXT)), max_size=4))
@settings(max_examples=150, deadline=None)
def test_in_parts_as_at_once(folder: Path, cuts: list[int]) -> None:
    path = folder / f"{MAIN}.jsonl"
    path.write_bytes(TEXT)
    whole = read(CursorAgent(), path)[:-1]
    parts: list[Item] = []
    start = Checkpoint()
    for cut in [*sorted(cuts), len(TEXT)]:
        path.write_bytes(TEXT[:cut])
        *items, end = read(CursorAgent(), path, start)
        assert isinstance(end, Checkpoint)
        start = Checkpoint(end.offset, end.line, json.loads(json.dumps(end.state)))
        parts += items
    assert merged(parts) == merged(whole)


def test_the_state_is_bounded(folder: Path) -> None:
    path = folder / "many.jsonl"
    lines = [record("user", text(f"Prompt {i}")) for i in range(3000)]
    lines += [record("assistant", text(f"Reply {i}")) for i in range(3000)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    end = read(CursorAgent(), path)[-1]
    assert isinstance(end, Checkpoint)
    assert len(json.dumps(end.state)) < 150_000


def test_real_transcripts(real_transcripts: Path) -> None:
    found = sorted((real_transcripts / "cursor").rglob("*.jsonl"))
    assert found
    for path in found:
        with path.open("rb") as file:
            assert CursorAgent().identify(path, file.read(64 * 1024))
        items = read(CursorAgent(), path)
        assert not any(isinstance(item, Skipped | Unknown) for item in items)
        title = told(items).title
        assert title and not title.startswith("<")
        calls = path.read_text("utf-8").count('"type":"tool_use"')
        assert sum(m.kind == "tool_call" for m in messages(items)) == calls
        assert not any("[REDACTED]" in m.content for m in messages(items))
