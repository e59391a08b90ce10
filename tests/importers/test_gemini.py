"""Gemini CLI: both kinds of files, messages that are written again, and what was rewound."""

from __future__ import annotations

import hashlib
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

from glin_datasette.importers.base import Checkpoint, Moved, Said, Skipped, Unknown
from glin_datasette.importers.gemini import Gemini
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation

FILES = sorted(path for path in (FIXTURES / "gemini").rglob("chats/**/*.json*") if path.is_file())
FILES = [path for path in FILES if "golden" not in path.parts]
LINES = [path for path in FILES if path.suffix == ".jsonl"]
BYTES = {path: path.read_bytes() for path in FILES}
GEMINI = Gemini()

HEADER = {"sessionId": "s1", "projectHash": "0" * 64, "startTime": "2026-04-20T10:00:00.000Z"}


def message(id: str, type: str, content: Any, second: int = 0, **more: Any) -> dict[str, Any]:
    ts = f"2026-04-20T10:00:{second:02}.000Z"
    return {"id": id, "timestamp": ts, "type": type, "content": content, **more}


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "tide" / "chats"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def lines(chats: Path) -> Callable[..., Path]:
    def write(*records: Any) -> Path:
        path = chats / "session-2026-04-20T10-00-s1.jsonl"
        path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
        return path

    return write


@pytest.fixture
def document(chats: Path) -> Callable[..., Path]:
    def write(*records: Any, **more: Any) -> Path:
        path = chats / "session-2026-01-10T10-00-s1.json"
        path.write_text(json.dumps(HEADER | more | {"messages": records}, indent=1), "utf-8")
        return path

    return write


def told(path: Path) -> Conversation:
    items = GEMINI.read(path, Checkpoint())
    return [each for each in items if isinstance(each, Conversation)][-1]


def texts(db: sqlite_utils.Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in db.query(
        "select c.source_id, m.content from messages m join conversations c"
        " on c.id = m.conversation_id order by c.id, m.position"
    ):
        found.setdefault(row["source_id"], []).append(row["content"])
    return found


# --- where they are, and what they are -------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("GEMINI_CLI_HOME", raising=False)
    assert GEMINI.places() == [Path.home() / ".gemini" / "tmp"]
    monkeypatch.setenv("GEMINI_CLI_HOME", str(tmp_path))
    assert GEMINI.places() == [tmp_path / ".gemini" / "tmp"]


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("tide/chats/session-2026-01-10T10-00-ab.json", True),
        ("tide/chats/session-2026-01-10T10-00-ab.jsonl", True),
        ("tide/chats/5e551011/agent.jsonl", True),
        ("tide/chats/checkpoint.json", False),
        ("tide/logs.json", False),
        ("tide/checkpoints/session-1.json", False),
    ],
)
def test_matches(path: str, own: bool) -> None:
    assert GEMINI.matches(Path("/home/robin/.gemini/tmp", path)) is own


@pytest.mark.parametrize(
    ("head", "own"),
    [
        (json.dumps(HEADER), True),
        (json.dumps(HEADER)[:40], True),
        (json.dumps(HEADER, indent=2) + ', "messages": [', True),
        (json.dumps(message("a", "gemini", "yes")), True),
        ("not JSON\n" + json.dumps({"$set": {"summary": "x"}}), True),
        ("not JSON\n" + json.dumps({"$rewindTo": "a"}), True),
        (json.dumps(message("a", "telegram", "yes")), False),
        (json.dumps(message("a", "user", "yes") | {"uuid": "u"}), False),
        ('{"sessionId": "s", "version": 3, "requests": []}', False),
        ('[{"sessionId": "s", "projectHash": "p"}]', False),
        ('{"type": "user", "uuid": "u", "sessionId": "s"}', False),
        ("[]", False),
        ("", False),
    ],
)
def test_identify(head: str, own: bool) -> None:
    assert GEMINI.identify(Path("x.json"), head.encode()) is own


# --- one message -----------------------------------------------------------------------


