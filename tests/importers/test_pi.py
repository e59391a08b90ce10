"""pi: a session is a tree, and a file that grows may make another path the conversation."""

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

from glin_datasette.importers.base import Item, Moved, Skipped, Unknown
from glin_datasette.importers.pi import Pi
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation
from glin_datasette.storage import get_db

PI = Pi()
FOLDER = FIXTURES / "pi" / "sessions"
[KITE] = FOLDER.rglob("*0c8a4b52*.jsonl")
[FORK] = FOLDER.rglob("*5e1f6d30*.jsonl")
[LOOM] = FOLDER.rglob("*9b2d7c64*.jsonl")
SESSION = "0c8a4b52-7d0e-4a55-9a53-1f0e6a7b9c01"


def header(id: str = "s1", **more: object) -> dict[str, Any]:
    return {
        "type": "session",
        "version": 3,
        "id": id,
        "timestamp": "2026-02-01T10:00:00.000Z",
        "cwd": "/src/kite",
        **more,
    }


def said(id: str, parent: str | None, text: str, role: str = "user") -> dict[str, Any]:
    return {
        "type": "message",
        "id": id,
        "parentId": parent,
        "timestamp": f"2026-02-01T10:00:{int(id[1:]):02}.000Z",
        "message": {"role": role, "content": [{"type": "text", "text": text}]},
    }


def write(path: Path, *records: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def held(db: sqlite_utils.Database) -> dict[str, list[str]]:
    """Conversation, by its first words -> its messages in order."""
    found: dict[str, list[str]] = {}
    for id, content in db.execute(
        "select c.source_id, m.content from messages m"
        " join conversations c on c.id = m.conversation_id order by c.id, m.position"
    ):
        found.setdefault(id, []).append(content)
    return {("main" if "/" not in id else texts[0]): texts for id, texts in found.items()}


# --- finding ---------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_places(platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in ("PI_CODING_AGENT_DIR", "PI_CODING_AGENT_SESSION_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert PI.places() == [tmp_path / ".pi" / "agent" / "sessions"]
    monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path / "agent"))
    assert PI.places() == [tmp_path / "agent" / "sessions"]
    monkeypatch.setenv("PI_CODING_AGENT_SESSION_DIR", str(tmp_path / "mine"))
    assert PI.places() == [tmp_path / "mine"]


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (KITE.name, True),
        ("notes.jsonl", False),
        ("2026-02-03.jsonl", False),
        (f"{SESSION}.jsonl", False),
    ],
)
def test_which_files_are_sessions(name: str, ours: bool) -> None:
    assert PI.matches(Path("/sessions/--src--") / name) is ours


@pytest.mark.parametrize(
    ("head", "ours"),
    [
        (KITE.read_bytes(), True),
        (KITE.read_bytes()[:120], True),
        (LOOM.read_bytes()[:160], True),
        (b'{"cut": "off\n' + KITE.read_bytes(), True),
        (b"".join(KITE.read_bytes().splitlines(keepends=True)[3:]), True),
        (b'{"type":"session.start","id":"1","parentId":null,"timestamp":"x"}', False),
        (b'{"type":"message","id":"1","timestamp":"x"}', False),
        (b'{"type":"session","id":"1"', False),
        (b"\xff\0[[[", False),
        (b"", False),
    ],
)
def test_identify(head: bytes, ours: bool) -> None:
    assert PI.identify(Path("x.jsonl"), head) is ours


# --- the tree --------------------------------------------------------------------------

TRUNK = [said("m1", None, "one"), said("m2", "m1", "two")]


def test_the_path_to_the_last_entry_is_the_conversation(
    tmp_path: Path, db: sqlite_utils.Database
) -> None:
    path = write(
        tmp_path / "a.jsonl",
        header(),
        *TRUNK,
        said("m3", "m2", "left"),
        said("m4", "m3", "left too"),
        said("m5", "m2", "right"),
        said("m6", "m3", "further left"),
    )
    import_paths(db, [path])
    assert held(db) == {
        "main": ["one", "two", "left", "further left"],
        "left too": ["left too"],
        "right": ["right"],
    }


