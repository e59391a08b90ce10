"""Sizes of files as people read them, on the command line and on the pages."""

from __future__ import annotations

__all__ = ["human_size"]


def human_size(count: int) -> str:
    """Bytes for people: ``12.3 KB``."""
    if count < 1000:
        return f"{count} B"
    size = count / 1000
    for unit in ("KB", "MB"):
        if size < 999.95:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
