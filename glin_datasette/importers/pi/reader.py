"""From the lines of one file to conversations and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

from ..base import Checkpoint, Item, Moved, Said, Skipped, Unknown
from ..jsonl import read_lines
from ..session import Session
from ..text import identifier, normalise_time, string
from . import SOURCE
from .entries import key_of, say_entry
from .tree import KINDS, QUIET, Tree, is_entry, read_tree

__all__ = ["read"]

_FILE_NAME = re.compile(r"\d{4}-\d\d-\d\dT[\d-]+Z_(.+)\.jsonl", re.ASCII)


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The whole file, whatever was read before.

    :raises OSError: if it cannot be read
    """
    yield from _read_session(path)
    yield Checkpoint()


def _read_session(path: Path) -> Iterator[Item]:
    tree = read_tree(path)
    reader = _Reader(path, tree)
    number = 0
    for line in read_lines(path, 0, 0):
        if line.error is not None:
            yield Skipped(line.number, line.error)
        record = line.record
        if record is None:
            continue
        if is_entry(record):
            if number == len(tree):
                return  # Written since the tree was read; the next reading has it.
            yield from reader.entry(number, record)
            number += 1
        elif record.get("type") == "session":
            reader.header(record)
        else:
            yield Unknown((string(record.get("type")) or "(none)")[:60])
        # What was large is not held while the next line is read.
        del line, record
    yield from reader.finish()


@dataclass(slots=True)
class _Path:
    """One path of the tree, and the messages that may have been elsewhere."""

    session: Session
    ids: list[str] = field(default_factory=list)


class _Reader:
    def __init__(self, path: Path, tree: Tree) -> None:
        self._path = path
        self._tree = tree
        self._main = _Path(Session(SOURCE, _id_of(path.name) or path.stem))
        #: Where a branch begins -> the branch, while it goes on.
        self._branches: dict[int, _Path] = {}
        #: The session that this one was forked from, and when; until then, entries are its.
        self._origin: Session | None = None
        self._forked_at = ""
        self._opened = False

    def header(self, record: dict[str, Any]) -> None:
        """The first line. A second one says nothing."""
        if self._opened:
            return
        self._opened = True
        session = self._main.session
        cwd = string(record.get("cwd"))
        session = Session(
            SOURCE,
            identifier(record.get("id")) or session.id,
            cwd=cwd,
        )
        self._main = _Path(session)
        origin = string(record.get("parentSession")) or string(record.get("branchedFrom"))
        parent = identifier(_id_of(PureWindowsPath(origin).name)) if origin else None
        if origin and parent and parent != session.id:
            session.parent, session.relation = parent, "fork"
            self._forked_at = normalise_time(record.get("timestamp")) or ""
            # Sessions of one folder lie in one folder.
            beside = PureWindowsPath(origin).parent.name == self._path.parent.name
            self._origin = Session(SOURCE, parent, cwd=cwd if beside else None)

    def entry(self, number: int, record: dict[str, Any]) -> Iterator[Item]:
        """What the entry of a number says, and what ends with it."""
        kind = record["type"]
        written = normalise_time(record.get("timestamp"))
        copied = self._origin is not None and bool(written) and str(written) < self._forked_at
        if kind not in KINDS:
            yield Unknown(str(kind)[:60])
        elif kind == "session_info":
            if not copied:
                self._main.session.entitle(record.get("name"), "custom")
        elif kind not in QUIET:
            yield from self._say(number, record, copied)
        yield from self._close(number)

    def _say(self, number: int, record: dict[str, Any], copied: bool) -> Iterator[Item]:
        key = key_of(record)
        if copied and self._origin:
            yield from say_entry(self._origin, record, key)
            return
        path = self._path_of(number, key)
        fork = self._tree.fork
        elsewhere = fork is not None and number > fork
        for item in say_entry(path.session, record, key):
            if elsewhere and isinstance(item, Said):
                path.ids.append(item.message.source_id or "")
            yield item

    def _path_of(self, number: int, key: str) -> _Path:
        """The path that an entry lies on. A branch has its name from the ``key`` of its first
        message."""
        tree = self._tree
        start = tree.start[number]
        if start == tree.main:
            return self._main
        if found := self._branches.get(start):
            return found
        id = f"{self._main.session.id}/branch-{key}"
        made = _Path(self._parent(start).session.child(id, "branch"))
        self._branches[start] = made
        return made

    def _parent(self, start: int) -> _Path:
        """The nearest path below a branch that has messages."""
        tree = self._tree
        while (at := tree.parent[start]) >= 0:
            start = tree.start[at]
            if found := self._branches.get(start):
                return found
        return self._main

    def _close(self, number: int) -> Iterator[Item]:
        """The end of a branch, if the entry is its last one."""
        start = self._tree.start[number]
        if self._tree.last[start] == number and (path := self._branches.pop(start, None)):
            yield from _ended(path)

    def finish(self) -> Iterator[Item]:
        """The end of the file."""
        for path in self._branches.values():
            yield from _ended(path)
        yield from _ended(self._main)


def _ended(path: _Path) -> Iterator[Item]:
    yield from path.session.finish()
    if path.ids:
        yield Moved(path.session.id, tuple(path.ids))


def _id_of(name: str) -> str | None:
    """The id of the session whose file has this name."""
    found = _FILE_NAME.fullmatch(name)
    return found[1] if found else None
