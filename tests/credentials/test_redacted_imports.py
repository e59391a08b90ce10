"""Importing without credentials, from a transcript to the last corner of the archive."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
from credential_samples import jwt, made_up, provider_tokens

from glin_datasette.credentials import scan_secrets
from glin_datasette.export import export_lines
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.search import search
from glin_datasette.storage import (
    check,
    compact_db,
    delete_conversation,
    get_db,
    iter_messages,
    query_conversations,
)

TOKEN = provider_tokens()["GitHub token"][0]
#: A word of its own in the search index.
WORD = "zanzibar" + made_up(20).lower()
URL = f"https://example.org/feed?access_token={made_up(32)}"
JWT = jwt(40)
REDACT = ImportOptions(redact=True)
SECRETS = (TOKEN, WORD, made_up(32), JWT[:150])


def record(n: int, text: str) -> str:
    facts = {
        "type": "user",
        "uuid": f"r{n}",
        "parentUuid": f"r{n - 1}" if n else None,
        "sessionId": "s1",
        "timestamp": f"2026-02-01T10:00:{n:02}.000Z",
        "cwd": "/src/tide",
        "version": "2.1.0",
        "message": {"role": "user", "content": text},
    }
    return json.dumps(facts) + "\n"


TEXTS = [
    f"Why is {JWT} refused?",
    f"I set DB_PASSWORD={WORD} and it works\nbut {TOKEN} does not",
    f"It reads {URL} and https://example.org/other",
    f"commit {made_up(40, '0123456789abcdef')} is innocent",
]


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    file = tmp_path / "projects" / "-src-tide" / "s1.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("".join(record(n, text) for n, text in enumerate(TEXTS)))
    return file


def everything(db: sqlite_utils.Database) -> str:
    """All that the archive says, its search index and what importers remember included."""
    return "\n".join(db.conn.iterdump())


def left_over(db: sqlite_utils.Database) -> list[str]:
    said = everything(db)
    found = [secret for secret in SECRETS if secret in said]
    return found + ["in the index"] * search(db, WORD).total


def test_nothing_of_them_comes_in(db: sqlite_utils.Database, transcript: Path) -> None:
    report = import_paths(db, [transcript], REDACT)
    assert (report.messages, report.redacted) == (4, 4)
    assert left_over(db) == []
    (conversation,) = query_conversations(db)
    assert conversation.title == "Why is [redacted: JSON Web Token]…"
    first, second, third, fourth = (m.content for m in iter_messages(db, 1))
    assert first == "Why is [redacted: JSON Web Token] refused?"
    assert second.startswith("I set DB_PASSWORD=[redacted: password] and it works")
    assert "https://example.org/feed?access_token=[redacted: token] and" in third
    assert fourth == TEXTS[3]
    refs = {ref.value for m in iter_messages(db, 1) for ref in m.refs if ref.type == "url"}
    assert "https://example.org/other" in refs
    assert scan_secrets(db).total == 0


def test_what_is_there_already_is_replaced(db: sqlite_utils.Database, transcript: Path) -> None:
    import_paths(db, [transcript])
    assert left_over(db) == [*SECRETS, "in the index"]
    before = [(m.id, m.position, m.ts) for m in iter_messages(db, 1)]

    report = import_paths(db, [transcript], REDACT)
    assert (report.unchanged, report.messages, report.redacted) == (0, 0, 4)
    assert left_over(db) == []
    assert [(m.id, m.position, m.ts) for m in iter_messages(db, 1)] == before
    assert query_conversations(db)[0].title == "Why is [redacted: JSON Web Token]…"
    assert search(db, "redacted").total == 3
    assert search(db, "innocent").total == 1
    assert check(db, deep=True).status != "fail"

    assert import_paths(db, [transcript], REDACT).unchanged == 1


def test_a_later_import_keeps_on_redacting(db: sqlite_utils.Database, transcript: Path) -> None:
    import_paths(db, [transcript], REDACT)
    assert import_paths(db, [transcript]).unchanged == 1

    other = provider_tokens()["npm token"][0]
    with transcript.open("a") as file:
        file.write(record(4, f"and now {other}"))
    report = import_paths(db, [transcript])
    assert (report.messages, report.redacted) == (1, 1)
    assert other not in everything(db)

    # A client rewrote it: it is read from its beginning.
    transcript.write_text("".join(record(n, f"{n} {text}") for n, text in enumerate(TEXTS)))
    import_paths(db, [transcript])
    assert left_over(db) == []


def test_they_come_back_when_that_is_asked_for(db: sqlite_utils.Database, transcript: Path) -> None:
    import_paths(db, [transcript])
    title = query_conversations(db)[0].title
    refs = [m.refs for m in iter_messages(db, 1)]
    import_paths(db, [transcript], REDACT)
    assert [m.refs for m in iter_messages(db, 1)] != refs
    import_paths(db, [transcript], ImportOptions(redact=False))
    assert [m.content for m in iter_messages(db, 1)] == TEXTS
    assert [m.refs for m in iter_messages(db, 1)] == refs
    assert query_conversations(db)[0].title == title
    assert search(db, WORD).total == 1
    # And stay, until they are not wanted again.
    assert import_paths(db, [transcript]).unchanged == 1


def test_an_export_is_read_without_them_again_and_again(
    db: sqlite_utils.Database, transcript: Path, tmp_path: Path
) -> None:
    """What is left of a transcript that is gone: out, deleted, and in again."""
    import_paths(db, [transcript])
    copy = tmp_path / "copy.jsonl"
    copy.write_text("\n".join(export_lines(db, query_conversations(db))) + "\n", "utf-8")
    transcript.unlink()
    delete_conversation(db, 1)
    assert import_paths(db, [copy], REDACT).messages == 4
    assert left_over(db) == []
    import_paths(db, [copy])
    assert left_over(db) == []


def test_compact_takes_them_out_of_the_file(tmp_path: Path, transcript: Path) -> None:
    """What the docs advise. The search index holds words of what was replaced until it is
    merged, and free pages hold what was there, as SQLite was built."""
    file = tmp_path / "archive.db"
    for n in range(20):
        other = transcript.with_name(f"other{n}.jsonl")
        text = record(n, f"tide {n} {made_up(300, seed=n)}")
        other.write_text(text.replace('"s1"', f'"s{n + 2}"').replace(f'"r{n}"', f'"q{n}"'))
    with closing(get_db(file)) as db:
        import_paths(db, [transcript.parent])
        import_paths(db, [transcript], REDACT)
        assert left_over(db) == []

    def held() -> list[str]:
        data = b"".join(path.read_bytes() for path in tmp_path.glob("archive.db*"))
        # The index holds words in lower case, and of each only what the one before lacks.
        wanted = [*SECRETS, WORD[4:], TOKEN[6:].lower()]
        return [secret for secret in wanted if secret.encode() in data]

    assert WORD[4:] in held()
    subprocess.run([sys.executable, "-m", "sqlite_utils", "vacuum", str(file)], check=True)
    assert WORD[4:] in held()
    with closing(get_db(file)) as db:
        compact_db(db)
    assert held() == []
    with closing(get_db(file)) as db:
        assert search(db, "innocent").total == 1
        assert check(db, deep=True).status != "fail"
