"""Reading conversations and messages back, filtered, as dataclasses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import fields
from typing import Any

import sqlite_utils

from ..errors import NotFound
from ..models import Conversation, Filters, Message, Ref, Stats, TagCount
from ..queries import filters as sql_filters
from ..queries.functions import register_functions
from ..queries.text import match, rest
from .attachments import attachments_of
from .connection import database_path, sqlite_errors, timed
from .schema import search_available

_CONVERSATION_COLUMNS = tuple(f.name for f in fields(Conversation) if f.name != "tags")
_MESSAGE_COLUMNS = tuple(
    f.name for f in fields(Message) if f.name not in ("sort_ts", "refs", "tags", "attachments")
)

#: What one message in so many is, most conversations hold.
_FREQUENT = 50
#: Messages read at a time by :func:`iter_messages`.
_PAGE = 200


def query_conversations(
    db: sqlite_utils.Database,
    filters: Filters | None = None,
    *,
    limit: int | None = 50,
    offset: int = 0,
) -> list[Conversation]:
    """Conversations that hold at least one message that ``filters`` let through, the one
    with the newest message first. Without filters also those that hold none.

    :param limit: at most so many; ``None``: all
    """
    with timed("query_conversations") as facts, sqlite_errors(database_path(db)):
        where, params = _conversations_where(db, filters)
        found = _conversations(
            db,
            f"{where} order by c.ended_at desc, c.id desc limit :limit offset :offset",
            {**params, "limit": -1 if limit is None else limit, "offset": offset},
        )
        facts["rows"] = len(found)
        return found


def count_conversations(db: sqlite_utils.Database, filters: Filters | None = None) -> int:
    """How many conversations :func:`query_conversations` finds in all."""
    with timed("count_conversations"), sqlite_errors(database_path(db)):
        where, params = _conversations_where(db, filters)
        sql = f"select count(*) from conversations as c {where}"
        return int(db.execute(sql, params).fetchone()[0])


def message_counts(db: sqlite_utils.Database, ids: Collection[int]) -> dict[int, int]:
    """How many messages each of some conversations holds."""
    sql = (
        "select conversation_id, sum(messages) from activity"
        f" where conversation_id in ({_literals(ids)}) group by conversation_id"
    )
    with sqlite_errors(database_path(db)):
        return dict.fromkeys(ids, 0) | dict(db.execute(sql).fetchall())


def get_conversation(db: sqlite_utils.Database, conversation_id: int) -> Conversation:
    """One conversation.

    :raises NotFound: if there is none with this id
    """
    with sqlite_errors(database_path(db)):
        found = _conversations(db, "where c.id = :id", {"id": conversation_id})
    if not found:
        raise NotFound(
            f"no conversation {conversation_id}; 'glin-datasette list' shows which there are"
        )
    return found[0]


def find_conversation(db: sqlite_utils.Database, wanted: str) -> Conversation:
    """The conversation with the id, the ``source_id``, or the beginning of the
    ``source_id`` that ``wanted`` is.

    :raises NotFound: if there is none, or if several begin like that
    """
    with sqlite_errors(database_path(db)):
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
            found = db.execute("select id from conversations where id = ?", [wanted]).fetchall()
            if found:
                return get_conversation(db, found[0][0])
        found = (
            db.execute("select id from conversations where source_id = ?", [wanted]).fetchall()
            or db.execute(
                "select id from conversations where ? <> '' and substr(source_id, 1, ?) = ?"
                " order by length(source_id) limit 3",
                [wanted, len(wanted), wanted],
            ).fetchall()
        )
    if not found:
        raise NotFound(f"no conversation {wanted!r}; 'glin-datasette list' shows which there are")
    if len(found) > 1:
        raise NotFound(
            f"several conversations begin with {wanted!r} (ids "
            f"{', '.join(str(row[0]) for row in found)}, …); give more of it"
        )
    return get_conversation(db, found[0][0])


def query_messages(
    db: sqlite_utils.Database,
    filters: Filters | None = None,
    *,
    limit: int | None = 50,
    offset: int = 0,
) -> list[Message]:
    """Messages that ``filters`` let through, newest first, with references and tags.

    :param limit: at most so many; ``None``: all
    """
    with timed("query_messages") as facts, sqlite_errors(database_path(db)):
        where, params = _where(db, filters)
        found = messages_where(
            db,
            f"where 1 {where} order by m.ts desc, m.id desc limit :limit offset :offset",
            {**params, "limit": -1 if limit is None else limit, "offset": offset},
        )
        facts["rows"] = len(found)
        return found


def message_ids(db: sqlite_utils.Database, filters: Filters, *, limit: int) -> list[int]:
    """The ids of the messages that ``filters`` let through, in the order in which they
    stand in their conversations.

    :param limit: at most so many
    """
    with timed("message_ids"), sqlite_errors(database_path(db)):
        where, params = _where(db, filters)
        rows = db.execute(
            f"select m.id from messages as m where 1 {where}"
            " order by m.conversation_id, m.position, m.id limit :limit",
            {**params, "limit": limit},
        )
        return [int(row[0]) for row in rows]


def iter_messages(db: sqlite_utils.Database, conversation_id: int) -> Iterator[Message]:
    """All messages of a conversation in its order, with references and tags. Holds a
    bounded number of them in memory."""
    with sqlite_errors(database_path(db)):
        last = (-1, -1)
        while page := messages_where(
            db,
            "where m.conversation_id = :conversation and (m.position, m.id) > (:position, :id)"
            f" order by m.position, m.id limit {_PAGE}",
            {"conversation": conversation_id, "position": last[0], "id": last[1]},
        ):
            yield from page
            last = (page[-1].position or 0, page[-1].id or 0)


def messages_by_id(db: sqlite_utils.Database, ids: Sequence[int]) -> list[Message]:
    """The messages with these ids, in the same order. Leaves out those that are gone."""
    found = {m.id: m for m in messages_where(db, f"where m.id in ({_literals(ids)})", {})}
    return [found[row_id] for row_id in ids if row_id in found]


def conversations_by_id(db: sqlite_utils.Database, ids: Collection[int]) -> dict[int, Conversation]:
    """The conversations with these ids, by their ids."""
    return {c.id or 0: c for c in _conversations(db, f"where c.id in ({_literals(ids)})", {})}


def count_messages(db: sqlite_utils.Database, conversation_id: int) -> int:
    """How many messages a conversation holds."""
    return message_counts(db, [conversation_id])[conversation_id]


def first_and_last(db: sqlite_utils.Database) -> tuple[str | None, str | None]:
    """The times of the oldest and of the newest message."""
    # Apart, since an index gives either at once, but not both.
    sql = "select (select min(ts) from messages), (select max(ts) from messages)"
    first_ts, last_ts = db.execute(sql).fetchone()
    return first_ts, last_ts


def count_all(db: sqlite_utils.Database) -> int:
    """How many messages the archive holds."""
    return int(db.execute("select coalesce(sum(messages), 0) from usage").fetchone()[0])


def children_of(db: sqlite_utils.Database, conversation_id: int) -> list[Conversation]:
    """The subagent runs, forks and branches of a conversation, in order of time."""
    rest = "where c.parent_id = :parent order by c.started_at, c.id"
    return _conversations(db, rest, {"parent": conversation_id})


def list_tags(db: sqlite_utils.Database) -> list[TagCount]:
    """All tags with how often they are used, in alphabetical order."""
    with timed("list_tags"), sqlite_errors(database_path(db)):
        return [
            TagCount(name=name, conversations=conversations, messages=messages)
            for name, conversations, messages in db.execute(
                "select name,"
                " (select count(*) from conversation_tags as ct where ct.tag_id = tags.id),"
                " (select count(*) from message_tags as mt where mt.tag_id = tags.id)"
                " from tags order by name collate nocase"
            )
        ]


def stats(db: sqlite_utils.Database) -> Stats:
    """Totals of the archive, and its messages by source, role, kind, model and month."""
    with timed("stats"), sqlite_errors(database_path(db)):
        tokens = db.execute(
            "select coalesce(sum(token_in), 0), coalesce(sum(token_out), 0),"
            " coalesce(sum(token_cached), 0) from usage"
        ).fetchone()
        first_ts, last_ts = first_and_last(db)

        def by(name: str, counts: str = "usage") -> dict[str, int]:
            return dict(
                db.execute(
                    f"select {name} as name, sum(messages) as n from {counts}"
                    f" where {name} <> '' group by name order by n desc, name"
                ).fetchall()
            )

        return Stats(
            conversations=db.table("conversations").count,
            messages=count_all(db),
            refs=db.table("message_refs").count,
            tags=db.table("tags").count,
            token_in=tokens[0],
            token_out=tokens[1],
            token_cached=tokens[2],
            first_ts=first_ts,
            last_ts=last_ts,
            by_source=by(
                "c.source",
                # From the conversations, which the index has in the order of their sources.
                "conversations as c cross join activity as a on a.conversation_id = c.id",
            ),
            by_role=by("role"),
            by_kind=by("kind"),
            by_model=by("model"),
            by_month=dict(sorted(by("month").items(), reverse=True)),
        )


def _conversations_where(
    db: sqlite_utils.Database, filters: Filters | None
) -> tuple[str, dict[str, object]]:
    where, params = _where(db, filters)
    if filters is None or not where:
        return "", params
    return f"where {_holds(db, filters, where)}", params


#: Filters that every message of a conversation passes, or none.
_OF_CONVERSATIONS = frozenset({"source", "repo", "conversation"})
#: Filters that begin with a list of messages or conversations, out of an index.
_LISTED = frozenset({"tag", "file", "commit"})


def _holds(db: sqlite_utils.Database, filters: Filters, where: str) -> str:
    """That a conversation ``c`` holds a message that passes ``where``: to be asked of one
    after the other, or of a list of messages, whichever there are fewer of."""
    said = _said(filters)
    if said | _said(filters.exclude) <= _OF_CONVERSATIONS:
        first = "select m.conversation_id from messages as m where m.conversation_id = c.id limit 1"
        return f"exists (select 1 from ({first}) as m where 1 {where})"
    if said == {"tag"} and len(filters.tag) == 1 and filters.exclude is None:
        tagged, messages = (
            ids["tag"].format(value=":tag_0")
            for ids in (sql_filters.CONVERSATIONS, sql_filters.MESSAGES)
        )
        return (
            "exists (select 1 from activity as a where a.conversation_id = c.id)"
            f" and (c.id in ({tagged}) or c.id in (select m.conversation_id"
            f" from ({messages}) as tagged"
            " cross join messages as m indexed by idx_messages_narrow on m.id = tagged.id))"
        )
    if said & _LISTED and not filters.text:
        # Here the lists are to be gone through, where a search looks its hits up in them.
        where = where.replace("+m.", "m.")
    elif not filters.text and _frequent(db, filters):
        return (
            "exists (select 1 from activity as a where a.conversation_id = c.id"
            f"{_hours(filters)}) and exists (select 1 from messages as m"
            f" where m.conversation_id = c.id {where})"
        )
    return f"c.id in (select m.conversation_id from messages as m where 1 {where})"


def _said(filters: Filters | None) -> set[str]:
    """The names of the filters that say something."""
    return {f.name for f in fields(filters) if getattr(filters, f.name)} if filters else set()


def _hours(filters: Filters) -> str:
    """What is true of the quarters of an hour in which there are messages that pass."""
    since = " and a.quarter >= substr(:since_0, 1, 13)" if filters.since else ""
    return since + (" and a.quarter <= substr(:until_0, 1, 13) || '~'" if filters.until else "")


def _frequent(db: sqlite_utils.Database, filters: Filters) -> bool:
    """Whether so many messages have the role, kind and model that some conversations have to
    be asked, and not all."""
    params: dict[str, object] = {}
    where = ""
    for name in ("role", "kind", "model"):
        for i, value in enumerate(getattr(filters, name)):
            params[f"{name}_{i}"] = value
        names = ", ".join(f"lower(:{each})" if name != "model" else f":{each}" for each in params
                          if each.startswith(name))  # fmt: skip
        where += f" and {name} in ({names})" if names else ""
    sql = f"select coalesce(sum(messages), 0) from usage where 1 {where}"
    return int(db.execute(sql, params).fetchone()[0]) * _FREQUENT >= count_all(db)


def _where(db: sqlite_utils.Database, filters: Filters | None) -> tuple[str, dict[str, object]]:
    if filters is None:
        return "", {}
    where, params = sql_filters.where(filters)
    if filters.text:
        return where + _text_where(db, filters.text), {**params, "text": filters.text}
    return where, params


def _text_where(db: sqlite_utils.Database, text: str) -> str:
    register_functions(db.conn)
    if not search_available(db):
        return " and glin_contains(:text, m.content)"
    indexed = (
        " and m.id in (select rowid from messages_fts where messages_fts match glin_match(:text))"
    )
    scanned = " and glin_contains(glin_rest(:text), m.content)"
    return (indexed if match(text) else "") + (scanned if rest(text) else "")


def messages_where(
    db: sqlite_utils.Database, rest: str, params: dict[str, object]
) -> list[Message]:
    """The messages ``m`` that the rest of a statement, from its ``where`` on, selects, each
    with its references, tags and attachments. For the functions of this package."""
    columns = ", ".join(f"m.{name}" for name in _MESSAGE_COLUMNS)
    rows = db.execute(f"select {columns} from messages as m {rest}", params).fetchall()
    if not rows:
        return []
    ids = [row[_MESSAGE_COLUMNS.index("id")] for row in rows]
    tags = _tags(db, "message", ids)
    attachments = attachments_of(db, ids)
    refs: dict[int, list[Ref]] = {}
    for message_id, ref_type, ref_value in db.execute(
        "select message_id, ref_type, ref_value from message_refs"
        f" where message_id in ({_literals(ids)}) order by ref_type, ref_value"
    ):
        refs.setdefault(message_id, []).append(Ref(ref_type, ref_value))
    messages = []
    for row in rows:
        values: dict[str, Any] = dict(zip(_MESSAGE_COLUMNS, row, strict=True))
        values["is_error"] = bool(values["is_error"])
        messages.append(
            Message(
                **values,
                refs=tuple(refs.get(values["id"], ())),
                tags=tags.get(values["id"], ()),
                attachments=attachments.get(values["id"], ()),
            )
        )
    return messages


def _conversations(
    db: sqlite_utils.Database, rest: str, params: dict[str, object]
) -> list[Conversation]:
    columns = ", ".join(f"c.{name}" for name in _CONVERSATION_COLUMNS)
    rows = db.execute(f"select {columns} from conversations as c {rest}", params).fetchall()
    tags = _tags(db, "conversation", [row[_CONVERSATION_COLUMNS.index("id")] for row in rows])
    conversations = []
    for row in rows:
        values: dict[str, Any] = dict(zip(_CONVERSATION_COLUMNS, row, strict=True))
        conversations.append(Conversation(**values, tags=tags.get(values["id"], ())))
    return conversations


def _tags(db: sqlite_utils.Database, owner: str, ids: list[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    for row_id, name in db.execute(
        f"select j.{owner}_id, t.name from {owner}_tags as j join tags as t on t.id = j.tag_id"
        f" where j.{owner}_id in ({_literals(ids)}) order by t.name collate nocase"
    ):
        found[row_id] = (*found.get(row_id, ()), name)
    return found


def _literals(ids: Collection[int]) -> str:
    return ", ".join(str(int(row_id)) for row_id in ids)
