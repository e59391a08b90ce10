"""Claude Code's transcripts: how they are told, paired, titled and counted. What each
fixture yields as a whole is in test_golden.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils

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
from glin_datasette.importers.walk import walk
from glin_datasette.ingest import import_paths
from glin_datasette.models import Conversation, Message
from glin_datasette.storage import get_db, query_conversations

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "claude-code"
FOLDER = FIXTURES / "projects" / "-home-ada-tide"
SESSION = "00000000-0000-4000-8000-0000000000aa"


def named(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-000000000000"


def read(path: Path, start: Checkpoint | None = None) -> list[Item]:
    return list(ClaudeCode().read(path, start or Checkpoint()))


def messages(path: Path) -> list[Message]:
    return [item.message for item in read(path) if isinstance(item, Said)]


def conversations(path: Path) -> dict[str, Conversation]:
    """What was told last of each conversation."""
    return {item.source_id: item for item in read(path) if isinstance(item, Conversation)}


def found_in(folder: Path) -> list[Path]:
    errors: list[OSError] = []
    files = [path for path, _ in walk(folder, ClaudeCode().matches, errors.append)]
    assert errors == []
    return files


# --- finding and telling ---------------------------------------------------------------


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    assert ClaudeCode().places() == [
        tmp_path / ".claude" / "projects",
        tmp_path / ".config" / "claude" / "projects",
    ]
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", "~/elsewhere")
    assert ClaudeCode().places() == [tmp_path / "elsewhere" / "projects"]


def test_find_follows_links_and_ends(tmp_path: Path) -> None:
    (tmp_path / "b" / "s" / "subagents").mkdir(parents=True)
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "loop").symlink_to(tmp_path)
    for name in ("b/s.jsonl", "b/s/subagents/agent-1.jsonl", "b/notes.md"):
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in found_in(tmp_path)]
    assert found == ["a/s.jsonl", "a/s/subagents/agent-1.jsonl"]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{"type":"user","uuid":"a"}\n', True),
        (b'broken\n{"type":"summary","summary":"x","leafUuid":"b"}\n', True),
        (b'{"parentUuid":null,"sessionId":"' + SESSION.encode() + b'","type":"us', True),
        (b'broken\n{"parentUuid":null,"sessionId":"' + SESSION.encode() + b'","type":"us', True),
        (b'{"role":"user"}\n{"parentUuid":null,"type":"us', False),
        (b'{"message":{"a":1},"sessionId":"' + SESSION.encode() + b'","toolUseResult":"', True),
        (b'{"type": "file-history-snapshot", "messageId": "m", "snapshot": {"a": "', True),
        (b'{"type": "file-history-snapshot", "snapshot": {"messageId": "', False),
        (b'{"sessionId":"' + SESSION.encode() + b'","projectHash":"p","messages":[]}', False),
        (b"", False),
        (b"\xff\xfe\0\0", False),
        (b"[" * 100_000, False),
        (b'{"type":"session_meta","timestamp":"2026-01-01T00:00:00Z","payload":{}}\n', False),
        (b'{"type":"session.start","data":{"sessionId":"x"},"id":"1"}\n', False),
        (b'{"type":"user","message":{"role":"user"}}\n', False),
        (b'{"type":["user"],"uuid":"a"}\n', False),
        (b'{"role":"user","content":"hi"}\n', False),
        (b'{"sessionId":"s","projectHash":"p","messages":[]}', False),
    ],
)
def test_identify(head: bytes, expected: bool) -> None:
    assert ClaudeCode().identify(Path("x.jsonl"), head) is expected


# --- conversations ---------------------------------------------------------------------


def test_titles_rank_by_how_they_came_about() -> None:
    said = [
        (item.title, item.title_from)
        for item in read(FOLDER / f"{named(1)}.jsonl")
        if isinstance(item, Conversation)
    ]
    assert said == [
        ("/model opus", "prompt"),
        ("Why does the **tide table** skip an hour in @src/tide.py?", "prompt"),
        ("The skipped hour", "custom"),
    ]


def test_a_title_waits_for_the_first_message_of_a_later_reading(tmp_path: Path) -> None:
    title = {"type": "ai-title", "aiTitle": "Tides", "sessionId": SESSION}
    file = write(tmp_path / "a.jsonl", title)
    state = read(file)[-1]
    assert isinstance(state, Checkpoint)
    write(file, title, record("user", "a", "hi"))
    told = [item for item in read(file, state) if isinstance(item, Conversation)]
    assert [(item.title, item.title_from) for item in told] == [("Tides", "generated")]


def test_the_name_of_a_worktree_is_no_title(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        record("user", "a", "hi"),
        {"type": "worktree-state", "worktreeSession": {"worktreeName": "spring"}},
        {"type": "custom-title", "customTitle": "spring", "sessionId": SESSION},
    )
    assert conversations(file)[SESSION].title == "hi"


def test_a_summary_belongs_to_whoever_holds_its_leaf() -> None:
    found = [item for item in read(FOLDER / f"{named(4)}.jsonl") if isinstance(item, Summary)]
    assert found == [Summary("g-u1", "Tides for two harbours")]


def test_a_subagent_has_one_name_in_both_places() -> None:
    agent = f"{named(3)}/agent-a11"
    inside = conversations(FOLDER / f"{named(3)}.jsonl")[agent]
    apart = conversations(FOLDER / named(3) / "subagents" / "agent-a11.jsonl")[agent]
    for child in (inside, apart):
        assert (child.parent_source_id, child.relation) == (named(3), "subagent")
        assert (child.title, child.title_from) == ("Find uses of HOURS", "generated")

    def ids(path: Path) -> list[str | None]:
        return [
            item.message.source_id
            for item in read(path)
            if isinstance(item, Said) and item.conversation == agent
        ]

    assert ids(FOLDER / f"{named(3)}.jsonl") == ["k-u1", "k-a1"]
    assert ids(FOLDER / named(3) / "subagents" / "agent-a11.jsonl")[:2] == ["k-u1", "k-a1"]


def test_parallel_sidechains_are_told_apart() -> None:
    said: dict[str, list[str]] = {}
    for item in read(FOLDER / f"{named(4)}.jsonl"):
        if isinstance(item, Said):
            said.setdefault(item.conversation, []).append(item.message.content)
    assert said[f"{named(4)}/sidechain-x-1"] == [
        "Read the notes on harbour A.",
        "A is deep.",
        "A has two piers.",
    ]
    assert said[f"{named(4)}/sidechain-y-1"] == ["Read the notes on harbour B.", "B is shallow."]


def test_a_resumed_session_is_a_fork_of_the_older_one() -> None:
    found = conversations(FOLDER / f"{named(5)}.jsonl")
    fork = found[named(5)]
    assert (fork.parent_source_id, fork.relation) == (named(6), "fork")
    assert found[named(6)].parent_source_id is None


def test_repo_root_is_the_top_of_a_repository_that_is_here(tmp_path: Path) -> None:
    top = tmp_path / "tide"
    (top / ".git").mkdir(parents=True)
    (top / "lib").mkdir()
    file = tmp_path / "s.jsonl"

    def root(cwd: str) -> str | None:
        read_file = {"file_path": f"{cwd}/a.py"}
        block = {"type": "tool_use", "id": "t", "name": "Read", "input": read_file}
        write(file, record("assistant", "a", [block], cwd=cwd))
        (said,) = messages(file)
        assert [ref.value for ref in said.refs] == [f"{cwd}/a.py".removeprefix(f"{top}/")]
        return conversations(file)[SESSION].repo_root

    assert root(str(top / "lib")) == str(top)
    outside = tmp_path / "other"
    write(file, record("user", "a", "hi", cwd=str(outside)))
    assert conversations(file)[SESSION].repo_root == str(outside)


# --- messages --------------------------------------------------------------------------


def record(kind: str, uuid: str | None, content: object, **facts: object) -> dict[str, Any]:
    """A record of a session as Claude Code writes it."""
    message: dict[str, object] = {"role": kind, "content": content}
    for name in ("id", "usage", "model"):
        if name in facts:
            message[name] = facts.pop(name)
    return {
        "type": kind,
        "uuid": uuid,
        "sessionId": SESSION,
        "timestamp": "2026-02-11T09:00:00.000Z",
        "cwd": "/home/ada/tide",
        "message": message,
        **facts,
    }


def write(file: Path, *records: object) -> Path:
    file.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return file


def test_an_image_leaves_a_note_and_not_its_bytes(tmp_path: Path) -> None:
    data = "QUJD" * 4100  # 12,300 bytes
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    file = write(tmp_path / "a.jsonl", record("user", "a", [image, result]))
    attached, returned = messages(file)
    assert (attached.kind, attached.content) == ("attachment", "[image/png, 12.3 KB]")
    assert (returned.role, returned.content) == ("tool", "[image/png, 12.3 KB]")


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        ("", "Then a prompt"),
        ("12 now", "Then a prompt"),
        ("a page for the menu", "/plan a page for the menu"),
    ],
)
def test_a_command_names_a_conversation_if_it_says_what_about(
    tmp_path: Path, arguments: str, title: str
) -> None:
    command = f"<command-name>/plan</command-name><command-args>{arguments}</command-args>"
    found = sessions(tmp_path, record("user", "u1", command), record("user", "u2", "Then a prompt"))
    assert found[SESSION].title == title


def test_a_sidechain_works_for_the_repository_of_its_session(tmp_path: Path) -> None:
    found = sessions(
        tmp_path,
        record("user", "u1", "Go on", cwd="/src/app"),
        record("user", "u2", "Look", cwd="/src/app/menu", isSidechain=True),
    )
    assert {c.repo_root for c in found.values()} == {"/src/app"}
    assert len(found) == 2


def sessions(tmp_path: Path, *records: dict[str, Any]) -> dict[str, Conversation]:
    """The conversations of a session's file as storage would add them up."""
    path = write(tmp_path / f"{SESSION}.jsonl", *records)
    with get_db(tmp_path / "glin.db") as db:
        import_paths(db, [path])
        return {c.source_id: c for c in query_conversations(db)}


