"""Where programs keep their data on Linux, macOS and Windows."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..paths import expanded

__all__ = ["SQLITE_SIDECARS", "app_data", "configured"]

#: Endings of files beside an SQLite database that are a part of it.
SQLITE_SIDECARS = ("-wal",)


def app_data(*names: str) -> list[Path]:
    """The folders of graphical programs called ``names``, there or not: below
    ``~/.config``, ``~/Library/Application Support`` or ``%APPDATA%``."""
    home = Path.home()
    if sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return [base / name for name in names]


def configured(variable: str, default: Path) -> Path:
    """The folder that an environment variable names, else ``default``."""
    named = os.environ.get(variable)
    return expanded(named) if named else default
