"""aider's chat histories: who says a line, what a run is, and reading in parts. What each
fixture yields as a whole is in test_golden.py."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import FIXTURES, messages, read

from glin_datasette.importers import importer_for, may_be_transcript
from glin_datasette.importers.aider import Aider
from glin_datasette.importers.base import Checkpoint, Item, Said, Skipped, Usage
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation
from glin_datasette.storage import get_db, query_conversations

TIDE = FIXTURES / "aider" / "tide" / ".aider.chat.history.md"
HEADER = "# aider chat started at 2024-05-01 10:11:12"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A clock in Berlin, for tests that do not set another one."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield patch
    time.tzset()


def history(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / ".aider.chat.history.md"
    path.write_bytes("\n".join(["", header, "", *lines, ""]).encode())
    return path


def said(path: Path) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages(read(Aider(), path))]


# --- finding and telling ---------------------------------------------------------------


def test_found_by_its_name_in_folders(tmp_path: Path) -> None:
    assert Aider().places() == ()
    for name, expected in {
        ".aider.chat.history.md": True,
        "work.aider.chat.history.md": True,
        "README.md": False,
        ".aider.input.history": False,
    }.items():
        assert may_be_transcript(tmp_path / name) is expected


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("x.md", f"{HEADER}\n\n> Aider v0.86.1  \n", True),
        ("x.md", f"\n\n{HEADER}  \r\n", True),
        ("x.md", f"\ufeff{HEADER}\n", True),
        ("x.md", HEADER, False),
        ("x.md", f"# Notes\n\n{HEADER}\n", False),
        ("x.md", "# aider chat started at noon\n", False),
        ("x.md", "#### A heading  \n\n> a quotation  \n", False),
        ("x.md", "", False),
        (".aider.chat.history.md", f"torn\n\n{HEADER}\n", True),
        (".aider.chat.history.md", HEADER[:30], True),
        (".aider.chat.history.md", "#### A heading\n", False),
    ],
)
def test_identify(name: str, head: str, expected: bool) -> None:
    assert Aider().identify(Path(name), head.encode()) is expected


@given(st.binary())
def test_identify_never_raises(head: bytes) -> None:
    assert Aider().identify(Path("x.md"), head) is False


def test_identify_however_it_is_cut() -> None:
    raw = TIDE.read_bytes()
    first = raw.index(b"\n", raw.index(HEADER.encode())) + 1
    for end in range(first, len(raw)):
        assert Aider().identify(Path("copy.md"), raw[:end])


# --- who says a line -------------------------------------------------------------------


def test_headings_and_quotations_in_a_reply_belong_to_it(tmp_path: Path) -> None:
    path = history(
        tmp_path, "#### Why?  ", "", "#### Because", "> of this", "> Tokens: 1 sent, 2 received.  "
    )
    assert said(path) == [
        ("user", "Why?"),
        ("assistant", "#### Because\n> of this"),
        ("system", "Tokens: 1 sent, 2 received."),
    ]


def test_without_spaces_at_the_ends_marks_alone_tell(tmp_path: Path) -> None:
    path = history(tmp_path, "#### Why?", "#### And how?", "So.", "> Aider stopped", "", "More.")
    assert said(path) == [
        ("user", "Why?\nAnd how?"),
        ("assistant", "So."),
        ("system", "Aider stopped"),
        ("assistant", "More."),
    ]


def test_what_aider_says_may_span_lines_with_one_mark(tmp_path: Path) -> None:
    path = history(tmp_path, "#### /diff  ", "> - low", "+ high", "done  ", "No comment.")
    assert said(path) == [
        ("user", "/diff"),
        ("system", "- low\n+ high\ndone"),
        ("assistant", "No comment."),
    ]


def test_two_prompts_with_nothing_between_are_two(tmp_path: Path) -> None:
    assert said(history(tmp_path, "#### one  ", "", "#### two  ")) == [
        ("user", "one"),
        ("user", "two"),
    ]


def test_a_run_without_a_prompt_is_no_conversation(tmp_path: Path) -> None:
    assert said(history(tmp_path, "> Aider v0.86.1  ", "> Model: gpt-4o with diff  ")) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Tokens: 2.1k sent, 300 received.", (2100, 300, None)),
        ("Tokens: 12k sent, 3.4k cache write, 9k cache hit, 1.2k received. Cost: $0.1 message",
         (12000, 1200, 9000)),
        ("Tokens: 1,234 sent, 5 received.", (1234, 5, None)),
        ("Tokens: 1.5M sent, 5 received.", (1_500_000, 5, None)),
        ("Tokens: .k sent, 5 received.", (None, 5, None)),
        ("Tokens: " + "9" * 400 + " sent, 5 received.", (None, 5, None)),
        ("Tokens: many", None),
    ],
)  # fmt: skip
def test_tokens(tmp_path: Path, line: str, expected: tuple[int | None, ...] | None) -> None:
    found = [
        (item.token_in, item.token_out, item.token_cached)
        for item in read(Aider(), history(tmp_path, "#### Why?  ", "", "So.", "", f"> {line}  "))
        if isinstance(item, Usage)
    ]
    assert found == ([expected] if expected else [])


def test_tokens_are_counted_once(db: sqlite_utils.Database, tmp_path: Path) -> None:
    line = "> Tokens: 10 sent, 2 received.  "
    path = history(tmp_path, "#### Why?  ", "", "So.", "", line, line)
    for more in ("#### And?  \n", "Then.\n\n> Tokens: 20 sent, 1 received.  \n"):
        import_paths(db, [path])
        with path.open("a") as file:
            file.write(more)
    import_paths(db, [path])
    assert db.execute("select sum(token_in), sum(token_out) from messages").fetchone() == (30, 3)


# --- runs ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "local", "expected"),
    [
        ("Europe/Berlin", "2024-01-15 12:00:00", "2024-01-15T11:00:00.000Z"),
        ("Europe/Berlin", "2024-07-15 12:00:00", "2024-07-15T10:00:00.000Z"),
        ("Europe/Berlin", "2024-10-27 02:30:00", "2024-10-27T00:30:00.000Z"),
        ("America/New_York", "2024-07-15 22:00:00", "2024-07-16T02:00:00.000Z"),
        ("UTC", "2024-02-30 22:00:00", None),
        ("UTC", "0000-00-00 00:00:00", None),
    ],
)
def test_local_time(
    clock: pytest.MonkeyPatch, tmp_path: Path, zone: str, local: str, expected: str | None
) -> None:
    clock.setenv("TZ", zone)
    time.tzset()
    path = history(tmp_path, "#### Why?  ", header=f"# aider chat started at {local}")
    assert [message.ts for message in messages(read(Aider(), path))] == [expected]


def test_runs_are_known_by_path_header_and_number(tmp_path: Path) -> None:
    shutil.copy(TIDE, tmp_path)
    path = tmp_path / TIDE.name
    ids = {item.source_id for item in read(Aider(), path) if isinstance(item, Conversation)}
    assert ids == {
        f"{path}#2024-05-01T10:11:12",
        f"{path}#2024-05-01T10:11:12-2",
        f"{path}#2024-05-02T09:00:00",
        f"{path}#2024-13-45T99:00:00",
    }


def test_the_repository_is_around_the_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    path = history(tmp_path / "sub", "#### Why?  ", "> Applied edit to a/b.py  ")
    items = read(Aider(), path)
    roots = {item.repo_root for item in items if isinstance(item, Conversation)}
    assert roots == {str(tmp_path)}
    assert [ref.value for message in messages(items) for ref in message.refs] == ["sub/a/b.py"]


def test_a_commit_and_an_edit_are_references(tmp_path: Path) -> None:
    path = Path(shutil.copy(TIDE, tmp_path))
    refs = {ref.value for message in messages(read(Aider(), path)) for ref in message.refs}
    assert {"1a2b3c4", "5d6e7f8a9", "tide.py", "src/moon.py"} <= refs


def test_a_bare_command_gives_way_to_a_prompt() -> None:
    titles: dict[str, str | None] = {}
    for item in read(Aider(), TIDE):
        if isinstance(item, Conversation):
            titles[item.source_id.rpartition("#")[2]] = item.title
    assert titles == {
        "2024-05-01T10:11:12": "Why does the high tide run an hour late?",
        "2024-05-01T10:11:12-2": "/ask how would you draw the curve of the week, and in which"
        " colours?",
        "2024-05-02T09:00:00": "/exit",
        "2024-13-45T99:00:00": "Hello from a day that never was",
    }


# --- whatever is in it -----------------------------------------------------------------


def archived(path: Path, db_path: Path, cuts: list[int], raw: bytes) -> list[object]:
    """What an archive holds after the file was imported at each length."""
    with get_db(db_path) as db:
        for cut in [*cuts, len(raw)]:
            path.write_bytes(raw[:cut])
            import_paths(db, [path])
        rows = db.execute(
            "select c.source_id, c.title, c.client, c.repo_root, m.position, m.role, m.kind,"
            " m.content, m.ts, m.model, m.token_in, m.token_out, m.token_cached, m.source_id,"
            " (select group_concat(ref_value) from (select ref_value from message_refs"
            "  where message_id = m.id order by ref_value))"
            " from messages m join conversations c on c.id = m.conversation_id"
            " order by c.source_id, m.position"
        )
        return list(rows.fetchall())


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, TIDE.stat().st_size), max_size=3))
def test_reading_in_parts_gives_what_reading_at_once_gives(cuts: list[int]) -> None:
    raw = TIDE.read_bytes()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / TIDE.name
        parts = archived(path, Path(place) / "parts.db", sorted(cuts), raw)
        assert parts == archived(path, Path(place) / "once.db", [], raw)


def test_a_grown_file_is_read_from_its_last_run(tmp_path: Path) -> None:
    path = tmp_path / TIDE.name
    raw = TIDE.read_bytes()
    third = raw.index(b"# aider chat started at 2024-05-02 09:00:00")
    path.write_bytes(raw[: third + 100])
    end = read(Aider(), path)[-1]
    assert isinstance(end, Checkpoint) and end.offset == third
    assert end.line == raw[:third].count(b"\n")
    path.write_bytes(raw)
    state = json.loads(json.dumps(end.state))
    rest = read(Aider(), path, Checkpoint(end.offset, end.line, state))
    whole = read(Aider(), path)
    assert [item for item in whole if isinstance(item, Said)][-4:] == [
        item for item in rest if isinstance(item, Said)
    ]
    assert whole[-1] == rest[-1]


def test_a_last_line_without_an_end_waits(tmp_path: Path) -> None:
    path = history(tmp_path, "#### Why?  ", "", "So.")
    path.write_bytes(path.read_bytes() + b"#### An")
    items = read(Aider(), path)
    assert [item for item in items if isinstance(item, Skipped)] == [
        Skipped(7, "cut off: the line has no end")
    ]
    assert [message.content for message in messages(items)] == ["Why?", "So."]


def lines() -> st.SearchStrategy[bytes]:
    marks = [b"#### ", b"####", b"> ", b">", b"", b"# ", b"```", b"<thinking-content-1>",
             b"> Tokens: ", b"> Aider v", b"> Model: ", b"> Added ", HEADER.encode()]  # fmt: skip
    ends = st.sampled_from([b"  \n", b"\n", b"\r\n", b""])
    return st.builds(
        lambda a, b, c: a + b + c, st.sampled_from(marks), st.binary(max_size=20), ends
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(lines(), max_size=30))
def test_nothing_in_a_file_raises(parts: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / TIDE.name
        path.write_bytes(HEADER.encode() + b"\n" + b"".join(parts))
        items: list[Item] = read(Aider(), path)
        assert isinstance(items[-1], Checkpoint)
        ids = [item.message.source_id for item in items if isinstance(item, Said)]
        assert len(ids) == len(set(ids))


def test_lines_that_are_too_long_and_what_is_no_text(tmp_path: Path) -> None:
    path = history(tmp_path, "#### Why\0 so?  ", "")
    with path.open("ab") as file:
        file.write(b"x" * 40_000_000 + b"\n\xff\xfe words\n")
    items = read(Aider(), path)
    assert [item for item in items if isinstance(item, Skipped)] == [
        Skipped(6, "longer than 32 MiB")
    ]
    assert said(path) == [("user", "Why so?"), ("assistant", "\ufffd\ufffd words")]


def test_import_twice(db: sqlite_utils.Database, tmp_path: Path) -> None:
    shutil.copy(TIDE, tmp_path)
    first = import_paths(db, [tmp_path])
    assert (first.files, first.conversations, first.skipped) == (1, 4, 0)
    (tmp_path / TIDE.name).touch()
    assert import_paths(db, [tmp_path]).messages == 0
    assert importer_for(tmp_path / TIDE.name).name == "aider"  # type: ignore[union-attr]
    found = [conversation for conversation in query_conversations(db)]
    assert {conversation.transport for conversation in found} == {"cli"}