@pytest.mark.parametrize(
    ("text", "role", "content", "title"),
    [
        ("Fix it", "user", "Fix it", "Fix it"),
        ("/home is full", "user", "/home is full", "/home is full"),
        (
            "<command-message>x is running…</command-message>\n<command-name>/x</command-name>",
            "user",
            "/x",
            "/x",
        ),
        (
            "<command-name>/review</command-name>\n  <command-args>12 now</command-args>",
            "user",
            "/review 12 now",
            "/review 12 now",
        ),
        ("<command-name> as text?", "user", None, "<command-name> as text?"),
        ("<local-command-stdout>out</local-command-stdout>", "system", "out", None),
        ("<local-command-stderr>err</local-command-stderr>", "system", "err", None),
        ("<bash-input>ls</bash-input>", "user", "! ls", "! ls"),
        ("<user-memory-input>use tabs</user-memory-input>", "user", "# use tabs", None),
        ("<system-reminder>Be brief.</system-reminder>", "system", "Be brief.", None),
        ("<teammate-message from='b'>Hi</teammate-message>", "system", "Hi", None),
        ("[Request interrupted by user for tool use]", "user", None, None),
        ("[Image #1] [Image #2] what is this?", "user", None, "what is this?"),
        ("Implement the following plan:\n\n# Tides\n\nfirst", "user", None, "Tides"),
        ("Caveat: The messages below were generated by the user while running local commands.",
         "system", None, None),
        ("<div>look</div> at this", "user", "<div>look</div> at this", "<div>look</div> at this"),
    ],
)  # fmt: skip
def test_user_text(
    tmp_path: Path, text: str, role: str, content: str | None, title: str | None
) -> None:
    file = write(tmp_path / "a.jsonl", record("user", "a", text))
    (said,) = messages(file)
    assert (said.role, said.content) == (role, content or text)
    assert conversations(file)[SESSION].title == title


