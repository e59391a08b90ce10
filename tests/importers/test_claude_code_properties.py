"""Claude Code's transcripts, whatever is in them: read in parts as at once, and never an
exception; and real ones, where ``$GLIN_TEST_TRANSCRIPTS`` names some."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import changed

from glin_datasette.importers.base import (
    Checkpoint,
    Item,
    Said,
    Skipped,
    Summary,
    Unknown,
    Usage,
)
from glin_datasette.importers.claude_code import ClaudeCode
from glin_datasette.models import KINDS, ROLES, TITLE_RANK, Conversation

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "claude-code" / "projects"
FILES = sorted(FIXTURES.rglob("*.jsonl"))
BYTES = {path: path.read_bytes() for path in FILES}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for the files of one test; hypothesis runs a test many times."""
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def read(path: Path, start: Checkpoint) -> tuple[list[Item], Checkpoint]:
    *items, end = ClaudeCode().read(path, start)
    assert isinstance(end, Checkpoint)
    # As it goes through the database.
    state = json.loads(json.dumps(end.state))
    return items, Checkpoint(end.offset, end.line, state)


def merged(items: list[Item]) -> dict[str, Any]:
    """What an archive holds after the items: the latest fact, the best title, each message
    once, with the largest count of tokens."""
    found: dict[str, Any] = {"conversations": {}, "messages": {}, "skipped": set(), "other": []}
    for item in items:
        if isinstance(item, Conversation):
            known = found["conversations"].setdefault(item.source_id, {"title_from": None})
            facts = asdict(item)
            del facts["title"], facts["title_from"]
            known.update({k: v for k, v in facts.items() if v is not None})
            if item.title and TITLE_RANK[item.title_from] >= TITLE_RANK[known["title_from"]]:
                known.update(title=item.title, title_from=item.title_from)
        elif isinstance(item, Said):
            assert item.conversation in found["conversations"]
            key = (item.conversation, item.message.source_id)
            found["messages"].setdefault(key, item.message)
        elif isinstance(item, Usage):
            key = (item.conversation, item.message)
            values = (item.token_in, item.token_out, item.token_cached)
            found["messages"][key] = (found["messages"][key], values)
        elif isinstance(item, Skipped):
            if not item.error.startswith("cut off"):
                found["skipped"].add((item.line, item.error))
        elif isinstance(item, Summary | Unknown):
            found["other"].append(item)
    said = {conversation for conversation, _ in found["messages"]}
    found["conversations"] = {k: v for k, v in found["conversations"].items() if k in said}
    found["order"] = list(found["messages"])
    return found


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_cut_anywhere_reads_the_same_in_two_steps(folder: Path, data: Any) -> None:
    source = data.draw(st.sampled_from(FILES))
    raw = BYTES[source]
    ends = [place + 1 for place, byte in enumerate(raw) if byte == 0x0A]
    cut = data.draw(st.integers(0, len(raw)) | st.sampled_from(ends))
    # The same name, since that tells whose session it is.
    file = folder / source.relative_to(FIXTURES)
    file.parent.mkdir(parents=True, exist_ok=True)
    for extra in source.parent.glob("*.meta.json"):
        (file.parent / extra.name).write_bytes(extra.read_bytes())
    file.write_bytes(raw)
    whole, end = read(file, Checkpoint())
    file.write_bytes(raw[:cut])
    first, middle = read(file, Checkpoint())
    assert middle.offset <= cut
    file.write_bytes(raw)
    second, last = read(file, middle)
    assert merged(first + second) == merged(whole)
    assert (last.offset, last.line) == (end.offset, end.line) == (len(raw), raw.count(b"\n"))
    again, same = read(file, last)
    assert again == []
    assert same == last


# --- nothing in a file is an exception -------------------------------------------------


def check(items: list[Item]) -> None:
    """What importers promise of whatever they yield."""
    told: set[str] = set()
    for item in items:
        if isinstance(item, Conversation):
            told.add(item.source_id)
            texts = [item.source_id, item.title, item.client, item.repo_root, item.git_branch]
        elif isinstance(item, Said):
            said = item.message
            assert item.conversation in told
            assert said.role in ROLES
            assert said.kind in KINDS
            assert said.source_id
            for number in (said.token_in, said.token_out, said.token_cached):
                assert number is None or 0 <= number < 2**60
            texts = [said.content, said.source_id, said.model, said.tool_name, said.tool_call_id]
            texts += [ref.value for ref in said.refs]
        else:
            continue
        for text in texts:
            if text is not None:
                assert not {"\0", "\x02", "\x03"} & set(text)
                text.encode()


