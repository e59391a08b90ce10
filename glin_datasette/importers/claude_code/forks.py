"""Records that a forked session copied from the one it was forked from.

Newer versions say so in the copy, which carries the fork's own ``sessionId``::

    "forkedFrom": {"sessionId": "<the original session>", "messageUuid": "<its record>"}
"""

from __future__ import annotations

from typing import Any

from ..text import identifier

__all__ = ["original"]


def original(record: dict[str, Any]) -> dict[str, Any] | None:
    """The record that ``record`` is a copy of; ``None`` if it is not said to be one."""
    source = record.get("forkedFrom")
    if not isinstance(source, dict):
        return None
    session = identifier(source.get("sessionId"))
    if session is None or session == identifier(record.get("sessionId")):
        return None
    uuid = identifier(source.get("messageUuid")) or record.get("uuid")
    return record | {"sessionId": session, "uuid": uuid}
