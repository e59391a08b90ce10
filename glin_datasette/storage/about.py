"""What the archive holds about a file, a commit or a tag: the pages that are named after one.

Which references a name means is what the filters ``file`` and ``commit`` say. Everything
starts from an index over references, never from the messages, and of those that are not
shown no text is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import sqlite_utils

from ..models import (
    About,
    CommitSeen,
    FileSeen,
    Made,
    Mention,
    Message,
    Tagged,
    Touch,
)
from ..queries import load
from ..queries.filters import PREDICATES, REFERENCES
from ..queries.functions import register_functions
from ..queries.references import MEANT
from .connection import database_path, sqlite_errors, timed
from .query import conversations_by_id, messages_by_id

__all__ = [
    "about_commit",
    "about_file",
    "discussed_files",
    "files_beside",
    "files_meant",
    "newest_commits",
    "origin_of",
    "tagged",
]

Order = Literal["oldest", "newest"]

#: Conversations that are looked at for what else they touched.
_COMPANY = 100
#: Messages that are looked at for the one in which git says that it made a commit.
_CANDIDATES = 50
#: Messages of a conversation that a tag's page shows.
_SHOWN = 5

_MESSAGE = " cross join messages as m indexed by idx_messages_narrow on m.id = r.message_id"
_JOINED = f"{_MESSAGE} cross join conversations as c on c.id = m.conversation_id"


def about_file(
    db: sqlite_utils.Database,
    file: str,
    *,
    repo: str = "",
    order: Order = "oldest",
    limit: int = 50,
    offset: int = 0,
) -> About:
    """The messages that touched a file, in order of time.

    :param file: its path, a folder above it, or the end of its path, as ``file:`` takes it
    :param repo: only in this repository, as ``repo:`` takes it; empty: in any
    """
    return _about(db, "file", file, repo, order, limit, offset)


def about_commit(
    db: sqlite_utils.Database,
    commit: str,
    *,
    order: Order = "oldest",
    limit: int = 50,
    offset: int = 0,
) -> About:
    """The messages that made or mention a commit, in order of time.

    :param commit: its hash, or the first 4 or more digits of it
    """
    return _about(db, "commit", commit, "", order, limit, offset)


def _about(
    db: sqlite_utils.Database,
    ref_type: str,
    value: str,
    repo: str,
    order: Order,
    limit: int,
    offset: int,
) -> About:
    referring, params = _meant(ref_type, value, repo)
    turn = "desc" if order == "newest" else "asc"
    with timed(f"about_{ref_type}") as facts, sqlite_errors(database_path(db)):
        messages, conversations, first_ts, last_ts, ids = db.execute(
            "with seen as materialized (select distinct m.id, m.conversation_id, m.ts,"
            # A message without a time is as old as its conversation.
            f" coalesce(m.ts, c.started_at, '') as moment {referring})"
            " select count(*), count(distinct conversation_id), min(ts), max(ts), ("
            "  select json_group_array(id) from (select id from seen"
            f"  order by moment {turn}, conversation_id {turn}, id {turn}"
            "  limit :limit offset :offset)) from seen",
            {**params, "limit": limit, "offset": offset},
        ).fetchone()
        facts["rows"] = messages
        return About(
            messages=messages,
            conversations=conversations,
            first_ts=first_ts,
            last_ts=last_ts,
            mentions=tuple(_mentions(db, ref_type, params, json.loads(ids))),
        )


def files_meant(
    db: sqlite_utils.Database, file: str, *, repo: str = "", limit: int = 50
) -> list[FileSeen]:
    """The files that a path stands for, in each repository, the most discussed first."""
    referring, params = _meant("file", file, repo)
    with timed("files_meant"), sqlite_errors(database_path(db)):
        return _files(
            db,
            "select r.ref_value, c.repo_root, count(*) as n, count(distinct m.conversation_id),"
            f" min(m.ts), max(m.ts) {referring} group by r.ref_value, c.repo_root"
            " order by n desc, r.ref_value, c.repo_root limit :limit",
            {**params, "limit": limit},
        )


def files_beside(
    db: sqlite_utils.Database, file: str, *, repo: str = "", limit: int = 10
) -> list[FileSeen]:
    """Other files that the conversations about a file touched, those in most of them first.

    Looks at the newest 100 of these conversations.
    """
    referring, params = _meant("file", file, repo)
    same = REFERENCES["file"].format(value=":value")
    with timed("files_beside"), sqlite_errors(database_path(db)):
        return _files(
            db,
            f"with own as (select m.conversation_id as id {referring}"
            " group by m.conversation_id order by max(m.ts) desc limit :company)"
            " select r.ref_value, c.repo_root, count(*), count(distinct c.id) as n,"
            " min(m.ts), max(m.ts)"
            " from own cross join conversations as c on c.id = own.id"
            " cross join messages as m on m.conversation_id = c.id"
            " cross join message_refs as r on r.message_id = m.id and r.ref_type = 'file'"
            f" where not {same} group by r.ref_value, c.repo_root"
            " order by n desc, count(*) desc, r.ref_value limit :limit",
            {**params, "company": _COMPANY, "limit": limit},
        )


def discussed_files(
    db: sqlite_utils.Database,
    *,
    repo: str = "",
    name: str = "",
    limit: int = 50,
    offset: int = 0,
) -> list[FileSeen]:
    """The files that the most messages are about.

    :param repo: only in this repository, as ``repo:`` takes it
    :param name: only those that have this in their path, without regard to case
    """
    with timed("discussed_files"), sqlite_errors(database_path(db)):
        register_functions(db.conn)
        rows = db.execute(
            load("discussed_files").sql,
            {"repo": repo, "name": name, "size": limit, "skip": offset},
        )
        names = [column[0] for column in rows.description]
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return [
            FileSeen(
                path=row["file"],
                repo_root=row["repo_root"],
                messages=row["messages"],
                conversations=row["conversations"],
                first_ts=row["oldest"],
                last_ts=row["newest"],
            )
            for row in found
        ]


def newest_commits(
    db: sqlite_utils.Database,
    *,
    commit: str = "",
    repo: str = "",
    limit: int = 50,
    offset: int = 0,
) -> list[CommitSeen]:
    """The commits that were named last. Forms of a hash that begin with the same 7 digits
    are one commit.

    :param commit: only those that this means, as ``commit:`` takes it
    :param repo: only of this repository, as ``repo:`` takes it
    """
    where = f"and {REFERENCES['commit'].format(value=':value')}" if commit else ""
    where += f" and {PREDICATES['repo'].format(value=':repo')}" if repo else ""
    with timed("newest_commits"), sqlite_errors(database_path(db)):
        rows = db.execute(
            "with newest as materialized (select substr(r.ref_value, 1, 7) as digits,"
            f" max(m.ts) as ts from message_refs as r {_MESSAGE}"
            f" where r.ref_type = 'commit' {where}"
            " group by digits order by ts desc, digits limit :limit offset :offset)"
            " select max(r.ref_value) as hash, count(distinct m.id),"
            " count(distinct m.conversation_id), min(m.ts), max(m.ts)"
            " from newest cross join message_refs as r on r.ref_type = 'commit'"
            f" and r.ref_value >= newest.digits and r.ref_value < newest.digits || 'g' {_MESSAGE}"
            f" where 1 {where} group by newest.digits order by newest.ts desc, hash",
            {
                "value": commit.strip(),
                "repo": repo.strip(),
                "limit": limit,
                "offset": offset,
            },
        ).fetchall()
        seen = []
        for digits, messages, conversations, first_ts, last_ts in rows:
            made = origin_of(db, digits)
            if made is None:
                continue
            conversation = made.mention.conversation
            seen.append(
                CommitSeen(
                    commit=digits,
                    messages=messages,
                    conversations=conversations,
                    first_ts=first_ts,
                    last_ts=last_ts,
                    conversation_id=conversation.id or 0,
                    message_id=made.mention.message.id or 0,
                    title=conversation.title,
                    source=conversation.source,
                    repo_root=conversation.repo_root,
                    subject=made.subject,
                )
            )
        return seen


def origin_of(db: sqlite_utils.Database, commit: str) -> Made | None:
    """The message that made a commit, as far as the archive knows.

    :returns: ``None`` if nothing names the commit
    """
    referring, params = _meant("commit", commit, "")
    with sqlite_errors(database_path(db)):
        found = db.execute(
            # The kind of the oldest few is all that is read of them.
            f"select distinct m.id, m.kind, coalesce(m.ts, c.started_at, '') as moment {referring}"
            " order by moment, m.conversation_id, m.id",
            params,
        ).fetchall()
        if not found:
            return None
        results = [row[0] for row in found if row[1] == "tool_result"]
        first, *mentions = _mentions(db, "commit", params, [found[0][0], *results[:_CANDIDATES]])
    for mention in mentions:
        if mention.how == "made" and (subject := _subject(mention)) is not None:
            return Made(mention=mention, subject=subject or None, certain=True)
    return Made(mention=first, subject=None, certain=False)


def tagged(
    db: sqlite_utils.Database, tag: str, *, limit: int = 30, offset: int = 0
) -> tuple[int, list[Tagged]]:
    """The conversations that have a tag or hold messages that do, newest first.

    :returns: how many there are, and those from ``offset`` on
    """
    with timed("tagged"), sqlite_errors(database_path(db)):
        rows = db.execute(
            _TAGGED, {"tag": tag, "limit": limit, "offset": offset, "shown": _SHOWN}
        ).fetchall()
        conversations = conversations_by_id(db, [row[0] for row in rows if row[0] is not None])
        return rows[0][1], [
            Tagged(
                conversation=conversations[row_id],
                whole=bool(whole),
                total=messages,
                messages=tuple(messages_by_id(db, json.loads(shown))),
            )
            for row_id, _, whole, messages, shown in rows
            if row_id is not None
        ]


#: Conversations that have a tag themselves or in messages, the newest of these messages, and
#: how many conversations there are in all: also where the page asked for is behind the last.
_TAGGED = """
with tagged as materialized (
  select ct.conversation_id, null as message_id, null as ts
  from tags as t cross join conversation_tags as ct on ct.tag_id = t.id
  where t.name = :tag collate nocase
  union all
  select m.conversation_id, m.id, m.ts
  from tags as t
    cross join message_tags as mt on mt.tag_id = t.id
    cross join messages as m indexed by idx_messages_narrow on m.id = mt.message_id
  where t.name = :tag collate nocase
),
counted as materialized (
  select conversation_id, max(message_id is null) as whole, count(message_id) as messages
  from tagged group by conversation_id
),
page as materialized (
  select counted.*, c.ended_at
  from counted cross join conversations as c on c.id = counted.conversation_id
  order by c.ended_at desc, c.id desc limit :limit offset :offset
),
shown as materialized (
  select conversation_id, json_group_array(message_id) as ids
  from (
    select conversation_id, message_id,
      row_number() over (partition by conversation_id order by ts desc, message_id desc) as place
    from tagged
    where message_id is not null and conversation_id in (select conversation_id from page)
    order by conversation_id, place
  )
  where place <= :shown group by conversation_id
)
select page.conversation_id, total.n, page.whole, page.messages, coalesce(shown.ids, '[]')
from (select count(*) as n from counted) as total
  left join page
  left join shown on shown.conversation_id = page.conversation_id
