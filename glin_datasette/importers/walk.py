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
) -> Iterator[Path]:
    """The regular files below ``folder`` that are ``wanted``, in the order of their names;
    those in it alone unless ``nested``. Links to folders are followed, each folder once."""
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
        for name in sorted(files):
            path = Path(place, name)
            if wanted(path) and _is_regular(path, on_error):
                yield path


def _is_regular(path: Path, on_error: OnError) -> bool:
    """Reading anything else, such as a pipe, may never end."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False  # A link that leads nowhere, or a file that is gone by now.
    except OSError as ex:
        on_error(ex)
        return False