def test_a_prompt_with_a_reminder_keeps_it_and_is_titled_without(tmp_path: Path) -> None:
    text = "<system-reminder>Be brief.</system-reminder>\n\nWhy?\n<system-reminder>x"
    file = write(tmp_path / "a.jsonl", record("user", "a", text))
    assert messages(file)[0].content == text
    assert conversations(file)[SESSION].title == "Why?"


@pytest.mark.parametrize("text", ["", " \n ", "<local-command-stdout></local-command-stdout>"])
def test_blank_text_is_not_kept(tmp_path: Path, text: str) -> None:
    assert messages(write(tmp_path / "a.jsonl", record("user", "a", text))) == []


def test_a_record_without_uuid_has_a_stable_name(tmp_path: Path) -> None:
    one, two = record("user", None, "one"), record("user", None, "two")
    first = [m.source_id for m in messages(write(tmp_path / "a.jsonl", one, two))]
    second = [m.source_id for m in messages(write(tmp_path / "b.jsonl", two, one))]
    assert first == second[::-1]
    assert len(set(first)) == 2


def test_a_reply_is_never_put_before_its_prompt(tmp_path: Path) -> None:
    def at(uuid: str, time: str | None, parent: str | None) -> dict[str, Any]:
        return record("user", uuid, uuid, timestamp=time, parentUuid=parent)

    file = write(
        tmp_path / "a.jsonl",
        at("a", "2026-02-11T09:00:05.000Z", None),
        at("b", "2026-02-11T09:00:01.000Z", "a"),
        at("c", None, "b"),
        at("d", "2026-02-11T09:00:09.000Z", "nowhere"),
        at("e", None, "nowhere"),
        at("f", "2026-02-11T09:00:02.000Z", "nowhere"),
    )
    found = [(m.content, (m.sort_ts or m.ts or "")[17:19]) for m in messages(file)]
    assert found == [("a", "05"), ("b", "05"), ("c", "05"), ("d", "09"), ("e", "09"), ("f", "02")]


