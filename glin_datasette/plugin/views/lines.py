"""A message on one line of a list, as the pages for files, commits and tags show it."""

from __future__ import annotations

from ...models import Conversation, Message
from ...render import shorten
from ...render.fold import summary
from ..page import Asked, Payload

#: Characters of what somebody said.
_WIDTH = 200


def message_line(message: Message) -> Payload:
    """What a message is, and what it says on one line."""
    spoken = message.kind == "text"
    return {
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "ts": message.ts,
        "role": message.role,
        "kind": message.kind,
        "tool_name": message.tool_name,
        "is_error": message.is_error,
        "summary": shorten(message.content, _WIDTH) if spoken else summary(message),
    }


def conversation_line(conversation: Conversation) -> Payload:
    """What a list tells of a conversation."""
    return {
        "conversation_id": conversation.id,
        "title": conversation.title,
        "source": conversation.source,
        "relation": conversation.relation,
        "repo_root": conversation.repo_root,
        "git_branch": conversation.git_branch,
        "started_at": conversation.started_at,
        "ended_at": conversation.ended_at,
    }


def pages_of(total: int, skip: int, size: int) -> Payload:
    """Where a page of a list is in it."""
    return {
        "total": total,
        "size": size,
        "skip": skip,
        "page": skip // size + 1,
        "pages": -(-total // size),
    }


def steps(asked: Asked, route: str, payload: Payload, usual: int, **arguments: object) -> Payload:
    """The addresses of the pages before and after this one; ``None`` where there is none.

    :param usual: how many a page has unless something else is asked for
    """
    size, skip = payload["size"], payload["skip"]
    more = payload["more"] if "more" in payload else skip + size < payload["total"]
    if size != usual:
        arguments["size"] = size

    def at(place: int) -> str:
        return asked.urls.page(route, **arguments, skip=place or None)

    return {
        "before": at(max(skip - size, 0)) if skip else None,
        "after": at(skip + size) if more else None,
    }
