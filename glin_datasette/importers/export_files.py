"""Exports that a web service sends: JSON documents, loose in a folder or packed in a .zip
together with the files that belong to them.

A document is an array of records, or one record. Members of a .zip are read as streams, one
after the other, from wherever they lie in it. Nothing is unpacked to disk or held whole, so
what the name or the size of a member claims does no harm.
"""

from __future__ import annotations

import mimetypes
import re
import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from .base import Skipped
from .documents import Readable, outline, read_records
from .text import clean

__all__ = ["MAX_FILE", "Export", "Record", "encrypted_names", "media_type", "outlines"]

#: Bytes. A larger file of an export is noted and not kept, as it is by the archive.
MAX_FILE = 20 * 1024 * 1024

_HEADER = b"PK\x03\x04"
_STARTS = (_HEADER, b"PK\x05\x06")
#: The header of a member, up to its name.
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED = 0x1
#: Others may make much of a few bytes, in one piece. No service uses them.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
#: What a damaged or strange .zip makes the library raise.
_BAD = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)
#: To tell whose a .zip is: how much is looked at of a member, and of how many.
_HEAD = 1024 * 1024
_FIRST = 8
#: The first bytes of files, whose names may not tell their types.
_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"%PDF": "application/pdf",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
#: Folders of loose exports that hold files.
_FOLDERS = ("dalle-generations", "user-*", "*/audio", "*/image")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a document. ``where`` names it for people."""

    where: str
    document: str
    value: Any


class Export:
    """An export: its documents, and the files beside them. To be used in ``with``.

    :raises OSError: if the file cannot be read
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._zip: zipfile.ZipFile | None = None
        self._problem: str | None = None
        #: (name, member or path), in the order of the names
        self._files: list[tuple[str, zipfile.ZipInfo | Path]] | None = None
        self._file = path.open("rb")
        if self._file.read(len(_HEADER)) in _STARTS:
            try:
                self._zip = zipfile.ZipFile(self._file)
            except _BAD as ex:
                self._problem = _reason(ex)

    def __enter__(self) -> Export:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def records(self, *wanted: re.Pattern[str]) -> Iterator[Record | Skipped]:
        """What the documents with a ``wanted`` name hold, first those of the first pattern,
        and what is damaged. A loose document is wanted whatever its name is."""
        if self._problem:
            yield Skipped(None, f"damaged .zip: {self._problem}")
        elif self._zip is None:
            self._file.seek(0)
            yield from _records(self._file, self._path.name, "")
        else:
            members = [each for pattern in wanted for each in _members(self._zip, pattern)]
            if not members:
                yield Skipped(None, "the .zip holds no conversations")
            for member in members:
                name = clean(member.filename)
                try:
                    with _open(self._zip, member) as file:
                        yield from _records(_Member(file), name, f"{name}, ")
                except _Damaged as ex:
                    yield Skipped(None, f"{name}: {ex}")

    def file(self, id: str) -> tuple[str, bytes] | None:
        """Name and bytes of the file that is called ``id``, or ``id`` and more behind it:
        ``file-x1-photo.png``. ``None`` if there is none, or it is too large."""
        if self._files is None:
            self._files = sorted(self._found(), key=_name)
        for name, place in self._files[bisect_left(self._files, id, key=_name) :]:
            if not name.startswith(id):
                break
            if name[len(id) : len(id) + 1] in ("", ".", "-", "_"):
                data = self._data(place)
                return None if data is None else (name, data)
        return None

    def _found(self) -> Iterator[tuple[str, zipfile.ZipInfo | Path]]:
        if self._zip is not None:
            yield from ((_base(each), each) for each in self._zip.infolist())
            return
        folder = self._path.parent
        # Other folders may hold anything, and any amount of it.
        for pattern in (".", *_FOLDERS):
            try:
                for place in sorted(folder.glob(pattern)) if pattern != "." else [folder]:
                    files = (each for each in place.iterdir() if not each.is_symlink())
                    yield from ((each.name, each) for each in files if each.is_file())
            except OSError:
                continue

    def _data(self, place: zipfile.ZipInfo | Path) -> bytes | None:
        try:
            if isinstance(place, Path):
                with place.open("rb") as file:
                    data = file.read(MAX_FILE + 1)
            elif self._zip is None or place.file_size > MAX_FILE:
                return None
            else:
                with _open(self._zip, place) as member:
                    data = member.read(MAX_FILE + 1)
        except _BAD:
            return None
        return data if len(data) <= MAX_FILE else None


