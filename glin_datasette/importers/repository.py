"""Where a conversation was held: the repository around a folder."""

from __future__ import annotations

import functools
from pathlib import Path

__all__ = ["repository_of"]


@functools.lru_cache(maxsize=4096)
def repository_of(folder: str) -> str:
    """The top of the git repository around ``folder`` if both are on this machine, else
    ``folder`` itself."""
    here = Path(folder)
    try:
        if here.is_absolute() and here.is_dir():
            for place in (here, *here.parents):
                if (place / ".git").exists():
                    return str(place)
    except (OSError, ValueError):
        pass
    return folder
