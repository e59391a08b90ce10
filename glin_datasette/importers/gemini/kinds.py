"""What a message of Gemini CLI may be."""

from __future__ import annotations

from ...models import Role

__all__ = ["ROLES", "TYPES"]

#: Type of a message -> whose it is.
ROLES: dict[str, Role] = {
    "error": "system",
    "gemini": "assistant",
    "info": "system",
    "user": "user",
    "warning": "system",
}
TYPES = frozenset(ROLES)
