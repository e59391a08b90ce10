"""Images and other binaries that tools put into text as base64.

They say nothing to whoever reads or searches, and one screenshot is longer than a day's
conversations. A note of type and size stands in their place; the bytes become an
attachment, which is kept or dropped like any other.
"""

from __future__ import annotations

import re

from ..importers.session import attachment_note, base64_size
from ..models import Attachment

__all__ = ["extract"]

#: Shorter than this, it may be a word, a digest or a key.
_LEAST = 400

_DATA_URL = re.compile(
    rf"data:([a-z]+/[\w.+-]{{1,60}})(?:;[\w=.-]{{1,60}})*;base64,([A-Za-z0-9+/]{{{_LEAST},}}+={{0,2}})"
)
#: How base64 of well-known kinds of files begins.
_BEGINNINGS = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "JVBERi0": "application/pdf",
    "UEsDB": "application/zip",
}
_BARE = re.compile(
    r"(?<![A-Za-z0-9+/=])"
    rf"((?:{'|'.join(map(re.escape, _BEGINNINGS))})[A-Za-z0-9+/]{{{_LEAST},}}+={{0,2}})"
)


def extract(text: str) -> tuple[str, tuple[Attachment, ...]]:
    """``text`` with a note in the place of each binary, and the binaries."""
    if len(text) < _LEAST:
        return text, ()
    found: list[Attachment] = []

    def note(media_type: str, data: str) -> str:
        attachment = Attachment(media_type=media_type, size=base64_size(data), data=data)
        found.append(attachment)
        return attachment_note(attachment)

    if ";base64," in text:
        text = _DATA_URL.sub(lambda match: note(match[1], match[2]), text)
    if any(map(text.__contains__, _BEGINNINGS)):
        text = _BARE.sub(lambda match: note(_type_of(match[1]), match[1]), text)
    return text, tuple(found)


def _type_of(data: str) -> str:
    return next(kind for start, kind in _BEGINNINGS.items() if data.startswith(start))
