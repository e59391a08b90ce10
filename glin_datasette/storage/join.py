"""What two archives know of the same conversation or message, as one.

Which of them is merged into the other makes no difference: where they contradict each
other, what was found later is right, and where that cannot be told, the larger text.
"""

from __future__ import annotations

from dataclasses import replace

import sqlite_utils

from ..models import TITLE_RANK, Conversation, Message
from .write import KEPT_PARTS, MESSAGE_COLUMNS, fill_parts, message_values, store_conversation

_FACTS = ("client", "transport", "model", "repo_root", "git_branch")
_TITLE = ("title", "title_from")
_PARENT = ("parent_source_id", "relation")


def join_conversation(db: sqlite_utils.Database, row_id: int, theirs: Conversation) -> None:
    """Add to a stored conversation what another archive knows of it."""
    names = ("ended_at", "notes", *_TITLE, *_PARENT, *_FACTS)
    row = db.execute(
        f"select {', '.join(names)} from conversations where id = ?", [row_id]
    ).fetchone()
    ours = replace(theirs, **dict(zip(names, row, strict=True)))
    # Each group is taken from one of both, where that one says anything.
    joined: dict[str, object] = {"notes": _both(ours.notes, theirs.notes)}
    for group in (_TITLE, _PARENT, *((name,) for name in _FACTS)):
        best = max(ours, theirs, key=lambda each: _weight(each, group))
        joined |= {name: getattr(best, name) for name in group}
    if joined["parent_source_id"] != ours.parent_source_id:
        joined["parent_id"] = None  # It is linked to the other one below.
    db.execute(
        f"update conversations set {', '.join(f'{name} = :{name}' for name in joined)},"
        " started_at = coalesce(min(started_at, :started_at), started_at, :started_at),"
        " ended_at = coalesce(max(ended_at, :ended_at), ended_at, :ended_at) where id = :id",
        {**joined, "started_at": theirs.started_at, "ended_at": theirs.ended_at, "id": row_id},
    )
    said = Conversation(source=theirs.source, source_id=theirs.source_id, tags=theirs.tags)
    store_conversation(db, said)


#: How the mark in the place of a credential begins. Whoever took one out wants it out.
_REDACTED = "[redacted: "


def _weight(conversation: Conversation, group: tuple[str, ...]) -> tuple[object, ...]:
    values = [getattr(conversation, name) for name in group]
    rank = TITLE_RANK[conversation.title_from] if group == _TITLE else 0
    return (
        values[0] is not None,
        str(values[0]).count(_REDACTED),
        rank,
        conversation.ended_at or "",
        *(value or "" for value in values),
    )


def _both(one: str | None, other: str | None) -> str | None:
    """Two notes; one of them, if it holds the other."""
    if not one or not other:
        # Whichever way round: an empty note is more than none.
        return one or other or (None if one is None and other is None else "")
    shorter, longer = sorted((one, other), key=lambda text: (len(text), text))
    return longer if shorter in longer else f"{longer}\n{shorter}"


def join_message(db: sqlite_utils.Database, row_id: int, theirs: Message) -> None:
    """Give a stored message what another archive has of it, if that is more: a reply may
    have been stored while it was still being written."""
    columns = ", ".join(MESSAGE_COLUMNS)
    ours = list(db.execute(f"select {columns} from messages where id = ?", [row_id]).fetchone())
    more, less = message_values(theirs), ours
    if _size(ours) > _size(more):
        more, less = ours, more
    joined = [value if value is not None else less[n] for n, value in enumerate(more)]
    if joined != ours:
        values = {**dict(zip(MESSAGE_COLUMNS, joined, strict=True)), "id": row_id}
        changes = ", ".join(f"{name} = :{name}" for name in MESSAGE_COLUMNS)
        db.execute(f"update messages set {changes}, parts = {KEPT_PARTS} where id = :id", values)
        fill_parts(db, row_id, str(values["content"]))


def _size(values: list[object]) -> tuple[object, ...]:
    known = dict(zip(MESSAGE_COLUMNS, values, strict=True))
    return (
        str(known["content"]).count(_REDACTED),
        known["token_out"] or 0,
        len(str(known["content"])),
        [(value is not None, str(value)) for value in values],
    )
