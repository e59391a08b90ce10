"""What this plugin adds to Datasette's menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .archives import attached
from .compat import Actor, allowed
from .urls import Urls

if TYPE_CHECKING:
    from datasette.app import Datasette

Links = list[dict[str, str]]

_SEARCH = "search_messages"


async def for_menu(datasette: Datasette, actor: Actor) -> Links:
    """Links for every page: those of the first archive that ``actor`` may view."""
    for name in attached(datasette).archives:
        if await allowed(datasette, actor, "view-database", name):
            return _links(datasette, name)
    return []


def for_database(datasette: Datasette, database: str) -> Links:
    """Links for the page of one database, if it is an archive."""
    return _links(datasette, database) if database in attached(datasette).archives else []


def _links(datasette: Datasette, name: str) -> Links:
    urls = Urls(datasette, name)
    return [
        {"href": str(datasette.urls.query(name, _SEARCH)), "label": "Search messages"},
        {"href": urls.page("health"), "label": "Archive health"},
        {"href": urls.page("backups"), "label": "Backups"},
    ]
