"""Looking for files in a folder, and telling what could not be looked at."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["OnError", "walk"]

#: Called with each error that hides something; its ``filename`` says what.
OnError = Callable[[OSError], None]


def walk(
    folder: Path, wanted: Callable[[Path], bool], on_error: OnError, *, nested: bool = True
) -> Iterator[tuple[Path, os.stat_result]]:
    """The regular files below ``folder`` that are ``wanted``, in the order of their names, each
    with what the system says of it; those in the folder alone unless ``nested``. Links to folders
    are followed, each folder once."""
    visited: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=on_error, followlinks=True):
        real = os.path.realpath(place)
        if real in visited:
            folders.clear()
            continue
        visited.add(real)
        folders.sort()
        if not nested:
            folders.clear()
        here = Path(place)
        for name in sorted(files):
            path = here / name
            if wanted(path) and (found := _regular(path, on_error)):
                yield path, found


def _regular(path: Path, on_error: OnError) -> os.stat_result | None:
    """What the system says of a regular file: reading anything else, such as a pipe, may
    never end."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None  # A link that leads nowhere, or a file that is gone by now.
    except OSError as ex:
        on_error(ex)
        return None
    return found if stat.S_ISREG(found.st_mode) else None
