"""Writing conversations as JSON Lines that :mod:`glin_datasette.importers.glin` reads back.

``docs/formats.md`` describes the format field by field. An export is complete: imported
into an empty archive it gives an equal one, but for the integer ids.
"""

from __future__ import annotations

import base64
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlite_utils

from .dates import utc_now
from .errors import ExportFailed
from .generated_ids import GeneratedIds
from .importers.glin import FORMAT, VERSION
from .models import Attachment, Conversation, Message
from .render import conversation_json, message_json
from .storage import attachment_data, iter_messages

__all__ = ["export_lines", "write_export"]

#: Integer ids mean nothing in another archive, and the order of the lines is the position.
_LOCAL = ("id", "parent_id", "conversation_id", "position")


def export_lines(db: sqlite_utils.Database, conversations: Iterable[Conversation]) -> Iterator[str]:
    """The export of these stored conversations, one line with its newline at a time."""
    yield _line({"type": FORMAT, "version": VERSION, "exported_at": utc_now()})
    written: set[str] = set()
    for conversation in conversations:
        if conversation.id is None:
            raise ValueError("only a stored conversation can be exported")
        yield _line({"type": "conversation"} | _portable(conversation_json(conversation)))
        owner = {
            "type": "message",
            "conversation": [conversation.source, conversation.source_id],
        }
        ids = GeneratedIds()
        for message in iter_messages(db, conversation.id):
            if message.source_id is None:
                generated = ids.next(message.role, message.kind, message.ts, message.content)
                message = replace(message, source_id=generated)
            for attachment in message.attachments:
                if attachment.sha256 and attachment.sha256 not in written:
                    written.add(attachment.sha256)
                    yield _line(_file(db, attachment, attachment.sha256))
            yield _line(owner | _portable(_message(message)))


def write_export(lines: Iterable[str], target: Path) -> None:
    """Write ``lines`` to a file that only its owner can read. It appears, or replaces the
    one that is there, only once it is whole.

    :raises ExportFailed: if it cannot be written; nothing is left behind
    """
    if target.exists() and not target.is_file():
        # A device or a pipe would be replaced by a file.
        raise ExportFailed(f"{target}: not a file; leave --output out to write to stdout")
    target = target.resolve()
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    except OSError as ex:
        raise _failed(target, ex) from None
    temporary = Path(name)
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:  # noqa: PTH123
            for line in lines:
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as ex:
        raise _failed(target, ex) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _failed(target: Path, ex: OSError) -> ExportFailed:
    return ExportFailed(
        f"{target}: cannot write the export there: {ex.strerror or ex}; "
        "choose another place with --output"
    )


def _file(db: sqlite_utils.Database, attachment: Attachment, sha256: str) -> dict[str, Any]:
    return {
        "type": "attachment",
        "sha256": sha256,
        "media_type": attachment.media_type,
        "data": base64.b64encode(attachment_data(db, sha256)).decode("ascii"),
    }


def _message(message: Message) -> dict[str, Any]:
    data = message_json(message)
    data["attachments"] = [_portable(each) for each in data["attachments"]]
    return data


def _portable(data: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in data.items()
        if name not in _LOCAL and value is not None and value is not False and value != []
    }


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"
