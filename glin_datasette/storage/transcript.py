"""Reading one conversation for somebody who reads it: a part at a time, with its outline
and its sums."""

from __future__ import annotations

import sqlite_utils

from ..errors import NotFound
from ..models import Message, Prompt, TranscriptFacts
from .connection import database_path, sqlite_errors, timed
from .query import messages_where

__all__ = ["get_message", "messages_between", "outline", "place_of", "transcript_facts"]

#: Characters of a prompt that its outline shows.
_PROMPT = 200


def transcript_facts(db: sqlite_utils.Database, conversation_id: int) -> TranscriptFacts:
    """How many messages a conversation has, by kind, and the tokens that it took."""
    with timed("transcript_facts"), sqlite_errors(database_path(db)):
        sums = db.execute(
            "select count(*), coalesce(sum(token_in), 0), coalesce(sum(token_out), 0),"
            " coalesce(sum(token_cached), 0), coalesce(sum(is_error), 0)"
            " from messages where conversation_id = ?",
            [conversation_id],
        ).fetchone()
        kinds = db.execute(
            "select kind, count(*) from messages where conversation_id = ?"
            " group by kind order by count(*) desc, kind",
            [conversation_id],
        ).fetchall()
    return TranscriptFacts(
        messages=sums[0],
        token_in=sums[1],
        token_out=sums[2],
        token_cached=sums[3],
        failed=sums[4],
        by_kind=dict(kinds),
    )


def outline(
    db: sqlite_utils.Database, conversation_id: int, *, limit: int = 1000
) -> tuple[Prompt, ...]:
    """What the user said in a conversation, in its order, the beginning of each.

    :param limit: at most so many
    """
    with timed("outline"), sqlite_errors(database_path(db)):
        rows = db.execute(
            f"select id, ts, substr(content, 1, {_PROMPT}) from messages"
            " where conversation_id = ? and role = 'user' and kind = 'text'"
            " order by position, id limit ?",
            [conversation_id, limit],
        )
        return tuple(Prompt(message_id=row[0], ts=row[1], text=row[2]) for row in rows)


def messages_between(
    db: sqlite_utils.Database, conversation_id: int, *, skip: int = 0, limit: int = 1000
) -> list[Message]:
    """``limit`` messages of a conversation in its order, after the first ``skip``."""
    with timed("messages_between") as facts, sqlite_errors(database_path(db)):
        found = messages_where(
            db,
            "where m.conversation_id = :conversation"
            " order by m.position, m.id limit :limit offset :skip",
            {"conversation": conversation_id, "limit": limit, "skip": skip},
        )
        facts["rows"] = len(found)
        return found


def get_message(db: sqlite_utils.Database, message_id: int) -> Message:
    """One message, with its references, tags and attachments.

    :raises NotFound: if there is none with this id
    """
    with sqlite_errors(database_path(db)):
        found = messages_where(db, "where m.id = :id", {"id": message_id})
    if not found:
        raise NotFound(f"no message {message_id} in the archive")
    return found[0]


def place_of(db: sqlite_utils.Database, conversation_id: int, message_id: int) -> int:
    """How many messages of a conversation come before one of them.

    :raises NotFound: if that one is not in the conversation
    """
    with sqlite_errors(database_path(db)):
        found = db.execute(
            "select (select count(*) from messages as b where b.conversation_id = m.conversation_id"
            " and (b.position, b.id) < (m.position, m.id))"
            " from messages as m where m.id = ? and m.conversation_id = ?",
            [message_id, conversation_id],
        ).fetchone()
    if found is None:
        raise NotFound(f"no message {message_id} in conversation {conversation_id}")
    return int(found[0])
