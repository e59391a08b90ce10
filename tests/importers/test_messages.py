"""Rows that scripts write: every column, every way of writing it, and what is wrong with it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import lay_out, messages, read

from glin_datasette.importers.base import Checkpoint, Item, Said, Skipped, Unknown
from glin_datasette.importers.messages import Messages
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.models import Conversation, ImportReport, Message, Ref
from glin_datasette.search import search
from glin_datasette.storage import get_db, iter_messages, query_conversations, query_messages

NAMED = ImportOptions(format="messages")
ROW: dict[str, Any] = {"conversation": "c", "role": "user", "content": "hello"}


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_csv(*rows: dict[str, Any]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def only(items: list[Item]) -> Message:
    (message,) = messages(items)
    return message


def errors(items: list[Item]) -> list[tuple[int | None, str]]:
    return [(item.line, item.error) for item in items if isinstance(item, Skipped)]


def load(db: sqlite_utils.Database, path: Path) -> ImportReport:
    return import_paths(db, [path], NAMED)


@pytest.fixture(params=["jsonl", "csv"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Writes rows in either form, and reads them."""

    def write(*rows: dict[str, Any]) -> list[Item]:
        path = tmp_path / "rows"
        if request.param == "jsonl":
            jsonl(path, *rows)
        else:
            path.write_text(as_csv(*rows), "utf-8", newline="")
        return read(Messages(), path)

    return write


def test_nothing_is_taken_for_such_a_file(tmp_path: Path) -> None:
    folder = lay_out("messages", tmp_path)
    for path in folder.iterdir():
        assert not Messages().identify(path, path.read_bytes())
        assert not Messages().matches(path)
    assert Messages().places() == ()


