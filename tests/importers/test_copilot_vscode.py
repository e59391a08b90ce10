"""Chat sessions of VS Code: documents and logs of changes. What each fixture yields as a
whole is in test_golden.py."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from transcripts import FIXTURES, messages, read

from glin_datasette.importers import importer_for
from glin_datasette.importers.base import Checkpoint, Item, Moved, Said, Skipped
from glin_datasette.importers.copilot import CopilotVSCode, patches
from glin_datasette.ingest import import_paths
from glin_datasette.models import KINDS, ROLES, Conversation

USER = FIXTURES / "copilot-vscode" / "Code" / "User"
SESSIONS = USER / "workspaceStorage" / "ab12" / "chatSessions"
ID = "c4a70001-0000-4000-8000-00000000000"
DOCUMENT = SESSIONS / f"{ID}1.json"
LOG = SESSIONS / f"{ID}2.jsonl"
ODD = USER / "globalStorage" / "emptyWindowChatSessions" / f"{ID}3.jsonl"


def rid(number: int) -> str:
    return f"request_{number:08x}-0000-4000-8000-00000000cafe"


def request(number: int, text: str, *response: Any, **more: Any) -> dict[str, Any]:
    return {
        "requestId": rid(number),
        "message": {"text": text},
        "response": list(response),
        "timestamp": 1759845073835 + number * 1000,
        **more,
    }


def session(*requests: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": 3,
        "responderUsername": "GitHub Copilot",
        "sessionId": f"{ID}9",
        "creationDate": 1759845046680,
        "requests": list(requests),
    }


def log(folder: Path, *changes: object, name: str = f"{ID}9") -> Path:
    path = folder / "chatSessions" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(change) + "\n" for change in changes))
    return path


def document(folder: Path, value: object) -> Path:
    path = folder / "chatSessions" / f"{ID}9.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def told(path: Path) -> list[str]:
    return [message.content for message in messages(read(CopilotVSCode(), path))]


def held(db: sqlite_utils.Database) -> dict[str, list[str]]:
    """The messages of each conversation in an archive, by the end of its id."""
    found: dict[str, list[str]] = {}
    for id, content in db.execute(
        "select c.source_id, m.content from messages m join conversations c"
        " on c.id = m.conversation_id order by c.id, m.position"
    ):
        found.setdefault(id.partition("/")[2], []).append(content)
    return found


# --- finding and telling ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "base"),
    [
        ("linux", ".config"),
        ("darwin", "Library/Application Support"),
        ("win32", "AppData/Roaming"),
    ],
)
def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, base: str) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    users = [tmp_path / base / name / "User" for name in ("Code", "Code - Insiders", "VSCodium")]
    users.append(tmp_path / ".vscode-server" / "data" / "User")
    assert CopilotVSCode().places() == [
        user / name
        for user in users
        for name in ("workspaceStorage", "globalStorage/emptyWindowChatSessions")
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("workspaceStorage/ab12/chatSessions/x.json", True),
        ("workspaceStorage/ab12/chatSessions/x.jsonl", True),
        ("globalStorage/emptyWindowChatSessions/x.json", True),
        ("workspaceStorage/ab12/workspace.json", False),
        ("workspaceStorage/ab12/chatEditingSessions/x/state.json", False),
        ("workspaceStorage/ab12/GitHub.copilot-chat/transcripts/x.jsonl", False),
        ("workspaceStorage/ab12/chatSessions/x.txt", False),
    ],
)
def test_matches(path: str, expected: bool) -> None:
    assert CopilotVSCode().matches(Path("/home/ada/.config/Code/User") / path) is expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ('{"version":3,"requesterUsername":"ada"', True),
        ('{"version":3,"responderUsername":"GitHub Copilot","requests":[{"a', True),
        ('{"version":3,"creationDate":1,"sessionId":"x","requests":[]}', True),
        ('{"kind":0,"v":{"version":3,"creationDate":1', True),
        ('{"kind":0,"v":{"inputState":{"attachments":["' + "x" * 70_000, True),
        ('broken\n{"kind":1,"k":["requests",0,"modelId"],"v":"x"}\n', True),
        ('{"kind":0,"v":{"a":1}}\n', False),
        ('{"kind":1,"k":["a"],"v":1}\n', False),
        ('{"kind":1,"k":[],"v":1}\n', False),
        ('{"kind":1,"k":[["requests"]],"v":1}\n', False),
        ('{"kind":"x","k":["requests"]}\n', False),
        ('{"sessionId":"s","projectHash":"p","messages":[]}', False),
        ('{"folder":"file:///home/ada"}', False),
        ('{"requests":[]}', False),
        ("[" * 100_000, False),
        ("", False),
    ],
)
def test_identify(head: str, expected: bool) -> None:
    assert CopilotVSCode().identify(Path("x.json"), head.encode()) is expected


def test_a_long_session_is_no_other_format(tmp_path: Path) -> None:
    result = {"metadata": {"sessionId": "29299837-0260-4fa8-8073-f02755e9dbcc"}}
    value = session(request(1, "?", "x" * 70_000, result=result), request(2, "y" * 70_000))
    for path in (document(tmp_path, value), log(tmp_path, {"kind": 0, "v": value})):
        assert getattr(importer_for(path), "name", None) == "copilot-vscode"


@given(st.binary())
def test_identify_never_raises(head: bytes) -> None:
    assert CopilotVSCode().identify(Path("x.json"), head) is False


@pytest.mark.parametrize("path", [DOCUMENT, LOG, ODD], ids=lambda path: path.name)
def test_identify_however_it_is_cut(path: Path) -> None:
    raw = path.read_bytes()
    assert all(CopilotVSCode().identify(path, raw[:end]) for end in range(120, len(raw), 7))


# --- two forms of one session ----------------------------------------------------------


def test_a_log_and_a_document_of_one_session_say_the_same(tmp_path: Path) -> None:
    value = json.loads(DOCUMENT.read_text())
    in_parts = [{"kind": 0, "v": {**value, "requests": []}}]
    for number, each in enumerate(value["requests"]):
        in_parts.append({"kind": 2, "k": ["requests"], "v": [{**each, "response": []}]})
        for part in each["response"]:
            in_parts.append({"kind": 2, "k": ["requests", number, "response"], "v": [part]})
    path = log(tmp_path, *in_parts)
    (tmp_path / "workspace.json").write_bytes((SESSIONS.parent / "workspace.json").read_bytes())
    assert messages(read(CopilotVSCode(), path)) == messages(read(CopilotVSCode(), DOCUMENT))


def test_the_log_wins(db: sqlite_utils.Database, tmp_path: Path) -> None:
    old = document(tmp_path, session(request(1, "Why?", "Be")))
    new = log(tmp_path, {"kind": 0, "v": session(request(1, "Why?", "Because."))})
    import_paths(db, [old, new])
    assert held(db) == {"": ["Why?", "Because."]}
    assert read(CopilotVSCode(), old) == [Checkpoint()]
    new.write_bytes(b"")
    assert told(old) == ["Why?", "Be"]


def test_a_torn_last_change_is_read_the_next_time(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    path = log(
        tmp_path,
        {"kind": 0, "v": session(request(1, "Why?"))},
        {"kind": 2, "k": ["requests", 0, "response"], "v": ["Because "]},
        {"kind": 2, "k": ["requests", 0, "response"], "v": ["of the moon."]},
    )
    raw = path.read_bytes()
    for cut in range(1, len(raw), 11):
        path.write_bytes(raw[:cut])
        import_paths(db, [path])
    path.write_bytes(raw)
    import_paths(db, [path])
    assert held(db) == {"": ["Why?", "Because of the moon."]}


def test_a_reply_that_grows_keeps_its_order(db: sqlite_utils.Database, tmp_path: Path) -> None:
    lines = LOG.read_bytes().splitlines(keepends=True)
    folder = tmp_path / "ab12" / "chatSessions"
    folder.mkdir(parents=True)
    for end in range(1, len(lines) + 1):
        (folder / LOG.name).write_bytes(b"".join(lines[:end]))
        import_paths(db, [folder])
    assert held(db) == {
        "": ["Open the weir", "Which weir?", "The upper one", "The upper.", "gate: upper",
             "Opened the gate", "It is open."],
        "branch-request_00000011-0000-4000-8000-00000000beef": ["The uper one", "There is none."],
    }  # fmt: skip


# --- requests that are gone ------------------------------------------------------------


@pytest.mark.parametrize("logged", [True, False])
def test_what_was_edited_goes_to_a_branch_and_comes_back(
    db: sqlite_utils.Database, tmp_path: Path, logged: bool
) -> None:
    first, second, third = request(1, "a", "A"), request(2, "b", "B"), request(3, "c", "C")

    def state(*requests: dict[str, Any]) -> None:
        value = session(*requests)
        path = log(tmp_path, {"kind": 0, "v": value}) if logged else document(tmp_path, value)
        import_paths(db, [path])

    branch = f"branch-{rid(2)}"
    state(first, second)
    assert held(db) == {"": ["a", "A", "b", "B"]}
    state(first, third)
    assert held(db) == {"": ["a", "A", "c", "C"], branch: ["b", "B"]}
    state(first, third)
    assert held(db) == {"": ["a", "A", "c", "C"], branch: ["b", "B"]}
    state(first, second)
    assert held(db) == {"": ["a", "A", "b", "B"], f"branch-{rid(3)}": ["c", "C"]}


def test_a_change_that_takes_requests_out_makes_a_branch(tmp_path: Path) -> None:
    path = log(
        tmp_path,
        {"kind": 0, "v": session(request(1, "a"), request(2, "b"), request(3, "c"))},
        {"kind": 2, "k": ["requests"], "v": [request(4, "d")], "i": 1},
        {"kind": 1, "k": ["requests", 1], "v": request(5, "e")},
    )
    items = read(CopilotVSCode(), path)
    said = [
        (i.conversation.partition("/")[2], i.message.content) for i in items if isinstance(i, Said)
    ]
    assert said == [
        ("", "a"),
        ("", "e"),
        (f"branch-{rid(2)}", "b"),
        (f"branch-{rid(2)}", "c"),
        (f"branch-{rid(4)}", "d"),
    ]
    assert [i.messages for i in items if isinstance(i, Moved)] == [(rid(2), rid(3)), (rid(4),)]


def test_damage_moves_nothing(db: sqlite_utils.Database, tmp_path: Path) -> None:
    path = document(tmp_path, session(request(1, "a"), request(2, "b"), request(3, "c")))
    raw = path.read_bytes()
    import_paths(db, [path])
    path.write_bytes(raw[: raw.index(b'"c"')])
    assert import_paths(db, [path]).skipped == 1
    assert held(db) == {"": ["a", "b", "c"]}
    path.write_text(json.dumps(session(request(1, "a"))))
    import_paths(db, [path])
    assert held(db) == {"": ["a"], f"branch-{rid(2)}": ["b", "c"]}


# --- replies ---------------------------------------------------------------------------


def test_the_pieces_of_a_reply_are_one_text(tmp_path: Path) -> None:
    uri = {"scheme": "file", "path": "/src/a.py"}
    parts = [
        {"value": "See "},
        {"kind": "inlineReference", "inlineReference": uri},
        {"value": " and "},
        {"kind": "inlineReference", "inlineReference": {"uri": uri}, "name": "here"},
        {"kind": "undoStop", "id": "u"},
        {"value": "."},
        {"kind": "progressMessage", "content": {"value": "…"}},
        {"value": "Done."},
    ]
    path = document(tmp_path, session(request(1, "?", *parts)))
    assert told(path) == ["?", "See `a.py` and `here`.\n\nDone."]


def test_ids_stay_when_a_reply_grows(tmp_path: Path) -> None:
    parts: list[Any] = [
        {"value": "One"},
        {"kind": "thinking", "value": "Hm"},
        {"kind": "toolInvocationSerialized", "toolCallId": "c1", "isComplete": True},
        {"value": "Two"},
        {"kind": "textEditGroup", "uri": {"scheme": "file", "path": "/a"}, "edits": []},
        {"value": "Three"},
    ]
    ids: list[str | None] = []
    for end in range(len(parts) + 1):
        path = document(tmp_path, session(request(1, "?", *parts[:end])))
        found = [message.source_id for message in messages(read(CopilotVSCode(), path))]
        assert found[: len(ids)] == ids
        ids = found
    assert len(ids) == len(set(ids)) == 8


def test_calls_are_matched_by_id_else_in_order(tmp_path: Path) -> None:
    def parts(*ids: str) -> list[Any]:
        return [{"kind": "toolInvocationSerialized", "toolCallId": id, "toolId": "x"} for id in ids]

    def result(*ids: str) -> dict[str, Any]:
        calls = [{"id": id, "name": f"tool_{id}", "arguments": f'{{"n": "{id}"}}'} for id in ids]
        rounds = [{"toolCalls": calls[:1]}, {"toolCalls": calls[1:]}]
        results = {id: {"content": [{"value": f"result {id}"}]} for id in ids}
        return {"metadata": {"toolCallRounds": rounds, "toolCallResults": results}}

    for shown, asked, expected in [
        (("a", "b"), ("b", "a"), ["n: a", "result a", "n: b", "result b"]),
        (("a", "b"), ("b__vscode-1", "c"), ["{}", "n: b__vscode-1", "result b__vscode-1"]),
        (("x", "y"), ("a", "b"), ["n: a", "result a", "n: b", "result b"]),
        (("x", "y", "z"), ("a", "b"), ["{}", "{}", "{}"]),
    ]:
        path = document(tmp_path, session(request(1, "?", *parts(*shown), result=result(*asked))))
        assert [text or "{}" for text in told(path)[1:]] == expected


def test_tokens_once_for_a_reply(tmp_path: Path) -> None:
    metadata = {"promptTokens": 5, "outputTokens": 2}
    requests = [
        request(1, "?", "a", {"kind": "thinking", "value": "b"}, result={"metadata": metadata}),
        request(2, "?", "a", promptTokens=7, completionTokens=1),
        request(3, "?", "a", promptTokens="x", completionTokens=-1),
    ]
    found = messages(read(CopilotVSCode(), document(tmp_path, session(*requests))))
    assert [(m.token_in, m.token_out) for m in found if m.role == "assistant"] == [
        (5, 2), (None, None), (7, 1), (None, None),
    ]  # fmt: skip


def test_where_a_session_was_held(tmp_path: Path) -> None:
    value = session(request(1, "?"))
    for folder, expected in {
        "file:///home/ada/a%20b": "/home/ada/a b",
        "file:///c%3A/src/tide/": "c:/src/tide",
        "vscode-remote://ssh-remote%2Bx/home/ada/c": "/home/ada/c",
        "untitled:x": None,
        7: None,
    }.items():
        path = document(tmp_path, value)
        (tmp_path / "workspace.json").write_text(json.dumps({"folder": folder}))
        found = [i.repo_root for i in read(CopilotVSCode(), path) if isinstance(i, Conversation)]
        assert found == [expected]


# --- whatever is in it -----------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


def places(value: object) -> list[tuple[Any, Any]]:
    """Each holder and key in a JSON value."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys:
            found += [(value, key), *places(value[key])]
    return found


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from([DOCUMENT, LOG, ODD]))
def test_any_value_in_any_place(data: st.DataObject, file: Path) -> None:
    whole = file.suffix == ".json"
    raw = file.read_text()
    lines = [raw] if whole else raw.splitlines()
    records = [json.loads(line) for line in lines if line.endswith("}")]
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(places(records)))
        holder[key] = data.draw(ANY)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / file.name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        items: list[Item] = read(CopilotVSCode(), path)
        again: list[Item] = read(CopilotVSCode(), path)
    assert items == again
    assert isinstance(items[-1], Checkpoint)
    json.dumps(items[-1].state)
    for item in items:
        if isinstance(item, Said):
            assert item.message.role in ROLES and item.message.kind in KINDS
            assert item.message.source_id


