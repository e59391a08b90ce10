"""The pages of this plugin, one module for each kind, and the routes that lead to them.

====================================== =================================================
``/-/glin``                            the front door                 :mod:`.front`
``/-/glin/search``                     what a query finds             :mod:`.searching`
``/-/glin/conversations``              conversations, newest first    :mod:`.conversations`
``/-/glin/conversations/ID``           a transcript                   :mod:`.transcript`
``/-/glin/conversations/ID.md``        its download; .html, .jsonl    :mod:`.exports`
``/-/glin/conversations/ID/notes``     POST replaces its notes        :mod:`.annotating`
``/-/glin/messages/ID``                one message, whole             :mod:`.transcript`
``/-/glin/attachments/SHA256``         a file of a message            :mod:`.exports`
``/-/glin/files``, ``/-/glin/commits`` what is about one              :mod:`.references`
``/-/glin/tags``                       tags; POST: :mod:`.annotating` :mod:`.tags`
``/-/glin/backups``                    backups; POST makes one        :mod:`.backups`
``/-/glin/backups/verify``             POST reads one back            :mod:`.backups`
``/-/glin/backups/download``           one as a file                  :mod:`.backups`
``/-/glin/health``                     the state of an archive        :mod:`.health`
``/-/glin/metrics``                    the same for Prometheus        :mod:`.metrics`
====================================== =================================================

Each page has a twin that ends in ``.json`` and says the same. ``?db=name`` picks one of several
archives. Whoever may view an archive's tables may read; writing takes a permission.
"""

from __future__ import annotations

from ..guard import ROOT
from ..page import Route, page
from . import (
    annotating,
    backups,
    conversations,
    exports,
    front,
    health,
    metrics,
    references,
    searching,
    tags,
    transcript,
)

__all__ = ["Route", "routes"]

_JSON = r"(?:\.json)?$"
_FORMATS = "|".join(exports.FORMATS)


def routes() -> list[tuple[str, Route]]:
    """Pattern -> view, as Datasette takes them."""
    return [
        (rf"{ROOT}{_JSON}", page(front.front)),
        (rf"{ROOT}/search{_JSON}", page(searching.search)),
        (rf"{ROOT}/conversations{_JSON}", page(conversations.conversations)),
        (rf"{ROOT}/conversations/(?P<id>\d+){_JSON}", page(transcript.transcript)),
        (rf"{ROOT}/conversations/(?P<id>\d+)/notes{_JSON}", page(annotating.notes, "POST")),
        (rf"{ROOT}/conversations/(?P<id>\d+)\.(?P<format>{_FORMATS})$", page(exports.export)),
        (rf"{ROOT}/messages/(?P<id>\d+){_JSON}", page(transcript.message)),
        (rf"{ROOT}/attachments/(?P<sha256>[0-9a-f]{{64}})$", page(exports.attachment)),
        (rf"{ROOT}/files{_JSON}", page(references.files)),
        (rf"{ROOT}/commits{_JSON}", page(references.commits)),
        (rf"{ROOT}/tags{_JSON}", page(tags.tags, "POST")),
        (rf"{ROOT}/health{_JSON}", page(health.health, contents=False)),
        (rf"{ROOT}/metrics$", page(metrics.metrics, contents=False)),
        (rf"{ROOT}/backups{_JSON}", page(backups.backups, "POST", contents=False)),
        (rf"{ROOT}/backups/verify{_JSON}", page(backups.verify, "POST", contents=False)),
        (rf"{ROOT}/backups/download$", page(backups.download, contents=False)),
    ]
