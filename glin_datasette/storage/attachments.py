"""Files that came with messages: stored once by the digest of their bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib

import sqlite_utils

from ..errors import NotFound
from ..models import Attachment

__all__ = [
    "MAX_ATTACHMENT",
    "attach",
    "attachment_data",
    "attachment_type",
    "attachments_of",
    "drop_unused",
    "store_attachment",
]

#: Bytes. A larger file is noted in its message and not kept: an export puts a file on one
#: line, and no importer reads a line beyond 32 MiB.
MAX_ATTACHMENT = 20 * 1024 * 1024


def store_attachment(db: sqlite_utils.Database, attachment: Attachment) -> str | None:
    """Store the bytes of an attachment.

    :returns: their digest; ``None`` where it has none, or they are no base64, or too large
    """
    data = attachment.data
    if isinstance(data, str):
        try:
            data = base64.b64decode(data, validate=True)
        except (binascii.Error, ValueError):
            return None
    if not data or len(data) > MAX_ATTACHMENT:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    db.execute(
        "insert or ignore into attachments (sha256, media_type, size, data) values (?, ?, ?, ?)",
        [sha256, attachment.media_type, len(data), data],
    )
    return sha256


def attach(db: sqlite_utils.Database, message_id: int, attachment: Attachment) -> None:
    """Link a message to an attachment, whose bytes it brings or the archive holds already."""
    sha256 = store_attachment(db, attachment) if attachment.data else attachment.sha256
    if sha256 is not None:
        db.execute(
            "insert or ignore into message_attachments (message_id, sha256, name)"
            " select ?, sha256, ? from attachments where sha256 = ?",
            [message_id, attachment.name, sha256],
        )


def attachments_of(
    db: sqlite_utils.Database, message_ids: list[int]
) -> dict[int, tuple[Attachment, ...]]:
    """What is kept with these messages, without the bytes."""
    found: dict[int, tuple[Attachment, ...]] = {}
    # An older archive that may only be read has no such table.
    if not message_ids or not db.table("message_attachments").exists():
        return found
    for message_id, sha256, name, media_type, size in db.execute(
        "select m.message_id, m.sha256, m.name, a.media_type, a.size"
        " from message_attachments as m join attachments as a on a.sha256 = m.sha256"
        f" where m.message_id in ({', '.join(str(int(each)) for each in message_ids)})"
        " order by m.message_id, m.rowid"
    ):
        each = Attachment(media_type=media_type, name=name, size=size, sha256=sha256)
        found[message_id] = (*found.get(message_id, ()), each)
    return found


def attachment_type(db: sqlite_utils.Database, sha256: str) -> str:
    """What an attachment is, as the transcript said: ``image/png``.

    :raises NotFound: if the archive does not hold it
    """
    if db.table("attachments").exists():
        sql = "select media_type from attachments where sha256 = ?"
        if row := db.execute(sql, [sha256]).fetchone():
            return str(row[0])
    raise NotFound(f"no attachment {sha256[:12]} in the archive")


def attachment_data(db: sqlite_utils.Database, sha256: str) -> bytes:
    """The bytes of an attachment that the archive holds; empty if it does not."""
    row = db.execute("select data from attachments where sha256 = ?", [sha256]).fetchone()
    return bytes(row[0]) if row else b""


def drop_unused(db: sqlite_utils.Database) -> None:
    """Remove the attachments that no message has any more."""
    db.execute(
        "delete from attachments where sha256 not in (select sha256 from message_attachments)"
    )