def test_a_log_without_its_beginning(tmp_path: Path) -> None:
    change = {"kind": 2, "k": ["requests", 0, "response"], "v": ["x"]}
    assert read(CopilotVSCode(), log(tmp_path, change, change))[:-1] == [
        Skipped(1, "2 changes of a session whose beginning is missing")
    ]


def test_a_log_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "MAX_LOG", 1024 * 1024)
    path = log(
        tmp_path,
        {"kind": 0, "v": session(request(1, "Why?", "Because."))},
        *({"kind": 1, "k": ["inputState"], "v": "x" * 600_000} for _ in range(3)),
        {"kind": 2, "k": ["requests", 0, "response"], "v": ["x"]},
    )
    items = read(CopilotVSCode(), path)
    assert items[0] == Skipped(3, "more than 1 MiB of changes; the rest is left out")
    assert [message.content for message in messages(items)] == ["Why?", "Because."]


def test_import_twice(db: sqlite_utils.Database, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(USER, tmp_path / "User"))
    first = import_paths(db, [folder])
    assert (first.files, first.conversations) == (3, 4)
    for path in folder.rglob("*.json*"):
        path.touch()
    assert import_paths(db, [folder]).messages == 0


def test_real(real_transcripts: Path, db: sqlite_utils.Database) -> None:
    folder = real_transcripts / "copilot-vscode"
    report = import_paths(db, [folder])
    assert (report.files, report.skipped, report.unknown) == (2, 0, {})
    assert report.conversations == 1
    files = [path for path in folder.iterdir()]
    said = [messages(read(CopilotVSCode(), path)) for path in files]
    assert said[0] == said[1]
    assert len(said[0]) == report.messages
    titles = db.execute("select title from conversations").fetchall()
    assert titles and all(title for (title,) in titles)
