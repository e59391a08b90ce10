"""Where an archive lies on the disk is the business of those who may make backups of it."""

from __future__ import annotations

import os
from typing import Any

from ..compat import BACKUP
from ..page import Asked, Payload


async def without_folders(asked: Asked, payload: Payload) -> Payload:
    """``payload``, without the archive's folder for those who may not make backups."""
    if not await asked.may(BACKUP):
        # SQLite follows symbolic links when it says where a file is.
        for folder in {asked.path.parent, asked.path.resolve().parent}:
            payload = _without(payload, str(folder) + os.sep)
    return payload


def _without(value: Any, folder: str) -> Any:
    if isinstance(value, str):
        return value.replace(folder, "")
    if isinstance(value, dict):
        return {key: _without(part, folder) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without(part, folder) for part in value]
    return value
