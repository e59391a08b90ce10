"""``/-/glin/backups``: the backups of an archive. Making, verifying and downloading one
takes ``glin-backup``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasette import Response

from ...models import BackupReport
from ...storage import backup_db, get_db, list_backups, verify_backup
from ..archives import attached
from ..compat import BACKUP
from ..downloads import FileDownload
from ..page import Asked, Payload, Refused
from ..tasks import Progress, Task, start
from .folders import without_folders


async def backups(asked: Asked) -> Response:
    """List the backups of an archive, newest first, or make one."""
    if asked.request.method == "POST":
        await asked.require(BACKUP, "make backups")
        path = asked.path
        compress = _yes_or_no((await asked.body()).get("compress") or [False])

        def make(progress: Progress) -> Any:
            with get_db(path, readonly=True) as db:
                return asdict(backup_db(db, compress=compress, progress=progress))

        return await _begun(asked, Task("backup"), make)
    found = await asyncio.to_thread(list_backups, asked.path)
    task = attached(asked.datasette).tasks.get(asked.database)
    payload = {
        "backups": [{**asdict(report), "name": Path(report.path).name} for report in found],
        "task": task.told() if task else None,
        "may_back_up": await asked.may(BACKUP),
    }
    return await asked.shown("backups", await without_folders(asked, payload))


async def verify(asked: Asked) -> Response:
    """Read a whole backup back."""
    if asked.request.method != "POST":
        raise Refused(405, "Verifying takes a POST", Allow="POST")
    await asked.require(BACKUP, "verify backups")
    body = await asked.body()
    backup = await _named(asked, str((body.get("name") or [""])[0]))

    def read(_: Progress) -> Any:
        return asdict(verify_backup(backup.path))

    return await _begun(asked, Task("verify", Path(backup.path).name), read)


async def download(asked: Asked) -> Response:
    """A backup as a file."""
    await asked.require(BACKUP, "download backups")
    backup = await _named(asked, asked.argument("name"))
    return FileDownload(Path(backup.path))


def _yes_or_no(values: list[Any]) -> bool:
    """JSON says ``true``, the box of a form ``1``."""
    if values not in ([True], [False], ["1"], ["0"]):
        raise Refused(400, "compress is true or false")
    return values in ([True], ["1"])


async def _named(asked: Asked, name: str) -> BackupReport:
    """The backup of a name. It is looked for among those that there are: what somebody
    sends is never a path."""
    for report in await asyncio.to_thread(list_backups, asked.path):
        if Path(report.path).name == name:
            return report
    raise Refused(404, f"{asked.database} has no backup named {name[:100]!r}")


async def _begun(asked: Asked, task: Task, work: Callable[[Progress], Any]) -> Response:
    tasks = attached(asked.datasette).tasks
    running = tasks.get(asked.database)
    if running is not None and running.running:
        what = "made" if running.kind == "backup" else "verified"
        raise Refused(409, f"A backup of {asked.database} is being {what}; wait for it")
    tasks[asked.database] = start(task, work)
    if not asked.json:
        return await asked.moved(asked.urls.page("backups"))
    if asked.argument("wait") and task.future is not None:
        await asyncio.wrap_future(task.future)
    payload: Payload = {"ok": task.state != "failed", "database": asked.database}
    if task.error is not None:
        payload |= {"error": task.error, "status": 500}
    status = {"running": 202, "done": 201, "failed": 500}[task.state]
    return Response.json({**payload, "task": task.told()}, status=status)
