"""Transcripts of every format with something wrong in them: what is damaged is reported,
what is whole is loaded, and the archive is sound.

150 of all formats together; ``GLIN_TORTURE=N`` makes it 10,000 times N. (What importers yield
for such files, one by one, is tried in ``tests/importers``.)
"""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from damage import FACTOR, MARKS
from transcripts import lay_out, transcripts

from glin_datasette.importers import importers
from glin_datasette.importers.base import Importer
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.storage import check_file, get_db

pytestmark = MARKS

COUNT = 10_000 * FACTOR or 150
#: One archive takes so many damaged files, each on top of what is there.
EACH = 60

#: Values that a field may have by mistake.
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, 10**400, "", "\0", "\ud800", "\x02x\x03", "x" * 3000, [], {}, [[]],
    [None], {"type": []}, {"text": {"text": 1}}, "2026-13-45T99:99:99Z", "NaN", 2**63, -(2**63),
)  # fmt: skip
NOISE = (b"", b"\0" * 64, b"\n", b"\xff", b'"', b"1e400", b"[" * 3000, b"\\ud800", b"{}", b"null")


def damaged(raw: bytes, numbers: random.Random) -> bytes:
    """``raw`` as a disk, a program that was killed or another version of a tool leaves it."""
    result = bytearray(raw)
    for _ in range(numbers.randrange(1, 4)):
        size = len(result) or 1
        at = numbers.randrange(size)
        match numbers.choice(["bytes", "cut", "twice", "noise", "lines", "field", "field"]):
            case "bytes" if result:
                for _ in range(numbers.randrange(1, 9)):
                    result[numbers.randrange(size)] ^= numbers.randrange(1, 256)
            case "cut":
                del result[at : numbers.choice([size, at + numbers.randrange(1, 200)])]
            case "twice":
                part = result[at : at + numbers.randrange(1, 2000)]
                result[at:at] = part
            case "noise":
                result[at : at + numbers.randrange(100)] = numbers.choice(NOISE)
            case "lines":
                lines = result.splitlines(keepends=True)
                numbers.shuffle(lines)
                result = bytearray(b"".join(lines))
            case "field":
                result = bytearray(_other_field(bytes(result), numbers))
    return bytes(result)


def _other_field(raw: bytes, numbers: random.Random) -> bytes:
    """One value of a JSON document, or of a line of JSON, is another."""
    lines = raw.splitlines()
    number = numbers.randrange(len(lines) or 1)
    for whole in (False, True):
        try:
            value = json.loads(raw if whole else lines[number])
        except (ValueError, IndexError, RecursionError):
            continue
        path: list[tuple[Any, Any]] = []
        inner = value
        while isinstance(inner, dict | list) and inner:
            key = numbers.choice(list(inner) if isinstance(inner, dict) else range(len(inner)))
            path.append((inner, key))
            inner = inner[key]
        if not path:
            continue
        owner, key = numbers.choice(path)
        owner[key] = numbers.choice(VALUES)
        try:
            said = json.dumps(value).encode()
        except ValueError:  # A number of 400 digits is none that Python writes.
            continue
        if whole:
            return said
        lines[number] = said
        return b"\n".join(lines) + b"\n"
    return raw


@pytest.mark.parametrize("importer", importers(), ids=lambda each: each.name)
def test_damaged_transcripts_are_reports(importer: Importer, tmp_path: Path) -> None:
    sound = lay_out(importer.name, tmp_path / "sound")
    files = transcripts(importer, sound)
    count = -(-COUNT // len(importers()))
    options = ImportOptions(format=importer.name, attachments=True)
    messages = 0
    for first in range(0, count, EACH):
        archive = tmp_path / f"{first}.db"
        with get_db(archive) as db:
            for seed in range(first, min(first + EACH, count)):
                numbers = random.Random(f"{importer.name} {seed}")
                original = numbers.choice(files)
                # What it is called, and what lies beside it, may matter.
                folder = tmp_path / "damaged" / importer.name
                shutil.copytree(sound, folder)
                path = folder / original.relative_to(sound)
                path.write_bytes(damaged(original.read_bytes(), numbers))
                # Half of them the way a scan comes to them.
                how = options if seed % 2 else ImportOptions(attachments=True)
                report = import_paths(db, [path], how)
                messages += report.messages
                for each in report.errors:
                    assert "\n" not in each.error, (importer.name, seed, each)
                    assert "failed" not in each.error, (importer.name, seed, each)
                shutil.rmtree(folder)
        health = check_file(archive, deep=True)
        bad = [each for each in health.checks if each.status == "fail"]
        assert not bad, (importer.name, first, bad)
        archive.unlink()
    # Few of one file each, where a format has a file for each message.
    assert messages or count < EACH, "something of it is still read"
