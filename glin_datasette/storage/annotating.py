"""What people add to an archive themselves: tags, on many things at once, and notes."""

from __future__ import annotations

from collections.abc import Iterable

import sqlite_utils

from ..errors import FilterError, NotFound
from ..models import TagChange
from .connection import timed, transaction
from .write import tag_conversation, tag_message, untag_conversation, untag_message

__all__ = ["change_tags", "set_notes"]

#: Characters of a note. It is shown on every page of its conversation.
MAX_NOTES = 100_000
#: Characters of a tag that somebody adds; those of imported archives stay as they are.
MAX_TAG = 200


def change_tags(
    db: sqlite_utils.Database,
    tag: str,
    *,
    add: bool,
    conversations: Iterable[int] = (),
    messages: Iterable[int] = (),
) -> TagChange:
    """Put a tag on conversations and messages, or take it off, all of them or none.

    :param add: ``False`` takes it off
    :returns: how many were not so before
    :raises NotFound: if there is no such conversation or message
    :raises FilterError: if the tag is empty, longer than 200 characters or cannot be stored
    """
    change_conversation = tag_conversation if add else untag_conversation
    change_message = tag_message if add else untag_message
    if not tag.strip():
        raise FilterError("a tag needs a name")
    if add and (len(tag) > MAX_TAG or "\0" in tag):
        raise FilterError(f"a tag has at most {MAX_TAG} characters, and none of them is zero")
    with timed("change_tags") as facts, transaction(db):
        changed = TagChange(
            conversations=sum(change_conversation(db, each, tag) for each in conversations),
            messages=sum(change_message(db, each, tag) for each in messages),
        )
        facts["rows"] = changed.conversations + changed.messages
    return changed


def set_notes(db: sqlite_utils.Database, conversation_id: int, text: str) -> bool:
    """Replace the notes on a conversation; blank text removes them.

    :returns: whether they were others before
    :raises NotFound: if there is no such conversation
    :raises FilterError: if the text is longer than 100,000 characters, or cannot be stored
    """
    notes = text.replace("\r\n", "\n").strip() or None
    if notes is not None:
        if len(notes) > MAX_NOTES:
            raise FilterError(f"notes of {len(notes):,} characters; write at most {MAX_NOTES:,}")
        try:
            notes.encode()
        except UnicodeEncodeError:
            raise FilterError("notes: holds half of a surrogate pair; repair it") from None
    with timed("set_notes"), transaction(db):
        sql = "select notes from conversations where id = ?"
        found = db.execute(sql, [conversation_id]).fetchone()
        if found is None:
            raise NotFound(f"no conversation {conversation_id} in the archive")
        db.execute("update conversations set notes = ? where id = ?", [notes, conversation_id])
    return bool(found[0] != notes)
