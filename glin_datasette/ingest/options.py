"""How to import, and how an archive notes that a file was imported so."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ATTACHMENTS", "REDACTED", "ImportOptions"]

#: What travels with an importer's state, under names that none uses.
ATTACHMENTS = "#attachments"
REDACTED = "#redacted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How to import.

    ``deleted``: bring back what was deleted from the archive; every file is read again.
    ``attachments``: keep the bytes of images and documents; without it they are only noted.
    ``tool_output``: the most characters of one tool's output, half of them from its
    beginning and half from its end; ``None``: all. ``redact``: replace what looks like a
    credential; ``None``: in those files that were imported so before. ``format``: the name
    of the importer to use for named files, whatever they look like.
    """

    deleted: bool = False
    attachments: bool = False
    tool_output: int | None = None
    redact: bool | None = None
    format: str | None = None
