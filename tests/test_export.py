"""Exports: exact copies, as docs/formats.md says, whatever is in the archive."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from quick_db import quick_db

from glin_datasette.errors import ExportFailed
from glin_datasette.export import export_lines, write_export
from glin_datasette.importers.base import Checkpoint, Said
from glin_datasette.importers.glin import GlinImporter
from glin_datasette.ingest import import_paths
from glin_datasette.models import (
    KINDS,
    RELATIONS,
    ROLES,
    Attachment,
    Conversation,
    ImportReport,
    Message,
    Ref,
    TitleFrom,
)
from glin_datasette.storage import (
    attachment_data,
    delete_conversation,
    get_db,
    insert_conversation,
    insert_message,
    query_conversations,
    query_messages,
)

SMALL = Path(__file__).parent / "fixtures" / "glin" / "small.jsonl"

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MAYBE = st.none() | TEXT
IDS = st.sampled_from(["a", "b", "a\n", "#", "é"])
TIMES = st.none() | st.sampled_from(
    ["2026-02-11T05:53:33.335Z", "2026-02-11T05:53:33.336Z", "2025-01-01T00:00:00.000Z"]
)
TAGS = st.lists(TEXT.filter(lambda text: text.strip("\x00 ").strip() != ""), max_size=2).map(tuple)
ATTACHMENTS = st.builds(
    Attachment,
    media_type=st.sampled_from(["image/png", "text/plain"]),
    name=MAYBE,
    # Few, so that several messages have the same file.
    data=st.sampled_from([b"\x89PNG", b"words", b"\0", "d29yZHM="]),
)
COUNTS = st.none() | st.integers(-(2**63), 2**63 - 1)
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(ROLES),
    kind=st.sampled_from(KINDS),
    content=TEXT,
    ts=TIMES,
    model=MAYBE,
    token_in=COUNTS,
    token_out=COUNTS,
    token_cached=COUNTS,
    tool_name=MAYBE,
    tool_call_id=MAYBE,
    is_error=st.booleans(),
    source_id=st.none() | IDS,
    refs=st.lists(
        st.builds(Ref, type=st.sampled_from(["file", "url"]), value=TEXT.filter(bool))
        | st.from_regex("[0-9a-f]{7,40}", fullmatch=True).map(lambda value: Ref("commit", value)),
        max_size=2,
    ).map(tuple),
    tags=TAGS,
    attachments=st.lists(ATTACHMENTS, max_size=2).map(tuple),
)
CONVERSATIONS = st.builds(
    Conversation,
    source=st.sampled_from(["claude-code", "codex", "glin"]),
    source_id=IDS,
    parent_source_id=st.none() | IDS,
    relation=st.none() | st.sampled_from(RELATIONS),
    title=MAYBE,
    title_from=st.none() | st.sampled_from(get_args(TitleFrom)),
    started_at=TIMES,
    ended_at=TIMES,
    client=MAYBE,
    transport=MAYBE,
    model=MAYBE,
    repo_root=MAYBE,
    git_branch=MAYBE,
    notes=MAYBE,
    tags=TAGS,
)
ARCHIVES = st.lists(st.tuples(CONVERSATIONS, st.lists(MESSAGES, max_size=4)), max_size=4)


def fill(db: sqlite_utils.Database, archive: list[tuple[Conversation, list[Message]]]) -> None:
    for conversation, messages in archive:
        row_id = insert_conversation(db, conversation)
        for message in messages:
            insert_message(db, row_id, message)
        # Once more: what a conversation says of itself need not follow from its messages.
        insert_conversation(db, conversation)


def everything(db: sqlite_utils.Database) -> list[tuple[object, ...]]:
    """All that an archive holds, without the integer ids."""
    owner = "(select source || ' ' || source_id from conversations where id = {})"
    tags = (
        "(select group_concat(name, char(10)) from (select name from tags as t"
        " join {0}_tags as j on j.tag_id = t.id where j.{0}_id = {0}s.id order by name))"
    )
    refs = (
        "(select group_concat(ref_type || ' ' || ref_value, char(10)) from (select * from"
        " message_refs where message_id = messages.id order by ref_type, ref_value))"
    )
    attachments = (
        "(select group_concat(sha256 || ' ' || coalesce(name, '-'), char(10)) from (select * from"
        " message_attachments where message_id = messages.id order by sha256))"
    )
    found: list[tuple[object, ...]] = []
    for table, ids, extra in (
        (
            "conversations",
            ("id", "parent_id"),
            [owner.format("parent_id"), tags.format("conversation")],
        ),
        (
            "messages",
            ("id", "conversation_id", "source_id"),
            [
                # A message without an id of its own gets one on its way.
                "case when source_id like 'glin:%' then null else source_id end",
                owner.format("conversation_id"),
                tags.format("message"),
                refs,
                attachments,
            ],
        ),
        ("attachments", (), []),
    ):
        columns = [name for name in db.table(table).columns_dict if name not in ids]
        sql = f"select {', '.join([*columns, *extra])} from {table}"
        found += [(table, *row) for row in db.execute(sql)]
    return sorted(found, key=repr)


def export(db: sqlite_utils.Database) -> list[str]:
    return list(export_lines(db, query_conversations(db, limit=None)[::-1]))


def import_lines(db: sqlite_utils.Database, lines: list[str], folder: Path) -> ImportReport:
    path = folder / "export.jsonl"
    path.write_text("".join(lines), encoding="utf-8", newline="")
    return import_paths(db, [path])


@settings(max_examples=60, deadline=None)
@given(ARCHIVES)
def test_an_import_into_an_empty_archive_gives_an_equal_one(
    archive: list[tuple[Conversation, list[Message]]],
) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        quick_db(Path(folder) / "a.db") as one,
        quick_db(Path(folder) / "b.db") as other,
    ):
        fill(one, archive)
        lines = export(one)
        report = import_lines(other, lines, Path(folder))
        assert (report.errors, report.skipped) == ((), 0)
        assert everything(other) == everything(one)
        again = import_lines(other, lines, Path(folder))
        assert (again.conversations, again.messages) == (0, 0)
        assert everything(other) == everything(one)
        assert sorted(export(other)[1:]) == sorted(lines[1:])


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sqlite_utils.Database]:
    with quick_db(tmp_path / "other.db") as database:
        yield database


def test_two_tools_may_use_the_same_ids(
    db: sqlite_utils.Database, other: sqlite_utils.Database, tmp_path: Path
) -> None:
    same = [Message(role="user", content="hello", source_id="m", ts="2026-01-01T00:00:00.000Z")]
    fill(db, [(Conversation(source=source, source_id="1"), same) for source in ("x", "y")])
    # As in an archive where a fork repeats what it forked from.
    fill(db, [(Conversation(source="x", source_id="2"), same)])
    import_lines(other, export(db), tmp_path)
    assert everything(other) == everything(db)
    assert len(query_messages(other)) == 3


def test_messages_keep_their_order_whatever_their_times_are(
    db: sqlite_utils.Database, other: sqlite_utils.Database, tmp_path: Path
) -> None:
    times = ["2026-01-02T00:00:00.000Z", None, "2026-01-01T00:00:00.000Z"]
    said = [Message(role="user", content=str(n), ts=ts) for n, ts in enumerate(times)]
    fill(db, [(Conversation(source="x", source_id="1"), said)])
    for _ in range(2):
        import_lines(other, export(db), tmp_path)
    order = other.execute("select content from messages order by position").fetchall()
    assert order == [("0",), ("1",), ("2",)]


def test_the_same_thing_said_twice_is_copied_twice(
    db: sqlite_utils.Database, other: sqlite_utils.Database, tmp_path: Path
) -> None:
    fill(db, [(Conversation(source="x", source_id="1"), [Message(role="user", content="yes")] * 2)])
    for _ in range(2):
        import_lines(other, export(db), tmp_path)
    assert [message.content for message in query_messages(other)] == ["yes", "yes"]


def test_an_archive_recognises_its_own_export(db: sqlite_utils.Database, tmp_path: Path) -> None:
    said = [Message(role="user", content="yes")] * 2 + [Message(role="user", source_id="own")]
    fill(db, [(Conversation(source="x", source_id="1"), said)])
    exported = export(db)
    before = everything(db)
    for _ in range(2):
        assert import_lines(db, exported, tmp_path).messages == 0
    assert everything(db) == before


def test_a_file_is_written_once_before_whoever_has_it(
    db: sqlite_utils.Database, other: sqlite_utils.Database, tmp_path: Path
) -> None:
    image = Attachment(media_type="image/png", name="chart.png", data=b"\x89PNG")
    said = [Message(role="user", content=name, attachments=(image,)) for name in "ab"]
    fill(db, [(Conversation(source="x", source_id=name), said) for name in "12"])
    lines = export(db)
    kinds = [json.loads(line)["type"] for line in lines]
    assert kinds == [
        "glin-export", "conversation", "attachment", "message", "message",
        "conversation", "message", "message",
    ]  # fmt: skip
    import_lines(other, lines, tmp_path)
    assert everything(other) == everything(db)
    (kept,) = query_messages(other)[0].attachments
    assert kept.sha256 == hashlib.sha256(b"\x89PNG").hexdigest()
    assert attachment_data(other, kept.sha256) == b"\x89PNG"


def test_an_attachment_without_its_file_is_left_out(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    line = json.loads(LINES[2]) | {"attachments": [{"media_type": "a/b", "sha256": "0" * 64}]}
    report = import_lines(db, [*LINES[:2], json.dumps(line) + "\n"], tmp_path)
    assert (report.messages, report.skipped) == (1, 0)
    assert query_messages(db)[0].attachments == ()


def test_an_export_that_ends_before_the_message_goes_on_with_its_file(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    import_lines(db, ATTACHED[:3], tmp_path)
    import_lines(db, ATTACHED, tmp_path)
    [message, *_] = query_messages(db)[::-1]
    assert [each.name for each in message.attachments] == ["chart.png"]


def test_a_conversation_without_messages_is_copied_too(
    db: sqlite_utils.Database, other: sqlite_utils.Database, tmp_path: Path
) -> None:
    fill(db, [(Conversation(source="x", source_id="1", title="Empty"), [])])
    assert import_lines(other, export(db), tmp_path).conversations == 1
    assert [c.title for c in query_conversations(other)] == ["Empty"]


def test_an_import_brings_back_what_was_deleted(db: sqlite_utils.Database) -> None:
    import_paths(db, [SMALL])
    before = everything(db)
    delete_conversation(db, 1)
    assert import_paths(db, [SMALL]).messages == 2
    assert everything(db) == before


def test_an_import_adds_to_what_is_there(db: sqlite_utils.Database) -> None:
    conversation = Conversation(source="claude-code", source_id="3f2a", notes="mine")
    row_id = insert_conversation(db, conversation)
    insert_message(db, row_id, Message(role="user", content="later", source_id="u9"))
    import_paths(db, [SMALL])
    [found] = query_conversations(db)
    assert (found.title, found.notes, found.tags) == ("Fix the parser", "mine", ("bug",))
    assert {m.content for m in query_messages(db)} == {
        "later", "Why does it fail?", "command: git log -1"
    }  # fmt: skip


def test_what_was_imported_can_be_searched(db: sqlite_utils.Database) -> None:
    import_paths(db, [SMALL])
    found = db.execute("select rowid from messages_fts where messages_fts match 'fail'").fetchall()
    assert len(found) == 1


LINES = SMALL.read_text("utf-8").splitlines(keepends=True)
ATTACHED = SMALL.with_name("attached.jsonl").read_text("utf-8").splitlines(keepends=True)
FILE = {"type": "attachment", "media_type": "a/b", "sha256": "0" * 64, "data": "eA=="}


@pytest.mark.parametrize(
    ("line", "change", "error"),
    [
        (2, {"source": None}, "source: missing"),
        (2, {"title": 5}, "title: not a text"),
        (2, {"relation": "twin"}, "relation: 'twin' is none of subagent, fork, branch"),
        (2, {"tags": "bug"}, "tags: not a list"),
        (2, {"tags": [" "]}, "tags: one is not a text, or has no letters"),
        (3, {"conversation": "3f2a"}, "conversation: not a pair of source and source_id"),
        (3, {"role": "robot"}, "role: 'robot' is none of system, user, assistant, tool"),
        (3, {"content": None}, "content: missing"),
        (3, {"content": "\ud800"}, "content: holds half of a surrogate pair"),
        (3, {"token_in": True}, "token_in: not a number of 64 bits"),
        (3, {"token_out": 2**63}, "token_out: not a number of 64 bits"),
        (3, {"is_error": 1}, "is_error: neither true nor false"),
        (4, {"refs": [1]}, "refs: one is not an object"),
        (4, {"refs": [{"type": "file"}]}, "value: missing"),
        (4, {"refs": [{"type": "x", "value": "y"}]}, "type: 'x' is none of file, commit, url"),
        (4, {"attachments": [1]}, "attachments: one is not an object"),
        (4, {"attachments": [{"media_type": "a/b"}]}, "sha256: missing"),
        (4, {"attachments": [{"sha256": "0"}]}, "media_type: missing"),
        (4, FILE, "sha256: not that of the data"),
        (4, FILE | {"data": "ä"}, "data: not base64"),
        (4, FILE | {"data": "x"}, "data: not base64"),
        (4, FILE | {"data": None}, "data: missing"),
    ],
)
def test_a_damaged_line_is_skipped_and_told(
    db: sqlite_utils.Database, tmp_path: Path, line: int, change: dict[str, Any], error: str
) -> None:
    lines = list(LINES)
    lines[line - 1] = json.dumps(json.loads(lines[line - 1]) | change) + "\n"
    report = import_lines(db, lines, tmp_path)
    assert [(problem.line, problem.error) for problem in report.errors] == [(line, error)]
    assert report.skipped == 1
    assert report.messages == (2 if line == 2 else 1)


def test_a_kind_of_line_that_is_not_known_is_counted(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    report = import_lines(db, [*LINES, '{"type": "memo"}\n', "{}\n"], tmp_path)
    assert report.unknown == {"memo": 1, "no type": 1}
    assert report.messages == 2


def test_a_newer_format_is_refused(db: sqlite_utils.Database, tmp_path: Path) -> None:
    header = json.dumps({"type": "glin-export", "version": 2}) + "\n"
    report = import_lines(db, [header, *LINES[1:]], tmp_path)
    assert (report.conversations, report.messages) == (0, 0)
    assert "export format 2" in report.errors[0].error
    assert "upgrade" in report.errors[0].error


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_no_damage_to_a_file_is_an_error_of_ours(data: st.DataObject) -> None:
    content = bytearray(SMALL.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(len(LINES[0]), len(content)))
        upto = data.draw(st.integers(at, min(len(content), at + 20)))
        content[at:upto] = data.draw(st.binary(max_size=8))
    with tempfile.TemporaryDirectory() as folder, get_db(Path(folder) / "a.db") as db:
        path = Path(folder) / "damaged.jsonl"
        path.write_bytes(content)
        report = import_paths(db, [path])
        assert report.files == 1
        assert report.messages <= 8


def test_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    importer = GlinImporter()
    path = tmp_path / "export.jsonl"
    path.write_text("".join(LINES[:3]))
    *first, checkpoint = importer.read(path, Checkpoint())
    path.write_text("".join(LINES))
    assert isinstance(checkpoint, Checkpoint)
    *second, _ = importer.read(path, checkpoint)
    *whole, _ = importer.read(path, Checkpoint())
    assert first + second == whole
    assert [item.conversation for item in whole if isinstance(item, Said)] == ["3f2a", "3f2a"]


@pytest.mark.parametrize(
    "head", [b"", b"\xff", b"[]", b"{", b'{"type": "user"}', b"[" * 60000, LINES[1].encode()]
)
def test_other_files_are_not_taken_for_exports(head: bytes) -> None:
    assert not GlinImporter().identify(Path("x.jsonl"), head)
    assert GlinImporter().identify(Path("x"), SMALL.read_bytes())


def test_an_export_holds_every_field_that_the_format_describes(
    db: sqlite_utils.Database, root: Path
) -> None:
    text = (root / "docs" / "formats.md").read_text("utf-8")
    moment = "2026-02-11T05:53:33.335Z"
    others = ("id", "parent_id", "tags", "relation", "started_at", "ended_at")
    full = Conversation(
        **{f.name: f.name for f in fields(Conversation) if f.name not in others},  # type: ignore[arg-type]
        tags=("t",),
        relation="fork",
        started_at=moment,
        ended_at=moment,
    )
    message = Message(
        role="tool", kind="tool_result", content="c", ts=moment, model="m", token_in=1,
        token_out=2, token_cached=3, tool_name="n", tool_call_id="i", is_error=True,
        source_id="s", refs=(Ref("file", "f"),), tags=("t",),
        attachments=(Attachment(media_type="image/png", name="n", data=b"x"),),
    )  # fmt: skip
    insert_message(db, insert_conversation(db, full), message)
    for line, section in zip(
        export(db),
        re.findall(r"^\| field .*?(?:\n\n|\Z)", text, re.MULTILINE | re.DOTALL),
        strict=True,
    ):
        told = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", section, re.MULTILINE)
        names = {name for cell in told for name in re.findall(r"\w+", cell)}
        assert set(json.loads(line)) == names
        told = re.findall(r"`attachments`.*?`{(.*)}`", section)
        inner = [set(re.findall(r'"(\w+)"', each)) for each in told]
        assert inner == [set(each) for each in json.loads(line).get("attachments", ())]


def test_the_example_in_the_docs_is_a_real_export(root: Path) -> None:
    text = (root / "docs" / "formats.md").read_text("utf-8")
    assert SMALL.read_text("utf-8") in text


def test_a_file_appears_only_once_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "export.jsonl"
    target.write_text("old")

    def failing() -> Iterator[str]:
        yield "new"
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_export(failing(), target)
    assert target.read_text() == "old"
    write_export(["é\n"], target)
    assert target.read_bytes() == "é\n".encode()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match=r"nowhere.*choose another place"):
        write_export([], tmp_path / "nowhere" / "export.jsonl")
    with pytest.raises(ExportFailed, match="not a file"):
        write_export([], Path("/dev/null"))


def test_memory_does_not_grow_with_a_conversation(db: sqlite_utils.Database) -> None:
    row_id = insert_conversation(db, Conversation(source="x", source_id="1"))
    for n in range(1500):
        insert_message(db, row_id, Message(role="user", content=f"{n}" + "x" * 20_000))
    tracemalloc.start()
    written = sum(len(line) for line in export_lines(db, query_conversations(db)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert written > 30_000_000
    assert peak < 15_000_000