def test_what_was_typed_is_the_prompt_not_the_files_in_it(lines: Callable[..., Path]) -> None:
    content = [{"text": "See @a.md"}, {"text": "--- Content from referenced files ---\nlong"}]
    path = lines(HEADER, message("a", "user", content, displayContent="See @a.md"))
    (found,) = messages(GEMINI.read(path, Checkpoint()))
    assert found.content == "See @a.md"
    assert [ref.value for ref in found.refs] == ["a.md"]


@pytest.mark.parametrize(
    ("call", "text", "failed"),
    [
        ({"result": [{"functionResponse": {"response": {"output": "x"}}}]}, "x", False),
        ({"result": [{"functionResponse": {"response": {"error": "no"}}}]}, "no", True),
        ({"status": "error", "error": "no"}, "no", True),
        ({"status": "error", "resultDisplay": "no", "result": []}, "no", True),
        ({"status": "cancelled"}, "cancelled", False),
        ({"status": "success", "result": [{"text": "a"}, {"text": "b"}]}, "a\nb", False),
        (
            {
                "name": "run_shell_command",
                "result": [{"functionResponse": {"response": {"output": "Exit Code: 3"}}}],
            },
            "Exit Code: 3",
            True,
        ),
    ],
)
def test_results(lines: Callable[..., Path], call: dict[str, Any], text: str, failed: bool) -> None:
    record = message("a", "gemini", "", toolCalls=[{"id": "c", "name": "f", "args": {}} | call])
    _, result = messages(GEMINI.read(lines(HEADER, record), Checkpoint()))
    assert (result.content, result.is_error) == (text, failed)
    assert result.tool_name == call.get("name", "f")


def test_a_call_that_runs_has_no_result_yet(lines: Callable[..., Path]) -> None:
    call = {"id": "c", "name": "f", "args": {}, "status": "executing"}
    path = lines(HEADER, message("a", "gemini", "", toolCalls=[call]))
    assert [m.kind for m in messages(GEMINI.read(path, Checkpoint()))] == ["tool_call"]


def test_tokens_are_counted_once_and_with_the_thoughts() -> None:
    path = next(path for path in FILES if path.suffix == ".json")
    expected = [0, 0, 0]
    for each in json.loads(BYTES[path])["messages"]:
        if tokens := each.get("tokens"):
            expected[0] += tokens["input"] + tokens["tool"]
            expected[1] += tokens["output"] + tokens["thoughts"]
            expected[2] += tokens["cached"]
    found = messages(GEMINI.read(path, Checkpoint()))
    assert [
        sum(m.token_in or 0 for m in found),
        sum(m.token_out or 0 for m in found),
        sum(m.token_cached or 0 for m in found),
    ] == expected


# --- written again, and rewound --------------------------------------------------------


def test_the_last_writing_of_a_message_counts(
    db: sqlite_utils.Database, lines: Callable[..., Path]
) -> None:
    call = {"id": "c", "name": "f", "args": {"a": 1}}
    tokens = {"input": 5, "output": 2, "cached": 1}
    path = lines(
        HEADER,
        message("a", "user", "Why?", 1),
        message("b", "gemini", "Be", 2, tokens=None),
        message("b", "gemini", "Because.", 2, tokens=tokens, toolCalls=[call]),
        message("c", "info", "A pause.", 3),
        message("b", "gemini", "Because!", 2, tokens=tokens, toolCalls=[call]),
    )
    import_paths(db, [path])
    assert texts(db) == {"s1": ["Why?", "Because!", "a: 1", "A pause."]}
    sums = "select sum(token_in), sum(token_out), sum(token_cached) from messages"
    assert db.execute(sums).fetchone() == (5, 2, 1)


