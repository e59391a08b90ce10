"""Exports, loose and in a .zip: what is damaged is told, what is there is read, and nothing
that a .zip claims costs more memory than it should."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from glin_datasette.importers.base import Skipped
from glin_datasette.importers.export_files import (
    MAX_FILE,
    Export,
    Record,
    encrypted_names,
    media_type,
    outlines,
)

WANTED = re.compile(r"rows(-\d+)?\.json")
OTHERS = re.compile(r"more\.json")


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def records(path: Path) -> list[object]:
    with Export(path) as export:
        return [
            (each.document, each.value) if isinstance(each, Record) else each
            for each in export.records(WANTED, OTHERS)
        ]


def test_a_loose_document_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    path.write_bytes(b'[{"a": 1}, oops, {"a": 2}]')
    assert records(path) == [
        ("saved.json", {"a": 1}),
        Skipped(None, "record 2: not JSON: Expecting value at column 1"),
        ("saved.json", {"a": 2}),
    ]
    path.write_bytes(b' {"a": {"b": []}}')
    assert records(path) == [("saved.json", {"a": {"b": []}})]
    path.write_bytes(b'"words"')
    assert records(path) == [Skipped(None, "record 1: neither an array nor an object")]


def test_members_are_found_at_any_depth_and_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "in" / "side").mkdir(parents=True)
    path = packed(
        tmp_path / "in" / "side" / "export.zip",
        {
            "deep/er/rows-010.json": b"[10]",
            "deep/er/rows-002.json": b"[2, 3]",
            "deep/er/more.json": b'{"m": 1}',
            "../../rows.json": b"[0]",
            "..\\rows-001.json": b"[1]",
            "/rows-003.json": b"[4]",
            "other.json": b"[9]",
            "__MACOSX/._rows.json": b"\0",
            "my rows.json": b"[9]",
        },
    )
    found = records(path)
    values = [each[1] for each in found if isinstance(each, tuple)]
    assert sorted(values[:-1]) == [0, 1, 2, 3, 4, 10]
    assert values[-1] == {"m": 1}
    assert values.index(2) < values.index(3) < values.index(10)
    # Names like paths are only ever read.
    assert [each.name for each in tmp_path.rglob("*rows*")] == []


def test_a_zip_without_conversations_says_so(tmp_path: Path) -> None:
    assert records(packed(tmp_path / "a.zip", {"b.json": b"[]"})) == [
        Skipped(None, "the .zip holds no conversations")
    ]


def test_a_zip_that_is_cut_off_anywhere_is_told(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.zip", {"rows.json": b"[1]", "more.json": b"[2]"}).read_bytes()
    path = tmp_path / "cut.zip"
    for end in range(4, len(whole)):
        path.write_bytes(whole[:end])
        (found,) = records(path)
        assert isinstance(found, Skipped)
        assert found.error == "damaged .zip: its end is missing; was it downloaded whole?"


def test_a_zip_with_any_damage_raises_nothing(tmp_path: Path) -> None:
    whole = packed(tmp_path / "a.zip", {"rows.json": json.dumps([{"a": "b" * 50}]).encode()})
    raw = whole.read_bytes()
    path = tmp_path / "damaged.zip"
    for at in range(4, len(raw)):
        for byte in (0x00, 0xFF, raw[at] ^ 0x01):
            path.write_bytes(raw[:at] + bytes([byte]) + raw[at + 1 :])
            records(path)
            list(outlines(path, path.read_bytes(), WANTED))
            encrypted_names(path, path.read_bytes(), WANTED)
            with Export(path) as export:
                export.file("rows")


def test_a_damaged_member_costs_no_other(tmp_path: Path) -> None:
    rows = json.dumps([{"n": n, "text": f"row {n}"} for n in range(2000)]).encode()
    path = packed(tmp_path / "a.zip", {"rows-0.json": rows, "rows-1.json": b"[7]"})
    raw = bytearray(path.read_bytes())
    raw[2000:2010] = b"\0" * 10
    path.write_bytes(raw)
    *_, damage, last = records(path)
    assert isinstance(damage, Skipped)
    assert damage.error.startswith("rows-0.json: damaged: ")
    assert last == ("rows-1.json", 7)


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """A .zip as one with a password looks: the flag is what counts."""
    path = packed(tmp_path / "a.zip", {"rows.json": b"[1]", "beside.json": b"{}"})
    raw = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for match in re.finditer(re.escape(header), bytes(raw)):
            raw[match.start() + flags] |= 1
    path.write_bytes(raw)
    return path


def test_an_encrypted_member_is_told(encrypted: Path) -> None:
    error = "rows.json: encrypted; unpack it, and import what comes out"
    assert records(encrypted) == [Skipped(None, error)]
    head = encrypted.read_bytes()
    assert list(outlines(encrypted, head, WANTED)) == []
    assert encrypted_names(encrypted, head, WANTED) == {"rows.json", "beside.json"}
    assert encrypted_names(encrypted, head, OTHERS) == frozenset()
    with Export(encrypted) as export:
        assert export.file("beside") is None


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_may_grow_without_bounds_is_not_read(method: int, tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"rows.json": b"[1]", "file-1.txt": b"x"}, method)
    (found,) = records(path)
    assert isinstance(found, Skipped)
    assert found.error == f"rows.json: packed in a way that is not read (method {method})"
    with Export(path) as export:
        assert export.file("file-1") is None


def test_outlines_tell_what_a_zip_holds_without_its_end(tmp_path: Path) -> None:
    rows = {"a/rows.json": b'[{"title": "x", "mapping": {}}]', "rows.json": b'{"uuid": 1}'}
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        path = packed(tmp_path / "a.zip", {"b.json": b"{}", **rows}, method)
        raw = path.read_bytes()
        expected = [frozenset({"title", "mapping"}), frozenset({"uuid"})]
        assert list(outlines(path, raw[:10], WANTED)) == expected
        path.write_bytes(raw[:-30])
        assert list(outlines(path, raw[:-30], WANTED)) == expected
        assert list(outlines(tmp_path / "gone.zip", raw, WANTED)) == expected
        for end in range(len(raw)):
            list(outlines(tmp_path / "gone.zip", raw[:end], WANTED))


def test_files_are_found_by_the_beginning_of_their_names(tmp_path: Path) -> None:
    files = {
        "file-a1-photo one.png": b"a1",
        "file-a10.png": b"a10",
        "dalle-generations/file-b2.webp": b"b2",
        "c0ffee/audio/file_c3-x.wav": b"c3",
        "file_d4.dat": b"d4",
        "elsewhere/file-e5.png": b"e5",
    }
    loose = tmp_path / "loose"
    for name, data in files.items():
        place = loose / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    (loose / "rows.json").write_bytes(b"[]")
    (loose / "file-f6.png").symlink_to(loose / "file_d4.dat")
    zipped = packed(tmp_path / "a.zip", {"rows.json": b"[]", **files})
    for path in (loose / "rows.json", zipped):
        with Export(path) as export:
            assert export.file("file-a1") == ("file-a1-photo one.png", b"a1")
            assert export.file("file-a10") == ("file-a10.png", b"a10")
            assert export.file("file-b2") == ("file-b2.webp", b"b2")
            assert export.file("file_c3") == ("file_c3-x.wav", b"c3")
            assert export.file("file_d4") == ("file_d4.dat", b"d4")
            assert export.file("file") == ("file-a1-photo one.png", b"a1")
            assert export.file("file-a") is None
            assert export.file("file-f6") is None
            # Of an unpacked export only the folders that it is known to have are looked at.
            assert (export.file("file-e5") is None) == (path != zipped)


def test_a_large_file_is_left_alone(tmp_path: Path) -> None:
    loose = tmp_path / "rows.json"
    loose.write_bytes(b"[]")
    (tmp_path / "file-1.png").write_bytes(b"x" * (MAX_FILE + 1))
    (tmp_path / "file-2.png").write_bytes(b"x" * MAX_FILE)
    zipped = packed(
        tmp_path / "a.zip", {"file-1.png": b"x" * (MAX_FILE + 1), "file-2.png": b"x" * MAX_FILE}
    )
    for path in (loose, zipped):
        with Export(path) as export:
            assert export.file("file-1") is None
            assert len((export.file("file-2") or ("", b""))[1]) == MAX_FILE


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.png", None, "image/png"),
        ("a.pdf", None, "application/pdf"),
        ("a.dat", b"\x89PNG\r\n", "image/png"),
        (None, b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.webp", b"RIFF1234WEBPVP8 ", "image/webp"),
        ("a", b"RIFF1234WAVEfmt ", "audio/wav"),
        ("a.unheard-of", b"words", None),
        (None, None, None),
    ],
)
def test_media_types(name: str | None, data: bytes | None, expected: str | None) -> None:
    assert media_type(name, data) == expected


PEAK = """
import re, sys
from pathlib import Path
from glin_datasette.importers.export_files import Export
def largest():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = largest()
with Export(Path(sys.argv[1])) as export:
    for found in export.records(re.compile(r"rows.*")):
        print(str(found)[:100].replace("\\n", " "))
        del found
print(largest() - before)
"""


def bomb() -> Iterator[bytes]:
    yield b'[{"a": "'
    for _ in range(200):
        yield b"x" * 2_000_000
    yield b'"}, {"a": 2}]'


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_a_member_that_grows_a_thousandfold_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out, out.open("rows.json", "w") as to:
        for piece in bomb():
            to.write(piece)
    assert path.stat().st_size < 1_000_000
    done = subprocess.run(
        [sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True
    )
    long, other, size = done.stdout.splitlines()
    assert "rows.json, record 1: longer than 32 MiB" in long
    assert "'a': 2" in other
    assert int(size) * 1024 < 60_000_000


def test_an_export_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Export(tmp_path / "gone.json")
    assert list(outlines(tmp_path / "gone.json", b'{"a": 1}', WANTED)) == [frozenset({"a"})]