def test_a_result_finds_its_call_in_an_earlier_reading(tmp_path: Path) -> None:
    call = {"type": "tool_use", "id": "t", "name": "Bash", "input": {"command": "git commit -m x"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "[main 8e2f0d1] x"}
    file = write(tmp_path / "a.jsonl", record("assistant", "a", [call]))
    state = read(file)[-1]
    assert isinstance(state, Checkpoint)
    write(file, record("assistant", "a", [call]), record("user", "b", [result]))
    (said,) = [item.message for item in read(file, state) if isinstance(item, Said)]
    assert said.tool_name == "Bash"
    assert [ref.value for ref in said.refs] == ["8e2f0d1"]


# --- tokens ----------------------------------------------------------------------------


def line(uuid: str, output: object, *, reply: str = "m", request: str | None = "r") -> Any:
    usage = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 20,
        "cache_read_input_tokens": 300,
        "output_tokens": output,
    }
    content = [{"type": "text", "text": uuid}]
    facts = {} if request is None else {"requestId": request}
    return record("assistant", uuid, content, id=reply, usage=usage, model="claude-x", **facts)


def totals(path: Path) -> dict[str | None, tuple[int | None, int | None, int | None]]:
    found = {}
    for item in read(path):
        if isinstance(item, Said) and item.message.token_out is not None:
            said = item.message
            found[said.source_id] = (said.token_in, said.token_out, said.token_cached)
        elif isinstance(item, Usage):
            found[item.message] = (item.token_in, item.token_out, item.token_cached)
    return found


def test_the_lines_of_a_reply_count_once(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        line("a", 3),
        line("b", 3),
        line("c", 90),
        line("d", 40),
        line("e", 7, reply="other"),
        line("f", 8, request="retry"),
        line("g", 9, request=None),
        line("h", 11, request=None),
    )
    assert totals(file) == {
        "a": (321, 90, 300),
        "e": (321, 7, 300),
        "f": (321, 8, 300),
        "g": (321, 11, 300),
    }


