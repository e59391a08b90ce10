"""``/-/glin/health``: the state of an archive; 503 if it is not usable."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from datasette import Response

from ...errors import GlinError
from ...storage import check_file
from ..compat import BACKUP
from ..page import Asked, Payload
from .folders import without_folders


async def health(asked: Asked) -> Response:
    """Show how an archive is: 200, or 503 if its status is ``fail``."""
    payload: Payload
    try:
        # On a connection of its own: the archive may be in no state for Datasette's.
        report = await asyncio.to_thread(check_file, asked.path)
    except GlinError as ex:
        payload = {"ok": False, "status": "fail", "error": str(ex)}
    else:
        payload = {"ok": report.status != "fail", **asdict(report)}
        if not await asked.may(BACKUP):
            # It names a server, a bucket or a folder.
            payload["replication"] = None
    payload = await without_folders(asked, payload)
    return await asked.shown("health", payload, 200 if payload["ok"] else 503)
