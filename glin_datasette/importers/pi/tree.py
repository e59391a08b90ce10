"""Which entries of a session belong together: the last path of its tree, and the branches.

Entries are known by their number in the file. Where the tree parts, the side that leads to
the newest entry goes on, and the others begin a branch.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from pathlib import Path

from ..jsonl import read_lines

__all__ = ["KINDS", "QUIET", "Tree", "is_entry", "read_tree"]

#: Kinds of entries with nothing to keep: settings, bookmarks, what extensions note.
QUIET = frozenset(
    {"context_transform", "custom", "ephemeral", "label", "model_change", "session_info"}
    | {"thinking_level_change"}
)
#: All kinds of entries that are known.
KINDS = QUIET | {"branch_summary", "compaction", "custom_message", "message"}


def is_entry(record: Mapping[str, object]) -> bool:
    """Whether a record is an entry of the tree. Those of version 1 have no id."""
    kind = record.get("type")
    if not isinstance(kind, str) or kind == "session":
        return False
    return bool(_id(record)) or kind in KINDS


def _id(record: Mapping[str, object]) -> str | None:
    id = record.get("id")
    return id if isinstance(id, str) and id else None


class Tree:
    """The entries of a file, in its order. :meth:`add` each, then :meth:`close`."""

    def __init__(self) -> None:
        #: Of each entry: the one that it follows; -1: none.
        self.parent = array("i")
        #: Of each entry: the newest one that comes of it.
        self.last = array("i")
        #: Of each entry: where its conversation, or its branch, begins.
        self.start = array("i")
        #: Where the conversation begins, and the last entry before the first branching;
        #: ``None`` if there is no branch.
        self.main = -1
        self.fork: int | None = None
        self._names = array("Q")
        #: Name -> entry; made when an entry follows another one than the one before it.
        self._numbers: dict[int, int] | None = None

    def __len__(self) -> int:
        return len(self.parent)

    def add(self, record: Mapping[str, object]) -> None:
        """The next entry."""
        number = len(self.parent)
        id = _id(record)
        follows = record.get("parentId", "")
        if id is None or not (follows is None or isinstance(follows, str)):
            parent = number - 1
        elif follows is None:
            parent = -1
        else:
            parent = self._find(_name(follows), number)
        self.parent.append(parent)
        self._names.append(_name(id or ""))
        if self._numbers is not None:
            self._numbers[self._names[-1]] = number

    def _find(self, name: int, number: int) -> int:
        """The entry of a name. One that was lost stood before, as far as can be told."""
        if number and self._names[-1] == name:
            return number - 1
        if self._numbers is None:
            self._numbers = {each: at for at, each in enumerate(self._names)}
        return self._numbers.get(name, number - 1)

    def close(self) -> None:
        """Tell the branches apart, once every entry was added."""
        self._names, self._numbers = array("Q"), None
        count = len(self.parent)
        self.last = array("i", range(count))
        for at in range(count - 1, -1, -1):
            parent = self.parent[at]
            if parent >= 0 and self.last[at] > self.last[parent]:
                self.last[parent] = self.last[at]
        for at in range(count):
            parent = self.parent[at]
            goes_on = parent >= 0 and self.last[parent] == self.last[at]
            self.start.append(self.start[parent] if goes_on else at)
            if goes_on:
                continue
            if self.last[at] == count - 1:
                self.main = at
            else:
                self.fork = parent if self.fork is None else min(self.fork, parent)


def _name(id: str) -> int:
    data = id.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def read_tree(path: Path) -> Tree:
    """The tree of a session's file.

    :raises OSError: if the file cannot be read
    """
    tree = Tree()
    for line in read_lines(path, 0, 0):
        if line.record is not None and is_entry(line.record):
            tree.add(line.record)
        del line
    tree.close()
    return tree
