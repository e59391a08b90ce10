"""Importing files: incremental, whole files or nothing, and every problem named."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import sqlite_utils

from glin_datasette.errors import ArchiveError, NotFound
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.search import search
from glin_datasette.storage import (
    check,
    delete_conversation,
    get_db,
    iter_messages,
    query_conversations,
    stats,
)


def record(n: int, text: str | None = None, session: str = "s1", **more: object) -> str:
    return (
        json.dumps(
            {
                "type": "user",
                "uuid": f"{session}-{n}",
                "parentUuid": f"{session}-{n - 1}" if n else None,
                "sessionId": session,
                "timestamp": f"2026-02-01T10:{n // 60 % 60:02}:{n % 60:02}.000Z",
                "cwd": "/src/project",
                "version": "2.1.0",
                "message": {"role": "user", "content": text or f"prompt number {n}"},
                **more,
            }
        )
        + "\n"
    )


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    file = tmp_path / "projects" / "-src-project" / "s1.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(record(n) for n in range(10)))
    return file


def test_again_is_one_stat_and_changes_nothing(db: sqlite_utils.Database, transcript: Path) -> None:
    first = import_paths(db, [transcript])
    assert (first.files, first.conversations, first.messages, first.unchanged) == (1, 1, 10, 0)
    before = list(db.conn.iterdump())
    again = import_paths(db, [transcript.parent.parent])
    assert (again.files, again.unchanged, again.messages) == (1, 1, 0)
    assert list(db.conn.iterdump()) == before


def test_a_grown_file_is_read_from_where_it_ended(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    import_paths(db, [transcript])
    ended = transcript.stat().st_size
    assert db.execute("select offset from import_files").fetchone()[0] == ended
    with transcript.open("a") as file:
        file.write(record(10) + record(11))
    report = import_paths(db, [transcript])
    assert (report.messages, report.conversations, report.unchanged) == (2, 0, 0)
    assert [m.source_id for m in iter_messages(db, 1)] == [f"s1-{n}" for n in range(12)]


def test_a_rewritten_file_is_read_again_without_duplicates(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    import_paths(db, [transcript])
    lines = [record(n) for n in range(12)]
    lines[3] = record(3, "said otherwise, and at another length")
    transcript.write_text("".join(lines))
    assert import_paths(db, [transcript]).messages == 2
    assert search(db, "otherwise").total == 1
    assert stats(db).messages == 12


def test_a_rewrite_of_the_same_length_is_noticed(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    import_paths(db, [transcript])
    lines = transcript.read_text().splitlines(keepends=True)
    lines[5] = lines[5].replace("prompt", "PROMPT").replace("number", "secret")
    transcript.write_text("".join(lines))
    os.utime(transcript, (1_000_000, 1_000_000))
    assert import_paths(db, [transcript]).unchanged == 0
    assert search(db, "secret").total == 1
    lines[6] = lines[6].replace("number", "hidden")
    transcript.write_text("".join(lines) + record(10))
    assert import_paths(db, [transcript]).messages == 1
    assert search(db, "hidden").total == 1


def test_what_was_deleted_stays_deleted_until_it_is_asked_for(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    import_paths(db, [transcript])
    agent = transcript.with_name("agent-1.jsonl")
    delete_conversation(db, 1)
    with transcript.open("a") as file:
        file.write(record(10))
    agent.write_text(record(0, isSidechain=True, agentId="1").replace("s1-0", "a1-0"))
    assert import_paths(db, [transcript.parent]).messages == 0
    assert query_conversations(db) == []
    report = import_paths(db, [transcript.parent], ImportOptions(deleted=True))
    assert (report.conversations, report.messages) == (2, 12)
    assert import_paths(db, [transcript.parent]).unchanged == 2
    assert db.table("deleted_conversations").count == 0


def test_a_moved_file_adds_nothing(db: sqlite_utils.Database, transcript: Path) -> None:
    import_paths(db, [transcript])
    moved = transcript.rename(transcript.with_name("moved.jsonl"))
    assert import_paths(db, [moved]).messages == 0
    assert len(query_conversations(db)) == 1


def test_a_torn_last_line_waits_for_its_rest(db: sqlite_utils.Database, transcript: Path) -> None:
    torn = record(10)
    with transcript.open("a") as file:
        file.write(torn[:40])
    report = import_paths(db, [transcript])
    assert (report.messages, report.skipped) == (10, 1)
    assert (report.errors[0].path, report.errors[0].line) == (str(transcript), 11)
    with transcript.open("a") as file:
        file.write(torn[40:])
    report = import_paths(db, [transcript])
    assert (report.messages, report.skipped, report.errors) == (1, 0, ())
    assert db.execute("select skipped from import_files").fetchone()[0] == 0


def test_damage_is_named_with_file_and_line_and_its_neighbours_kept(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    lines = [record(n).encode() for n in range(6)]
    lines[1] = b"this is not JSON\n"
    lines[3] = lines[3].replace(b"prompt", b"pro\xffmpt")
    transcript.write_bytes(b"".join(lines) + b'{"type": "never-seen-before"}\n')
    report = import_paths(db, [transcript])
    assert {(p.path, p.line) for p in report.errors} == {(str(transcript), 2), (str(transcript), 4)}
    assert report.unknown == {"never-seen-before": 1}
    assert (report.messages, report.skipped) == (4, 3)
    assert "2 records" in next(c.detail for c in check(db).checks if c.name == "imports")


def test_one_bad_file_does_not_stop_the_others(db: sqlite_utils.Database, transcript: Path) -> None:
    (transcript.parent / "notes.jsonl").write_text("not a transcript\n")
    (transcript.parent / "empty.jsonl").touch()
    (transcript.parent / "gone.jsonl").symlink_to(transcript.parent / "nowhere")
    report = import_paths(db, [transcript.parent])
    assert (report.messages, report.conversations) == (10, 1)


def test_a_named_file_of_no_known_format_is_an_error(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam")
    (problem,) = import_paths(db, [file]).errors
    assert (problem.path, "no known format" in problem.error) == (str(file), True)
    with pytest.raises(NotFound, match=r"none\.jsonl"):
        import_paths(db, [tmp_path / "none.jsonl"])


def test_the_known_places_of_this_machine(
    db: sqlite_utils.Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert import_paths(db).files == 0
    folder = tmp_path / "claude" / "projects" / "-src"
    folder.mkdir(parents=True)
    (folder / "s1.jsonl").write_text(record(0))
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    assert import_paths(db).messages == 1


def test_a_continued_session_shares_its_beginning(
    db: sqlite_utils.Database, transcript: Path
) -> None:
    copied = [record(n).replace('"sessionId": "s1"', '"sessionId": "s0"') for n in range(10)]
    later = transcript.with_name("s0.jsonl")
    later.write_text("".join(copied) + record(99, session="s0"))
    os.utime(transcript, (1_000_000, 1_000_000))
    report = import_paths(db, [transcript.parent])
    assert (report.conversations, report.messages) == (2, 11)
    fork = next(c for c in query_conversations(db) if c.source_id == "s0")
    assert (fork.relation, fork.parent_source_id) == ("fork", "s1")


def test_progress_is_told_for_every_file(db: sqlite_utils.Database, transcript: Path) -> None:
    transcript.with_name("s2.jsonl").write_text(record(0, session="s2"))
    told: list[tuple[int, int, int]] = []

    def progress(done: int, files: int, path: Path, messages: int) -> None:
        told.append((done, files, messages))

    import_paths(db, [transcript.parent], progress=progress)
    assert told == [(1, 2, 10), (2, 2, 11)]


def test_progress_is_told_during_a_long_file(db: sqlite_utils.Database, tmp_path: Path) -> None:
    file = tmp_path / "s1.jsonl"
    file.write_text("".join(record(n, session=f"s{n}") for n in range(3000)))
    told: list[tuple[int, int]] = []
    import_paths(db, [file], progress=lambda done, _, __, messages: told.append((done, messages)))
    assert [done for done, _ in told[:-1]] == [0] * len(told[:-1])
    assert len(told) > 3
    assert told[-1] == (1, 3000)
    assert [messages for _, messages in told] == sorted(messages for _, messages in told)


def test_an_interrupted_import_keeps_the_files_that_were_complete(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    for n in range(4):
        file = tmp_path / f"s{n}.jsonl"
        file.write_text("".join(record(m, session=f"s{n}") for m in range(1500)))
        os.utime(file, (n, n))

    def interrupt(done: int, _: int, __: Path, messages: int) -> None:
        if done == 2 and messages > 3000:  # In the middle of the third.
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_paths(db, [tmp_path], progress=interrupt)
    assert not db.conn.in_transaction
    assert (stats(db).messages, db.table("import_files").count) == (3000, 2)
    assert search(db, "prompt").total == 3000
    assert import_paths(db, [tmp_path]).messages == 3000
    assert check(db, deep=True).status != "fail"


IMPORT = (
    "import sys; from pathlib import Path; from glin_datasette.storage import get_db;"
    "from glin_datasette.ingest import import_paths;"
    "print('ready', flush=True); import_paths(get_db(sys.argv[1]), [Path(sys.argv[2])])"
)


@pytest.mark.skipif(os.name == "nt", reason="kill -9 is of POSIX")
def test_a_killed_import_keeps_whole_files_and_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "projects"
    folder.mkdir()
    for s in range(8):
        (folder / f"s{s}.jsonl").write_text(
            "".join(record(n, "some words " * 50, session=f"s{s}") for n in range(400))
        )
    path = tmp_path / "glin.db"
    for wait in (0.02, 0.08, 0.2, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-c", IMPORT, path, folder], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with get_db(path) as db:
            assert stats(db).messages == 400 * db.table("import_files").count
            assert check(db, deep=True).status != "fail"
    with get_db(path) as db:
        import_paths(db, [folder])
        assert stats(db).messages == 3200
        assert search(db, "words").total == 3200


def test_two_imports_at_once_import_once(tmp_path: Path, transcript: Path) -> None:
    path = tmp_path / "glin.db"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", IMPORT, path, transcript.parent],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    for process in running:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    with get_db(path) as db:
        assert stats(db).messages == 10
        assert check(db, deep=True).status != "fail"


def test_the_real_transcripts_import_cleanly(
    db: sqlite_utils.Database, real_transcripts: Path
) -> None:
    folder = real_transcripts / "claude-code"
    report = import_paths(db, [folder])
    files = sorted(folder.rglob("*.jsonl"))
    assert report.files == len(files) > 0
    assert (report.skipped, report.errors, report.unknown) == (0, (), {})
    assert report.messages > 1000
    before = list(db.conn.iterdump())
    assert import_paths(db, [folder]).unchanged == len(files)
    # Read again from the beginning, the same records are the same rows.
    db.execute("update import_files set size = 0, digest = ''")
    assert import_paths(db, [folder]).messages == 0
    after = list(db.conn.iterdump())
    assert [line for line in after if "import_files" not in line] == [
        line for line in before if "import_files" not in line
    ]
    assert check(db, deep=True).status != "fail"


def test_damage_without_a_line_is_no_failure(db: sqlite_utils.Database, tmp_path: Path) -> None:
    export = tmp_path / "conversations.json"
    talk = {
        "uuid": "c1",
        "name": "Tides",
        "chat_messages": [{"uuid": "m1", "sender": "human", "text": "Why?"}],
    }
    export.write_text(json.dumps([talk, 7]))
    report = import_paths(db, [export])
    assert (report.messages, report.skipped, report.failed) == (1, 1, 0)
    assert [problem.line for problem in report.errors] == [None]


def test_a_file_in_which_nothing_can_be_read_is_a_failure_each_time(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    export = tmp_path / "export.zip"
    with zipfile.ZipFile(export, "w") as out:
        out.writestr("conversations.json", json.dumps([{"uuid": "c", "chat_messages": []}]))
    export.write_bytes(export.read_bytes()[:-30])
    for _ in range(2):
        report = import_paths(db, [export])
        assert (report.failed, report.unchanged) == (1, 0)
        assert "damaged .zip" in report.errors[0].error


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_records_without_ids_are_the_same_whatever_ends_their_lines(
    db: sqlite_utils.Database, tmp_path: Path, end: str
) -> None:
    file = tmp_path / "rollout-1.jsonl"
    payload = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    lines = [
        {"type": "session_meta", "payload": {"id": "s", "cwd": "/src"}},
        {"type": "response_item", "payload": payload},
        {"type": "response_item", "payload": payload | {"role": "assistant"}},
    ]
    text = "".join(json.dumps({"timestamp": "2026-02-01T10:00:00.000Z"} | x) + "\n" for x in lines)
    file.write_text(text)
    first = import_paths(db, [file]).messages
    assert first > 0
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", end).encode())
    assert import_paths(db, [file]).messages == 0


def test_what_fails_after_the_last_file_names_the_archive(
    db: sqlite_utils.Database, transcript: Path, archive_path: Path
) -> None:
    # As "disk I/O error" does, where the disk is full by then.
    def refuse(action: int, first: str | None, *_: object) -> int:
        refused = action == sqlite3.SQLITE_PRAGMA and first == "optimize"
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    db.conn.set_authorizer(refuse)
    with pytest.raises(ArchiveError, match=re.escape(f"{archive_path}: ")):
        import_paths(db, [transcript])
    assert stats(db).messages == 10
