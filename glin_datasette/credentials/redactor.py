"""Replacing credentials in text."""

from __future__ import annotations

from .detector import find

__all__ = ["Redactor"]


class Redactor:
    """Replaces credentials in texts."""

    def __call__(self, text: str) -> tuple[str, int]:
        """``text`` with a mark in the place of each credential, as ``[redacted: API key]``,
        and how many were replaced. There is nothing to replace in what it returns."""
        count = 0
        # What stood beside a credential may be seen for one only once that is gone.
        while found := list(find(text)):
            parts, at = [], 0
            for each in found:
                parts += [text[at : each.start], f"[redacted: {each.kind}]"]
                at = each.end
            text = "".join([*parts, text[at:]])
            count += len(found)
        return text, count
