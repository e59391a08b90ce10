"""Writing single conversations, messages, references and tags.

Every function takes a :class:`sqlite_utils.Database`, is one transaction (a savepoint
inside a running one) and may be called twice with the same values without changing
anything. Whole transcripts go through :mod:`.load`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import fields, replace
from typing import Literal, get_args

import sqlite_utils

from ..dates import normalise_time, utc_now
from ..errors import FilterError, NotFound
from ..models import KINDS, ROLES, TITLE_RANK, Conversation, Message, Ref, RefType
from ..queries.parts import parts_of
from ..queries.text import MARK_END, MARK_START
from .attachments import attach, drop_unused
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

_message_values = operator.attrgetter(*MESSAGE_COLUMNS)

_INSERT_MESSAGE = (
    f"insert into messages (conversation_id, position, {', '.join(MESSAGE_COLUMNS)}, parts)"
    f" values (?, ?, {', '.join('?' * len(MESSAGE_COLUMNS))}, ?)"
)

#: What an update of ``content`` makes of ``parts``; :func:`fill_parts` goes after it. Set
#: together with a new text, parts that are the same as before are taken for outdated ones.
KEPT_PARTS = "iif(content is :content, parts, null)"

_RESERVED = ("\x00", MARK_START, MARK_END)
_RESERVED_ANY = re.compile(f"[{''.join(_RESERVED)}]")
_COMMIT = re.compile(r"[0-9a-f]{7,40}")

Owner = Literal["conversation", "message"]


def insert_conversation(db: sqlite_utils.Database, conversation: Conversation) -> int:
    """Store a conversation, or add what is new to the one that is there.

    Found again by (``source``, ``source_id``). Fields that are ``None`` leave what is
    stored; ``started_at`` only moves back and ``ended_at`` forward; a title is replaced
    by one that ranks at least as high (see :data:`~glin_datasette.models.TITLE_RANK`).
    Tags are added. Notes that there are stay: :func:`set_notes` replaces them.

    :returns: the ``id`` of its row
    """
    with transaction(db):
        row_id = store_conversation(db, conversation)
        link_parents(db)
    return row_id


def store_conversation(db: sqlite_utils.Database, conversation: Conversation) -> int:
    """:func:`insert_conversation` for one of many: their parents are linked at the end."""
    values = {name: getattr(conversation, name) for name in CONVERSATION_COLUMNS}
    for name in ("started_at", "ended_at"):
        values[name] = _time(name, values[name])
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
            _forget_deletion(db, conversation)
        else:
            row_id, title_from, title = found
            facts["rows"] = _update_conversation(db, row_id, values, title_from, title)
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
        # Somebody's own words: only set_notes() replaces them.
        "notes": "coalesce(notes, :notes)",
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
    """Store a message at the end of its conversation, with its references, tags and
    attachments (those that bring their bytes).

    A message whose ``source_id`` is already in the conversation is updated in its place.
    The conversation's ``started_at``, ``ended_at`` and ``model`` follow.

    :returns: the ``id`` of its row
    :raises NotFound: if there is no such conversation
    :raises FilterError: if role or kind is none that there is, ``ts`` is no time, or a
        reference is none; a time without a zone is taken for UTC
    """
    if message.role not in ROLES or message.kind not in KINDS:
        raise FilterError(
            f"a message cannot have role {message.role!r} and kind {message.kind!r}; "
            f"roles are {', '.join(ROLES)} and kinds {', '.join(KINDS)}"
        )
    message = replace(
        message,
        ts=_time("ts", message.ts),
        refs=tuple(_checked(ref) for ref in message.refs),
    )
    values = message_values(message)
    _refuse_unstorable(dict(zip(MESSAGE_COLUMNS, values, strict=True)))
    with timed("insert_message") as facts, transaction(db):
        _require(db, "conversation", conversation_id)
        row_id = find_message(db, conversation_id, message.source_id)
        if row_id is None:
            facts["rows"] = 1
            position = next_position(db, conversation_id)
            parts = parts_of(message.content)
            cursor = db.execute(_INSERT_MESSAGE, [conversation_id, position, *values, parts])
            row_id = int(cursor.lastrowid or 0)
        else:
            facts["rows"] = update_message(db, row_id, message)
        for ref in message.refs:
            _link(db, row_id, ref)
        for tag in message.tags:
            _tag(db, "message", row_id, tag)
        for attachment in message.attachments:
            attach(db, row_id, attachment)
        follow_message(db, conversation_id, message.ts, message.ts, message.model)
    return row_id


def message_values(message: Message) -> list[object]:
    """The values of :data:`MESSAGE_COLUMNS` for a row. Of the content, the characters
    that mark snippets, and NUL, which ends a text for SQLite's functions, become U+FFFD."""
    if any(map(message.content.__contains__, _RESERVED)):
        message = replace(message, content=_RESERVED_ANY.sub("\ufffd", message.content))
    return list(_message_values(message))


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
        f"update messages set {', '.join(f'{name} = {value}' for name, value in new.items())},"
        f" parts = {KEPT_PARTS} where id = :id"
        f" and ({' or '.join(f'{name} is not {value}' for name, value in new.items())})",
        {**dict(zip(MESSAGE_COLUMNS, message_values(message), strict=True)), "id": message_id},
    )
    if cursor.rowcount:
        fill_parts(db, message_id, message.content)
    return cursor.rowcount


