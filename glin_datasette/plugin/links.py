"""What this plugin adds to Datasette's own pages: its menus and its index.

Everything is about an archive, and for those who may view what is in it.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlite_utils
from datasette.utils import tilde_decode

from ..render import shorten, visible
from ..storage import tags_named, titled
from . import compat, shown
from .archives import attached, viewable
from .compat import Actor
from .urls import Urls

if TYPE_CHECKING:
    from datasette import Request
    from datasette.app import Datasette

Links = list[dict[str, str]]

#: The pages that menus lead to, those that tell nothing of what is in an archive and all:
#: path, name, and what is there.
_STATE = (
    ("backups", "Backups", "Make one, verify them, download them."),
    ("health", "Health", "Whether the archive is sound, and how large."),
)
_PAGES = (
    ("", "Archive", "What there is, day by day, and a search box."),
    ("search", "Search", "What was said, with filters and counts."),
    ("conversations", "Conversations", "All of them, newest first."),
    *_STATE,
)
#: Conversations, and tags, that the jump menu offers for what is typed.
_OFFERED = 8


async def for_menu(datasette: Datasette, actor: Actor, request: Request | None) -> Links:
    """Links for every page: those of the archive that it is about, or else of the first one
    that ``actor`` may view."""
    about = _about(request)
    for name in sorted(attached(datasette).archives, key=lambda name: name != about):
        if found := await for_database(datasette, actor, name):
            return found
    return []


async def for_database(datasette: Datasette, actor: Actor, database: str) -> Links:
    """Links for the page of one database."""
    if database not in attached(datasette).archives:
        return []
    if not await viewable(datasette, actor, database, contents=False):
        return []
    to = Urls(datasette, database)
    pages = _PAGES if await _may(datasette, actor, database) else _STATE
    return [_link(to.page(path), label, description) for path, label, description in pages]


async def for_table(datasette: Datasette, actor: Actor, database: str, table: str) -> Links:
    """Links for the page of a table: to the page of ours that shows the same for reading."""
    if not await _may(datasette, actor, database):
        return []
    to = Urls(datasette, database)
    found = {
        "conversations": (to.conversations(), "Browse conversations", "With tags and filters."),
        "messages": (to.search(), "Search messages", "With counts for each filter."),
        "message_refs": (to.page("files"), "Browse files", "What was said about each."),
        "tags": (to.page("tags"), "Browse tags", "What has each of them."),
    }.get(table)
    return [_link(*found)] if found else []


async def for_row(
    datasette: Datasette, actor: Actor, database: str, table: str, row: Mapping[str, Any]
) -> Links:
    """1.0: links for the page of a row, into the transcript."""
    if table not in ("conversations", "messages") or not await _may(datasette, actor, database):
        return []
    to = Urls(datasette, database)
    if table == "conversations":
        address = to.conversation(row["id"])
        return [_link(address, "Read the transcript", "The whole conversation, for reading.")]
    address = to.conversation(row["conversation_id"], message=row["id"])
    return [_link(address, "Read it in its transcript", "What was said before and after.")]


async def entry(datasette: Datasette, actor: Actor) -> dict[str, Any] | None:
    """What the index shows of us: a search box, and the address of the front door."""
    names = list(attached(datasette).archives)
    for name in names:
        if await _may(datasette, actor, name):
            return {"to": Urls(datasette, name), "database": name if len(names) > 1 else None}
    return None


async def to_jump_to(datasette: Datasette, actor: Actor, typed: str) -> list[Any]:
    """1.0: what the jump menu offers for what is typed: a search for it, our pages, and the
    conversations and tags that are called so, of every archive."""
    typed = typed.strip()
    items = []
    for name in attached(datasette).archives:
        if await _may(datasette, actor, name):
            items += await _of_archive(datasette, name, typed)
    return items


async def _of_archive(datasette: Datasette, name: str, typed: str) -> list[Any]:
    to = Urls(datasette, name)
    archive = f" in {name}" if len(attached(datasette).archives) > 1 else ""
    items = [
        compat.jump_item("page", label + archive, to.page(path), description, "")
        for path, label, description in _PAGES
    ]
    if not typed:
        return items

    def read(conn: Any) -> tuple[list[Any], list[str]]:
        db = sqlite_utils.Database(conn, execute_plugins=False)
        return titled(db, typed, limit=_OFFERED), tags_named(db, typed, limit=_OFFERED)

    conversations, tags = await datasette.get_database(name).execute_fn(read)
    label = f"Search{archive} for “{shorten(typed, 60)}”"
    items.append(compat.jump_item("search", label, to.search(typed), "What was said.", typed))
    for each in conversations:
        day = " · ".join(filter(None, (shown.day(each.ended_at), each.source, archive.strip())))
        label = shorten(shown.title(each.title), 100)
        items.append(compat.jump_item("conversation", label, to.conversation(each.id), day, typed))
    items += [
        compat.jump_item("tag", visible(tag), to.tag(tag), f"A tag{archive}.", typed)
        for tag in tags
    ]
    return items


def _about(request: Request | None) -> str:
    """The database that a page is about, ours or one of Datasette's; empty if none."""
    if request is None:
        return ""
    in_path = (request.scope.get("url_route") or {}).get("kwargs", {}).get("database")
    return str(request.args.get("db") or "") or tilde_decode(in_path or "")


async def _may(datasette: Datasette, actor: Actor, database: str) -> bool:
    if database not in attached(datasette).archives:
        return False
    # 0.65 looks into the file to decide, which may be damaged. Menus are no place to say so.
    with contextlib.suppress(sqlite3.Error):
        return await viewable(datasette, actor, database)
    return False


def _link(address: str, label: str, description: str) -> dict[str, str]:
    # 0.65 shows no descriptions.
    return {"href": address, "label": label, "description": description}