def outlines(path: Path, head: bytes, wanted: re.Pattern[str]) -> Iterator[frozenset[str]]:
    """The keys of the first record of each document, of a file that begins with ``head``:
    of itself, or of the first few in a .zip that have a ``wanted`` name."""
    if not head.startswith(_STARTS):
        yield outline(head)[1]
        return
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as packed:
            for member in _members(packed, wanted)[:_FIRST]:
                try:
                    with _open(packed, member) as stream:
                        start = stream.read(_HEAD)
                except _BAD:
                    continue
                yield outline(start)[1]
    except _BAD:
        # Without its end, as of a download that broke off, a .zip still tells what it is.
        yield from _outlines_in(head, wanted)


def media_type(name: str | None, data: bytes | None = None) -> str | None:
    """The type of a file, by its first bytes or the ending of its name."""
    if data is not None:
        if data.startswith(b"RIFF"):
            return _RIFF.get(data[8:12])
        if found := next((t for start, t in _TYPES.items() if data.startswith(start)), None):
            return found
    return mimetypes.guess_type(PurePath(name).name)[0] if name else None


def encrypted_names(path: Path, head: bytes, wanted: re.Pattern[str]) -> frozenset[str]:
    """The names in a .zip whose ``wanted`` documents are encrypted; none for other files."""
    try:
        if head.startswith(_STARTS):
            with path.open("rb") as file, zipfile.ZipFile(file) as packed:
                if any(each.flag_bits & _ENCRYPTED for each in _members(packed, wanted)):
                    return frozenset(map(_base, packed.infolist()))
    except _BAD:
        pass
    return frozenset()


class _Damaged(ValueError):
    """A member of a .zip that cannot be read, or not on; the message says why."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of a .zip that is read."""

    file: IO[bytes]

    def read(self, size: int, /) -> bytes:
        try:
            return self.file.read(size)
        except _BAD as ex:
            raise _Damaged(f"damaged: {_reason(ex)}") from None


def _records(file: Readable, document: str, where: str) -> Iterator[Record | Skipped]:
    for element in read_records(file):
        here = f"{where}record {element.number}"
        if element.error is not None:
            yield Skipped(None, f"{here}: {element.error}")
        else:
            yield Record(here, document, element.value)
        # A large one is not held while the next one is read.
        del element


def _members(packed: zipfile.ZipFile, wanted: re.Pattern[str]) -> list[zipfile.ZipInfo]:
    found = [member for member in packed.infolist() if wanted.fullmatch(_base(member))]
    return sorted(found, key=lambda member: member.filename)


def _base(member: zipfile.ZipInfo) -> str:
    return re.split(r"[/\\]", member.filename)[-1]


def _name(file: tuple[str, object]) -> str:
    return file[0]


def _open(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    if member.flag_bits & _ENCRYPTED:
        raise _Damaged("encrypted; unpack it, and import what comes out")
    if member.compress_type not in _METHODS:
        raise _Damaged(f"packed in a way that is not read (method {member.compress_type})")
    try:
        return packed.open(member)
    except _BAD as ex:
        raise _Damaged(f"damaged: {_reason(ex)}") from None


def _outlines_in(head: bytes, wanted: re.Pattern[str]) -> Iterator[frozenset[str]]:
    """What the members tell that begin in ``head``."""
    for start in re.finditer(re.escape(_HEADER), head):
        header = head[start.start() : start.start() + _LOCAL.size]
        if len(header) < _LOCAL.size:
            return
        _, _, flags, method, *_, name_size, extra_size = _LOCAL.unpack(header)
        at = start.start() + _LOCAL.size
        name = head[at : at + name_size].decode("utf-8", "replace")
        data = head[at + name_size + extra_size :]
        if flags & _ENCRYPTED or not wanted.fullmatch(re.split(r"[/\\]", name)[-1]):
            continue
        if method == zipfile.ZIP_STORED:
            yield outline(data[:_HEAD])[1]
        elif method == zipfile.ZIP_DEFLATED:
            try:
                yield outline(zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, _HEAD))[1]
            except zlib.error:
                continue


def _reason(ex: Exception) -> str:
    said = clean(str(ex)).partition("\n")[0][:200]
    if said == "File is not a zip file":
        return "its end is missing; was it downloaded whole?"
    return said or type(ex).__name__
