"""``/-/glin/files`` and ``/-/glin/commits``: every message about one, in order of time;
without one, which there are."""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Any

import sqlite_utils
from datasette import Response

from ...models import About, Mention
from ...storage import (
    about_commit,
    about_file,
    discussed_files,
    files_beside,
    files_meant,
    newest_commits,
    origin_of,
)
from ..page import Asked, Payload
from ..shown import last_part
from .lines import conversation_line, message_line, pages_of, steps

#: Entries on a page, and how many may be asked for.
_SIZE, _MOST = 50, 200


async def files(asked: Asked) -> Response:
    """Show the messages about ``?file=``, or the most discussed files."""
    file, repo = asked.argument("file"), asked.argument("repo")
    if not file:
        return await _all_files(asked, repo, asked.argument("name"))
    order, size, skip = _order(asked), _size(asked), _skip(asked)

    def read(db: sqlite_utils.Database) -> Payload:
        about = about_file(db, file, repo=repo, order=order, limit=size, offset=skip)
        return {
            "file": file,
            "repo": repo,
            **_found(about, order, skip, size),
            "paths": [asdict(one) for one in files_meant(db, file, repo=repo)],
            "beside": [asdict(one) for one in files_beside(db, file, repo=repo)],
            # A name that is nowhere may be a part of one.
            "like": [asdict(one) for one in discussed_files(db, name=last_part(file), limit=10)]
            if not about.messages
            else [],
        }

    payload = await asked.read(read)
    return await asked.shown(
        "files",
        payload,
        runs=_runs(payload),
        turned=asked.urls.page("files", file=file, repo=repo, order=_turned(order)),
        **steps(asked, "files", payload, _SIZE, file=file, repo=repo, order=_said(order)),
    )


async def _all_files(asked: Asked, repo: str, name: str) -> Response:
    size, skip = _size(asked), _skip(asked)

    def read(db: sqlite_utils.Database) -> Payload:
        # One more tells whether there is another page: counting all costs as much again.
        found = discussed_files(db, repo=repo, name=name, limit=size + 1, offset=skip)
        return {
            "file": "",
            "repo": repo,
            "name": name,
            "size": size,
            "skip": skip,
            "page": skip // size + 1,
            "more": len(found) > size,
            "files": [asdict(one) for one in found[:size]],
        }

    payload = await asked.read(read)
    around = steps(asked, "files", payload, _SIZE, repo=repo, name=name)
    return await asked.shown("files", payload, **around)


async def commits(asked: Asked) -> Response:
    """Show the messages about ``?commit=``, or the newest commits."""
    commit = asked.argument("commit")
    if not commit:
        return await _all_commits(asked, asked.argument("repo"))
    order, size, skip = _order(asked), _size(asked), _skip(asked)

    def read(db: sqlite_utils.Database) -> Payload:
        about = about_commit(db, commit, order=order, limit=size, offset=skip)
        made = origin_of(db, commit)
        return {
            "commit": commit,
            **_found(about, order, skip, size),
            "made": {
                "certain": made.certain,
                "subject": made.subject,
                **_mention(made.mention),
            }
            if made
            else None,
            "commits": [asdict(one) for one in newest_commits(db, commit=commit, limit=20)],
        }

    payload = await asked.read(read)
    return await asked.shown(
        "commits",
        payload,
        runs=_runs(payload),
        turned=asked.urls.page("commits", commit=commit, order=_turned(order)),
        **steps(asked, "commits", payload, _SIZE, commit=commit, order=_said(order)),
    )


async def _all_commits(asked: Asked, repo: str) -> Response:
    size, skip = _size(asked), _skip(asked)

    def read(db: sqlite_utils.Database) -> Payload:
        found = newest_commits(db, repo=repo, limit=size + 1, offset=skip)
        return {
            "commit": "",
            "repo": repo,
            "size": size,
            "skip": skip,
            "page": skip // size + 1,
            "more": len(found) > size,
            "commits": [asdict(one) for one in found[:size]],
        }

    payload = await asked.read(read)
    return await asked.shown(
        "commits", payload, **steps(asked, "commits", payload, _SIZE, repo=repo)
    )


def _order(asked: Asked) -> Any:
    return "newest" if asked.argument("order").lower() == "newest" else "oldest"


def _said(order: str) -> str:
    """An order as addresses have it; the usual one goes without saying."""
    return order if order == "newest" else ""


def _turned(order: str) -> str:
    return _said("oldest" if order == "newest" else "newest")


def _size(asked: Asked) -> int:
    return max(1, asked.number("size", _SIZE, most=_MOST))


def _skip(asked: Asked) -> int:
    return asked.number("skip", (max(1, asked.number("page", 1)) - 1) * _size(asked))


def _found(about: About, order: str, skip: int, size: int) -> Payload:
    return {
        "order": order,
        **pages_of(about.messages, skip, size),
        "conversations": about.conversations,
        "first_ts": about.first_ts,
        "last_ts": about.last_ts,
        "mentions": [_mention(mention) for mention in about.mentions],
    }


def _mention(mention: Mention) -> Payload:
    return {
        **conversation_line(mention.conversation),
        **message_line(mention.message),
        "how": mention.how,
        "refs": list(mention.values),
    }


def _runs(payload: Payload) -> list[list[Payload]]:
    """The mentions of a page, those that follow each other in one conversation together."""
    return [
        list(run) for _, run in groupby(payload["mentions"], lambda one: one["conversation_id"])
    ]