RECORDS = [
    json.loads(line)
    for raw in BYTES.values()
    for line in raw.splitlines()
    if line.startswith(b"{") and line.endswith(b"}")
]


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_any_value_in_any_place(folder: Path, data: Any) -> None:
    lines = []
    for _ in range(data.draw(st.integers(1, 4))):
        record = changed(data.draw, data.draw(st.sampled_from(RECORDS)))
        lines.append(json.dumps(record))
    file = folder / data.draw(st.sampled_from(["a.jsonl", "agent-1.jsonl"]))
    file.write_text("\n".join(lines) + "\n1e400\n")
    items, end = read(file, Checkpoint())
    check(items)
    assert [item.error for item in items if isinstance(item, Skipped)] == ["not a JSON object"]
    assert end.offset == file.stat().st_size


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_bytes_in_any_place(folder: Path, data: Any) -> None:
    raw = bytearray(BYTES[data.draw(st.sampled_from(FILES))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(raw)))
        to = data.draw(st.integers(at, min(at + 200, len(raw))))
        raw[at:to] = data.draw(
            st.binary(max_size=8)
            | st.sampled_from(
                [b"", b"\0" * 64, b"\n", b"\xff", b'"', b"1e400", b"[" * 5000, b"\\ud800"]
            )
        )
    file = folder / "a.jsonl"
    file.write_bytes(raw)
    assert ClaudeCode().identify(file, bytes(raw[:4096])) in (True, False)
    items, end = read(file, Checkpoint())
    check(items)
    assert 0 <= end.offset <= len(raw)


@pytest.mark.parametrize("state", [{}, {"version": 0, "threads": 7}, {"version": None}])
def test_a_state_of_another_release_starts_afresh(state: dict[str, object]) -> None:
    found = list(ClaudeCode().read(FILES[0], Checkpoint(0, 0, state)))
    assert found == list(ClaudeCode().read(FILES[0], Checkpoint()))


# --- memory ----------------------------------------------------------------------------


def test_what_is_remembered_of_a_long_file_is_little(tmp_path: Path) -> None:
    """Each record opens a sidechain, a call and a reply that never ends."""
    file = tmp_path / "a.jsonl"
    with file.open("w") as out:
        for n in range(3000):
            block = {"type": "tool_use", "id": f"t{n}", "name": "Task", "input": {"prompt": str(n)}}
            block["input"]["description"] = "d" * 300  # type: ignore[index]
            message = {"id": f"m{n}", "content": [block], "usage": {"output_tokens": n}}
            record = {"type": "assistant", "uuid": f"{n:036}", "sessionId": "s", "message": message}
            out.write(json.dumps(record | {"isSidechain": True, "cwd": "/r"}) + "\n")
    items, end = read(file, Checkpoint())
    assert sum(isinstance(item, Said) for item in items) == 3000
    assert len(json.dumps(end.state)) < 60_000


# --- real transcripts ------------------------------------------------------------------


def independent_count(path: Path) -> dict[str, int]:
    """Input and output tokens of a file, counted without the importer: for each reply the
    line with the largest output, the first of them."""
    best: dict[tuple[str, str], dict[str, int]] = {}
    for raw in path.read_bytes().split(b"\n"):
        try:
            record = json.loads(raw)
        except ValueError:
            continue
        data = record.get("data")
        if isinstance(data, dict) and data.get("type") == "agent_progress":
            record = data["message"]
        if record.get("type") != "assistant":
            continue
        message = record["message"]
        usage = message.get("usage") or {}
        if message.get("model") == "<synthetic>" or not usage:
            continue
        key = (message["id"], record.get("requestId") or "")
        if key not in best or usage["output_tokens"] > best[key]["output_tokens"]:
            best[key] = usage
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return {
        "out": sum(usage["output_tokens"] for usage in best.values()),
        "in": sum(usage.get(part) or 0 for usage in best.values() for part in parts),
        "cached": sum(usage.get(parts[2]) or 0 for usage in best.values()),
    }


def importer_count(items: list[Item]) -> dict[str, int]:
    counts: dict[str | None, tuple[int, int, int]] = {}
    for item in items:
        if isinstance(item, Said) and item.message.token_out is not None:
            said = item.message
            counts[said.source_id] = (
                said.token_out or 0,
                said.token_in or 0,
                said.token_cached or 0,
            )
        elif isinstance(item, Usage):
            counts[item.message] = (item.token_out or 0, item.token_in or 0, item.token_cached or 0)
    out, inside, cached = (sum(column) for column in zip(*counts.values(), strict=True))
    return {"out": out, "in": inside, "cached": cached}


def test_real_transcripts(real_transcripts: Path) -> None:
    files = sorted((real_transcripts / "claude-code").rglob("*.jsonl"))
    assert files
    for path in files:
        items, end = read(path, Checkpoint())
        check(items)
        damaged = 0
        for raw in path.read_bytes().split(b"\n"):
            try:
                damaged += bool(raw.strip()) and not isinstance(json.loads(raw), dict)
            except ValueError:
                damaged += 1
        problems = [item for item in items if isinstance(item, Skipped | Unknown)]
        assert len(problems) == damaged, path
        assert importer_count(items) == independent_count(path), path
        uuids = [item.message.source_id for item in items if isinstance(item, Said)]
        assert len(set(uuids)) == len(uuids), path
        assert end.offset == path.stat().st_size


def test_real_transcripts_in_two_steps(real_transcripts: Path, tmp_path: Path) -> None:
    for path in sorted((real_transcripts / "claude-code").rglob("*.jsonl")):
        raw = path.read_bytes()
        whole, _ = read(path, Checkpoint())
        file = tmp_path / path.name
        for part in (0.1, 0.5, 0.9):
            file.write_bytes(raw[: int(len(raw) * part)])
            first, middle = read(file, Checkpoint())
            file.write_bytes(raw)
            second, _ = read(file, middle)
            assert merged(first + second) == merged(whole), path
