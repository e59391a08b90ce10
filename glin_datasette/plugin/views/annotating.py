"""What people add to an archive by its pages: tags and notes. It takes ``glin-tag``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import sqlite_utils
from datasette import Response

from ...language import read
from ...storage import change_tags, query_conversations, set_notes
from ...storage.query import message_ids
from ..compat import TAG
from ..guard import ROOT
from ..page import Asked, Payload, Refused
from ..shown import count

#: Of what a query finds, so many can be tagged at once.
MOST = 100_000


async def change(asked: Asked) -> Response:
    """Add a tag to conversations and messages, or remove it: to those that are named, or
    to all that a query finds."""
    await asked.require(TAG, "add and remove tags")
    body = await asked.body()
    action, tag = _one(body, "action"), _one(body, "tag").strip()
    if action not in ("add", "remove"):
        raise Refused(400, "action is add or remove")
    q, scope = _one(body, "q"), _one(body, "scope")
    conversations, messages = _ids(body, "conversation"), _ids(body, "message")
    if scope not in ("", "conversations", "messages"):
        raise Refused(400, "scope is conversations or messages")
    if scope and not q.strip():
        raise Refused(400, "Say with q what is to be tagged; everything is too much")
    if not scope and not conversations and not messages:
        raise Refused(400, "Name a conversation or a message, or tick one")

    def write(db: sqlite_utils.Database) -> Payload:
        chosen = (conversations, messages) if not scope else _found(db, q, scope)
        changed = change_tags(
            db, tag, add=action == "add", conversations=chosen[0], messages=chosen[1]
        )
        return {
            "action": action,
            "tag": tag,
            "found": {"conversations": len(chosen[0]), "messages": len(chosen[1])},
            "changed": {"conversations": changed.conversations, "messages": changed.messages},
        }

    payload = await asked.write(write)
    if asked.json:
        return Response.json({"ok": True, "database": asked.database, **payload})
    return await asked.moved(_next(asked, body), _told(payload))


async def notes(asked: Asked) -> Response:
    """Replace the notes on a conversation; an empty text removes them."""
    if asked.request.method != "POST":
        raise Refused(405, "Writing notes takes a POST", Allow="POST")
    await asked.require(TAG, "write notes")
    conversation_id = asked.part("id")
    text = _one(await asked.body(), "notes")
    changed = await asked.write(lambda db: set_notes(db, conversation_id, text))
    if asked.json:
        body = {"ok": True, "database": asked.database, "changed": changed}
        return Response.json(body)
    return await asked.moved(asked.urls.conversation(conversation_id), "The notes were saved")


def _found(db: sqlite_utils.Database, q: str, scope: str) -> tuple[list[int], list[int]]:
    filters = read(q).filters
    if scope == "conversations":
        found = [each.id or 0 for each in query_conversations(db, filters, limit=MOST + 1)]
    else:
        found = message_ids(db, filters, limit=MOST + 1)
    if len(found) > MOST:
        raise Refused(400, f"More than {MOST:,} {scope} are found; narrow the search down")
    return (found, []) if scope == "conversations" else ([], found)


def _one(body: dict[str, list[Any]], name: str) -> str:
    values = body.get(name) or [""]
    if not isinstance(values[0], str):
        raise Refused(400, f"{name} must be a text")
    try:
        values[0].encode()
    except UnicodeEncodeError:
        raise Refused(400, f"{name} holds half of a surrogate pair; repair it") from None
    return values[0]


def _ids(body: dict[str, list[Any]], name: str) -> list[int]:
    """The numbers of ``name`` in a form, or of its plural in JSON."""
    ids = []
    for value in [*(body.get(name) or []), *(body.get(f"{name}s") or [])]:
        said = str(value)
        if isinstance(value, bool) or not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Refused(400, f"{name}: {said[:40]!r} is no number")
        ids.append(int(said))
    return ids


def _told(payload: Payload) -> str:
    changed = payload["changed"]
    parts = [
        count(changed[name], name.removesuffix("s"))
        for name in ("conversations", "messages")
        if changed[name]
    ]
    if not parts:
        return f"Nothing changed: {payload['tag']} was there or was not there before"
    if payload["action"] == "add":
        return f"Added {payload['tag']} to {' and '.join(parts)}"
    return f"Removed {payload['tag']} from {' and '.join(parts)}"


def _next(asked: Asked, body: dict[str, list[Any]]) -> str:
    """Where the form wants to go on: one of our own pages, or the tag's."""
    said = _one(body, "next")
    root = str(asked.datasette.urls.path(ROOT))
    try:
        parts = urlsplit(said)
    except ValueError:
        parts = urlsplit("")
    # Of "///x" the path is "/x", but a browser takes x for a host.
    elsewhere = parts.scheme or parts.netloc or said.startswith("//") or "\\" in said
    ours = parts.path == root or parts.path.startswith(f"{root}/")
    if ours and not elsewhere and said.isprintable():
        return said
    return asked.urls.tag(_one(body, "tag"))
