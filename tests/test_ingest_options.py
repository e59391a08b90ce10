"""What is made of the messages on their way: tool output, attachments, and the format asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
import sqlite_utils
from hypothesis import given
from hypothesis import strategies as st

from glin_datasette.errors import UsageError
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.ingest.binaries import extract
from glin_datasette.ingest.shaping import shorten
from glin_datasette.search import search

PICTURE = b"\x89PNG not really"


def write(path: Path, *contents: object) -> Path:
    lines = []
    for n, content in enumerate(contents):
        record = {
            "type": "user",
            "uuid": f"u{n}",
            "sessionId": "s1",
            "timestamp": f"2026-02-01T10:00:{n:02}.000Z",
            "message": {"role": "user", "content": content},
        }
        lines.append(json.dumps(record))
    path.write_text("\n".join(lines) + "\n")
    return path


def image(data: bytes = PICTURE) -> dict[str, object]:
    encoded = base64.b64encode(data).decode()
    return {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": encoded},
    }


def result(text: str) -> dict[str, object]:
    return {"type": "tool_result", "tool_use_id": "t", "content": text}


def contents(db: sqlite_utils.Database) -> list[str]:
    return [row[0] for row in db.execute("select content from messages order by position")]


@given(st.text(max_size=500), st.integers(2, 300))
def test_shortened_text_keeps_both_ends(text: str, most: int) -> None:
    short = shorten(text, most)
    assert len(short) <= len(text)
    if short != text:
        half = most // 2
        assert (short[:half], short[-half:]) == (text[:half], text[-half:])
        assert f"{len(text) - 2 * half:,} characters left out" in short


def test_tool_output_is_shortened_and_nothing_else(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    long = "first " + "middle " * 1000 + "last"
    file = write(tmp_path / "a.jsonl", long, [result(long)])
    import_paths(db, [file], ImportOptions(tool_output=200))
    prompt, output = contents(db)
    assert prompt == long
    assert output.startswith("first middle")
    assert output.endswith("middle last")
    assert len(output) < 260
    assert search(db, "left").total == 1


def test_attachments_are_noted_and_kept_when_asked_for(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.jsonl", [image()], [image(), image(b"other")], "words")
    import_paths(db, [file])
    assert db["attachments"].count == 0
    assert contents(db) == ["[image/png, 15 B]"] * 2 + ["[image/png, 5 B]", "words"]
    # The file did not change, and there is more to take from it.
    report = import_paths(db, [file], ImportOptions(attachments=True))
    assert (report.unchanged, report.messages) == (0, 0)
    kept = {row["sha256"]: row for row in db["attachments"].rows}
    assert set(kept) == {hashlib.sha256(each).hexdigest() for each in (PICTURE, b"other")}
    first = kept[hashlib.sha256(PICTURE).hexdigest()]
    assert (first["data"], first["size"], first["media_type"]) == (PICTURE, 15, "image/png")
    assert db["message_attachments"].count == 3
    assert import_paths(db, [file], ImportOptions(attachments=True)).unchanged == 1
    assert import_paths(db, [file]).unchanged == 1
    assert db["attachments"].count == 2


def test_a_grown_file_keeps_its_attachments_only_when_asked(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.jsonl", [image(b"one")])
    import_paths(db, [file], ImportOptions(attachments=True))
    write(file, [image(b"one")], [image(b"two")])
    import_paths(db, [file])
    assert db["attachments"].count == 1
    import_paths(db, [file], ImportOptions(attachments=True))
    assert db["attachments"].count == 2


def test_a_format_that_is_asked_for_is_used(db: sqlite_utils.Database, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", "words")
    report = import_paths(db, [file], ImportOptions(format="glin"))
    assert (report.messages, report.unknown) == (0, {"user": 1})
    assert import_paths(db, [file], ImportOptions(format="claude-code")).messages == 1
    with pytest.raises(UsageError, match=r"no format 'x'; there are .*claude-code"):
        import_paths(db, [file], ImportOptions(format="x"))


# --- binaries in text ------------------------------------------------------------------

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"see data:image/png;base64,{PNG} there", "see [image/png, 1.0 KB] there"),
        (f"url(data:font/woff2;charset=utf-8;base64,{PNG})", "url([font/woff2, 1.0 KB])"),
        (f'{{"type":"image","data":"{PNG}"}}', '{"type":"image","data":"[image/png, 1.0 KB]"}'),
    ],
)
def test_binaries_in_text_are_noted(text: str, expected: str) -> None:
    content, (attachment,) = extract(text)
    assert content == expected
    assert attachment.data == PNG


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png;base64,iVBORw0KGgo= is short",
        "sha512-" + "a1B2" * 20,
        "iVBORw0KGgo is how base64 of a PNG begins" + " word" * 200,
        "A" * 5000,
        "x/9j/" + "a" * 5000,
    ],
)
def test_other_long_text_stays(text: str) -> None:
    assert extract(text) == (text, ())


def test_binaries_in_text_are_kept_when_asked_for(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.jsonl", [result(f"saved {PNG}")])
    import_paths(db, [file], ImportOptions(attachments=True))
    assert contents(db) == ["saved [image/png, 1.0 KB]"]
    (row,) = db["attachments"].rows
    assert row["data"] == base64.b64decode(PNG)
