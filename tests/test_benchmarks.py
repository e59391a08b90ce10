"""What the benchmarks measure on: the same on every run, sound, and as it is told to be."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.archives import write_archive
from benchmarks.conversations import conversations
from benchmarks.text import MARKERS, PHRASE, PREFIX, Writer
from benchmarks.transcripts import FORMATS
from glin_datasette.ingest import import_paths
from glin_datasette.storage import check_file, get_db

ROOT = Path(__file__).parents[1]
MESSAGES = 800


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("benchmarks") / "made.db"
    write_archive(path, MESSAGES)
    return path


def test_an_archive_is_sound(archive: Path) -> None:
    report = check_file(archive, deep=True)
    assert {each.name: each.detail for each in report.checks if each.status != "ok"} == {
        "backup": "no backup yet; make one with 'glin-datasette backup'"
    }
    assert report.counts["messages"] == MESSAGES
    assert min(report.counts.values()) > 0


def test_another_process_makes_the_same(archive: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.db"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.archives", str(MESSAGES), str(again)],
        check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    for table in ("conversations", "messages", "message_refs", "message_tags", "messages_fts_data"):
        assert rows(again, table) == rows(archive, table)


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"select * from {table} order by rowid").fetchall()


def test_words_stand_in_the_share_that_they_should(archive: Path) -> None:
    wanted = {word: share for word, share in MARKERS.items() if share * MESSAGES > 5}
    wanted |= {f"{PREFIX}*": 0.1, f'"{" ".join(PHRASE)}"': 0.01}
    with closing(sqlite3.connect(archive)) as connection:
        for word, share in wanted.items():
            sql = "select count(*) from messages_fts where messages_fts match ?"
            (found,) = connection.execute(sql, [word]).fetchone()
            expected = share * MESSAGES
            # Five times the standard deviation.
            assert abs(found - expected) < 5 * (expected * (1 - share)) ** 0.5, word


@pytest.mark.parametrize("format", FORMATS)
def test_transcripts_are_read_as_what_they_were_made_of(format: str, tmp_path: Path) -> None:
    told = list(conversations(Writer(3), 300, source=format))
    FORMATS[format](tmp_path / "transcripts", told)
    with closing(get_db(tmp_path / "glin.db")) as db:
        report = import_paths(db, [tmp_path / "transcripts"])
        assert (report.skipped, report.unknown, report.errors) == (0, {}, ())
        found = db.execute(
            "select c.source_id, m.role, m.kind, m.content from messages as m"
            " join conversations as c on c.id = m.conversation_id order by c.started_at, m.position"
        ).fetchall()
    assert found == [
        (each.conversation.source_id, message.role, message.kind, message.content)
        for each in told
        for message in each.messages
    ]
