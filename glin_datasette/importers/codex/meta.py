"""What a ``session_meta`` record tells of a session."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from ...models import Relation
from ..session import Session
from ..text import identifier, string

__all__ = ["born_at", "later", "note_meta", "opened"]

#: An identifier that begins with the time at which it was made (a UUID of version 7).
_TIMED = re.compile(
    r"([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)


def born_at(id: str | None) -> int | None:
    """When an identifier was made, in milliseconds, if it tells."""
    match = _TIMED.fullmatch(id) if id else None
    return int(match[1] + match[2], 16) if match else None


#: Copying takes no longer.
_COPYING = timedelta(seconds=1)


def later(moment: str | None, copied: str) -> bool:
    """Whether ``moment`` is too late for a line that was copied at ``copied``. Without a
    time it is taken to be: what is there twice can be told, what is missing cannot."""
    if not moment or not copied:
        return True
    return datetime.fromisoformat(moment) - datetime.fromisoformat(copied) > _COPYING


def opened(source: str, id: str, payload: dict[str, Any]) -> Session:
    """The session that a file is of."""
    parent, relation = _parent(payload)
    session = Session(source, id)
    if parent is not None and parent != id:
        session.parent, session.relation = parent, relation
    session.note(client=source)
    note_meta(session, payload)
    return session


def note_meta(session: Session, payload: dict[str, Any]) -> None:
    """Take over what a record says."""
    git = payload.get("git")
    version = string(payload.get("cli_version"))
    product = "-".join((string(payload.get("originator")) or "codex").lower().split())
    session.note(
        client=f"{product[:60]}/{version[:60]}" if version else None,
        transport=_transport(payload.get("source")),
        cwd=string(payload.get("cwd")),
        git_branch=string(git.get("branch")) if isinstance(git, dict) else None,
    )


def _parent(payload: dict[str, Any]) -> tuple[str | None, Relation | None]:
    source = payload.get("source")
    agent = source.get("subagent") if isinstance(source, dict) else None
    spawn = agent.get("thread_spawn") if isinstance(agent, dict) else None
    spawned_by = identifier(spawn.get("parent_thread_id")) if isinstance(spawn, dict) else None
    if parent := spawned_by or identifier(payload.get("parent_thread_id")):
        return parent, "subagent"
    if parent := identifier(payload.get("forked_from_id")):
        return parent, "fork" if agent is None else "subagent"
    return None, None


def _transport(source: object) -> str | None:
    if isinstance(source, dict):
        return string(source.get("custom"))
    found = string(source)
    return found if found and found != "unknown" and len(found) < 60 else None
