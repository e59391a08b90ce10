"""``/-/glin/conversations/ID.md``, ``.html`` and ``.jsonl``: a conversation to take along,
as ``glin-datasette show`` prints it; and ``/-/glin/attachments/SHA256``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlite_utils
from datasette import Response

from ...export import export_lines
from ...models import Conversation
from ...render import render_html, render_markdown
from ...storage import attachment_data, attachment_type, get_conversation, iter_messages
from ..downloads import Download
from ..page import Asked
from .transcript import PICTURES

Renderer = Callable[[sqlite_utils.Database, Conversation], Iterator[str]]


def _markdown(db: sqlite_utils.Database, conversation: Conversation) -> Iterator[str]:
    return render_markdown(conversation, iter_messages(db, conversation.id or 0), full=True)


def _html(db: sqlite_utils.Database, conversation: Conversation) -> Iterator[str]:
    return render_html(conversation, iter_messages(db, conversation.id or 0))


def _jsonl(db: sqlite_utils.Database, conversation: Conversation) -> Iterator[str]:
    return export_lines(db, [conversation])


#: Ending -> media type, and what makes the document.
FORMATS: dict[str, tuple[str, Renderer]] = {
    "md": ("text/markdown", _markdown),
    "html": ("text/html", _html),
    "jsonl": ("application/x-ndjson", _jsonl),
}


async def export(asked: Asked) -> Download:
    """A conversation as a file."""
    conversation_id = asked.part("id")
    conversation = await asked.read(lambda db: get_conversation(db, conversation_id))
    ending = asked.request.url_vars["format"]
    media_type, renderer = FORMATS[ending]
    day = (conversation.started_at or "")[:10]
    name = "-".join(part for part in (day, conversation.title or str(conversation_id)) if part)
    return Download(
        asked.path, f"{name[:70]}.{ending}", media_type, lambda db: renderer(db, conversation)
    )


async def attachment(asked: Asked) -> Response:
    """A file that came with a message. Pictures are shown; whatever else is saved, since
    it is not known what a browser would do with it."""
    sha256 = asked.request.url_vars["sha256"]
    media_type = await asked.read(lambda db: attachment_type(db, sha256))
    data = await asked.read(lambda db: attachment_data(db, sha256))
    shown = media_type in PICTURES
    headers = {} if shown else {"content-disposition": f'attachment; filename="{sha256[:12]}"'}
    content_type = media_type if shown else "application/octet-stream"
    return Response(data, status=200, headers=headers, content_type=content_type)
