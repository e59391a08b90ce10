"""Where Cursor keeps conversations."""

from __future__ import annotations

from pathlib import Path

from ..places import app_data

__all__ = ["editor_places"]


def editor_places() -> list[Path]:
    """Where the editor keeps its database."""
    return [folder / "User" / "globalStorage" for folder in app_data("Cursor")]