def test_tokens_wait_for_the_first_message_worth_keeping(tmp_path: Path) -> None:
    hidden = line("a", 90)
    hidden["message"]["content"] = [{"type": "redacted_thinking", "data": "x"}]
    assert totals(write(tmp_path / "a.jsonl", hidden, line("b", 3))) == {"b": (321, 90, 300)}


def test_progress_never_replaces_the_counts_of_the_agents_own_file(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    """Reading the session again, without its agents, keeps what they told."""
    copy = tmp_path / "projects"
    shutil.copytree(FIXTURES / "projects", copy)
    import_paths(db, [copy])
    session = copy / "-home-ada-tide" / f"{named(3)}.jsonl"
    session.write_text(session.read_text().replace("Find every", "Find each"))
    import_paths(db, [copy])
    assert db.execute("select token_out from messages where source_id = 'k-a1'").fetchall() == [
        (30,)
    ]


@pytest.mark.parametrize("output", [-1, 10**30, 1.5, "90", True, None, [90]])
def test_damaged_counts_are_no_counts(tmp_path: Path, output: object) -> None:
    assert totals(write(tmp_path / "a.jsonl", line("a", output))) == {"a": (321, 0, 300)}


def test_the_clients_own_words_have_no_model_and_no_tokens(tmp_path: Path) -> None:
    own = line("a", 5)
    own["message"]["model"] = "<synthetic>"
    own["isApiErrorMessage"] = True
    (said,) = messages(write(tmp_path / "a.jsonl", own))
    assert (said.role, said.model, said.token_out, said.is_error) == ("system", None, None, True)


# --- what cannot be used ---------------------------------------------------------------


def test_damage_is_reported_and_its_neighbours_are_kept(tmp_path: Path) -> None:
    good = [json.dumps(record("user", uuid, uuid)).encode() for uuid in "abc"]
    file = tmp_path / "a.jsonl"
    file.write_bytes(
        b"\n".join([good[0], b'{"type":', b'{"a":"\xc3"}', b"\0\0" + good[1], b"7", good[2], b"{"])
    )
    assert [m.content for m in messages(file)] == ["a", "b", "c"]
    skipped = [item for item in read(file) if isinstance(item, Skipped)]
    assert [(item.line, item.error.partition(":")[0]) for item in skipped] == [
        (2, "not JSON"),
        (3, "not UTF-8 at byte 7"),
        (5, "not a JSON object"),
        (7, "cut off"),
    ]
    end = read(file)[-1]
    assert isinstance(end, Checkpoint)
    assert end.offset == file.stat().st_size - 1
    assert end.line == 6


def test_unknown_kinds_are_told_by_name(tmp_path: Path) -> None:
    file = write(
        tmp_path / "a.jsonl",
        {"type": "holodeck", "sessionId": SESSION},
        {"type": "system", "subtype": "weather", "sessionId": SESSION},
        record("assistant", "a", [{"type": "hologram"}]),
        {"type": "x" * 500},
        {"type": "mode", "sessionId": SESSION},
    )
    found = [item.kind for item in read(file) if isinstance(item, Unknown)]
    assert found == ["holodeck", "system weather", "content block hologram", "x" * 60]


def deep(levels: int) -> Iterator[str]:
    yield '{"type":"user","uuid":"a","message":{"content":[{"type":"tool_result","content":'
    yield '[{"type":"x","content":' * levels
    yield "1"
    yield "}]" * levels
    yield "}]}}\n"


@pytest.mark.parametrize("levels", [50, 300, 450, 3000, 200_000])
def test_deep_nesting_ends_in_a_line_of_the_report(tmp_path: Path, levels: int) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("".join(deep(levels)) + json.dumps(record("user", "b", "after")) + "\n")
    found = read(file)
    assert [i.message.content for i in found if isinstance(i, Said)][-1] == "after"
    skipped = [item.error for item in found if isinstance(item, Skipped)]
    assert skipped in ([], ["not usable: nested too deeply"])
    assert skipped or levels < 3000
