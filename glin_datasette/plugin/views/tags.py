"""``/-/glin/tags``: the tags, and what has one."""

from __future__ import annotations

from dataclasses import asdict

import sqlite_utils
from datasette import Response

from ...language import quote
from ...storage import list_tags, tagged
from ..page import Asked, Payload
from . import annotating
from .lines import conversation_line, message_line, pages_of, steps

#: Conversations on a page, and how many may be asked for.
_SIZE, _MOST = 30, 200


async def tags(asked: Asked) -> Response:
    """Show what has ``?tag=``, or all tags; or change tags, see :mod:`.annotating`."""
    if asked.request.method == "POST":
        return await annotating.change(asked)
    tag = asked.argument("tag")
    if not tag:
        found = await asked.read(list_tags)
        payload: Payload = {"tag": "", "tags": [asdict(one) for one in found]}
        return await asked.shown("tags", payload)
    size = max(1, asked.number("size", _SIZE, most=_MOST))
    skip = asked.number("skip", (max(1, asked.number("page", 1)) - 1) * size)

    def read(db: sqlite_utils.Database) -> Payload:
        total, found = tagged(db, tag, limit=size, offset=skip)
        return {
            "tag": tag,
            **pages_of(total, skip, size),
            "conversations": [
                {
                    **conversation_line(one.conversation),
                    "tags": list(one.conversation.tags),
                    "whole": one.whole,
                    "messages": one.total,
                    "tagged": [message_line(message) for message in one.messages],
                }
                for one in found
            ],
        }

    payload = await asked.read(read)
    around = steps(asked, "tags", payload, _SIZE, tag=tag)
    return await asked.shown("tags", payload, quoted=quote(tag), **around)
