"""What all pages of this plugin share: which archive a request is about, who may see it,
how it is read and written, and how an answer is shown as HTML or as JSON.

A view is an async function that takes an :class:`Asked` and returns a response::

    async def commits(asked: Asked) -> Response:
        payload = await asked.read(lambda db: ...)
        return await asked.shown("commits", payload)

Its payload is what the JSON twin says, and all that the template gets to know, so that the
two cannot differ. A :class:`Refused`, or a GlinError of what it calls, becomes an error
page or a JSON error of one line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs

import sqlite_utils
from datasette import Forbidden, NotFound, Response

from .. import errors
from ..errors import GlinError
from ..storage import get_db
from ..storage.connection import sqlite_errors
from . import shown
from .archives import attached, viewable
from .compat import PLUGIN, allowed
from .guard import is_json
from .timings import timings
from .urls import Urls

if TYPE_CHECKING:
    from datasette import Request
    from datasette.app import Datasette

T = TypeVar("T")
Payload = dict[str, Any]

#: What a body of a POST may take; a bulk of 10,000 ids has about 80 KB.
_MAX_BODY = 2_000_000

#: What a GlinError is as a status of HTTP, the most special first.
_STATUSES: tuple[tuple[type[GlinError], int], ...] = (
    (errors.NotFound, 404),
    (errors.UsageError, 400),
    (errors.ReadOnlyArchive, 409),
    (errors.ArchiveBusy, 503),
    (errors.ArchiveError, 503),
)


class Refused(Exception):
    """The answer is no, with a status and one line for people."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for a page, and the archive that it is about."""

    request: Request
    datasette: Datasette
    #: The name that the archive is attached as, and its file.
    database: str
    path: Path

    @property
    def urls(self) -> Urls:
        """The addresses of this archive's pages."""
        return Urls(self.datasette, self.database)

    @property
    def json(self) -> bool:
        """Whether JSON is asked for."""
        return is_json(self.request.scope)

    def argument(self, name: str) -> str:
        """An argument of the address, without white space around it; empty if not given."""
        return str(self.request.args.get(name) or "").strip()

    def number(self, name: str, default: int, *, most: int = 2**31) -> int:
        """An argument of the address that is a count.

        :raises Refused: 400 if it is none
        """
        said = self.argument(name)
        if not said:
            return default
        if not (said.isascii() and said.isdigit() and len(said) < 19):
            raise Refused(400, f"{name}: {said[:40]!r} is no number")
        return min(int(said), most)

    def part(self, name: str) -> int:
        """The number in the address itself that the route calls ``name``."""
        digits: str = self.request.url_vars[name]
        if len(digits) > 18:
            raise Refused(404, f"There is no {name} {digits[:20]}…")
        return int(digits)

    async def may(self, action: str) -> bool:
        """Whether whoever asks may do ``action`` with this archive."""
        return await allowed(self.datasette, self.request.actor, action, self.database)

    async def require(self, action: str, what: str) -> None:
        """:raises Refused: 403 if whoever asks may not do ``action``"""
        if not await self.may(action):
            raise Refused(403, f"You may not {what} in {self.database}: that takes {action}")

    async def read(self, function: Callable[[sqlite_utils.Database], T]) -> T:
        """What ``function`` reads, run in a thread of Datasette's on one of its connections.

        :raises ArchiveError: if the file cannot be read any more
        """
        database = self.datasette.get_database(self.database)

        def run(conn: Any) -> T:
            with sqlite_errors(self.path):
                return function(sqlite_utils.Database(conn, execute_plugins=False))

        result: T = await database.execute_fn(run)
        return result

    async def write(self, function: Callable[[sqlite_utils.Database], T]) -> T:
        """What ``function`` does, run in another thread on a connection of its own.

        :raises Refused: 409 if the archive is served to be read only
        """
        if not self.datasette.get_database(self.database).is_mutable:
            raise Refused(409, f"{self.database} is served read-only")

        def run() -> T:
            with closing(get_db(self.path)) as db:
                return function(db)

        return await asyncio.to_thread(run)

    async def body(self) -> dict[str, list[Any]]:
        """What was posted, JSON or a form, with a list for each name.

        :raises Refused: 400 or 413 if it is neither, or too long
        """
        raw: bytes = await self.request.post_body()
        if len(raw) > _MAX_BODY:
            raise Refused(413, f"The request is too long; send at most {_MAX_BODY:,} bytes")
        content_type = self.request.headers.get("content-type", "").partition(";")[0].strip()
        if content_type == "application/x-www-form-urlencoded":
            return dict(parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            said = json.loads(raw or b"{}")
        except (ValueError, RecursionError):
            raise Refused(400, "The request's body is no JSON") from None
        if not isinstance(said, dict):
            raise Refused(400, "The request's body must be a JSON object")
        return {key: value if isinstance(value, list) else [value] for key, value in said.items()}

    async def shown(
        self, page: str, payload: Payload, status: int = 200, **context: Any
    ) -> Response:
        """``payload`` as JSON, or in the template ``glin_PAGE.html``.

        The template gets the payload, ``to`` (:class:`Urls`), the functions of
        :mod:`.shown`, and ``context``: what is for people only, such as a chart.
        """
        payload = {"ok": True, "database": self.database, **payload}
        if self.json:
            return Response.json(payload, status=status)
        return Response.html(await self._html(f"glin_{page}.html", payload, context), status=status)

    async def moved(self, address: str, message: str = "") -> Response:
        """Send the browser on to another page, which shows ``message``."""
        if message:
            self.datasette.add_message(self.request, message)
        return Response.redirect(address, status=303)

    async def _html(self, template: str, payload: Payload, context: Mapping[str, Any]) -> str:
        given = {
            **shown.FUNCTIONS,
            **payload,
            **context,
            "to": self.urls,
            "here": self._here(),
            "archives": await self._archives(),
            "asset": lambda name: self.datasette.urls.static_plugins(PLUGIN, name),
            "alternate_url_json": self._twin(),
        }
        html = await self.datasette.render_template(template, given, request=self.request)
        # 0.65 does not say which language its pages are in.
        return str(html).replace("<html>", '<html lang="en">', 1)

    def _here(self) -> str:
        """The page that is shown, as the navigation calls it: ``search``, ``files``."""
        return self._inside().partition("/")[0]

    def _inside(self) -> str:
        path: str = self.request.scope["path"]
        return path.partition("/-/glin")[2].strip("/")

    def _twin(self) -> str:
        """This page as JSON."""
        query = self.request.query_string
        inside = self._inside()
        address = self.datasette.urls.path(f"/-/glin{'/' if inside else ''}{inside}.json")
        return f"{address}?{query}" if query else str(address)

    async def _archives(self) -> dict[str, str]:
        """The archives that whoever asks may see, with the addresses of their front doors."""
        return {
            name: Urls(self.datasette, name).front()
            for name in attached(self.datasette).archives
            if await allowed(self.datasette, self.request.actor, "view-database", name)
        }


View = Callable[[Asked], Awaitable[Response]]
Route = Callable[["Request", "Datasette"], Awaitable[Response]]


def page(view: View, *methods: str, contents: bool = True) -> Route:
    """``view`` as a route of Datasette.

    :param methods: besides GET and HEAD
    :param contents: whether it shows what is in the tables, and so needs the permission to
        see them, and an archive that can be read
    """

    async def route(request: Request, datasette: Datasette) -> Response:
        started = time.perf_counter()
        status = 500
        try:
            response = await answer(request, datasette)
            status = response.status
            return response
        except (Forbidden, NotFound) as ex:
            status = 403 if isinstance(ex, Forbidden) else 404
            raise
        finally:
            timings(datasette).add(view.__name__, status, time.perf_counter() - started)

    async def answer(request: Request, datasette: Datasette) -> Response:
        asked = None
        try:
            asked = Asked(request, datasette, *await _picked(request, datasette, contents))
            if request.method not in ("GET", "HEAD", *methods):
                allow = ", ".join(("GET", "HEAD", *methods))
                raise Refused(405, f"Method not allowed; use {allow}", Allow=allow)
            return await view(asked)
        except GlinError as ex:
            status = next((s for kind, s in _STATUSES if isinstance(ex, kind)), 500)
            message = str(ex)
            # Where the file lies is not for everybody, and its name is enough.
            for folder in {asked.path.parent, asked.path.resolve().parent} if asked else ():
                message = message.replace(str(folder) + os.sep, "")
            return await _refused(request, datasette, asked, Refused(status, message))
        except Refused as ex:
            return await _refused(request, datasette, asked, ex)
        except sqlite3.DatabaseError:
            # Datasette looks into the file to tell who may see it.
            said = "The archive cannot be read; 'glin-datasette check' says why"
            return await _refused(request, datasette, asked, Refused(503, said))

    return route


async def _refused(
    request: Request, datasette: Datasette, asked: Asked | None, ex: Refused
) -> Response:
    if is_json(request.scope):
        body = {"ok": False, "error": ex.message, "status": ex.status}
        return Response.json(body, status=ex.status, headers=ex.headers)
    # Without an archive there is no page of ours; other plugins may answer these two, with
    # a page to sign in for example.
    if ex.status == 403:
        raise Forbidden(ex.message)
    if asked is None and ex.status == 404:
        raise NotFound(ex.message)
    context = {"ok": False, "error": ex.message, "status": ex.status, "title": None}
    if asked is None:
        html = await datasette.render_template("error.html", context, request=request)
    else:
        html = await asked._html("glin_error.html", {"database": asked.database}, context)
    return Response.html(html, status=ex.status, headers=ex.headers)


async def _picked(request: Request, datasette: Datasette, contents: bool) -> tuple[str, Path]:
    """The archive that a request is about. Nobody learns of one that they may not view."""
    known = attached(datasette)
    paths = {name: archive.path for name, archive in known.archives.items()}
    if not contents:
        paths |= known.refused
    wanted = request.args.get("db")
    names = [name for name in paths if wanted in (None, name)]
    if not names:
        await _tell_refused(request, datasette, wanted)
        what = "is" if wanted is None else f"named {wanted} is"
        raise Refused(404, f"No archive {what} attached")
    for name in names:
        if await viewable(datasette, request.actor, name, contents=contents):
            return name, paths[name]
    raise Refused(403, "You do not have permission to view this archive")


async def _tell_refused(request: Request, datasette: Datasette, wanted: str | None) -> None:
    """:raises Refused: 503 if there is an archive to see that cannot be used as it is"""
    for name in attached(datasette).refused:
        if wanted in (None, name) and await viewable(
            datasette, request.actor, name, contents=False
        ):
            where = Urls(datasette, name).page("health")
            raise Refused(503, f"{name} cannot be used as it is; {where} says why")
