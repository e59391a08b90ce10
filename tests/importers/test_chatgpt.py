"""ChatGPT's exports: the tree of a conversation, its tools and files, and what becomes of a
conversation that was exported again."""

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
from glin_datasette.importers.chatgpt import ChatGPT
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.models import Conversation, Message
from glin_datasette.storage.attachments import attachments_of


def said(role: str, content: object, **more: object) -> dict[str, Any]:
    if isinstance(content, str):
        content = {"content_type": "text", "parts": [content]}
    return {"author": {"role": role}, "content": content, **more}


def conversation(*nodes: tuple[str, str | None, object], **more: object) -> dict[str, Any]:
    mapping = {name: {"parent": parent, "message": message} for name, parent, message in nodes}
    last = nodes[-1][0] if nodes else None
    facts = {"conversation_id": "c1", "title": "Some words", "create_time": 1, "mapping": mapping}
    return {**facts, "current_node": last, **more}


def items(path: Path, *conversations: object) -> list[Item]:
    path = path / "conversations.json"
    path.write_text(json.dumps(conversations))
    return read(ChatGPT(), path)


def one(path: Path, message: object) -> Message:
    (found,) = messages(items(path, conversation(("n1", None, message))))
    return found


def test_it_has_no_place_of_its_own() -> None:
    assert list(ChatGPT().places()) == []
    for name in ("conversations.json", "conversations-000.json", "conversations-12.json"):
        assert ChatGPT().matches(Path("/somewhere", name))
    for name in ("shared_conversations.json", "conversations.json.zip", "conversations-.json"):
        assert not ChatGPT().matches(Path("/somewhere", name))


@pytest.mark.parametrize(
    ("head", "claimed"),
    [
        (b'[{"title": "a", "create_time": 1.5, "mapping": {"x": ', True),
        (b'[null, {"mapping": {}, "current_node": "x"}]', True),
        (b'{"mapping": {"a": {}}, "current_node": "a"}', True),
        (b'\xef\xbb\xbf [ {"create_time": 1, "mapping": {', True),
        # Of other files and other formats.
        (b'[{"title": "a", "create_time": 1.5, "mapp', False),
        (b'[{"title": "a", "mapping": {}}]', False),
        (b'[{"uuid": "a", "chat_messages": []}]', False),
        (b'[{"id": "s", "conversation_id": "c", "title": "t", "is_anonymous": true}]', False),
        (b'{"id": "user-1", "email": "ada@example.com"}', False),
        (b"[]", False),
        (b"PK\x03\x04", False),
        (b"", False),
        (b"\0" * 100, False),
    ],
)
def test_identify(head: bytes, claimed: bool) -> None:
    assert ChatGPT().identify(Path("x.json"), head) is claimed


def test_a_zip_is_known_by_the_conversations_in_it(tmp_path: Path) -> None:
    folder = lay_out("chatgpt", tmp_path)
    assert importer_for(folder / "export.zip") is named("chatgpt")
    whole = (folder / "export.zip").read_bytes()
    cut = folder / "cut.zip"
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    assert importer_for(cut) is named("chatgpt")
    assert read(ChatGPT(), cut)[0] == Skipped(
        None, "damaged .zip: its end is missing; was it downloaded whole?"
    )
    with zipfile.ZipFile(folder / "other.zip", "w") as out:
        out.writestr("user.json", b"{}")
        out.writestr("shared_conversations.json", b'[{"mapping": {}, "create_time": 1}]')
    assert importer_for(folder / "other.zip") is None


