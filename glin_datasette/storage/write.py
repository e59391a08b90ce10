"""Writing single conversations, messages, references and tags.

Every function takes a :class:`sqlite_utils.Database`, is one transaction (a savepoint
inside a running one) and may be called twice with the same values without changing
anything. Whole transcripts go through :mod:`.load`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, get_args

import sqlite_utils

from ..errors import FilterError, NotFound
from ..models import KINDS, ROLES, TITLE_RANK, Conversation, Message, Ref, RefType
from .connection import timed, transaction

#: The columns of ``conversations`` that a Conversation fills by itself.
CONVERSATION_COLUMNS = tuple(
    field.name for field in fields(Conversation) if field.name not in ("id", "parent_id", "tags")
)

#: The columns of ``messages`` that a Message fills by itself.
MESSAGE_COLUMNS = (
    "ts", "role", "kind", "model", "token_in", "token_out", "token_cached",
    "tool_name", "tool_call_id", "is_error", "source_id", "content",
)  # fmt: skip

_INSERT_MESSAGE = (
    f"insert into messages (conversation_id, position, {', '.join(MESSAGE_COLUMNS)})"
    f" values (?, ?, {', '.join('?' * len(MESSAGE_COLUMNS))})"
)

Owner = Literal["conversation", "message"]


def insert_conversation(db: sqlite_utils.Database, conversation: Conversation) -> int:
    """Store a conversation, or add what is new to the one that is there.

    Found again by (``source``, ``source_id``). Fields that are ``None`` leave what is
    stored; ``started_at`` only moves back and ``ended_at`` forward; a title is replaced
    by one that ranks at least as high (see :data:`~glin_datasette.models.TITLE_RANK`).
    Tags are added.

    :returns: the ``id`` of its row
    """
    values = {name: getattr(conversation, name) for name in CONVERSATION_COLUMNS}
    _refuse_unstorable(values)
    with timed("insert_conversation") as facts, transaction(db):
        found = db.execute(
            "select id, title_from, title from conversations where source = ? and source_id = ?",
            [conversation.source, conversation.source_id],
        ).fetchone()
        if found is None:
            facts["rows"] = 1
            columns = ", ".join(values)
            marks = ", ".join(f":{name}" for name in values)
            cursor = db.execute(f"insert into conversations ({columns}) values ({marks})", values)
            row_id = int(cursor.lastrowid or 0)
        else:
            row_id, title_from, title = found
            facts["rows"] = _update_conversation(db, row_id, values, title_from, title)
        link_parents(db)
        for tag in conversation.tags:
            _tag(db, "conversation", row_id, tag)
    return row_id


def _update_conversation(
    db: sqlite_utils.Database,
    row_id: int,
    values: dict[str, object],
    title_from: str | None,
    title: str | None,
) -> int:
    changes = {name: value for name, value in values.items() if value is not None}
    new_rank = TITLE_RANK[changes.get("title_from")]  # type: ignore[index]
    if title is not None and new_rank < TITLE_RANK[title_from]:  # type: ignore[index]
        changes.pop("title", None)
        changes.pop("title_from", None)
    setters = {
        "started_at": "min(coalesce(started_at, :started_at), :started_at)",
        "ended_at": "max(coalesce(ended_at, :ended_at), :ended_at)",
    }
    assignments = ", ".join(f"{name} = {setters.get(name, ':' + name)}" for name in changes)
    differs = " or ".join(f"{name} is not {setters.get(name, ':' + name)}" for name in changes)
    cursor = db.execute(
        f"update conversations set {assignments} where id = :id and ({differs})",
        {**changes, "id": row_id},
    )
    return cursor.rowcount


def link_parents(db: sqlite_utils.Database) -> int:
    """Fill ``parent_id`` wherever the parent has appeared since.

    :returns: how many conversations found their parent
    """
    cursor = db.execute(
        "update conversations set parent_id = parent.id from conversations as parent"
        " where conversations.parent_id is null and conversations.parent_source_id is not null"
        " and parent.source = conversations.source"
        " and parent.source_id = conversations.parent_source_id"
        " and parent.id <> conversations.id"
    )
    return cursor.rowcount


def insert_message(db: sqlite_utils.Database, conversation_id: int, message: Message) -> int:
    """Store a message at the end of its conversation, with its references and tags.

    A message whose ``source_id`` is already in the conversation is updated in its place.
    The conversation's ``started_at``, ``ended_at`` and ``model`` follow.

    :returns: the ``id`` of its row
    :raises NotFound: if there is no such conversation
    :raises FilterError: if role or kind is none that there is
    """
    if message.role not in ROLES or message.kind not in KINDS:
        raise FilterError(
            f"a message cannot have role {message.role!r} and kind {message.kind!r}; "
            f"roles are {', '.join(ROLES)} and kinds {', '.join(KINDS)}"
        )
    values = message_values(message)
    _refuse_unstorable(dict(zip(MESSAGE_COLUMNS, values, strict=True)))
    with timed("insert_message") as facts, transaction(db):
        _require(db, "conversation", conversation_id)
        row_id = find_message(db, conversation_id, message.source_id)
        if row_id is None:
            facts["rows"] = 1
            position = next_position(db, conversation_id)
            cursor = db.execute(_INSERT_MESSAGE, [conversation_id, position, *values])
            row_id = int(cursor.lastrowid or 0)
        else:
            facts["rows"] = update_message(db, row_id, message)
        for ref in message.refs:
            _link(db, row_id, ref)
        for tag in message.tags:
            _tag(db, "message", row_id, tag)
        follow_message(db, conversation_id, message.ts, message.ts, message.model)
    return row_id


def message_values(message: Message) -> list[object]:
    """The values of :data:`MESSAGE_COLUMNS` for a row."""
    values = [getattr(message, name) for name in MESSAGE_COLUMNS]
    values[MESSAGE_COLUMNS.index("is_error")] = int(message.is_error)
    return values


def find_message(
    db: sqlite_utils.Database, conversation_id: int, source_id: str | None
) -> int | None:
    """The id of the message with this ``source_id`` in a conversation."""
    if source_id is None:
        return None
    found = db.execute(
        "select id from messages where source_id = ? and conversation_id = ?",
        [source_id, conversation_id],
    ).fetchone()
    return int(found[0]) if found else None


def update_message(db: sqlite_utils.Database, message_id: int, message: Message) -> int:
    """Give a stored message the values of ``message`` where they differ.

    Counts that the new values lack are kept, and so are those with more output tokens: a
    reply read again from its middle, or from another file that holds its beginning only,
    does not lose its tokens. Returns how many rows changed, 0 or 1.
    """
    new = {name: f":{name}" for name in MESSAGE_COLUMNS}
    new["tool_name"] = "coalesce(:tool_name, tool_name)"
    for name in ("token_in", "token_out", "token_cached"):
        new[name] = (
            f"iif(coalesce(:token_out, 0) < coalesce(token_out, 0),"
            f" {name}, coalesce(:{name}, {name}))"
        )
    cursor = db.execute(
        f"update messages set {', '.join(f'{name} = {value}' for name, value in new.items())}"
        " where id = :id"
        f" and ({' or '.join(f'{name} is not {value}' for name, value in new.items())})",
        {**dict(zip(MESSAGE_COLUMNS, message_values(message), strict=True)), "id": message_id},
    )
    return cursor.rowcount


def next_position(db: sqlite_utils.Database, conversation_id: int) -> int:
    """The position of the next message of a conversation, from 0."""
    sql = "select coalesce(max(position) + 1, 0) from messages where conversation_id = ?"
    return int(db.execute(sql, [conversation_id]).fetchone()[0])


def follow_message(
    db: sqlite_utils.Database,
    conversation_id: int,
    first_ts: str | None,
    last_ts: str | None,
    model: str | None,
) -> None:
    """Widen a conversation's times to hold new messages, and note their model."""
    db.execute(
        "update conversations set"
        " started_at = coalesce(min(started_at, :first), :first, started_at),"
        " ended_at = coalesce(max(ended_at, :last), :last, ended_at),"
        " model = coalesce(:model, model)"
        " where id = :id and (coalesce(started_at > :first, :first is not null)"
        " or coalesce(ended_at < :last, :last is not null)"
        " or (:model is not null and model is not :model))",
        {"id": conversation_id, "first": first_ts, "last": last_ts, "model": model},
    )