def fill_parts(db: sqlite_utils.Database, message_id: int, content: str) -> None:
    """Give a message its ``parts`` where an update has left it without."""
    sql = "update messages set parts = ? where id = ? and parts is null"
    db.execute(sql, [parts_of(content), message_id])


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
    :raises FilterError: if the type is none that there is, the value is empty, or a commit
        is no hash of 7 to 40 digits
    """
    ref = _checked(Ref(ref_type, ref_value))
    with timed("link_message_ref"), transaction(db):
        _require(db, "message", message_id)
        _link(db, message_id, ref)


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
    subagent runs, forks and branches that belong to it.

    They stay deleted when their transcripts are imported again, until they are inserted
    by name, come with an export, or are imported with ``deleted=True``.

    :returns: how many conversations went, children included
    :raises NotFound: if there is no such conversation
    """
    with timed("delete_conversation") as facts, transaction(db):
        _require(db, "conversation", conversation_id)
        _remember_deletion(db, conversation_id)
        before = db.table("conversations").count
        db.execute("delete from conversations where id = ?", [conversation_id])
        gone = before - db.table("conversations").count
        _drop_unused_tags(db)
        drop_unused(db)
        facts["rows"] = gone
    return gone


def _remember_deletion(db: sqlite_utils.Database, conversation_id: int) -> None:
    db.execute(
        "with recursive family(id) as (select ? union"
        " select c.id from conversations as c join family as f on c.parent_id = f.id)"
        " insert or ignore into deleted_conversations"
        " select source, source_id, ? from conversations where id in (select id from family)",
        [conversation_id, utc_now()],
    )


def _forget_deletion(db: sqlite_utils.Database, conversation: Conversation) -> None:
    db.execute(
        "delete from deleted_conversations where source = ? and source_id = ?",
        [conversation.source, conversation.source_id],
    )


def was_deleted(db: sqlite_utils.Database, conversation: Conversation) -> bool:
    """Whether somebody deleted this conversation, or the one that it belongs to."""
    sql = "select 1 from deleted_conversations where source = ? and source_id in (?, ?)"
    ids = [conversation.source_id, conversation.parent_source_id]
    return db.execute(sql, [conversation.source, *ids]).fetchone() is not None


def _require(db: sqlite_utils.Database, owner: Owner, row_id: int) -> None:
    if not db.execute(f"select 1 from {owner}s where id = ?", [row_id]).fetchone():
        raise NotFound(f"no {owner} {row_id} in the archive")


def _link(db: sqlite_utils.Database, message_id: int, ref: Ref) -> None:
    db.execute(
        "insert or ignore into message_refs values (?, ?, ?)", [message_id, ref.type, ref.value]
    )


def _checked(ref: Ref) -> Ref:
    """``ref`` as it is stored."""
    if ref.type not in get_args(RefType) or not ref.value:
        raise FilterError(
            f"no reference {ref.type!r} {ref.value!r}; types are {', '.join(get_args(RefType))}"
        )
    if ref.type != "commit":
        return ref
    digits = ref.value.lower()
    if not _COMMIT.fullmatch(digits):
        raise FilterError(f"{ref.value!r} is no commit; give 7 to 40 digits of its hash")
    return Ref("commit", digits)


def _time(name: str, value: str | None) -> str | None:
    """A time as it is stored."""
    if value is None:
        return None
    moment = normalise_time(value)
    if moment is None:
        raise FilterError(f"{name}: {value!r} is no time; write 2026-02-11T05:53:33.335Z")
    return moment


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