def test_the_way_to_the_current_node_is_the_conversation(tmp_path: Path) -> None:
    tree = [
        ("root", None, None),
        ("u1", "root", said("user", "First")),
        ("a1", "u1", said("assistant", "An answer")),
        ("a2", "u1", said("assistant", "Another answer")),
    ]
    found = items(tmp_path, conversation(*tree, current_node="a1"))
    said_in = {(e.conversation, e.message.content) for e in found if isinstance(e, Said)}
    assert said_in == {("c1", "First"), ("c1", "An answer"), ("c1/branch-a2", "Another answer")}
    (branch,) = [e for e in found if isinstance(e, Conversation) and e.relation]
    assert (branch.relation, branch.parent_source_id) == ("branch", "c1")
    assert branch.title == "Some words"
    assert [e.conversation for e in found if isinstance(e, Moved)] == ["c1", "c1/branch-a2"]
    linear = items(tmp_path, conversation(*tree[:3]))
    assert not [e for e in linear if isinstance(e, Moved)]


def held(db: sqlite_utils.Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, content in db.execute(
        "select c.source_id, m.content from messages m join conversations c"
        " on c.id = m.conversation_id order by c.source_id, m.position"
    ):
        found.setdefault(name, []).append(content)
    return found


def test_a_branch_that_moved_is_put_right(db: sqlite_utils.Database, tmp_path: Path) -> None:
    path = tmp_path / "conversations.json"
    tree = [
        ("u1", None, said("user", "First", create_time=10)),
        ("a1", "u1", said("assistant", "An answer", create_time=11)),
        ("u2", "a1", said("user", "Thanks", create_time=12)),
    ]
    again = [("a2", "u1", said("assistant", "Another answer", create_time=20))]
    states = [
        (tree, "u2", {"c1": ["First", "An answer", "Thanks"]}),
        (
            tree + again,
            "a2",
            {"c1": ["First", "Another answer"], "c1/branch-a1": ["An answer", "Thanks"]},
        ),
        (
            tree + again,
            "u2",
            {"c1": ["First", "An answer", "Thanks"], "c1/branch-a2": ["Another answer"]},
        ),
    ]
    for nodes, current, expected in states:
        path.write_text(json.dumps([conversation(*nodes, current_node=current)]))
        db.execute("update import_files set size = 0, digest = ''")
        import_paths(db, [path])
        assert held(db) == expected
    assert db.execute("select count(*) from messages").fetchone() == (4,)


def test_a_result_belongs_to_the_call_that_it_stands_below(tmp_path: Path) -> None:
    hidden = {"is_visually_hidden_from_conversation": True}
    call = said("assistant", '{"q": "tides"}', recipient="web.run")
    found = messages(
        items(
            tmp_path,
            conversation(
                ("u", None, said("user", "Look it up")),
                ("c1", "u", call),
                ("h", "c1", said("tool", "secret", metadata=hidden)),
                ("r1", "h", said("tool", "One")),
                ("e", "r1", said("tool", "")),
                ("r2", "e", said("tool", "Two")),
                ("a", "r2", said("assistant", "Found it")),
                ("r3", "a", said("tool", "Nobody asked")),
                current_node="r3",
            ),
        )
    )
    assert [(m.kind, m.content, m.tool_name, m.tool_call_id) for m in found] == [
        ("text", "Look it up", None, None),
        ("tool_call", "q: tides", "web.run", "c1/c1"),
        ("tool_result", "One", "web.run", "c1/c1"),
        ("tool_result", "Two", "web.run", "c1/c1"),
        ("text", "Found it", None, None),
        ("tool_result", "Nobody asked", None, None),
    ]


@pytest.mark.parametrize(
    ("role", "content", "kind", "text"),
    [
        ("assistant", {"content_type": "text", "parts": ["a", None, "", "b"]}, "text", "a\nb"),
        ("assistant", {"content_type": "thoughts", "parts": ["Hm."]}, "thinking", "Hm."),
        (
            "assistant",
            {"content_type": "thoughts", "thoughts": [{"summary": "A", "content": "b"}, 7]},
            "thinking",
            "A\nb",
        ),
        (
            "assistant",
            {"content_type": "reasoning_recap", "content": "Thought for 2s"},
            "thinking",
            "Thought for 2s",
        ),
        (
            "assistant",
            {"content_type": "code", "language": "sql", "text": "  select 1"},
            "text",
            "```sql\n  select 1\n```",
        ),
        ("tool", {"content_type": "execution_output", "text": "4"}, "tool_result", "4"),
        ("tool", {"content_type": "tether_browsing_display", "result": "x"}, "tool_result", "x"),
        (
            "tool",
            {"content_type": "tether_quote", "title": "T", "url": "u", "text": "q"},
            "tool_result",
            "T\nu\nq",
        ),
        ("tool", {"content_type": "new_kind", "text": "words"}, "tool_result", "words"),
        ("system", {"content_type": "text", "parts": ["Model changed"]}, "text", "Model changed"),
    ],
)
def test_content(role: str, content: object, kind: str, text: str, tmp_path: Path) -> None:
    message = one(tmp_path, said(role, content))
    assert (message.role, message.kind, message.content) == (role, kind, text)


@pytest.mark.parametrize(
    "message",
    [
        None,
        said("system", ""),
        said("user", {"content_type": "user_editable_context", "user_profile": "I sail"}),
        said("assistant", {"content_type": "model_editable_context", "model_set_context": "x"}),
        said("user", "Hidden", metadata={"is_visually_hidden_from_conversation": True}),
        said("tool", " \n"),
        said("assistant", {"content_type": "thoughts", "thoughts": []}),
    ],
)
def test_what_says_nothing_leaves_nothing(message: object, tmp_path: Path) -> None:
    found = items(tmp_path, conversation(("n1", None, message)))
    assert not messages(found)
    assert not [each for each in found if isinstance(each, Unknown | Skipped | Conversation)]


@pytest.mark.parametrize(
    ("content", "metadata"),
    [
        ({"content_type": "system_error", "name": "E", "text": "failed"}, {}),
        (
            {"content_type": "execution_output", "text": "NameError"},
            {"aggregate_result": {"status": "failed_with_in_kernel_exception"}},
        ),
    ],
)
def test_errors(content: object, metadata: object, tmp_path: Path) -> None:
    assert one(tmp_path, said("tool", content, metadata=metadata)).is_error


def test_marks_of_citations_become_what_the_page_shows(tmp_path: Path) -> None:
    mark, other = "\ue200cite\ue202turn0search0\ue201", "\ue200cite\ue202turn1search1\ue201"
    references = [
        {"matched_text": mark, "alt": " ([a](https://example.com/a))"},
        {"matched_text": " ", "sources": [{"url": "https://example.com/b"}, {"url": 7}, None]},
        {"items": [{"url": "https://example.com/c"}], "url": None},
    ]
    metadata = {
        "content_references": references,
        "citations": [{"metadata": {"url": "https://example.com/d"}}, {"metadata": None}],
    }
    message = one(tmp_path, said("assistant", f"It is{mark} so{other}.\ue203", metadata=metadata))
    assert message.content == "It is ([a](https://example.com/a)) so."
    assert [ref.value[-1] for ref in message.refs] == ["a", "b", "c", "d"]


def test_the_model_of_a_message(tmp_path: Path) -> None:
    def model(slug: object, default: object) -> str | None:
        message = said("assistant", "Hi", metadata={"model_slug": slug})
        tree = conversation(("n", None, message), default_model_slug=default)
        return messages(items(tmp_path, tree))[0].model

    assert model("gpt-a", "gpt-b") == "gpt-a"
    assert model(None, "gpt-b") == "gpt-b"
    assert model(7, "auto") is None


@pytest.mark.parametrize(
    ("title", "expected"),
    [("Tides", ("Tides", "generated"))]
    + [(each, ("Hello", "prompt")) for each in (None, "", "New chat", 7)],
)
def test_titles(title: object, expected: tuple[str, str], tmp_path: Path) -> None:
    tree = conversation(("n", None, said("user", "Hello")), title=title)
    (found,) = [e for e in items(tmp_path, tree) if isinstance(e, Conversation)]
    assert (found.title, found.title_from) == expected


def test_a_conversation_without_an_id_keeps_the_one_that_it_gets(tmp_path: Path) -> None:
    def id(*nodes: tuple[str, str | None, object], created: float = 5.5) -> str:
        tree = conversation(*nodes, conversation_id=None, create_time=created, title="Other")
        found = items(tmp_path, tree)
        return next(e.source_id for e in found if isinstance(e, Conversation) and not e.relation)

    first = ("s", None, said("system", ""))
    begun = id(first, ("u", "s", said("user", "Hello")))
    grown = ("a", "u", said("assistant", "Hi")), ("u2", "s", said("user", "Hello again"))
    assert id(first, ("u", "s", said("user", "Hello")), *grown) == begun
    assert id(first, ("u", "s", said("user", "Hello")), created=6.5) != begun


@pytest.mark.parametrize("bad", [None, 7, "words", [], {"mapping": []}, {"title": "x"}])
def test_a_bad_conversation_costs_only_itself(bad: object, tmp_path: Path) -> None:
    good = conversation(("n", None, said("user", "Hello")))
    found = items(tmp_path, bad, good)
    assert found[0] == Skipped(None, "record 1: no conversation")
    assert [m.content for m in messages(found)] == ["Hello"]


def test_files_of_the_export_are_kept_where_they_are_wanted(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    folder = lay_out("chatgpt", tmp_path)
    import_paths(db, [folder], ImportOptions(attachments=True))
    ids = [row["message_id"] for row in db.query("select message_id from message_attachments")]
    kept = sorted(
        (each.name or "", each.media_type, each.size)
        for found in attachments_of(db, ids).values()
        for each in found
    )
    assert kept == [
        ("", "image", 21),
        ("drawn.webp", "image/webp", 21),
        ("gauge.png", "image/png", 21),
        ("wishes.txt", "text/plain", 14),
    ]


def test_a_loose_export_and_its_zip_are_the_same(db: sqlite_utils.Database, tmp_path: Path) -> None:
    folder = lay_out("chatgpt", tmp_path)
    first = import_paths(db, [folder / "export.zip"])
    with zipfile.ZipFile(folder / "export.zip") as packed:
        packed.extractall(tmp_path / "unpacked")
    again = import_paths(db, [tmp_path / "unpacked"])
    assert (first.conversations, first.messages) == (3, 5)
    assert (again.files, again.conversations, again.messages, again.errors) == (2, 0, 0, ())


def test_real_exports(real_transcripts: Path) -> None:
    paths = sorted((real_transcripts / "chatgpt").rglob("*.json"))
    assert paths
    for path in paths:
        found = read(ChatGPT(), path)
        assert not [each for each in found if isinstance(each, Skipped | Unknown)]
        told = [each for each in found if isinstance(each, Conversation)]
        assert all(each.title for each in told)
        # Independently: every node with words that the page shows is a message.
        shown = 0
        for each in json.loads(path.read_bytes()):
            for node in each["mapping"].values():
                content = ((node["message"] or {}).get("content")) or {}
                shown += any(content.get(name) for name in ("parts", "text", "thoughts"))
        assert len(messages(found)) == shown


def test_a_pointer_names_no_other_file_beside_the_export(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine example.org")
    (tmp_path / "id_other").write_text("somebody's")
    parts = [
        {"content_type": "image_asset_pointer", "asset_pointer": f"file-service://{name}"}
        for name in (".netrc", "id_other", "../id_other")
    ]
    said = {
        "id": "m1",
        "author": {"role": "user"},
        "content": {"content_type": "multimodal_text", "parts": ["Look", *parts]},
    }
    talk = {
        "id": "c1",
        "title": "Tides",
        "current_node": "m1",
        "mapping": {"m1": {"id": "m1", "message": said, "parent": None, "children": []}},
    }
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([talk]))
    (message,) = messages(read(ChatGPT(), path))
    assert len(message.attachments) == 3
    assert [each.data for each in message.attachments] == [None] * 3
