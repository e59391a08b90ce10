"""Which transcripts there are: in the known places, or below what somebody names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from ..errors import NotFound
from ..importers import importers, may_be_transcript
from ..importers.importer import Importer
from ..importers.walk import walk
from .tally import Tally

__all__ = ["Place", "find_transcripts", "known_places", "stamp", "survey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder that is looked at for transcripts, and what is there. ``bytes`` counts the
    ``files``; ``path`` is ``None`` for a format that is only read when it is named."""

    format: str
    title: str
    path: str | None
    exists: bool
    files: int
    bytes: int


def known_places() -> list[tuple[Importer, Path]]:
    """Where the tools keep their transcripts on this machine: the folders that exist."""
    return [
        (importer, place)
        for importer in importers()
        for place in importer.places()
        if place.is_dir()
    ]


def survey() -> list[Place]:
    """Every format, the places where its transcripts may be, and what is there."""
    places = []
    for importer in importers():
        for path in importer.places() or (None,):
            sizes = []
            if path is not None and path.is_dir():
                found = walk(
                    path.absolute(),
                    importer.matches,
                    lambda ex: None,
                    nested=importer.nested,
                )
                sizes = [stamp(file, importer)[0] for file, _ in found]
            places.append(
                Place(
                    format=importer.name,
                    title=importer.title,
                    path=str(path) if path is not None else None,
                    exists=path is not None and path.is_dir(),
                    files=len(sizes),
                    bytes=sum(sizes),
                )
            )
    return places


def find_transcripts(
    paths: Sequence[Path] | None, tally: Tally
) -> list[tuple[Path, Importer | None]]:
    """The files to look at, with their importer where the place tells it. The oldest come
    first: a session that continues another one repeats its records, and they belong to
    the one that had them first.

    :raises NotFound: if a path does not exist
    """
    #: With the time of each.
    found: dict[Path, tuple[Importer | None, int]] = {}

    def on_error(ex: OSError) -> None:
        tally.unreadable(Path(ex.filename), ex)

    if paths is None:
        for known, place in known_places():
            there = walk(place.absolute(), known.matches, on_error, nested=known.nested)
            found.update((file, (known, stat.st_mtime_ns)) for file, stat in there)
    for path in paths or ():
        path = path.absolute()
        try:
            stat = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f"{path}: no such file or folder") from None
        except OSError as ex:
            tally.unreadable(path, ex)
            continue
        if S_ISDIR(stat.st_mode):
            there = walk(path, may_be_transcript, on_error)
            found.update((file, (None, stat.st_mtime_ns)) for file, stat in there)
        elif S_ISREG(stat.st_mode):
            found[path] = None, stat.st_mtime_ns
        else:
            tally.failure(path, "is not a regular file; save it to a file first")
    oldest_first = sorted(found.items(), key=lambda each: (each[1][1], str(each[0])))
    return [(path, importer) for path, (importer, _) in oldest_first]


def stamp(path: Path, importer: Importer | None) -> tuple[int, int]:
    """Size in bytes and time in nanoseconds of a transcript, what lies beside it included:
    while both are the same, so is the transcript.

    :raises OSError: if it cannot be looked at
    """
    stat = path.stat()
    size, mtime_ns = stat.st_size, stat.st_mtime_ns
    for part in _parts(path, importer) if importer else ():
        try:
            beside = part.stat()
        except OSError:
            continue
        if beside.st_size:
            size, mtime_ns = size + beside.st_size, max(mtime_ns, beside.st_mtime_ns)
    return size, mtime_ns


def _parts(path: Path, importer: Importer) -> Iterator[Path]:
    for ending in importer.sidecars:
        yield path.with_name(path.name + ending)
    yield from importer.beside(path)
