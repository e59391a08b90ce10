"""The pages of this plugin, one module for each kind, and the routes that lead to them.

====================================== =================================================
``/-/glin``                            the front door                 :mod:`.front`
``/-/glin/search``                     what a query finds             :mod:`.searching`
``/-/glin/conversations``              conversations, newest first    :mod:`.conversations`
``/-/glin/conversations/ID``           a transcript, or its download  :mod:`.transcript`
``/-/glin/conversations/ID/notes``     POST replaces its notes        :mod:`.transcript`
``/-/glin/messages/ID``                one message, whole             :mod:`.transcript`
``/-/glin/files``, ``/-/glin/commits`` what is about one              :mod:`.references`
``/-/glin/tags``                       tags; POST adds or removes     :mod:`.tags`
``/-/glin/backups``                    backups; POST makes one        :mod:`.backups`
``/-/glin/health``                     the state of an archive        :mod:`.health`
====================================== =================================================

Each has a twin that ends in ``.json`` and says the same. ``?db=name`` picks one of several
archives. Whoever may view an archive's tables may read; writing takes a permission.
"""

from __future__ import annotations

from ..guard import ROOT
from ..page import Route, page
from . import backups, health

__all__ = ["Route", "routes"]

_JSON = r"(?:\.json)?$"


def routes() -> list[tuple[str, Route]]:
    """Pattern -> view, as Datasette takes them."""
    return [
        (rf"{ROOT}/health{_JSON}", page(health.health, contents=False)),
        (rf"{ROOT}/backups{_JSON}", page(backups.backups, "POST", contents=False)),
    ]