def test_only_where_it_is_named(db: sqlite_utils.Database, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", ROW)
    assert "no known format" in import_paths(db, [path]).errors[0].error
    assert import_paths(db, [tmp_path], NAMED).messages == 0
    assert load(db, path).messages == 1


# --- columns ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T07:00:05Z", "2026-03-01T07:00:05.000Z"),
        ("2026-03-01 09:00:05.25+02:00", "2026-03-01T07:00:05.250Z"),
        ("2026-03-01", "2026-03-01T00:00:00.000Z"),
        ("20260301", "2026-03-01T00:00:00.000Z"),
        (1772348405, "2026-03-01T07:00:05.000Z"),
        ("1772348405.5", "2026-03-01T07:00:05.500Z"),
        ("1772348405123", "2026-03-01T07:00:05.123Z"),
        # Would be a day of the year 1712.
        ("1712121312345", "2024-04-03T05:15:12.345Z"),
        ("", None),
    ],
)
def test_times(write: Any, value: object, expected: str | None) -> None:
    assert only(write({**ROW, "ts": value})).ts == expected


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("conversation", "", "conversation: missing"),
        ("role", "", "role: missing"),
        ("role", "robot", "role: 'robot' is none of system, user, assistant, tool"),
        ("kind", "note", "kind: 'note' is none of text, thinking, tool_call, tool_result, attach"),
        ("content", " \n", "content: blank, which only tool_call and tool_result may be"),
        ("ts", "yesterday", "ts: 'yesterday' is no time; write 2026-02-11T05:53:33Z, or seconds"),
        ("ts", -5, "is no time"),
        ("token_in", "12.5", "token_in: '12.5' is no number of tokens"),
        ("token_out", -1, "token_out: "),
        ("token_cached", 10**15, "token_cached: 1000000000000000 is no number of tokens"),
        ("is_error", "maybe", "is_error: 'maybe' is none of true, yes, 1, false, no, 0"),
        ("parent", "c", "parent: a conversation cannot be its own"),
        ("relation", "branch", "relation: there is no parent"),
        ("relation", "twin", "relation: 'twin' is none of subagent, fork, branch"),
        ("tags", "[1]", "tags: neither a list of texts nor texts with ';' between them"),
        ("tags", "[oh", "tags: begins with '[' but is no JSON list"),
        ("commits", "1a2b3c4; main", "commits: 'main' is no hash of 7 to 40 digits"),
        ("urls", "example.com", "urls: 'example.com' is no http:// or https:// address"),
        ("files", "a" * 1001, "is no path"),
    ],
)
def test_a_bad_value_costs_its_row(write: Any, column: str, value: object, error: str) -> None:
    good = {**ROW, column: ROW.get(column, "")}
    items = write(good, {**ROW, column: value}, good)
    ((line, told),) = errors(items)
    assert line == 3 - (line == 2)
    assert error in told
    assert len(messages(items)) == 2


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        ("conversation", None, "conversation: missing"),
        ("conversation", 1.5, "conversation: neither a text nor a whole number"),
        ("conversation", True, "conversation: neither a text nor a whole number"),
        ("role", 5, "role: not a text"),
        ("content", None, "content: missing"),
        ("content", ["a"], "content: not a text"),
        ("content", "\x00\x1b[0m", "content: blank"),
        ("title", {}, "title: not a text"),
        ("ts", True, "ts: "),
        ("ts", [], "ts: a list is no time"),
        ("ts", float("nan"), "ts: nan is no time"),
        ("token_in", True, "token_in: "),
        ("token_in", 1.0, "token_in: 1.0 is no number of tokens"),
        ("is_error", 2, "is_error: 2 is none of"),
        ("is_error", [], "is_error: a list is none of"),
        ("tags", {"a": 1}, "tags: neither a list of texts nor"),
        ("tags", ["a", 1], "tags: neither a list of texts nor"),
        ("urls", ["https://example.com https://example.org"], "urls: "),
    ],
)
def test_a_value_of_another_type_costs_its_row(
    tmp_path: Path, column: str, value: object, error: str
) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROW, {**ROW, column: value}, {**ROW, "role": "assistant"})
    items = read(Messages(), path)
    assert [line for line, _ in errors(items)] == [2]
    assert error in errors(items)[0][1]
    assert [each.role for each in messages(items)] == ["user", "assistant"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("true", True), ("Yes", True), ("1", True), (True, True),
        ("false", False), ("NO", False), ("0", False), ("", False), (False, False),
    ],
)  # fmt: skip
def test_truth(write: Any, value: object, expected: bool) -> None:
    row = {**ROW, "role": "tool", "kind": "tool_result", "is_error": value}
    assert only(write(row)).is_error is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bug", ("bug",)),
        ("bug; later ;; bug", ("bug", "later")),
        ("a, b", ("a, b",)),
        ('["a;b", " c "]', ("a;b", "c")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_lists(write: Any, value: str, expected: tuple[str, ...]) -> None:
    assert only(write({**ROW, "tags": value})).tags == expected


def test_lists_are_lists_in_json(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", {**ROW, "tags": ["a;b", "c"]})
    assert only(read(Messages(), path)).tags == ("a;b", "c")


def test_what_a_message_is_about(write: Any) -> None:
    row = {
        **ROW,
        "content": "See src/a.py, commit 765432a and https://example.com/a.",
        "repo_root": "/home/ada/tide",
        "files": "/home/ada/tide/src/a.py; ../b.py; docs/c.md",
        "commits": "ABCDEF1;0123456",
        "urls": "https://ada:secret@example.org/x",
    }
    assert set(only(write(row)).refs) == {
        Ref("file", "src/a.py"), Ref("file", "/home/ada/b.py"), Ref("file", "docs/c.md"),
        Ref("commit", "abcdef1"), Ref("commit", "0123456"), Ref("commit", "765432a"),
        Ref("url", "https://example.org/x"), Ref("url", "https://example.com/a"),
    }  # fmt: skip


def test_calls_are_paired_and_may_be_blank(write: Any) -> None:
    call = {"conversation": "c", "role": "assistant", "kind": "tool_call", "tool_name": "shell"}
    result = {"conversation": "c", "role": "tool", "kind": "tool_result", "content": "0c77a1b fix"}
    items = write(
        {**call, "tool_call_id": "1", "content": "command: git log --oneline"},
        {**result, "tool_call_id": "1"},
        {**call, "tool_call_id": "2", "content": ""},
        {**result, "tool_call_id": "2", "content": ""},
    )
    assert errors(items) == []
    _, output, _, blank = messages(items)
    assert (output.tool_name, output.refs) == ("shell", (Ref("commit", "0c77a1b"),))
    assert (blank.tool_name, blank.content) == ("shell", "")


def test_a_column_that_nobody_knows_is_told_once(write: Any) -> None:
    items = write(*[{**ROW, "content": str(n), "mood": "calm", "": "x"} for n in range(3)])
    told = [item.kind for item in items if isinstance(item, Unknown)]
    assert told == ["column mood", "column without a name"]
    assert len(messages(items)) == 3


def test_many_unknown_columns_are_not_all_remembered(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", *[{**ROW, f"x{n}": 1} for n in range(1500)])
    items = read(Messages(), path)
    assert sum(isinstance(item, Unknown) for item in items) == 1000
    assert len(messages(items)) == 1500


# --- in the archive --------------------------------------------------------------------


def test_what_is_said_of_a_conversation(db: sqlite_utils.Database, tmp_path: Path) -> None:
    about = {"repo_root": "/src/tide", "git_branch": "main", "client": "x/1", "transport": "web"}
    path = jsonl(
        tmp_path / "a.jsonl",
        {**ROW, **about, "conversation_tags": ["one"], "model": "m1"},
        {**ROW, "content": "more", "git_branch": "fix", "conversation_tags": "two;one"},
        {**ROW, "content": "last", "title": "A title", "source": "own"},
        {**ROW, "content": "child", "conversation": 5, "parent": "c", "relation": "fork"},
    )
    assert load(db, path).errors == ()
    found = {(c.source, c.source_id): c for c in query_conversations(db)}
    main = found["messages", "c"]
    assert (main.repo_root, main.git_branch, main.client, main.transport) == (
        "/src/tide", "fix", "x/1", "web",
    )  # fmt: skip
    assert (main.tags, main.title, main.title_from) == (("one", "two"), "hello", "prompt")
    assert (found["own", "c"].title, found["own", "c"].title_from) == ("A title", "custom")
    child = found["messages", "5"]
    assert (child.parent_id, child.relation) == (main.id, "fork")
    assert search(db, "last").total == 1


def test_messages_are_ordered_by_time(db: sqlite_utils.Database, tmp_path: Path) -> None:
    rows = [("d", 4), ("e", None), ("a", 1), ("b", None), ("c", 1), ("f", 4)]
    path = jsonl(
        tmp_path / "a.jsonl",
        *[
            {**ROW, "content": text} | ({"ts": f"2026-01-01T00:00:0{n}Z"} if n else {})
            for text, n in rows
        ],
    )
    load(db, path)
    assert [m.content for m in iter_messages(db, 1)] == ["a", "b", "c", "d", "e", "f"]
    [found] = query_conversations(db)
    assert (found.title, found.started_at) == ("a", "2026-01-01T00:00:01.000Z")


def test_rows_without_an_id_are_told_apart_by_what_they_say(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    rows = [ROW, ROW, {**ROW, "role": "assistant"}, {**ROW, "conversation": "d"}]
    path.write_text(as_csv(*rows))
    assert load(db, path).messages == 4
    assert load(db, path).unchanged == 1
    # Rows that come in between change the ids of none.
    path.write_text(as_csv({**ROW, "content": "new"}, *rows, ROW))
    assert load(db, path).messages == 2
    jsonl(tmp_path / "b.jsonl", *rows)
    assert load(db, tmp_path / "b.jsonl").messages == 0


def test_a_row_with_an_id_is_the_same_message_when_it_changes(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", {**ROW, "id": 1}, {**ROW, "id": "1", "conversation": "d"})
    assert load(db, path).messages == 2
    jsonl(path, {**ROW, "id": 1, "content": "edited"})
    assert load(db, path).messages == 0
    assert {m.content for m in query_messages(db)} == {"edited", "hello"}


def test_many_conversations_take_turns(db: sqlite_utils.Database, tmp_path: Path) -> None:
    rows = [
        {"conversation": n, "source": source, "role": "user", "content": f"{turn} {n} {source}"}
        for turn in range(3)
        for n in range(100)
        for source in ("a", "b")
    ]
    assert load(db, jsonl(tmp_path / "a.jsonl", *rows)).conversations == 200
    for found in query_conversations(db, limit=None):
        said = [m.content for m in iter_messages(db, found.id or 0)]
        assert said == [f"{turn} {found.source_id} {found.source}" for turn in range(3)]
        assert found.title == said[0]


# --- JSON Lines ------------------------------------------------------------------------


def test_a_file_that_grew_is_read_from_where_it_ended(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "a.jsonl", ROW, ROW)
    load(db, path)
    assert db.execute("select offset from import_files").fetchone()[0] == path.stat().st_size
    with path.open("a") as file:
        file.write(json.dumps(ROW) + "\n")
    assert load(db, path).messages == 1
    assert [m.source_id for m in iter_messages(db, 1)][2].endswith(":3")  # type: ignore[union-attr]


def test_many_rows_without_ids_are_read_again(db: sqlite_utils.Database, tmp_path: Path) -> None:
    path = jsonl(tmp_path / "a.jsonl", *[{**ROW, "content": str(n)} for n in range(2500)], ROW)
    load(db, path)
    assert db.execute("select offset, length(state) < 100 from import_files").fetchone() == (0, 1)
    with path.open("a") as file:
        file.write(json.dumps(ROW) + "\n")
    assert load(db, path).messages == 1


def test_the_state_stays_small(tmp_path: Path) -> None:
    rows = [
        {
            **ROW, "conversation": f"{n % 1000}", "kind": "tool_call", "tool_name": "n" * 200,
            "tool_call_id": f"{n}", "id": n, "content": "command: git log",
        }
        for n in range(8_000)
    ]  # fmt: skip
    *_, end = read(Messages(), jsonl(tmp_path / "a.jsonl", *rows))
    assert isinstance(end, Checkpoint)
    assert end.offset
    assert len(json.dumps(end.state)) < 4_000_000


FIXTURE = (Path(__file__).parents[1] / "fixtures" / "messages" / "notes.jsonl").read_bytes()


def held(db: sqlite_utils.Database) -> list[object]:
    return [
        (replace_ids(c), [replace_ids(m) for m in iter_messages(db, c.id or 0)])
        for c in sorted(query_conversations(db, limit=None), key=lambda c: (c.source, c.source_id))
    ]


def replace_ids(value: Conversation | Message) -> object:
    own = ("id", "parent_id", "conversation_id")
    return {n: getattr(value, n) for n in value.__dataclass_fields__ if n not in own}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(FIXTURE)), st.integers(0, len(FIXTURE)))
def test_cut_at_any_byte_it_gives_the_same(first: int, second: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        with get_db(Path(folder, "whole.db")) as db:
            path.write_bytes(FIXTURE)
            load(db, path)
            whole = held(db)
        with get_db(Path(folder, "parts.db")) as db:
            for cut in (*sorted((first, second)), len(FIXTURE)):
                path.write_bytes(FIXTURE[:cut])
                load(db, path)
            assert held(db) == whole


# --- CSV -------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_csv_of_any_kind(tmp_path: Path, end: str, bom: bytes) -> None:
    path = tmp_path / "a.csv"
    lines = ["", " conversation ,role,content", 'c,user,"a ""b""', "", 'ä,c"', "", "c,user,ok", ""]
    path.write_bytes(bom + end.join(lines).encode())
    items = read(Messages(), path)
    assert errors(items) == []
    assert [m.content for m in messages(items)] == ['a "b"\n\nä,c', "ok"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"conversation,role\nc,user\n", [(1, "no column content in the header; the first row")]),
        (b"a;b\n", [(1, "no column conversation, role, content in the header")]),
        (b"[]", [(1, "no column conversation, role, content in the header")]),
        (b"conversation,role,content,role\nc,user,x,user\n", [(1, "two columns role in the head")]),
        (b"\xff\xfec\x00", [(1, "not UTF-8 at byte 1")]),
        (b"conversation,role,content\nc,user\nc,user,x,y\n",
         [(2, "2 cells, and there are 3 columns"), (3, "4 cells, and there are 3 columns")]),
        (b'conversation,role,content\nc,user,"open\nc,user,x\n', [(2, "not CSV: unexpected end")]),
        (b'conversation,role,content\nc,user,"a"b\n\nc,user,\xff\n',
         [(2, "not CSV: ',' expected after"), (4, "not UTF-8 at byte 8")]),
        (b'conversation,role,content\nc,user,"a\n\xff\n"\nc,robot,x\n',
         [(2, "not UTF-8 at byte 1"), (5, "role: 'robot' is none of")]),
        (b"", []),
        (b"\n \t\n", [(2, "no column conversation")]),
    ],
)  # fmt: skip
def test_damaged_csv_is_told(tmp_path: Path, text: bytes, expected: list[tuple[int, str]]) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    items = read(Messages(), path)
    assert len(errors(items)) == len(expected)
    for (line, told), (number, error) in zip(errors(items), expected, strict=True):
        assert (line, told[: len(error)]) == (number, error)
    assert messages(items) == []
    assert items[-1] == Checkpoint()


def test_long_cells_are_read_and_longer_ones_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as file:
        file.write("conversation,role,content\n")
        file.write(f'c,user,"{"x" * 3_000_000}"\n')
        file.write(f'c,user,"{"x" * 40_000_000}"\n')
        file.write('c,user,"' + ("y" * 1000 + "\n") * 40_000 + '"\n')
        file.write("c,user,last\nc,robot,beep\n")
    items = read(Messages(), path)
    assert [len(m.content) for m in messages(items)] == [3_000_000, 4]
    told = errors(items)
    assert told[0] == (3, "longer than 32 MiB")
    assert told[1] == (4, "a cell longer than 32 MiB")
    assert told[2][0] == 4 + 40_000 + 2 and len(told) == 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "conversation": st.sampled_from(["a", "b"]),
                "role": st.sampled_from(["user", "assistant"]),
                "content": st.text(st.characters(exclude_categories=["C"]), max_size=20)
                | st.sampled_from(['"', ",", "\n", ";", '""\n,', "a\r\nb"]),
                "ts": st.sampled_from(["", "2026-01-01", "1772348405"]),
            }
        ),
        max_size=6,
    )
)
def test_csv_says_what_json_lines_say(rows: list[dict[str, str]]) -> None:
    rows = [{**row, "content": f"x{row['content']}x"} for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text(as_csv({**ROW, "ts": ""}, *rows), "utf-8", newline="")
        from_csv = [i for i in read(Messages(), path) if isinstance(i, Said)]
        normal = [{**row, "content": row["content"].replace("\r\n", "\n")} for row in rows]
        jsonl(path, ROW, *normal)
        assert [i for i in read(Messages(), path) if isinstance(i, Said)] == from_csv


#: Prints the messages, and the kB by which memory grew behind the first thousands.
GROWTH = """
import re, sys
from itertools import islice
from pathlib import Path
from glin_datasette.importers.messages import Messages
from glin_datasette.importers.base import Checkpoint, Said

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

items = Messages().read(Path(sys.argv[1]), Checkpoint())
count = sum(isinstance(item, Said) for item in islice(items, 15_000))
before = most()
count += sum(isinstance(item, Said) for item in items)
print(count, most() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_memory_does_not_grow_with_rows_that_have_no_id(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    with path.open("w") as file:
        file.write("conversation,role,content\n" if ending == "csv" else "")
        for n in range(60_000):
            row = {**ROW, "content": f"{n} " + "word " * 20}
            file.write(",".join(row.values()) if ending == "csv" else json.dumps(row))
            file.write("\n")
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, path], capture_output=True, text=True, check=True
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 60_000
    # A dictionary of their digests would take twice as much.
    assert kilobytes < 4_000


@pytest.mark.parametrize("first", ["not JSON", "", '{"cut": "off', "\x00" * 99, "x" * 100_000])
def test_a_damaged_first_line_costs_only_itself(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a"
    path.write_text(f"{first}\n{json.dumps(ROW)}\n")
    items = read(Messages(), path)
    assert [line for line, _ in errors(items)] == ([1] if first else [])
    assert len(messages(items)) == 1


def test_a_cell_that_begins_like_an_object_makes_no_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text('conversation,role,content\nc,user,"Look:\n{""a"": 1}"\n')
    assert only(read(Messages(), path)).content == 'Look:\n{"a": 1}'
