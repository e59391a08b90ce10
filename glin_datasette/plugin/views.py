"""The pages of this plugin, each with a JSON twin that shows the same thing.

========================== ==================================================
``/-/glin/health``         the state of an archive; 503 if it is not usable
``/-/glin/backups``        GET lists its backups, POST makes one
========================== ==================================================

``?db=name`` picks one of several archives. Whoever may view the database may read; making
a backup needs the permission ``glin-backup`` too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datasette import Forbidden, NotFound, Response
from datasette.utils import format_bytes

from ..errors import GlinError
from ..storage import backup_db, check_file, get_db, list_backups
from .archives import attached
from .compat import BACKUP, Actor, allowed
from .guard import PREFIX, is_json

if TYPE_CHECKING:
    from datasette import Request
    from datasette.app import Datasette

Payload = dict[str, Any]
View = Callable[["Request", "Datasette"], Awaitable[Response]]


class _Refused(Exception):
    """The answer is no, with a status and one line for people."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def page_url(datasette: Datasette, page: str, database: str) -> str:
    """The address of ``health`` or ``backups`` for one archive."""
    return f"{datasette.urls.path(PREFIX + page)}?{urlencode({'db': database})}"


async def health(request: Request, datasette: Datasette) -> Response:
    """Show how an archive is: 200, or 503 if its status is ``fail``."""
    return await _answer(_health, request, datasette)


async def backups(request: Request, datasette: Datasette) -> Response:
    """List the backups of an archive, or make one."""
    return await _answer(_backups, request, datasette)


async def health_payload(name: str, path: Path) -> tuple[int, Payload]:
    """The status and the JSON of an archive's health.

    Runs on a connection of its own, in another thread.
    """
    try:
        report = await asyncio.to_thread(check_file, path)
    except GlinError as ex:
        return 503, {"ok": False, "database": name, "status": "fail", "error": str(ex)}
    failed = report.status == "fail"
    return 503 if failed else 200, {"ok": not failed, "database": name, **asdict(report)}


async def backups_payload(name: str, path: Path, *, may_back_up: bool) -> Payload:
    """The JSON of an archive's backups, newest first."""
    found = await asyncio.to_thread(list_backups, path)
    return {
        "ok": True,
        "database": name,
        "backups": [asdict(report) for report in found],
        "may_back_up": may_back_up,
    }


async def _answer(
    view: Callable[[Request, Datasette, str, Path], Awaitable[Response]],
    request: Request,
    datasette: Datasette,
) -> Response:
    try:
        name, path = await _picked(datasette, request)
        return await view(request, datasette, name, path)
    except _Refused as ex:
        if is_json(request.scope):
            body = {"ok": False, "error": ex.message, "status": ex.status}
            return Response.json(body, status=ex.status, headers=ex.headers)
        # These two let other plugins answer, with a sign-in page for example.
        if ex.status == 403:
            raise Forbidden(ex.message) from None
        if ex.status == 404:
            raise NotFound(ex.message) from None
        return await _error_page(datasette, request, ex)


async def _health(request: Request, datasette: Datasette, name: str, path: Path) -> Response:
    _require_method(request, "GET", "HEAD")
    status, payload = await health_payload(name, path)
    return await _shown(datasette, request, "health", path, payload, status)


async def _backups(request: Request, datasette: Datasette, name: str, path: Path) -> Response:
    _require_method(request, "GET", "HEAD", "POST")
    may_back_up = await allowed(datasette, request.actor, BACKUP, name)
    if request.method != "POST":
        payload = await backups_payload(name, path, may_back_up=may_back_up)
        return await _shown(datasette, request, "backups", path, payload)
    if not may_back_up:
        raise _Refused(403, f"You may not make backups of {name}: that takes {BACKUP}")
    made = await _make_backup(datasette, name, path)
    if is_json(request.scope):
        return Response.json({"ok": True, "database": name, "backup": made}, status=201)
    datasette.add_message(request, f"Backup made: {Path(made['path']).name}")
    return Response.redirect(page_url(datasette, "backups", name), status=303)


async def _make_backup(datasette: Datasette, name: str, path: Path) -> Payload:
    running = attached(datasette).in_backup
    if name in running:
        raise _Refused(409, f"A backup of {name} is being made; wait for it")
    running.add(name)
    try:
        return asdict(await asyncio.to_thread(_backup_of, path))
    except GlinError as ex:
        raise _Refused(500, str(ex)) from None
    finally:
        running.discard(name)


def _backup_of(path: Path) -> Any:
    with get_db(path, readonly=True) as db:
        return backup_db(db)


async def _picked(datasette: Datasette, request: Request) -> tuple[str, Path]:
    """The archive that a request is about. Nobody learns of one that they may not view."""
    known = attached(datasette)
    paths = {name: archive.path for name, archive in known.archives.items()} | known.refused
    wanted = request.args.get("db")
    if wanted is not None and wanted not in paths:
        raise _Refused(404, f"No archive named {wanted} is attached")
    names = [wanted] if wanted is not None else list(paths)
    if not names:
        raise _Refused(404, "No archive is attached")
    for name in names:
        if await allowed(datasette, request.actor, "view-database", name):
            return name, paths[name]
    raise _Refused(403, "You do not have permission to view this archive")


def _require_method(request: Request, *methods: str) -> None:
    if request.method not in methods:
        allow = ", ".join(methods)
        raise _Refused(405, f"Method not allowed; use {allow}", Allow=allow)


async def _shown(
    datasette: Datasette,
    request: Request,
    page: str,
    path: Path,
    payload: Payload,
    status: int = 200,
) -> Response:
    if not await allowed(datasette, request.actor, BACKUP, payload["database"]):
        # SQLite follows symbolic links when it says where a file is.
        for folder in {path.parent, path.resolve().parent}:
            payload = _without_folder(payload, str(folder) + os.sep)
    if is_json(request.scope):
        return Response.json(payload, status=status)
    context = {
        **payload,
        "others": await _other_archives(datasette, request.actor, page, payload["database"]),
        "page_url": lambda page: page_url(datasette, page, payload["database"]),
        "alternate_url_json": page_url(datasette, f"{page}.json", payload["database"]),
        "format_bytes": format_bytes,
        "format_age": format_age,
        "file_name": lambda path: Path(path).name,
    }
    html = await datasette.render_template(f"glin_{page}.html", context, request=request)
    return Response.html(html, status=status)


async def _error_page(datasette: Datasette, request: Request, refused: _Refused) -> Response:
    context = {
        "ok": False,
        "error": refused.message,
        "status": refused.status,
        "title": None,
    }
    html = await datasette.render_template("error.html", context, request=request)
    return Response.html(html, status=refused.status, headers=refused.headers)


async def _other_archives(
    datasette: Datasette, actor: Actor, page: str, database: str
) -> Mapping[str, str]:
    return {
        name: page_url(datasette, page, name)
        for name in attached(datasette).archives
        if name != database and await allowed(datasette, actor, "view-database", name)
    }


def _without_folder(value: Any, folder: str) -> Any:
    """Where the archive lies is the business of those who may make backups of it."""
    if isinstance(value, str):
        return value.replace(folder, "")
    if isinstance(value, dict):
        return {key: _without_folder(part, folder) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_folder(part, folder) for part in value]
    return value


def format_age(seconds: float) -> str:
    """An age for people, in the largest unit that there is at least one of."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"