def test_going_back_moves_what_was_the_conversation(
    tmp_path: Path, db: sqlite_utils.Database
) -> None:
    entries = [header(), *TRUNK, said("m3", "m2", "left"), said("m4", "m3", "left too")]
    path = write(tmp_path / "a.jsonl", *entries)
    import_paths(db, [path])
    assert held(db) == {"main": ["one", "two", "left", "left too"]}
    entries.append(said("m5", "m2", "right"))
    import_paths(db, [write(path, *entries)])
    assert held(db) == {"main": ["one", "two", "right"], "left": ["left", "left too"]}
    entries.append(said("m6", "m4", "left again"))
    import_paths(db, [write(path, *entries)])
    assert held(db) == {
        "main": ["one", "two", "left", "left too", "left again"],
        "right": ["right"],
    }


def test_a_first_prompt_that_was_edited(tmp_path: Path, db: sqlite_utils.Database) -> None:
    path = write(tmp_path / "a.jsonl", header(), *TRUNK, said("m3", None, "another one"))
    import_paths(db, [path])
    assert held(db) == {"main": ["another one"], "one": ["one", "two"]}
    titles = db.execute("select title, relation from conversations order by id").fetchall()
    assert sorted(titles) == [("another one", None), ("one", "branch")]


def test_a_branch_of_a_branch_belongs_to_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        header(),
        *TRUNK,
        said("m3", "m2", "left"),
        said("m4", "m3", "a"),
        said("m5", "m3", "b"),
        said("m6", "m2", "right"),
    )
    told = {i.source_id: i for i in read(PI, path) if isinstance(i, Conversation)}
    [outer] = [i for i in told.values() if i.parent_source_id == "s1"]
    [inner] = [i for i in told.values() if i.parent_source_id == outer.source_id]
    assert (outer.title, inner.title) == ("left", "a")


def test_entries_whose_parent_was_lost_go_on_where_they_stand(
    tmp_path: Path, db: sqlite_utils.Database
) -> None:
    path = write(tmp_path / "a.jsonl", header(), *TRUNK, said("m4", "m3", "four"))
    import_paths(db, [path])
    assert held(db) == {"main": ["one", "two", "four"]}