def test_what_was_rewound_is_a_branch(
    db: sqlite_utils.Database, lines: Callable[..., Path]
) -> None:
    records = [
        HEADER,
        message("a", "user", "One", 1),
        message("b", "gemini", "1", 2),
        message("c", "user", "Two", 3),
        message("d", "gemini", "2", 4),
        {"$rewindTo": "c"},
        message("e", "user", "Three", 5),
    ]
    import_paths(db, [lines(*records[:5])])
    assert texts(db) == {"s1": ["One", "1", "Two", "2"]}
    import_paths(db, [lines(*records)])
    assert texts(db) == {"s1": ["One", "1", "Three"], "s1/branch-c": ["Two", "2"]}
    branch = next(db.query("select title, relation from conversations where parent_id is not null"))
    assert branch == {"title": "Two", "relation": "branch"}


def test_a_rewind_to_the_unknown_leaves_nothing(
    db: sqlite_utils.Database, lines: Callable[..., Path]
) -> None:
    path = lines(
        HEADER, message("a", "user", "One", 1), {"$rewindTo": "z"}, message("b", "user", "Two", 2)
    )
    import_paths(db, [path])
    assert texts(db) == {"s1": ["Two"], "s1/branch-a": ["One"]}
    assert told(path).title == "Two"


def test_a_document_that_lost_its_end_was_rewound(
    db: sqlite_utils.Database, document: Callable[..., Path]
) -> None:
    records = [message(name, "user", name.upper(), n) for n, name in enumerate("abcd")]
    import_paths(db, [document(*records)])
    import_paths(db, [document(*records[:2], message("e", "user", "E", 9), summary="Letters")])
    assert texts(db) == {"s1": ["A", "B", "E"], "s1/branch-c": ["C", "D"]}
    titles = {row["source_id"]: row["title"] for row in db.table("conversations").rows}
    assert titles == {"s1": "Letters", "s1/branch-c": "C"}


def test_a_document_that_is_cut_off_was_not_rewound(
    db: sqlite_utils.Database, document: Callable[..., Path]
) -> None:
    path = document(*(message(name, "user", name.upper(), n) for n, name in enumerate("abcd")))
    import_paths(db, [path])
    path.write_bytes(path.read_bytes()[:-250])
    assert import_paths(db, [path]).skipped == 1
    assert texts(db) == {"s1": ["A", "B", "C", "D"]}


def test_a_long_document_is_not_taken_for_a_rewound_one(document: Callable[..., Path]) -> None:
    records = [message(f"m{n}", "user", str(n)) for n in range(2500)]
    _, end = read_from(GEMINI, document(*records))
    assert len(json.dumps(end.state)) < 300_000
    items, _ = read_from(GEMINI, document(*records, *records[:1]), end)
    assert not [each for each in items if isinstance(each, Moved)]


def test_a_session_that_changed_its_kind_of_file_is_one(
    db: sqlite_utils.Database, document: Callable[..., Path], lines: Callable[..., Path]
) -> None:
    said = [message("a", "user", "One", 1), message("b", "gemini", "1", 2)]
    import_paths(db, [document(*said), lines(HEADER, *said, message("c", "user", "Two", 3))])
    assert texts(db) == {"s1": ["One", "1", "Two"]}


def test_the_history_for_the_service_replaces_nothing(lines: Callable[..., Path]) -> None:
    masked = {"$set": {"messages": [message("a", "user", [{"text": "<masked>"}])]}}
    path = lines(HEADER, message("a", "user", "One", 1), masked)
    assert [m.content for m in messages(GEMINI.read(path, Checkpoint()))] == ["One"]
    path = lines(HEADER, masked)
    assert [m.content for m in messages(GEMINI.read(path, Checkpoint()))] == ["<masked>"]


# --- whose project ---------------------------------------------------------------------


def test_the_project_by_the_file_beside(chats: Path, lines: Callable[..., Path]) -> None:
    (chats.parent / ".project_root").write_text("/src/tide\n")
    assert told(lines(HEADER, message("a", "user", "One"))).repo_root == "/src/tide"


