"""``/-/glin/conversations/ID``: a transcript to read, and ``/-/glin/messages/ID``: one
message, whole.

A page holds :data:`PAGE` messages; ``?at=ID`` picks the one that a message is on, and
``#message-ID`` is the message's place on it. ``?q=`` marks what a query finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlite_utils
from datasette import Response
from markupsafe import Markup

from ...models import Attachment, Conversation, Message, Prompt, TranscriptFacts
from ...render import conversation_json, message_json
from ...render.page import Places, message_block, page_blocks
from ...resume import resume_command
from ...search import hits_inside
from ...storage import (
    children_of,
    get_conversation,
    get_message,
    messages_between,
    outline,
    place_of,
    transcript_facts,
)
from .. import shown
from ..compat import TAG
from ..page import Asked, Payload

#: Messages of one page, and the most that ``?size=`` may ask for.
PAGE, MOST = 1000, 5000

#: What a browser shows as a picture and nothing else: no SVG, which may hold scripts.
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True)
class _Read:
    """What one page of a transcript is made of."""

    conversation: Conversation
    parent: Conversation | None
    children: list[Conversation]
    facts: TranscriptFacts
    prompts: tuple[Prompt, ...]
    messages: list[Message]
    hits: tuple[int, ...]
    #: From 1.
    page: int
    pages: int


async def transcript(asked: Asked) -> Response:
    """A conversation: its facts, the outline of its prompts, and a page of its messages."""
    conversation_id = asked.part("id")
    q = asked.argument("q")
    size = max(1, asked.number("size", PAGE, most=MOST))
    at, page = asked.number("at", 0), asked.number("page", 1)
    found = await asked.read(lambda db: _read(db, conversation_id, q, size, at, page))
    resumed = found.parent if found.conversation.relation in ("subagent", "branch") else None
    payload: Payload = {
        "conversation": conversation_json(found.conversation),
        "resume": resume_command(resumed or found.conversation),
        "parent": _related(found.parent) if found.parent else None,
        "children": [_related(child) for child in found.children],
        "facts": asdict(found.facts),
        "outline": [asdict(prompt) for prompt in found.prompts],
        "q": q,
        "hits": list(found.hits),
        "page": found.page,
        "pages": found.pages,
        "size": size,
        "may_tag": await asked.may(TAG),
    }
    if asked.json:
        return await asked.shown(
            "transcript", payload | {"messages": [message_json(m) for m in found.messages]}
        )
    places = _places(asked, conversation_id, q, found.hits)
    on_page = {message.id for message in found.messages}
    return await asked.shown(
        "transcript",
        payload,
        # In pieces, so that a long transcript is not copied once more.
        blocks=page_blocks(found.messages, places),
        place=lambda message: _place(asked, conversation_id, q, message, on_page),
        resumes_parent=resumed is not None,
        other_page=lambda number: asked.urls.conversation(
            conversation_id, q=q, page=number, size="" if size == PAGE else size
        ),
        whole=asked.urls.conversation(conversation_id, q=q, size=MOST),
        most=MOST,
    )


async def message(asked: Asked) -> Response:
    """One message, whole, with the conversation that it belongs to."""
    message_id = asked.part("id")
    found, conversation = await asked.read(lambda db: _one(db, message_id))
    payload: Payload = {
        "message": message_json(found),
        "conversation": conversation_json(conversation),
        "may_tag": await asked.may(TAG),
    }
    places = _places(asked, conversation.id or 0, "", ())
    return await asked.shown(
        "message", payload, block="" if asked.json else message_block(found, places)
    )


def _read(
    db: sqlite_utils.Database, conversation_id: int, q: str, size: int, at: int, page: int
) -> _Read:
    conversation = get_conversation(db, conversation_id)
    facts = transcript_facts(db, conversation_id)
    pages = max(1, -(-facts.messages // size))
    if at:
        page = place_of(db, conversation_id, at) // size + 1
    page = min(max(1, page), pages)
    parent = conversation.parent_id
    return _Read(
        conversation=conversation,
        parent=get_conversation(db, parent) if parent is not None else None,
        children=children_of(db, conversation_id),
        facts=facts,
        prompts=outline(db, conversation_id),
        messages=messages_between(db, conversation_id, skip=(page - 1) * size, limit=size),
        hits=hits_inside(db, q, conversation_id) if q else (),
        page=page,
        pages=pages,
    )


def _one(db: sqlite_utils.Database, message_id: int) -> tuple[Message, Conversation]:
    found = get_message(db, message_id)
    return found, get_conversation(db, found.conversation_id or 0)


def _related(conversation: Conversation) -> dict[str, Any]:
    return {
        name: getattr(conversation, name)
        for name in ("id", "source", "source_id", "title", "relation", "started_at", "ended_at")
    }


def _places(asked: Asked, conversation_id: int, q: str, hits: Sequence[int]) -> Places:
    urls = asked.urls

    def image(attachment: Attachment) -> str | None:
        if attachment.sha256 is None or attachment.media_type not in PICTURES:
            return None
        return urls.page(f"attachments/{attachment.sha256}")

    # Hits may be on another page: the address says which message, and the page is found.
    return Places(
        message=urls.message,
        here=lambda message: urls.conversation(conversation_id, message=message),
        tag=urls.tag,
        image=image,
        time=shown.time,
        hits=hits,
        hit_of=lambda message: urls.conversation(conversation_id, message=message, q=q),
    )


def _place(
    asked: Asked, conversation_id: int, q: str, message: int, on_page: set[int | None]
) -> Markup:
    """The address of a message: within the page where it is on it."""
    if message in on_page:
        return Markup(f"#message-{int(message)}")
    return Markup("{}").format(asked.urls.conversation(conversation_id, message=message, q=q))
