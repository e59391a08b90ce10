"""Where opencode keeps its data."""

from __future__ import annotations

import os
from pathlib import Path

from ..places import configured

__all__ = ["data_folder", "named_database"]


def data_folder() -> Path:
    """``$XDG_DATA_HOME/opencode``, or below ``~/.local/share``, on every platform."""
    return configured("XDG_DATA_HOME", Path.home() / ".local" / "share") / "opencode"


def named_database() -> Path | None:
    """The database that ``$OPENCODE_DB`` names, by its path or by its name in the data folder."""
    named = os.environ.get("OPENCODE_DB")
    return data_folder() / named if named and named != ":memory:" else None
