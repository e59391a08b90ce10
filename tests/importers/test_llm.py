"""llm's logs: both generations of them, and a database that llm itself wrote."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from transcripts import lay_out, messages, named, read

from glin_datasette.importers import sqlite_file
from glin_datasette.importers.base import Checkpoint, Item, Moved, Said, Skipped, Unknown
from glin_datasette.importers.llm import LlmImporter
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.models import Conversation
from glin_datasette.storage import get_db

OLDER = "01jq2x0000000000000000ada1"
TOOLS = "01jq2x0000000000000000ada2"
THREAD = "01jx2x0000000000000000bee1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay_out("llm", tmp_path)


@pytest.fixture
def path(folder: Path) -> Path:
    return folder / "io.datasette.llm" / "logs.db"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        for statement in statements:
            conn.execute(statement)


def said(items: list[Item], conversation: str) -> list[tuple[str, str, str]]:
    return [
        (i.message.role, i.message.kind, i.message.content)
        for i in items
        if isinstance(i, Said) and i.conversation == conversation
    ]


def told(items: list[Item], conversation: str) -> Conversation:
    """The last that is told of it."""
    return [i for i in items if isinstance(i, Conversation) and i.source_id == conversation][-1]


# --- where, and what ---------------------------------------------------------------------


def test_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    places = LlmImporter().places
    monkeypatch.setattr(sys, "platform", "linux")
    assert list(places()) == [home / ".config" / "io.datasette.llm"]
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    assert list(places()) == [tmp_path / "config" / "io.datasette.llm"]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert list(places()) == [home / "Library" / "Application Support" / "io.datasette.llm"]
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert list(places()) == [tmp_path / "roaming" / "io.datasette.llm"]
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "mine"))
    assert list(places()) == [tmp_path / "mine"]


def test_matches_the_log_alone() -> None:
    importer = LlmImporter()
    assert importer.matches(Path("/x/io.datasette.llm/logs.db"))
    for name in ("embeddings.db", "logs.db-wal", "logs.db.bak", "keys.json"):
        assert not importer.matches(Path("/x/io.datasette.llm") / name)


def test_identify(path: Path, tmp_path: Path) -> None:
    importer = LlmImporter()
    head = path.read_bytes()[:4096]
    for size in (1, 15, 16, 100, 4096):
        assert importer.identify(path, head[:size])
    assert not importer.identify(path, b"")
    assert not importer.identify(path, b'{"a": 1}')
    assert not importer.identify(tmp_path / "gone.db", head)
    other = tmp_path / "other.db"
    change(other, "create table conversations (id)", "create table responses (id)")
    assert not importer.identify(other, other.read_bytes())
    change(other, "create table _llm_migrations (name)")
    assert importer.identify(other, other.read_bytes())


# --- the older generation ----------------------------------------------------------------


def test_an_older_conversation(path: Path) -> None:
    items = read(named("llm"), path)
    assert told(items, OLDER).title == "Summarize the release notes for the newsletter"
    roles = [(role, kind) for role, kind, _ in said(items, OLDER)]
    assert roles == [
        ("system", "attachment"),
        ("user", "attachment"),
        ("system", "text"),
        ("user", "text"),
        ("assistant", "text"),
        # The second prompt had the same system prompt and the same fragment.
        ("user", "text"),
        ("user", "attachment"),
        ("user", "attachment"),
        ("user", "attachment"),
        ("assistant", "text"),
        # What a thread added that goes on with it.
        ("user", "text"),
        ("assistant", "text"),
    ]
    fragment = said(items, OLDER)[1][2]
    assert fragment.startswith("[fragment, docs/release.md]\n# Kestrel 2.1\n")
    assert fragment.endswith("see https://example.com/kestrel/12")


def test_attachments_keep_their_bytes(path: Path) -> None:
    found = [
        (each, m)
        for m in messages(read(named("llm"), path))
        if (m.source_id or "").startswith("01jq2x0000000000000000r001/")
        for each in m.attachments
    ]
    assert [(a.media_type, a.name, a.size, a.data) for a, _ in found] == [
        ("image/png", None, 15, b"\x89PNG\r\n\x1a\nkestrel"),
        ("image/jpeg", "logo.jpg", None, None),
        ("image/webp", None, None, None),
    ]
    refs = [{(r.type, r.value) for r in m.refs} for _, m in found]
    assert refs[1:] == [
        {("file", "/home/ada/kestrel/logo.jpg")},
        {("url", "https://example.com/kestrel/banner.webp")},
    ]


def test_tokens_are_counted_as_the_provider_does(path: Path) -> None:
    items = read(named("llm"), path)
    by_id = {m.source_id: (m.token_in, m.token_out, m.token_cached) for m in messages(items)}
    # OpenAI's input holds what was cached, Anthropic's does not.
    assert by_id["01jq2x0000000000000000r000/response"] == (420, 31, 128)
    assert by_id["01jq2x0000000000000000r002/reasoning"] == (1020, 40, 900)
    assert by_id["01jq2x0000000000000000r002/call-1"] == (None, None, None)
    assert by_id["01jq2x0000000000000000r004/response"] == (None, None, None)
    with closing(sqlite3.connect(path)) as conn:
        (expected,) = conn.execute(
            "select sum(output_tokens) from (select id, output_tokens from responses"
            " union select id, output_tokens from turns) where typeof(output_tokens) = 'integer'"
        ).fetchone()
    assert sum(m.token_out or 0 for m in messages(items)) == expected


def test_calls_and_results_are_paired(path: Path) -> None:
    found = [m for m in messages(read(named("llm"), path)) if m.tool_name]
    calls = {m.tool_call_id: m for m in found if m.kind == "tool_call"}
    results = {m.tool_call_id: m for m in found if m.kind == "tool_result"}
    assert calls.keys() == results.keys() == {"call_a1", "call_a2", "call_b1", "ws_1"}
    assert all(calls[id].tool_name == results[id].tool_name for id in calls)
    assert [id for id, m in results.items() if m.is_error] == ["call_a2", "call_b1"]
    assert [(r.type, r.value) for r in results["call_a1"].refs] == [("commit", "3f9a1c2")]


def test_a_response_without_a_conversation_is_one(path: Path) -> None:
    items = read(named("llm"), path)
    own = "01jq2x0000000000000000r004"
    assert said(items, own) == [
        ("user", "text", "Ten names for a small falcon"),
        ("assistant", "text", "Robin, no: Merlin, Hobby, Kestrel."),
    ]


def test_the_first_versions(folder: Path) -> None:
    items = read(named("llm"), folder / "older" / "logs.db")
    assert [m.content for m in messages(items)] == [
        "Write a limerick about a robin",
        "There once was a robin named Ray",
        "Another line",
        "Who sang at the break of the day",
    ]
    assert not any(isinstance(item, Skipped | Unknown) for item in items)


# --- the newer generation ----------------------------------------------------------------


def test_a_response_that_is_a_turn_is_read_once(path: Path) -> None:
    items = read(named("llm"), path)
    contents = [m.content for m in messages(items)]
    assert contents.count("Only once.") == 1


def test_a_thread_goes_on_with_an_older_conversation(path: Path) -> None:
    items = read(named("llm"), path)
    contents = [text for _, _, text in said(items, OLDER)]
    # The thread repeats what came before its first turn.
    assert contents.count("Kestrel 2.1 starts faster and fixes issue 12.") == 1
    assert contents[-2:] == ["Thanks. A subject line?", "Kestrel starts faster"]


def test_a_history_that_a_caller_brought_is_kept(path: Path) -> None:
    found = said(read(named("llm"), path), "01jx2x0000000000000000t007")
    assert [text for _, _, text in found] == [
        "Is the sea salt?",
        "Yes.",
        "Why?",
        "Rivers bring it.",
    ]


def test_a_fork_says_what_is_its_own(path: Path) -> None:
    items = read(named("llm"), path)
    fork = "01jx2x0000000000000000bee2"
    facts = told(items, fork)
    assert (facts.parent_source_id, facts.relation, facts.title) == (THREAD, "fork", "fork")
    assert [t for _, _, t in said(items, fork)] == [
        "Be brief.",
        "And for developers?",
        "The build is simpler.",
    ]


def test_what_was_left_is_a_branch(path: Path) -> None:
    items = read(named("llm"), path)
    branch = next(
        i for i in items if isinstance(i, Conversation) and i.relation == "branch"
    ).source_id
    assert branch.startswith(f"{THREAD}/branch-")
    assert [t for _, _, t in said(items, branch)] == [
        "Say that in French.",
        "Il démarre plus vite.",
    ]
    assert "Say that in French." not in [t for _, _, t in said(items, THREAD)]
    moved = [i for i in items if isinstance(i, Moved)]
    assert {i.conversation for i in moved} == {THREAD, branch}


def test_going_back_in_a_thread_moves_what_was_read(path: Path, db: sqlite_utils.Database) -> None:
    """The thread is first read up to the branch, then goes on beside it, then back."""

    def tip(turn: str) -> str:
        return (
            f"update threads set tip_message_hash = (select tip_message_hash from turns"
            f" where id = '01jx2x0000000000000000{turn}') where id = '{THREAD}'"
        )

    def branched() -> set[str]:
        rows = db.execute(
            "select m.content from messages m join conversations c on c.id = m.conversation_id"
            " where c.source_id glob ? and m.role = 'user'",
            [f"{THREAD}/branch-*"],
        )
        return {row[0] for row in rows}

    import_paths(db, [path])
    count = db.table("messages").count
    assert branched() == {"Say that in French."}
    change(path, tip("t002b"))
    assert import_paths(db, [path]).messages == 0
    assert branched() == {"How much faster? Measure it."}
    change(path, tip("t003"))
    assert import_paths(db, [path]).messages == 0
    assert branched() == {"Say that in French."}
    assert db.table("messages").count == count


# --- read again --------------------------------------------------------------------------


def again(path: Path, items: list[Item]) -> list[Item]:
    end = items[-1]
    assert isinstance(end, Checkpoint)
    return read(named("llm"), path, replace(end, state=json.loads(json.dumps(end.state))))


def test_nothing_new_is_nothing_read(path: Path) -> None:
    first = read(named("llm"), path)
    assert again(path, first) == [first[-1]]
    assert len(json.dumps(first[-1].state)) < 10_000  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change_it", "conversation"),
    [
        (
            "insert into responses (id, prompt, response, conversation_id)"
            f" values ('01jz0', 'More?', 'No.', '{TOOLS}')",
            TOOLS,
        ),
        (  # A row that comes late, with an id from before all others.
            "insert into responses (id, prompt, response, conversation_id)"
            f" values ('01aa0', 'Late?', 'Yes.', '{TOOLS}')",
            TOOLS,
        ),
        (  # A response that is written anew.
            "insert or replace into responses (id, prompt, response, conversation_id)"
            f" values ('01jq2x0000000000000000r003', 'Anew', 'Yes.', '{TOOLS}')",
            TOOLS,
        ),
        (f"update conversations set name = 'Short' where id = '{TOOLS}'", TOOLS),
        (
            "insert into turns (id, thread_id, tip_message_hash) values ('01zz0', 'new one', null)",
            None,
        ),
        (
            "insert into turns (id, thread_id, parent_message_hash, tip_message_hash)"
            f" select '01zz0', '{THREAD}', parent_message_hash, tip_message_hash from turns"
            " where id = '01jx2x0000000000000000t004'",
            THREAD,
        ),
    ],
)
def test_what_changed_is_read(change_it: str, conversation: str | None, path: Path) -> None:
    first = read(named("llm"), path)
    change(path, change_it)
    second = again(path, first)
    changed = {item.conversation for item in second if isinstance(item, Said)}
    assert conversation is None or conversation in changed
    assert len(changed) < 5
    whole = read(named("llm"), path)
    new = {m.source_id for m in messages(whole)} - {m.source_id for m in messages(first)}
    assert new <= {m.source_id for m in messages(second)}


def test_a_database_that_grows_row_by_row_gives_the_same_archive(
    path: Path, tmp_path: Path
) -> None:
    def contents(db: sqlite_utils.Database) -> list[Any]:
        return db.execute(
            "select c.source_id, c.title, c.relation, c.parent_source_id, m.source_id, m.content"
            " from conversations c join messages m on m.conversation_id = c.id"
            " order by c.source_id, m.position"
        ).fetchall()

    with get_db(tmp_path / "whole.db") as db:
        import_paths(db, [path])
        whole = contents(db)
    growing = tmp_path / "logs.db"
    with closing(sqlite3.connect(path)) as conn:
        rows = [
            (table, id)
            for table in ("responses", "turns")
            for (id,) in conn.execute(f"select id from {table}")
        ]
    rows.sort(key=lambda row: row[1])
    with get_db(tmp_path / "parts.db") as db:
        for count in range(len(rows) + 1):
            shutil.copyfile(path, growing)
            change(growing, *(f"delete from {t} where id = '{i}'" for t, i in rows[count:]))
            import_paths(db, [growing])
        # The thread's newest message stands there from the beginning; so does its branch.
        assert contents(db) == whole


# --- damage ------------------------------------------------------------------------------


def test_damage_costs_one_row(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {m.source_id for m in messages(read(named("llm"), path))}
    change(path, "update responses set response = hex(zeroblob(9000)) where id like '%r001'")
    monkeypatch.setattr(sqlite_file, "MAX_VALUE", 10_000)
    items = read(named("llm"), path)
    skipped = [i.error for i in items if isinstance(i, Skipped)]
    assert len(skipped) == 1 and skipped[0].startswith("response 01jq2x0000000000000000r001: ")
    lost = whole - {m.source_id for m in messages(items)}
    assert lost and all("r001" in (id or "") for id in lost)


def test_a_locked_database_is_read_next_time(
    path: Path, db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        report = import_paths(db, [path], ImportOptions(format="llm"))
        assert report.messages == 0
        assert "locked" in report.errors[0].error
        writer.execute("commit")
    assert import_paths(db, [path]).messages > 0


def test_a_truncated_database_is_told(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    items = read(named("llm"), path)
    assert isinstance(items[0], Skipped)
    assert items[-1] == Checkpoint()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_memory_is_bounded(path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        for number in range(60):
            conn.execute(
                "insert into responses (id, prompt, response) values (?, ?, ?)",
                [f"01zz{number:04}", "Again", f"{number} " + "word " * 200_000],
            )
    assert path.stat().st_size > 50_000_000
    script = (
        "import re, sys; from pathlib import Path;"
        "from glin_datasette.importers.base import Checkpoint;"
        "from glin_datasette.importers.llm import LlmImporter;"
        "count = sum(1 for _ in LlmImporter().read(Path(sys.argv[1]), Checkpoint()));"
        "print(count, re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count > 120
    assert kilobytes < 100_000


# --- what llm itself writes --------------------------------------------------------------


@pytest.fixture
def real(tmp_path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """A log that the installed llm made, its database and a model that needs no network."""
    llm = pytest.importorskip("llm")

    class Echo(llm.Model):  # type: ignore[misc, name-defined]
        model_id = "echo"
        can_stream = False
        supports_tools = True
        attachment_types = frozenset({"image/png"})

        def execute(self, prompt: Any, stream: Any, response: Any, conversation: Any) -> Any:
            response.set_usage(
                input=12, output=5, details={"prompt_tokens_details": {"cached_tokens": 8}}
            )
            if prompt.tools and not prompt.tool_results:
                response.add_tool_call(
                    llm.ToolCall(name="weather", arguments={"town": "Oslo"}, tool_call_id="c1")
                )
                return
            yield f"Heard: {prompt.prompt} {[r.output for r in prompt.tool_results]}"

    path = tmp_path / "logs.db"
    database = sqlite_utils.Database(path)
    yield path, database, Echo()
    database.close()


def test_what_llm_writes(real: tuple[Path, Any, Any]) -> None:
    llm = pytest.importorskip("llm")
    path, database, model = real

    def weather(town: str) -> str:
        """What the weather is like."""
        return f"Rain in {town}"

    conversation = model.conversation()

    def ask(text: str, **more: Any) -> Any:
        response = conversation.prompt(text, **more)
        response.text()
        response.log_to_db(database)
        return response

    first = ask("Hello there", system="Be brief.", fragments=["A novel about Ada.\n"])
    picture = llm.Attachment(content=b"\x89PNG\r\n\x1a\n0000", type="image/png")
    ask("What is on it?", attachments=[picture])
    chain = conversation.chain("Weather in Oslo?", tools=[weather])
    chain.text()
    chain.log_to_db(database)
    other = first.reply("An alternative")
    other.text()
    other.log_to_db(database)

    importer = LlmImporter()
    assert importer.identify(path, path.read_bytes()[:4096])
    items = read(importer, path)
    assert not any(isinstance(item, Skipped | Unknown) for item in items)
    assert told(items, conversation.id).title == "Hello there"
    assert said(items, conversation.id) == [
        ("system", "text", "Be brief."),
        ("user", "attachment", "[fragment]\nA novel about Ada."),
        ("user", "text", "Hello there"),
        ("assistant", "text", "Heard: A novel about Ada.\n\nHello there []"),
        ("user", "text", "What is on it?"),
        ("user", "attachment", "[image/png, 12 B]"),
        ("assistant", "text", "Heard: What is on it? []"),
        ("user", "text", "Weather in Oslo?"),
        ("assistant", "tool_call", "town: Oslo"),
        ("tool", "tool_result", "Rain in Oslo"),
        ("assistant", "text", "Heard:  ['Rain in Oslo']"),
    ]
    fork = next(i for i in items if isinstance(i, Conversation) and i.relation == "fork")
    assert fork.parent_source_id == conversation.id
    assert said(items, fork.source_id)[-2][2] == "An alternative"
    replies = [m for m in messages(items) if m.token_in is not None]
    assert len(replies) == 5
    assert {(m.token_in, m.token_out, m.token_cached, m.model) for m in replies} == {
        (12, 5, 8, "echo")
    }
    # It grows while llm has it open.
    ask("And now?")
    more = again(path, items)
    assert ("user", "text", "And now?") in said(more, conversation.id)


def test_the_tables_of_the_installed_llm_are_known(real: tuple[Path, Any, Any]) -> None:
    """Both generations: those that only older versions fill are there as well."""
    migrations = pytest.importorskip("llm.migrations")
    path, database, _ = real
    migrations.migrate(database)
    database["conversations"].insert({"id": "c", "name": "A name", "model": "m"})
    database["responses"].insert(
        {
            "id": "r",
            "model": "m",
            "prompt": "Older",
            "response": "Yes",
            "conversation_id": "c",
            "datetime_utc": "2025-01-01T00:00:00",
            "input_tokens": 3,
        }
    )
    items = read(LlmImporter(), path)
    assert said(items, "c") == [("user", "text", "Older"), ("assistant", "text", "Yes")]
    assert messages(items)[1].token_in == 3
