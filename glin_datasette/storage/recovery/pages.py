"""An SQLite file read page by page, without SQLite, so that what is whole in a damaged one can
be told from what is not.

Follows https://sqlite.org/fileformat2.html. Nothing here knows what an archive holds, and
nothing raises for what a page holds: what cannot be right is left out and told.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

__all__ = ["Pages", "Row", "Tree", "Value"]

Value = int | float | str | bytes | None

_MAGIC = b"SQLite format 3\x00"
#: Most common first: what is tried if the header does not tell.
_SIZES = (8192, 4096, 1024, 2048, 16384, 32768, 65536, 512)
_INTERIOR, _LEAF = {"table": 0x05, "index": 0x02}, {"table": 0x0D, "index": 0x0A}
_HEADER = {0x02: 12, 0x05: 12, 0x0A: 8, 0x0D: 8}

_WAL_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}
_WAL_HEADER, _FRAME_HEADER = 32, 24

#: Bytes of integers, by serial type.
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of a leaf: of a table with its ``rowid``, of an index with 0.

    ``whole`` is false if some of its last value was lost; one that was lost altogether, and
    those behind it, are not in ``values``.
    """

    rowid: int
    values: list[Value]
    whole: bool


@dataclass(slots=True)
class Tree:
    """What was found out about a b-tree while it was walked."""

    leaves: int = 0
    #: Pages that could not be read as what they should be.
    lost: set[int] = field(default_factory=set)
    #: Cells that could not be read on pages that could.
    cells: int = 0

    @property
    def whole(self) -> bool:
        """Whether every page and cell of it was read."""
        return not self.lost and not self.cells


