"""Reading files that hold one JSON document, however large, in pieces that stand alone.

Only the outermost array is taken apart: the elements of ``[…]``, or those of one member of
``{…, "messages": […], …}``. Each element is found by its brackets, before it is decoded,
so that one that is damaged inside costs only itself.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from .jsonl import MAX_LINE, BadLine, decode_value

__all__ = ["Element", "outline", "read_elements", "read_members"]

_CHUNK = 256 * 1024
#: Between values: space, and what a byte order mark is made of.
_BLANK = tuple(bytes([byte]) for byte in b" \t\r\n\xef\xbb\xbf")
#: Inside of a string up to its end, or to a backslash whose letter is not there yet.
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
#: Up to the next bracket, or to a string that the chunk does not hold whole.
_PLAIN = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
_SCALAR_END = re.compile(rb"[,\]}\s]")
#: How many elements in a row may be no JSON before the rest is given up.
_LOST = 1000


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the array. ``number`` counts from 1; ``value`` is ``None`` where
    ``error`` says why."""

    number: int
    value: Any
    error: str | None = None


def read_elements(file: BinaryIO, member: str | None = None) -> Iterator[Element]:
    """The elements of the array that ``file`` holds, or that its object has as ``member``.

    Holds one element in memory, never more than :data:`~.jsonl.MAX_LINE` bytes of it. A
    document that ends too early yields an element with an error last; one that has no such
    array yields nothing.
    """
    scanner = _Scanner(file)
    try:
        if member is not None and not _seek_member(scanner, member):
            return
        if scanner.peek() != b"[":
            return
        yield from _elements(scanner)
    except _CutOff as ex:
        yield Element(ex.number, None, "cut off: the document ends too early")


def read_members(file: BinaryIO, *but: str) -> dict[str, Any]:
    """The members of the object that ``file`` holds, without those named ``but``. Members
    that are damaged or very large are left out, and so is what follows a damaged key."""
    members: dict[str, Any] = {}
    scanner = _Scanner(file)
    try:
        for key in _keys(scanner):
            if key in but:
                scanner.skip()
                continue
            raw = scanner.value()
            try:
                members[key] = decode_value(raw) if raw is not None else None
            except BadLine:
                continue
    except _CutOff:
        pass
    return members


def outline(head: bytes) -> tuple[bool, frozenset[str]]:
    """What the beginning of a document tells: whether it is an array, and the keys of the
    object, or of the array's first element, as far as ``head`` goes."""
    scanner = _Scanner(io.BytesIO(head))
    keys: set[str] = set()
    is_array = False
    try:
        is_array = scanner.peek() == b"["
        if is_array:
            scanner.take()
        for key in _keys(scanner):
            keys.add(key)
            scanner.skip()
    except _CutOff:
        pass
    return is_array, frozenset(keys)


class _CutOff(Exception):
    """The document ended inside of something. ``number``: of the element."""

    number = 0


class _Scanner:
    """Goes through a document by its brackets and strings, a chunk at a time."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._chunk = b""
        self._at = 0

    def _more(self) -> bool:
        """Go on to the next chunk. Whatever is left of this one stands before it."""
        new = self._file.read(_CHUNK)
        self._chunk = self._chunk[self._at :] + new
        self._at = 0
        return bool(new)

    def peek(self) -> bytes:
        """The next byte that is no space; empty at the end of the document."""
        while True:
            while self._at < len(self._chunk):
                byte = self._chunk[self._at : self._at + 1]
                if byte not in _BLANK:
                    return byte
                self._at += 1
            if not self._more():
                return b""

    def take(self) -> bytes:
        """Step over the byte that :meth:`peek` shows."""
        byte = self.peek()
        if not byte:
            raise _CutOff
        self._at += 1
        return byte

    def skip(self) -> None:
        """Step over a value without holding it."""
        for _ in self._pieces():
            pass

    def value(self) -> bytes | None:
        """The text of the next value; ``None`` if it is longer than an element may be."""
        kept: list[bytes] | None = []
        size = 0
        for piece in self._pieces():
            size += len(piece)
            if size > MAX_LINE:
                kept = None
            if kept is not None:
                kept.append(piece)
        return None if kept is None else b"".join(kept)

    def _pieces(self) -> Iterator[bytes]:
        """The text of the next value, as it comes."""
        first = self.peek()
        if not first:
            raise _CutOff
        if first == b'"':
            yield from self._string()
        elif first in (b"{", b"["):
            yield from self._brackets()
        else:
            yield from self._until(_SCALAR_END)

    def _brackets(self) -> Iterator[bytes]:
        depth = 0
        start = at = self._at
        while True:
            # Always matches, if only nothing.
            at = _PLAIN.match(self._chunk, at).end()  # type: ignore[union-attr]
            byte = self._chunk[at : at + 1]
            if byte in (b"{", b"["):
                depth, at = depth + 1, at + 1
                continue
            if byte in (b"}", b"]"):
                depth, at = depth - 1, at + 1
                if depth:
                    continue
            yield self._chunk[start:at]
            self._at = at
            if byte in (b"}", b"]"):
                return
            if byte == b'"':  # It goes on behind the chunk.
                yield from self._string()
            elif not self._more():
                raise _CutOff
            start = at = self._at

    def _string(self) -> Iterator[bytes]:
        yield self._chunk[self._at : self._at + 1]
        self._at += 1
        while True:
            found = _IN_STRING.match(self._chunk, self._at)
            end = found.end() if found else self._at
            yield self._chunk[self._at : end]
            self._at = end
            if self._chunk[end : end + 1] == b'"':
                yield b'"'
                self._at += 1
                return
            if not self._more():
                raise _CutOff

    def _until(self, end: re.Pattern[bytes]) -> Iterator[bytes]:
        while True:
            if found := end.search(self._chunk, self._at):
                yield self._chunk[self._at : found.start()]
                self._at = found.start()
                return
            rest = self._chunk[self._at :]
            self._at = len(self._chunk)
            yield rest
            if not self._more():
                return


def _keys(scanner: _Scanner) -> Iterator[str]:
    """The keys of the object that comes next. Its caller takes each value."""
    if scanner.peek() != b"{":
        return
    scanner.take()
    while scanner.peek() == b'"':
        raw = scanner.value()
        if raw is None or scanner.peek() != b":":
            return
        scanner.take()
        try:
            yield str(json.loads(raw))
        except ValueError:
            return
        if scanner.peek() != b",":
            return
        scanner.take()


def _seek_member(scanner: _Scanner, member: str) -> bool:
    for key in _keys(scanner):
        if key == member:
            return True
        scanner.skip()
    return False


def _elements(scanner: _Scanner) -> Iterator[Element]:
    scanner.take()
    number = lost = 0
    while (byte := scanner.peek()) not in (b"]", b""):
        if byte in (b",", b":", b"}"):
            scanner.take()
            continue
        number += 1
        try:
            raw = scanner.value()
        except _CutOff as ex:
            ex.number = number
            raise
        element = _element(number, raw)
        lost = lost + 1 if element.error else 0
        if lost > _LOST:
            yield Element(number, None, "no array from here on")
            return
        yield element
    if not scanner.peek():
        ended = _CutOff()
        ended.number = number + 1
        raise ended


def _element(number: int, raw: bytes | None) -> Element:
    if raw is None:
        return Element(number, None, f"longer than {MAX_LINE // 1024 // 1024} MiB")
    try:
        return Element(number, decode_value(raw))
    except BadLine as problem:
        return Element(number, None, str(problem))