def test_a_file_without_branches_moves_nothing() -> None:
    assert not [item for item in read(PI, LOOM) if isinstance(item, Moved)]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder for the files of one test; hypothesis runs a test many times."""
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def contents(db: sqlite_utils.Database) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in db.execute(
            "select c.source_id, c.parent_source_id, c.relation, c.title, c.title_from,"
            " c.started_at, c.ended_at, c.model, m.source_id, m.content, m.ts, m.token_in,"
            " m.token_out from messages m join conversations c on c.id = m.conversation_id"
            " order by c.source_id, m.position"
        )
    ]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_reading_in_parts_is_reading_at_once(folder: Path, data: st.DataObject) -> None:
    raw = KITE.read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), min_size=1, max_size=3)))
    found = []
    for parts in ([len(raw)], [*cuts, len(raw)]):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            path = Path(place, KITE.name)
            with get_db(Path(place, "glin.db")) as db:
                for end in parts:
                    path.write_bytes(raw[:end])
                    import_paths(db, [path])
                found.append(contents(db))
    assert found[0] == found[1]


@given(st.lists(st.integers(-1, 12), min_size=1, max_size=12), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_any_tree_in_any_order(folder: Path, parents: list[int], cut: int) -> None:
    """Each message is in one conversation, and growing makes no difference."""
    entries = [
        said(f"m{n}", None if parent < 0 else f"m{parent}", f"text {n}")
        for n, parent in enumerate(parents)
    ]
    found = []
    for ends in ([len(entries)], [cut, len(entries)]):
        with (
            tempfile.TemporaryDirectory(dir=folder) as place,
            get_db(Path(place, "glin.db")) as db,
        ):
            for end in ends:
                import_paths(db, [write(Path(place, "a.jsonl"), header(), *entries[:end])])
            found.append(contents(db))
    assert found[0] == found[1]
    assert sorted(row[9] for row in found[0]) == sorted(f"text {n}" for n in range(len(entries)))


# --- forks and versions ----------------------------------------------------------------


@pytest.mark.parametrize("order", [(KITE, FORK), (FORK, KITE)], ids=["old first", "new first"])
def test_a_fork_holds_only_what_is_its_own(
    order: tuple[Path, Path], db: sqlite_utils.Database
) -> None:
    for path in order:
        import_paths(db, [path])
    rows = db.execute(
        "select c.source_id, c.parent_source_id, c.relation, count(*) from messages m join"
        " conversations c on c.id = m.conversation_id where relation is not 'branch'"
        " group by 1 order by 1"
    ).fetchall()
    assert [tuple(row) for row in rows] == [
        (SESSION, None, None, 19),
        ("5e1f6d30-2b7c-4c9e-8f61-77a0b3c4d502", SESSION, "fork", 2),
    ]


def test_an_old_file_that_pi_rewrites_stays_the_same(
    tmp_path: Path, db: sqlite_utils.Database
) -> None:
    """From version 1 to 3 entries get ids, and a role has another name."""
    path = tmp_path / LOOM.name
    path.write_bytes(LOOM.read_bytes())
    import_paths(db, [path])
    before = contents(db)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records[0]["version"] = 3
    for number, record in enumerate(records[1:], 1):
        record |= {"id": f"{number:08x}", "parentId": f"{number - 1:08x}" if number > 1 else None}
        if record.get("message", {}).get("role") == "hookMessage":
            record["message"]["role"] = "custom"
        if record.pop("firstKeptEntryIndex", None):
            record["firstKeptEntryId"] = "00000001"
    report = import_paths(db, [write(path, *records)])
    assert (report.messages, report.unchanged) == (0, 0)
    assert contents(db) == before


# --- what is kept ----------------------------------------------------------------------


@pytest.mark.parametrize("path", [KITE, LOOM], ids=["kite", "loom"])
def test_tokens_are_those_of_the_replies(path: Path) -> None:
    held = [0, 0, 0]
    for line in path.read_text().splitlines():
        usage = json.loads(line).get("message", {}).get("usage") or {}
        if usage:
            held[0] += usage["input"] + usage["cacheRead"] + usage["cacheWrite"]
            held[1] += usage["output"]
            held[2] += usage["cacheRead"]
    found = messages(read(PI, path))
    assert held[0] > 0
    assert [sum(getattr(m, f"token_{n}") or 0 for m in found) for n in ("in", "out", "cached")] == (
        held
    )


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        ("Fix it\nnow", "Fix it"),
        ('<skill name="review" location="/x">\nwords\n</skill>\n\nReview a.py', "Review a.py"),
        ('<skill name="review" location="/x">\nwords\n</skill>', "review"),
        ('<file name="/a.md">\nwords\n</file>\n<file name="/b.md">\n</file>\nSum up', "Sum up"),
        ("<skill is a word", "<skill is a word"),
    ],
)
def test_a_title_is_what_was_typed(prompt: str, title: str, tmp_path: Path) -> None:
    items = read(PI, write(tmp_path / "a.jsonl", header(), said("m1", None, prompt)))
    assert next(i.title for i in items if isinstance(i, Conversation)) == title


def test_what_is_new_is_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        header(),
        *TRUNK,
        {"type": "hologram", "id": "x", "parentId": "m2", "timestamp": "t"},
        {"no": "type"},
    )
    items: list[Item] = read(PI, path)
    assert [i.kind for i in items if isinstance(i, Unknown)] == ["hologram", "(none)"]
    assert not [i for i in items if isinstance(i, Skipped)]
