"""``/-/glin/backups``: the backups of an archive. Making one takes ``glin-backup``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasette import Response

from ...errors import GlinError
from ...storage import backup_db, get_db, list_backups
from ..archives import attached
from ..compat import BACKUP
from ..page import Asked, Payload, Refused
from .folders import without_folders


async def backups(asked: Asked) -> Response:
    """List the backups of an archive, newest first, or make one."""
    if asked.request.method == "POST":
        return await _make(asked)
    found = await asyncio.to_thread(list_backups, asked.path)
    payload = {
        "backups": [asdict(report) for report in found],
        "may_back_up": await asked.may(BACKUP),
    }
    return await asked.shown("backups", await without_folders(asked, payload))


async def _make(asked: Asked) -> Response:
    await asked.require(BACKUP, "make backups")
    running = attached(asked.datasette).in_backup
    if asked.database in running:
        raise Refused(409, f"A backup of {asked.database} is being made; wait for it")
    running.add(asked.database)
    try:
        made: Payload = asdict(await asyncio.to_thread(_backup_of, asked.path))
    except GlinError as ex:
        raise Refused(500, str(ex)) from None
    finally:
        running.discard(asked.database)
    if asked.json:
        return Response.json({"ok": True, "database": asked.database, "backup": made}, status=201)
    return await asked.moved(asked.urls.page("backups"), f"Backup made: {Path(made['path']).name}")


def _backup_of(path: Path) -> Any:
    with get_db(path, readonly=True) as db:
        return backup_db(db)