def link_message_ref(
    db: sqlite_utils.Database, message_id: int, ref_type: RefType, ref_value: str
) -> None:
    """Say that a message is about a file, commit or URL.

    :raises NotFound: if there is no such message
    :raises FilterError: if the type is none that there is, or the value is empty
    """
    if ref_type not in get_args(RefType) or not ref_value:
        raise FilterError(
            f"no reference {ref_type!r} {ref_value!r}; types are {', '.join(get_args(RefType))}"
        )
    with timed("link_message_ref"), transaction(db):
        _require(db, "message", message_id)
        _link(db, message_id, Ref(ref_type, ref_value))


def tag_conversation(db: sqlite_utils.Database, conversation_id: int, name: str) -> bool:
    """Tag a conversation. Tags are equal without regard to case (of ASCII letters).

    :returns: whether it did not have the tag before
    :raises NotFound: if there is no such conversation
    :raises FilterError: if the name is empty
    """
    with timed("tag_conversation"), transaction(db):
        _require(db, "conversation", conversation_id)
        return _tag(db, "conversation", conversation_id, name)


def tag_message(db: sqlite_utils.Database, message_id: int, name: str) -> bool:
    """Tag one message; as :func:`tag_conversation`."""
    with timed("tag_message"), transaction(db):
        _require(db, "message", message_id)
        return _tag(db, "message", message_id, name)