order by page.ended_at desc, page.conversation_id desc
"""


def _meant(ref_type: str, value: str, repo: str) -> tuple[str, dict[str, Any]]:
    """References ``r`` that ``value`` means, with their messages ``m`` and conversations
    ``c``: a statement from its ``from`` on, and its parameters."""
    referring = f" from ({MEANT[ref_type].format(value=':value')}) as r {_JOINED} where 1"
    params = {"value": value.strip()}
    if repo:
        referring += f" and {PREDICATES['repo'].format(value=':repo')}"
        params["repo"] = repo.strip()
    return referring, params


def _mentions(
    db: sqlite_utils.Database, ref_type: str, params: dict[str, Any], ids: list[int]
) -> list[Mention]:
    """The messages with these ids, in the same order."""
    meant = REFERENCES[ref_type].format(value=":value")
    values: dict[int, tuple[str, ...]] = {}
    for message_id, value in db.execute(
        "select message_id, ref_value from json_each(:ids) as wanted"
        " cross join message_refs as r on r.message_id = wanted.value and r.ref_type = :type"
        f" where {meant} order by ref_value",
        {**params, "type": ref_type, "ids": json.dumps(ids)},
    ):
        values[message_id] = (*values.get(message_id, ()), value)
    messages = messages_by_id(db, ids)
    conversations = conversations_by_id(db, {m.conversation_id or 0 for m in messages})
    return [
        Mention(
            message=message,
            conversation=conversations[message.conversation_id or 0],
            values=values[message.id or 0],
            how=_how(message, ref_type, values[message.id or 0]),
        )
        for message in messages
    ]


def _files(db: sqlite_utils.Database, sql: str, params: dict[str, Any]) -> list[FileSeen]:
    return [
        FileSeen(
            path=path,
            repo_root=repo_root,
            messages=messages,
            conversations=conversations,
            first_ts=first_ts,
            last_ts=last_ts,
        )
        for path, repo_root, messages, conversations, first_ts, last_ts in db.execute(sql, params)
    ]


# --- what a message did to it ----------------------------------------------------------

#: Parts of a tool's name that tell what it does to a file; editing goes first, since
#: "str_replace_based_edit_tool" and "create_file" are names of one word each.
_EDITS = frozenset(
    {"append", "apply", "create", "delete", "edit", "insert", "move", "multiedit", "notebookedit"}
    | {"patch", "remove", "rename", "replace", "update", "write"}
)
_READS = frozenset({"cat", "fetch", "get", "notebookread", "open", "read", "show", "view"})
_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")

#: What git says when it has made a commit: ``[main 0123abc] Fix the parser``.
_COMMITTED = re.compile(r"^\[[^\]\n]{1,200}? ([0-9a-f]{7,40})\] (.*)$", re.MULTILINE)
#: As far as importers look for references in the output of a command.
_SCAN = 256 * 1024


def _how(message: Message, ref_type: str, values: tuple[str, ...]) -> Touch:
    if ref_type == "commit":
        made = any(_same(commit, value) for commit, _ in _made(message) for value in values)
        return "made" if made else "mentioned"
    if message.kind not in ("tool_call", "tool_result") or not message.tool_name:
        return "mentioned"
    parts = {part.lower() for part in _NAME_PART.findall(message.tool_name.rpartition("__")[2])}
    if parts & _EDITS:
        return "edited"
    return "read" if parts & _READS else "mentioned"


def _made(message: Message) -> Iterator[tuple[str, str]]:
    """The commits that a message says were made, with the first lines of their messages."""
    if message.kind == "tool_result":
        for found in _COMMITTED.finditer(message.content[:_SCAN]):
            yield found[1], found[2].strip()


def _subject(mention: Mention) -> str | None:
    return next(
        (
            subject
            for commit, subject in _made(mention.message)
            if any(_same(commit, value) for value in mention.values)
        ),
        None,
    )


def _same(one: str, other: str) -> bool:
    """Whether two hashes, one of which may be shortened, are of one commit."""
    return one.startswith(other) or other.startswith(one)
