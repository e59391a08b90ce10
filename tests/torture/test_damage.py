"""Copies of an archive and of a backup with bytes that are not what they were.

The deep check finds it, or nothing is different; ``recover`` makes a sound archive of it; and
nothing crashes or hangs. 20 copies of each; ``GLIN_TORTURE=N`` makes it 500 times N.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from damage import FACTOR, MARKS, filled

from glin_datasette.errors import GlinError
from glin_datasette.search import search
from glin_datasette.storage import (
    backup_db,
    check_file,
    get_db,
    recover_db,
    repair_db,
    verify_backup,
)

pytestmark = MARKS

COUNT = 500 * FACTOR or 20
#: In seconds, for each step with a copy; a tenth of it is usual.
PATIENCE = 20

TABLES = (
    "conversations", "messages", "message_refs", "tags", "conversation_tags", "message_tags",
    "import_files", "deleted_conversations", "attachments", "message_attachments",
)  # fmt: skip
WORDS = ("number7", "cafe", "name", "数据", "lighthouse tide", "role:user", '"number3"')

#: What neither an index nor the search index nor a digest covers. SQLite keeps no checksums,
#: so in an archive a letter of these may change without anything that could tell; a backup
#: has a digest of the whole file.
UNCOVERED = {
    "conversations": {"title", "notes", "parent_source_id", "relation", "title_from", "client",
                      "transport", "model", "git_branch"},
    "messages": {"position", "model", "token_in", "token_out", "token_cached", "tool_name",
                 "tool_call_id", "is_error", "content", "parts"},
    "tags": set(),
    "import_files": {"format", "size", "mtime_ns", "offset", "digest", "state", "skipped",
                     "last_error", "imported_at"},
    "deleted_conversations": {"deleted_at"},
    "attachments": {"media_type", "size"},
    "message_attachments": {"name"},
}  # fmt: skip


@dataclass(frozen=True)
class Sound:
    path: Path
    data: bytes
    rows: dict[str, list[dict[str, Any]]]
    found: list[Any]


def held(path: Path) -> dict[str, list[dict[str, Any]]]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as conn:
        conn.row_factory = sqlite3.Row
        conn.text_factory = bytes
        return {
            table: [dict(row) for row in conn.execute(f"select * from {table} order by rowid")]
            for table in TABLES
        }


def answers(path: Path) -> list[Any]:
    with get_db(path, readonly=True) as db:
        found = [search(db, words, limit=1000, sort="newest") for words in WORDS]
    return [(each.total, sorted(hit.message_id for hit in each.hits)) for each in found]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    path = filled(tmp_path_factory.mktemp("sound") / "glin.db", messages=60)
    return Sound(path, path.read_bytes(), held(path), answers(path))


def damaged(data: bytes, numbers: random.Random) -> bytes:
    """``data`` as a disk, a copy that was cut off or a careless program would leave it."""
    result = bytearray(data)
    at = numbers.randrange(len(data))
    match numbers.choice(["bytes", "bytes", "bit", "header", "cut", "zeros", "noise", "moved"]):
        case "bytes":
            for _ in range(numbers.randrange(1, 9)):
                result[numbers.randrange(len(data))] ^= numbers.randrange(1, 256)
        case "bit":
            result[at] ^= 1 << numbers.randrange(8)
        case "header":
            result[numbers.randrange(100)] ^= numbers.randrange(1, 256)
        case "cut":
            del result[at:]
        case "zeros":
            result[at : at + 512] = bytes(len(result[at : at + 512]))
        case "noise":
            result[at : at + 512] = numbers.randbytes(len(result[at : at + 512]))
        case "moved":
            source = numbers.randrange(len(data)) // 1024 * 1024
            target = at // 1024 * 1024
            result[target : target + 1024] = data[source : source + 1024]
    return bytes(result)


@pytest.mark.parametrize("part", range(4))
def test_damage_of_an_archive_is_found_or_harmless(part: int, sound: Sound, tmp_path: Path) -> None:
    seen = {"found": 0, "harmless": 0, "of an uncovered value": 0}
    for seed in range(part * COUNT // 4, (part + 1) * COUNT // 4):
        data = damaged(sound.data, random.Random(seed))
        if data == sound.data:
            continue
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = folder / "glin.db"
        path.write_bytes(data)
        path.chmod(0o600)
        started = time.monotonic()
        report = check_file(path, deep=True)
        assert time.monotonic() - started < PATIENCE, seed
        assert path.read_bytes() == data, (seed, "a check changes nothing")
        if report.status == "fail":
            seen["found"] += 1
        elif (held(path), answers(path)) == (sound.rows, sound.found):
            seen["harmless"] += 1
        else:
            assert_only_uncovered_values_differ(sound.rows, held(path), seed)
            seen["of an uncovered value"] += 1
        assert_recovered(data, folder, seed)
        assert_repaired_or_refused(data, folder, seed)
        shutil.rmtree(folder)
    assert seen["found"] > COUNT / 10, seen


def assert_only_uncovered_values_differ(
    before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]], seed: int
) -> None:
    for table, rows in before.items():
        assert len(after[table]) == len(rows), (seed, table)
        for old, new in zip(rows, after[table], strict=True):
            different = {name for name in old if old[name] != new[name]}
            assert different <= UNCOVERED.get(table, set()), (seed, table, old, new)


def assert_recovered(data: bytes, folder: Path, seed: int) -> None:
    """What is salvaged is sound; and the damaged file is as it was."""
    path = folder / "source.db"
    path.write_bytes(data)
    started = time.monotonic()
    try:
        report = recover_db(path)
    except GlinError as ex:
        assert "\n" not in str(ex), seed
    else:
        assert report.health.status != "fail", (seed, report)
        assert sum(table.salvaged for table in report.tables) > 0, seed
    assert time.monotonic() - started < PATIENCE, seed
    assert path.read_bytes() == data, seed


def assert_repaired_or_refused(data: bytes, folder: Path, seed: int) -> None:
    path = folder / "repair.db"
    path.write_bytes(data)
    try:
        report = repair_db(path)
    except GlinError as ex:
        assert "\n" not in str(ex), seed
    else:
        assert Path(report.backup).exists(), seed


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "compressed"])
def test_damage_of_a_backup_is_always_found(compress: bool, sound: Sound, tmp_path: Path) -> None:
    with get_db(sound.path) as db:
        backup = Path(backup_db(db, tmp_path, compress=compress).path)
    assert verify_backup(backup).verified
    data = backup.read_bytes()
    for seed in range(COUNT):
        backup.write_bytes(changed := damaged(data, random.Random(seed)))
        if changed == data:
            continue
        started = time.monotonic()
        with pytest.raises(GlinError) as caught:
            verify_backup(backup)
        assert "\n" not in str(caught.value)
        assert time.monotonic() - started < PATIENCE, seed
    backup.write_bytes(data)
    assert verify_backup(backup).verified


def test_damage_of_a_backup_without_its_manifest_is_found_or_harmless(
    sound: Sound, tmp_path: Path
) -> None:
    with get_db(sound.path) as db:
        backup = Path(backup_db(db, tmp_path).path)
    data = backup.read_bytes()
    lone = tmp_path / "lone.db"
    for seed in range(COUNT):
        lone.write_bytes(damaged(data, random.Random(seed)))
        try:
            verify_backup(lone)
        except GlinError as ex:
            assert "\n" not in str(ex), seed
            continue
        after = held(lone)
        for table, rows in sound.rows.items():
            assert len(after[table]) == len(rows), (seed, table)
