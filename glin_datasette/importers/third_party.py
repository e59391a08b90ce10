"""Importers that other packages bring: entry points of the group ``glin_datasette.importers``.

An entry point names a class that can be made without arguments, or an importer itself.
Whatever is wrong with one of them must not keep the others from importing: it is left out,
or its answer counts as a no, and what happened is kept to be told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from .base import Checkpoint, Importer, Item

__all__ = ["GROUP", "Broken", "Guarded", "error_text", "load"]

GROUP = "glin_datasette.importers"

_METHODS = ("places", "matches", "beside", "identify", "read")
_FLAGS = ("exact", "restores", "merges", "only_named", "nested")


@dataclass(frozen=True, slots=True)
class Broken:
    """What went wrong with an importer of another package."""

    #: As people see it: ``importer acme (glin-acme)``.
    what: str
    error: str


class Guarded(Importer):
    """An importer of another package. Where it raises instead of answering, the answer is
    no, and ``tell`` is called. What ``read`` raises is told where it is called."""

    #: Each has those of its own.
    name = ""
    title = ""
    source = None

    def __init__(self, theirs: Importer, tell: Callable[[str], None]) -> None:
        names = ("name", "title", "source", "sidecars", *_FLAGS)
        vars(self).update({name: getattr(theirs, name) for name in names})
        self._theirs = theirs
        self._tell = tell

    def places(self) -> Sequence[Path]:
        """Its places."""
        try:
            return [Path(place) for place in self._theirs.places()]
        except Exception as ex:
            self._tell(f"places() failed: {error_text(ex)}")
            return ()

    def matches(self, path: Path) -> bool:
        """What it answers."""
        try:
            return bool(self._theirs.matches(path))
        except Exception as ex:
            self._tell(f"matches() failed: {error_text(ex)}")
            return False

    def beside(self, path: Path) -> Iterable[Path]:
        """Its parts."""
        try:
            return [Path(part) for part in self._theirs.beside(path)]
        except Exception as ex:
            self._tell(f"beside() failed: {error_text(ex)}")
            return ()

    def identify(self, path: Path, head: bytes) -> bool:
        """What it answers."""
        try:
            return bool(self._theirs.identify(path, head))
        except Exception as ex:
            self._tell(f"identify() failed: {error_text(ex)}")
            return False

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """What it yields."""
        return self._theirs.read(path, start)


def load(taken: Iterable[str]) -> tuple[list[Importer], list[Broken]]:
    """The importers of other packages, and a list of what is wrong with some of them. It
    grows when one of them fails later on. ``taken``: names that none of them may have."""
    names = set(taken)
    found: list[Importer] = []
    broken: list[Broken] = []
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda each: each.name):
        package = entry.dist.name if entry.dist else entry.value
        what = f"importer {entry.name} ({package})"

        def tell(error: str, what: str = what) -> None:
            if (told := Broken(what, error)) not in broken:
                broken.append(told)

        try:
            theirs: Any = entry.load()
            if isinstance(theirs, type):
                theirs = theirs()
            _check(theirs, names)
            found.append(Guarded(theirs, tell))
            names.add(theirs.name)
        except (Exception, SystemExit) as ex:
            tell(f"cannot be used: {error_text(ex)}")
    return found, broken


def _check(theirs: Any, taken: set[str]) -> None:
    """:raises TypeError: if it is no importer; the message says why"""
    for name in ("name", "title"):
        if not isinstance(getattr(theirs, name, None), str) or not getattr(theirs, name):
            raise TypeError(f"its {name} is no text")
    if not isinstance(getattr(theirs, "source", 0), str | None):
        raise TypeError("its source is neither a text nor None")
    for name in _METHODS:
        if not callable(getattr(theirs, name, None)):
            raise TypeError(f"it has no {name}()")
    for name in _FLAGS:
        if not isinstance(getattr(theirs, name, None), bool):
            raise TypeError(f"its {name} is neither True nor False")
    endings = getattr(theirs, "sidecars", None)
    if not isinstance(endings, tuple) or not all(isinstance(each, str) for each in endings):
        raise TypeError("its sidecars are no tuple of texts")
    if theirs.name in taken:
        raise TypeError(f"there is a format named {theirs.name!r} already")


def error_text(ex: BaseException) -> str:
    """``ValueError: no such thing``, on one line."""
    said = " ".join(str(ex).split())
    return f"{type(ex).__name__}: {said[:300]}" if said else type(ex).__name__
