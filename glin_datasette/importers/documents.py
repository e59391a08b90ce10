"""Reading files that hold one JSON document, however large, in pieces that stand alone.

Only the outermost array is taken apart: the elements of ``[…]``, or those of one member of
``{…, "messages": […], …}``. Each element is found by its brackets, before it is decoded,
so that one that is damaged inside costs only itself.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from .jsonl import MAX_LINE, BadLine, decode_held, decode_value

__all__ = ["Element", "Readable", "outline", "read_elements", "read_members", "read_records"]

_CHUNK = 256 * 1024
#: Between values: space, and what a byte order mark is made of.
_BLANK = re.compile(rb"[ \t\r\n\xef\xbb\xbf]*+")
#: Inside of a string up to its end, or to a backslash whose letter is not there yet.
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_FLAT = rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+'


def _plain(depth: int) -> bytes:
    """Text whose brackets are closed again, at most ``depth`` in each other."""
    if not depth:
        return _FLAT
    return _FLAT + rb"(?:[{\[]" + _plain(depth - 1) + rb"[}\]]" + _FLAT + rb")*+"


#: Up to the next bracket that is not closed soon, or to a string that the chunk does not
#: hold whole. Small objects are stepped over at once: most of a transcript is made of them.
_PLAIN = re.compile(_plain(4), re.DOTALL)
#: The same where brackets are so deep in each other that few of them are.
_PLAIN_BELOW = re.compile(_FLAT, re.DOTALL)
_DEEP = 20
_SCALAR_END = re.compile(rb"[,\]} \t\r\n]")
#: How many elements in a row may be no JSON before the rest is given up.
_LOST = 1000


class Readable(Protocol):
    """What a document is read from: a binary file, or a part of one."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the array. ``number`` counts from 1; ``value`` is ``None`` where
    ``error`` says why."""

    number: int
    value: Any
    error: str | None = None


def read_elements(file: Readable, member: str | None = None) -> Iterator[Element]:
    """The elements of the array that ``file`` holds, or that its object has as ``member``.

    Holds one element in memory, never more than :data:`~.jsonl.MAX_LINE` bytes of it. A
    document that ends too early yields an element with an error last; one that has no such
    array yields nothing. An element whose own brackets do not match takes what is behind it
    along.
    """
    scanner = _Scanner(file)
    try:
        if member is not None:
            if not _seek_member(scanner, member):
                return
            if not scanner.peek():
                raise _CutOff
        if scanner.peek() != b"[":
            return
        for found in _elements(scanner):
            # A large one is not held while the next one is read.
            yield found.pop()
    except _CutOff as ex:
        yield Element(ex.number, None, "cut off: the document ends too early")


def read_records(file: Readable) -> Iterator[Element]:
    """The elements of the array that ``file`` holds, as :func:`read_elements` has them, or
    the object that it holds as the only one. Anything else is one with an error."""
    scanner = _Scanner(file)
    first = scanner.peek()
    if not first:
        return
    try:
        if first == b"[":
            for found in _elements(scanner):
                yield found.pop()
        elif first == b"{":
            yield _element(1, [_whole(scanner, 1)])
        else:
            yield Element(1, None, "neither an array nor an object")
    except _CutOff as ex:
        yield Element(ex.number, None, "cut off: the document ends too early")


def read_members(file: Readable, *but: str) -> dict[str, Any]:
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
            if raw is not None:
                with contextlib.suppress(BadLine):
                    members[key] = decode_value(raw)
    except _CutOff:
        pass
    return members


def outline(head: bytes) -> tuple[bool, frozenset[str]]:
    """What the beginning of a document tells: whether it is an array, and the keys of the
    object, or of the array's first element that is one, as far as ``head`` goes."""
    scanner = _Scanner(io.BytesIO(head))
    keys: set[str] = set()
    is_array = False
    try:
        is_array = scanner.peek() == b"["
        if is_array:
            scanner.take()
            while scanner.peek() not in (b"{", b"]", b""):
                if scanner.peek() in (b",", b":", b"}"):
                    scanner.take()
                else:
                    scanner.skip()
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

    def __init__(self, file: Readable) -> None:
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
            # Always matches, if only nothing.
            self._at = _BLANK.match(self._chunk, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._chunk):
                return self._chunk[self._at : self._at + 1]
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
        depth, start = 1, self._at
        at = start + 1
        while True:
            # Always matches, if only nothing.
            plain = _PLAIN if depth < _DEEP else _PLAIN_BELOW
            at = plain.match(self._chunk, at).end()  # type: ignore[union-attr]
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
    while (byte := scanner.peek()) in (b'"', b""):
        if not byte:
            raise _CutOff
        raw = scanner.value()
        if raw is None or scanner.peek() not in (b":", b""):
            return
        scanner.take()
        try:
            yield str(decode_value(raw))
        except BadLine:
            return
        if scanner.peek() not in (b",", b""):
            return
        scanner.take()


def _seek_member(scanner: _Scanner, member: str) -> bool:
    for key in _keys(scanner):
        if key == member:
            return True
        scanner.skip()
    return False


def _elements(scanner: _Scanner) -> Iterator[list[Element]]:
    """Each in a list to be emptied."""
    scanner.take()
    number = lost = 0
    while (byte := scanner.peek()) not in (b"]", b""):
        if byte in (b",", b":", b"}"):
            scanner.take()
            continue
        number += 1
        found = [_element(number, [_whole(scanner, number)])]
        lost = lost + 1 if found[0].error else 0
        if lost > _LOST:
            yield [Element(number, None, "no array from here on")]
            return
        yield found
    if not scanner.peek():
        ended = _CutOff()
        ended.number = number + 1
        raise ended


def _whole(scanner: _Scanner, number: int) -> bytes | None:
    try:
        return scanner.value()
    except _CutOff as ex:
        ex.number = number
        raise


def _element(number: int, held: list[bytes | None]) -> Element:
    if held[0] is None:
        return Element(number, None, f"longer than {MAX_LINE // 1024 // 1024} MiB")
    try:
        return Element(number, decode_held(held))  # type: ignore[arg-type]
    except BadLine as problem:
        return Element(number, None, str(problem))