def untag_conversation(db: sqlite_utils.Database, conversation_id: int, name: str) -> bool:
    """Take a tag off a conversation. A tag that nothing has any more is removed.

    :returns: whether it had the tag
    :raises NotFound: if there is no such conversation
    """
    with timed("untag_conversation"), transaction(db):
        _require(db, "conversation", conversation_id)
        return _untag(db, "conversation", conversation_id, name)


def untag_message(db: sqlite_utils.Database, message_id: int, name: str) -> bool:
    """Take a tag off one message; as :func:`untag_conversation`."""
    with timed("untag_message"), transaction(db):
        _require(db, "message", message_id)
        return _untag(db, "message", message_id, name)


def delete_conversation(db: sqlite_utils.Database, conversation_id: int) -> int:
    """Delete a conversation with its messages, references and tags, and with the
    subagent runs and forks that belong to it.

    Its transcript file, if there still is one, is not read again until it changes.

    :returns: how many conversations went, children included
    :raises NotFound: if there is no such conversation
    """
    with timed("delete_conversation") as facts, transaction(db):
        _require(db, "conversation", conversation_id)
        before = db.table("conversations").count
        db.execute("delete from conversations where id = ?", [conversation_id])
        gone = before - db.table("conversations").count
        _drop_unused_tags(db)
        facts["rows"] = gone
    return gone


def _require(db: sqlite_utils.Database, owner: Owner, row_id: int) -> None:
    if not db.execute(f"select 1 from {owner}s where id = ?", [row_id]).fetchone():
        raise NotFound(f"no {owner} {row_id} in the archive")


def _link(db: sqlite_utils.Database, message_id: int, ref: Ref) -> None:
    db.execute("insert or ignore into message_refs values (?, ?, ?)", [message_id, *_pair(ref)])


def _pair(ref: Ref) -> tuple[str, str]:
    return ref.type, ref.value


def _tag(db: sqlite_utils.Database, owner: Owner, row_id: int, name: str) -> bool:
    name = name.strip()
    if not name:
        raise FilterError("a tag needs a name")
    _refuse_unstorable({"tag": name})
    db.execute("insert or ignore into tags (name) values (?)", [name])
    cursor = db.execute(
        f"insert or ignore into {owner}_tags select ?, id from tags where name = ? collate nocase",
        [row_id, name],
    )
    return cursor.rowcount > 0


def _untag(db: sqlite_utils.Database, owner: Owner, row_id: int, name: str) -> bool:
    cursor = db.execute(
        f"delete from {owner}_tags where {owner}_id = ?"
        " and tag_id = (select id from tags where name = ? collate nocase)",
        [row_id, name.strip()],
    )
    _drop_unused_tags(db)
    return cursor.rowcount > 0


def _drop_unused_tags(db: sqlite_utils.Database) -> None:
    db.execute(
        "delete from tags where id not in (select tag_id from conversation_tags)"
        " and id not in (select tag_id from message_tags)"
    )


def _refuse_unstorable(values: dict[str, object]) -> None:
    """SQLite holds UTF-8 and 64-bit integers; say which value is neither."""
    for name, value in values.items():
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise FilterError(f"{name}: holds half of a surrogate pair; repair it") from None
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise FilterError(f"{name}: {value} does not fit into 64 bits")