class Pages:
    """The pages of a database file as its newest commit left them, those in its WAL included.

    :raises OSError: if the file cannot be opened
    """

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("rb", buffering=0)
        self._wal: BinaryIO | None = None
        wal = path.with_name(path.name + "-wal")
        try:
            size = path.stat().st_size
            self.header = _read(self._file, 0, 100)
            if wal.exists() and wal.stat().st_size > _WAL_HEADER:
                self._wal = wal.open("rb", buffering=0)
            self.header_sound = _sound(self.header)
            self.size = self._wal_size() or self._guessed_size(size)
            reserved = self.header[20] if self.header_sound else 0
            self.usable = self.size - (reserved if reserved <= self.size - 480 else 0)
            #: Pages of the file; one that was cut off counts.
            self.count = -(-size // self.size)
            #: Where the newest version of a page is in the WAL.
            self._frames: dict[int, int] = {}
            #: Pages of long values that are not what they should be.
            self.broken_chains: set[int] = set()
            #: Frames of the WAL that are damaged.
            self.lost_frames = 0
            self._read_wal()
            if 1 in self._frames:
                self.header = self.get(1)[:100]
                self.header_sound = _sound(self.header)
            #: Pages that there should be, as the header tells.
            self.wanted = max(self.count, self._told_count())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._wal:
            self._wal.close()

    def get(self, number: int) -> bytes:
        """A page; empty if it cannot be read or there is no such page."""
        if number in self._frames:
            assert self._wal
            data = _read(self._wal, self._frames[number], self.size)
        elif 1 <= number <= self.count:
            data = _read(self._file, (number - 1) * self.size, self.size)
        else:
            return b""
        return data if len(data) == self.size else b""

    def kind(self, number: int) -> int:
        """The type of a page of a b-tree; 0 if it is none."""
        page = self.get(number)
        at = _start(number)
        if not page or page[at] not in _HEADER:
            return 0
        header = at + _HEADER[page[at]]
        cells = _u16(page, at + 3)
        # A page of zeros or of noise fails this.
        content = _u16(page, at + 5) or 65536
        if header + 2 * cells > self.usable or content > self.usable:
            return 0
        return 0 if cells and content < header + 2 * cells else page[at]

    def walk(self, root: int, tree: Tree, kind: str = "table") -> Iterator[int]:
        """The pages of a b-tree that hold rows, in order. ``tree`` learns what was lost."""
        seen = bytearray(self.count + 1)
        stack = [root]
        while stack:
            number = stack.pop()
            if not 1 <= number <= self.count:
                tree.lost.add(number)
                continue
            if seen[number]:
                # Two pages name it as theirs: one of them is not what it was.
                tree.cells += 1
                continue
            seen[number] = 1
            found = self.kind(number)
            if found == _LEAF[kind]:
                tree.leaves += 1
                yield number
            elif found == _INTERIOR[kind]:
                if kind == "index":
                    yield number
                stack += reversed(self.children(number))
            else:
                tree.lost.add(number)

    def children(self, number: int) -> list[int]:
        """The pages that an interior page names, in order."""
        page, at = self.get(number), _start(number)
        cells = [_u16(page, at + 12 + 2 * n) for n in range(_u16(page, at + 3))]
        named = [_u32(page, cell) if cell + 4 <= len(page) else 0 for cell in cells]
        return [*named, _u32(page, at + 8)]

    def rows(self, number: int, tree: Tree) -> Iterator[Row]:
        """The rows on a page; ``tree`` learns of cells that cannot be read."""
        page, at = self.get(number), _start(number)
        kind = page[at]
        first = at + _HEADER[kind] + 2 * _u16(page, at + 3)
        for n in range(_u16(page, at + 3)):
            cell = _u16(page, at + _HEADER[kind] + 2 * n)
            row = self._cell(page, cell, kind) if first <= cell < self.usable else None
            if row is None:
                tree.cells += 1
            else:
                yield row

    def free(self) -> set[int] | None:
        """The pages that are not in use; ``None`` if the list of them is damaged."""
        if not self.header_sound:
            return None
        trunk, wanted = _u32(self.header, 32), _u32(self.header, 36)
        found: set[int] = set()
        while trunk:
            page = self.get(trunk)
            if not page or trunk in found:
                return None
            found.add(trunk)
            leaves = _u32(page, 4)
            if leaves > self.usable // 4 - 2:
                return None
            found.update(struct.unpack_from(f">{leaves}I", page, 8))
            trunk = _u32(page, 0)
        return found if len(found) == wanted else None

    def _cell(self, page: bytes, at: int, kind: int) -> Row | None:
        if kind == 0x02:
            at += 4
        try:
            size, at = _varint(page, at)
            rowid = 0
            if kind == 0x0D:
                rowid, at = _varint(page, at)
        except IndexError:
            return None
        # A record has at least its own header, and no more than SQLite allows.
        if not 1 < size < 2**31:
            return None
        data, whole = self._payload(page, at, size, kind)
        decoded = _decode(data, size)
        if decoded is None:
            return None
        values, all_there = decoded
        return Row(_signed(rowid), values, whole and all_there)

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> tuple[bytes, bool]:
        """The bytes of a record, and whether all of them are there."""
        least = (self.usable - 12) * 32 // 255 - 23
        most = self.usable - 35 if kind == 0x0D else (self.usable - 12) * 64 // 255 - 23
        if size <= most:
            return page[at : at + size], at + size <= self.usable
        local = least + (size - least) % (self.usable - 4)
        local = local if local <= most else least
        if at + local + 4 > self.usable:
            return page[at : self.usable], False
        parts, held = [page[at : at + local]], local
        before, following = 0, _u32(page, at + local)
        seen: set[int] = set()
        while held < size:
            over = b"" if following in seen else self.get(following)
            if not over:
                self.broken_chains.add(following or before)
                return b"".join(parts), False
            seen.add(following)
            before = following
            parts.append(over[4 : min(self.usable, 4 + size - held)])
            held += len(parts[-1])
            following = _u32(over, 0)
        # Where the last page does not say that it is the last it is not what it was.
        if following:
            self.broken_chains.add(before)
        return b"".join(parts), following == 0

    def _told_size(self) -> int | None:
        told = _u16(self.header, 16) if len(self.header) == 100 else 0
        size = 65536 if told == 1 else told
        return size if size in _SIZES else None

    def _told_count(self) -> int:
        if not self.header_sound or _u32(self.header, 24) != _u32(self.header, 92):
            return 0
        told = _u32(self.header, 28)
        # A number out of all proportion is damage itself.
        return told if told <= 4 * self.count + 1000 else 0

    def _wal_size(self) -> int | None:
        if not self._wal:
            return None
        header = _read(self._wal, 0, _WAL_HEADER)
        size = _u32(header, 8)
        return size if _u32(header, 0) in _WAL_MAGIC and size in _SIZES else None

    def _guessed_size(self, length: int) -> int:
        """The size that the header tells, if a sample of pages agrees with it.

        What begins a page of the true size begins one of every fourth of its size only with
        a smaller one, and as often with a larger one.
        """
        alike: dict[int, float] = {}
        for size in sorted(_SIZES):
            self.size = self.usable = size
            self.count, self._frames = -(-length // size), {}
            sample = range(2, self.count + 1, max(1, self.count // 500))
            alike[size] = sum(self.kind(n) != 0 for n in sample) / max(1, len(sample))
        most = max(alike.values())
        smallest = next(size for size in alike if alike[size] >= 0.65 * most)
        return smallest if most else self._told_size() or _SIZES[0]

    def _read_wal(self) -> None:
        """Find the newest committed version of each page.

        SQLite stops at the first damaged frame. Each frame's checksum goes on from that of
        the frame before it, as written there, so those behind a damaged one can be told too.
        """
        if not self._wal:
            return
        header = _read(self._wal, 0, _WAL_HEADER)
        if self._wal_size() != self.size:
            self.lost_frames = 1
            return
        order = _WAL_MAGIC[_u32(header, 0)]
        salts, sums = header[16:24], struct.unpack(">2I", header[24:32])
        pending: dict[int, int] = {}
        at, lost = _WAL_HEADER, 0
        while True:
            frame = _read(self._wal, at, _FRAME_HEADER + self.size)
            if len(frame) < _FRAME_HEADER + self.size:
                break
            # Behind the newest frames are old ones, with other salts.
            written = struct.unpack(">2I", frame[16:24])
            covered = frame[:8] + frame[_FRAME_HEADER:]
            if frame[8:16] == salts and _checksum(order, covered, sums) == written:
                pending[_u32(frame, 0)] = at + _FRAME_HEADER
                if _u32(frame, 4):
                    self._frames.update(pending)
                    pending.clear()
                    self.lost_frames = lost
            else:
                lost += 1
            sums = written
            at += len(frame)
        self.count = max([self.count, *self._frames])


def _sound(header: bytes) -> bool:
    """Whether the file's header is one; three of its bytes never change."""
    return header.startswith(_MAGIC) and header[21:24] == b"\x40\x20\x20"


def _start(number: int) -> int:
    """Where the header of a page's b-tree is: on the first page behind that of the file."""
    return 100 if number == 1 else 0


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    try:
        file.seek(at)
        return file.read(size)
    except OSError:
        return b""  # A bad sector.


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2], "big")


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for _ in range(8):
        byte = data[at]
        at += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    return value << 8 | data[at], at + 1


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _decode(data: bytes, size: int) -> tuple[list[Value], bool] | None:
    """The values of a record of so many bytes, of which ``data`` are there; ``None`` if it
    cannot be one. What was cut off or is no text makes the second false."""
    types: list[int] = []
    try:
        header, at = _varint(data, 0)
        if header > size:
            return None
        while at < header:
            kind, at = _varint(data, at)
            types.append(kind)
    except IndexError:
        return None
    if at != header or header + sum(map(_length, types)) != size or {10, 11} & set(types):
        return None
    values: list[Value] = []
    whole = len(data) >= size
    for kind in types:
        length = _length(kind)
        if at >= len(data) and length:
            break
        value, sound = _value(kind, data[at : at + length], length)
        whole = whole and sound
        values.append(value)
        at += length
    return values, whole


def _length(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    return 8 if kind == 7 else _INTEGERS.get(kind, 0)


def _value(kind: int, data: bytes, length: int) -> tuple[Value, bool]:
    if kind == 0:
        return None, True
    if kind in (8, 9):
        return kind - 8, True
    if kind >= 12 and kind % 2 == 0:
        return data, len(data) == length
    if kind >= 13:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data.decode(errors="replace"), False
        # Nothing that we store has it, a page of zeros is full of it.
        return text, len(data) == length and "\0" not in text
    if len(data) < length:
        return None, False
    if kind == 7:
        return struct.unpack(">d", data)[0], True
    return int.from_bytes(data, "big", signed=True), True


def _checksum(order: str, data: bytes, sums: tuple[int, ...]) -> tuple[int, int]:
    first, second = sums
    words = iter(struct.unpack(f"{order}{len(data) // 4}I", data))
    for left, right in zip(words, words, strict=True):
        first = (first + left + second) & 0xFFFFFFFF
        second = (second + right + first) & 0xFFFFFFFF
    return first, second
