"""claude.ai's exports: blocks, branches, documents and projects."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from transcripts import lay_out, messages, named, read

from glin_datasette.importers import importer_for
from glin_datasette.importers.base import Item, Moved, Said, Skipped, Unknown
from glin_datasette.importers.claude_ai import ClaudeAI
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation

ROOT = "00000000-0000-4000-8000-000000000000"


def said(id: str, sender: str, *content: object, **more: object) -> dict[str, Any]:
    blocks = [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]
    return {"uuid": id, "sender": sender, "content": blocks, **more}


def conversation(*chat: object, **more: object) -> dict[str, Any]:
    return {"uuid": "c1", "name": "Some words", "chat_messages": list(chat), **more}


def items(folder: Path, *records: object) -> list[Item]:
    path = folder / "conversations.json"
    path.write_text(json.dumps(records))
    return read(ClaudeAI(), path)


def contents(found: list[Item]) -> dict[str, list[str]]:
    held: dict[str, list[str]] = {}
    for each in found:
        if isinstance(each, Said):
            held.setdefault(each.conversation, []).append(each.message.content)
    return held


def test_it_has_no_place_of_its_own() -> None:
    assert list(ClaudeAI().places()) == []
    assert ClaudeAI().matches(Path("/somewhere/conversations.json"))
    assert ClaudeAI().matches(Path("/somewhere/projects.json"))
    assert not ClaudeAI().matches(Path("/somewhere/users.json"))


@pytest.mark.parametrize(
    ("head", "claimed"),
    [
        (b'[{"uuid": "a", "name": "b", "chat_messages": [{"uuid', True),
        (b'{"uuid": "a", "chat_messages": []}', True),
        (b'[{"uuid": "a", "name": "b", "prompt_template": "", "docs": [', True),
        (b'{"uuid": "a", "prompt_template": "", "docs": []}', True),
        # Of other files and other formats.
        (b'[{"uuid": "a", "name": "b", "chat_mess', False),
        (b'[{"uuid": "a", "full_name": "Ada", "email_address": "ada@example.com"}]', False),
        (b'[{"conversations_memory": "x", "account_uuid": "a"}]', False),
        (b'[{"create_time": 1, "mapping": {}}]', False),
        (b"[]", False),
        (b"PK\x03\x04", False),
        (b"", False),
        (b"\0" * 100, False),
    ],
)
def test_identify(head: bytes, claimed: bool) -> None:
    assert ClaudeAI().identify(Path("x.json"), head) is claimed


def test_a_zip_is_known_by_the_conversations_in_it(tmp_path: Path) -> None:
    folder = lay_out("claude-ai", tmp_path)
    assert importer_for(folder / "data.zip") is named("claude-ai")
    whole = (folder / "data.zip").read_bytes()
    cut = folder / "cut.zip"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    assert importer_for(cut) is named("claude-ai")
    with zipfile.ZipFile(folder / "other.zip", "w") as out:
        out.writestr("users.json", b'[{"uuid": "a", "chat_messages": []}]')
    assert importer_for(folder / "other.zip") is None


def test_old_exports_without_parents_are_in_their_order(tmp_path: Path) -> None:
    chat = [said("m1", "human", "One"), said("m2", "assistant", "Two"), said("m3", "human", "3")]
    found = items(tmp_path, conversation(*chat))
    assert contents(found) == {"c1": ["One", "Two", "3"]}
    assert not [each for each in found if isinstance(each, Moved)]


def test_the_way_to_the_newest_message_is_the_conversation(tmp_path: Path) -> None:
    def at(minute: int, parent: str) -> dict[str, str]:
        return {"created_at": f"2026-03-01T09:{minute:02}:00Z", "parent_message_uuid": parent}

    chat = [
        said("m1", "human", "One", **at(1, ROOT)),
        said("m2", "assistant", "Two", **at(2, "m1")),
        said("m3", "assistant", "Another two", **at(3, "m1")),
        said("m4", "human", "Edited one", **at(0, ROOT)),
        said("m5", "assistant", "Lost its parent", **at(4, "gone")),
    ]
    found = items(tmp_path, conversation(*chat[:4]))
    assert contents(found) == {
        "c1": ["One", "Another two"],
        "c1/branch-m2": ["Two"],
        "c1/branch-m4": ["Edited one"],
    }
    # Where the conversation says itself what was seen last, that is it.
    found = items(tmp_path, conversation(*chat[:3], current_leaf_message_uuid="m2"))
    assert contents(found) == {"c1": ["One", "Two"], "c1/branch-m3": ["Another two"]}
    # A parent that is not there: it stands behind the message before it.
    found = items(tmp_path, conversation(*chat[:2], chat[4]))
    assert contents(found) == {"c1": ["One", "Two", "Lost its parent"]}


def held(db: sqlite_utils.Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, content in db.execute(
        "select c.source_id, m.content from messages m join conversations c"
        " on c.id = m.conversation_id order by c.source_id, m.position"
    ):
        found.setdefault(name, []).append(content)
    return found


def test_what_was_rewound_since_the_last_export_moves_to_a_branch(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = tmp_path / "conversations.json"
    chat = [
        said("m1", "human", "One", parent_message_uuid=ROOT),
        said("m2", "assistant", "Two", parent_message_uuid="m1"),
        said("m3", "assistant", "Another two", parent_message_uuid="m1"),
    ]
    path.write_text(json.dumps([conversation(*chat[:2])]))
    import_paths(db, [path])
    assert held(db) == {"c1": ["One", "Two"]}
    path.write_text(json.dumps([conversation(*chat)]))
    report = import_paths(db, [path])
    assert (report.conversations, report.messages) == (1, 1)
    assert held(db) == {"c1": ["One", "Another two"], "c1/branch-m2": ["Two"]}


@pytest.mark.parametrize("with_ids", [True, False])
def test_calls_and_results_are_paired(with_ids: bool, tmp_path: Path) -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "tool_use", "name": "search", "input": {"q": "hedge"}},
        {"type": "tool_use", "name": "repl", "input": {"code": "1"}},
        {"type": "tool_result", "content": [{"type": "text", "text": "Hornbeam"}]},
        {"type": "tool_result", "content": "SyntaxError", "is_error": True},
    ]
    if with_ids:
        for block, id in zip(blocks, "abba", strict=True):
            block["tool_use_id" if block["type"] == "tool_result" else "id"] = id
    found = messages(items(tmp_path, conversation(said("m", "assistant", *blocks))))
    assert [m.role for m in found] == ["assistant", "assistant", "tool", "tool"]
    calls, results = found[:2], found[2:]
    if with_ids:
        results = results[::-1]
    assert [m.tool_call_id for m in calls] == [m.tool_call_id for m in results]
    assert [m.tool_name for m in results] == ["search", "repl"]
    assert [m.is_error for m in found[2:]] == [False, True]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "thinking", "thinking": "Hm."}, ("assistant", "thinking", "Hm.")),
        (
            {"type": "thinking", "thinking": "", "summaries": [{"summary": "A"}, 7]},
            ("assistant", "thinking", "A"),
        ),
        ({"type": "voice_note", "text": "Hello"}, ("assistant", "text", "Hello")),
        ("words", ("assistant", "text", "words")),
        (
            {"type": "tool_result", "content": [{"title": "T", "url": "u", "text": "x"}, "y", 7]},
            ("tool", "tool_result", "T\nu\nx\ny"),
        ),
        (
            {"type": "image", "file_name": "a.png"},
            ("assistant", "attachment", "[image/png, a.png]"),
        ),
    ],
)
def test_blocks(block: object, expected: tuple[str, str, str], tmp_path: Path) -> None:
    message = {"uuid": "m", "sender": "assistant", "content": [block], "text": "not this"}
    (found,) = messages(items(tmp_path, conversation(message)))
    assert (found.role, found.kind, found.content) == expected


@pytest.mark.parametrize("content", [None, [], [{"type": "text", "text": ""}], [7]])
def test_the_text_speaks_where_no_block_does(content: object, tmp_path: Path) -> None:
    message = {"uuid": "m", "sender": "human", "content": content, "text": "Hello"}
    assert contents(items(tmp_path, conversation(message))) == {"c1": ["Hello"]}


@pytest.mark.parametrize("kind", ["token_budget", "flag", "redacted_thinking"])
def test_bookkeeping_leaves_nothing(kind: str, tmp_path: Path) -> None:
    found = items(tmp_path, conversation(said("m", "assistant", {"type": kind})))
    assert not messages(found)
    assert not [each for each in found if isinstance(each, Unknown)]


def test_documents_and_files(tmp_path: Path) -> None:
    attached = [
        {
            "file_name": "a.md",
            "file_size": 9,
            "file_type": "text/markdown",
            "extracted_content": "# A",
        },
        {"file_name": "b.pdf", "file_type": "pdf", "extracted_content": ""},
        7,
    ]
    files = [{"file_uuid": "f", "file_name": "c.jpg"}]
    twice = [{"file_uuid": "f", "file_name": "c.jpg", "file_kind": "image"}]
    message = said("m", "human", "Look", attachments=attached, files=files, files_v2=twice)
    found = messages(items(tmp_path, conversation(message)))
    assert [(m.kind, m.content) for m in found] == [
        ("text", "Look\n[image/jpeg, c.jpg]"),
        ("attachment", "[text/markdown, 9 B, a.md]\n# A"),
        ("attachment", "[application/pdf, b.pdf]"),
    ]
    assert all(m.role == "user" for m in found)
    # Their ids stay when the words before them are gone.
    assert len({m.source_id for m in found}) == 3


def test_what_an_answer_cites_is_a_reference(tmp_path: Path) -> None:
    cited = [{"details": {"url": "https://example.com/a"}}, {"url": "https://example.com/b"}, 7]
    block = {"type": "text", "text": "So it is.", "citations": cited}
    (found,) = messages(items(tmp_path, conversation(said("m", "assistant", block))))
    assert [ref.value for ref in found.refs] == ["https://example.com/a", "https://example.com/b"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Hedges", ("Hedges", "generated")), ("", ("Hi", "prompt")), (None, ("Hi", "prompt"))],
)
def test_titles(name: object, expected: tuple[str, str], tmp_path: Path) -> None:
    found = items(tmp_path, conversation(said("m", "human", "Hi"), name=name))
    (told,) = [each for each in found if isinstance(each, Conversation)]
    assert (told.title, told.title_from) == expected


@pytest.mark.parametrize(
    "bad", [None, 7, "x", [], {"uuid": "a"}, {"chat_messages": []}, {"uuid": 7, "docs": []}]
)
def test_a_bad_conversation_costs_only_itself(bad: object, tmp_path: Path) -> None:
    found = items(tmp_path, bad, conversation(said("m", "human", "Hello")))
    assert found[0] == Skipped(None, "record 1: neither a conversation nor a project")
    assert contents(found) == {"c1": ["Hello"]}


def test_a_project_can_be_found(db: sqlite_utils.Database, tmp_path: Path) -> None:
    folder = lay_out("claude-ai", tmp_path)
    import_paths(db, [folder / "data.zip"])
    assert held(db)["project/e0000002-0000-4000-8000-000000000000"] == [
        "[text/plain, roses.txt]\nClimbing, on the south wall"
    ]
    titles = {row["title"] for row in db.query("select title from conversations")}
    assert titles == {"Pruning roses", "Roses"}


def test_real_exports(real_transcripts: Path) -> None:
    paths = sorted((real_transcripts / "claude-ai").rglob("*.json"))
    assert paths
    for path in paths:
        found = read(ClaudeAI(), path)
        assert not [each for each in found if isinstance(each, Skipped | Unknown)]
        assert all(each.title for each in found if isinstance(each, Conversation))
        blocks = [
            block
            for each in json.loads(path.read_bytes())
            for message in each["chat_messages"]
            for block in message["content"]
            if block["type"] in ("text", "thinking", "tool_use", "tool_result")
        ]
        assert len(messages(found)) == len(blocks)