def test_the_project_by_the_list_of_them(chats: Path, lines: Callable[..., Path]) -> None:
    known = {"/src/other": "other", "/src/tide": "tide"}
    (chats.parents[2] / "projects.json").write_text(json.dumps({"projects": known}))
    assert told(lines(HEADER, message("a", "user", "One"))).repo_root == "/src/tide"


def test_the_project_by_its_digest(lines: Callable[..., Path]) -> None:
    header = HEADER | {"projectHash": hashlib.sha256(b"/src/tide").hexdigest()}
    added = {"$set": {"directories": ["/src/elsewhere", "/src/tide"]}}
    assert told(lines(header, message("a", "user", "One"))).repo_root is None
    assert told(lines(header | added["$set"], message("a", "user", "One"))).repo_root == "/src/tide"


def test_a_subagent_belongs_to_the_session_whose_folder_it_is_in() -> None:
    path = next(path for path in FILES if path.parent.parent.name == "chats")
    found = told(path)
    assert (found.relation, found.parent_source_id) == ("subagent", path.parent.name)


# --- in parts, and whatever is in them -------------------------------------------------


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_cut_anywhere_reads_the_same_in_two_steps(folder: Path, data: Any) -> None:
    source = data.draw(st.sampled_from(LINES))
    raw = BYTES[source]
    ends = [place + 1 for place, byte in enumerate(raw) if byte == 0x0A]
    cut = data.draw(st.integers(0, len(raw)) | st.sampled_from(ends))
    file = folder / source.name
    file.write_bytes(raw)
    whole, end = read_from(GEMINI, file)
    file.write_bytes(raw[:cut])
    first, middle = read_from(GEMINI, file)
    assert middle.offset <= cut
    file.write_bytes(raw)
    second, last = read_from(GEMINI, file, middle)
    assert archived(first + second) == archived(whole)
    assert (last.offset, last.line) == (end.offset, end.line) == (len(raw), raw.count(b"\n"))
    again, same = read_from(GEMINI, file, last)
    assert not [each for each in again if isinstance(each, Said | Moved | Skipped)]
    assert same == last


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_in_a_file_is_an_exception(folder: Path, data: Any) -> None:
    source = data.draw(st.sampled_from(FILES))
    file = folder / source.name
    if source.suffix == ".json":
        whole = changed(data.draw, json.loads(BYTES[source]))
        file.write_text(json.dumps(whole), "utf-8")
    else:
        records = []
        for each in BYTES[source].splitlines():
            try:
                records.append(json.loads(each))
            except ValueError:
                continue
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(records) - 1))
            records[at] = changed(data.draw, records[at])
        file.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    items, _ = read_from(GEMINI, file)
    storable(items)
    archived(items)


def test_only_what_is_new_is_unknown() -> None:
    unknown = {
        each.kind
        for path in FILES
        for each in GEMINI.read(path, Checkpoint())
        if isinstance(each, Unknown)
    }
    assert unknown == {"message telegram", "part hologram"}


# --- real ones -------------------------------------------------------------------------


def test_real_transcripts(real_transcripts: Path) -> None:
    paths = sorted((real_transcripts / "gemini").rglob("session-*.json*"))
    if not paths:
        pytest.skip("no transcripts of Gemini CLI there")
    for path in paths:
        items = list(GEMINI.read(path, Checkpoint()))
        assert not [each for each in items if isinstance(each, Skipped | Unknown)], path.name
        found = archived(items)
        (said,) = found["messages"].values()
        (facts,) = found["conversations"].values()
        assert facts["title"]
        assert facts["title"][0] not in "<#{"
        if path.suffix == ".json":
            records = json.loads(path.read_bytes())["messages"]
            counts = [each["tokens"] for each in records if each.get("tokens")]
            assert sum(m.token_in or 0 for m in said) == sum(c["input"] + c["tool"] for c in counts)
            assert sum(m.token_out or 0 for m in said) == sum(
                c["output"] + c["thoughts"] for c in counts
            )
            calls = sum(len(each.get("toolCalls", ())) for each in records)
            assert sum(m.kind == "tool_call" for m in said) == calls
