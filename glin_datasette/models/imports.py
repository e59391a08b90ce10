"""What an import tells."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["ImportReport", "Problem"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a file that could not be used. ``line`` counts from 1."""

    path: str
    line: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What one import did.

    ``files`` were looked at, ``unchanged`` of them needed no reading. ``conversations``
    and ``messages`` count what was added. ``skipped`` counts records that were damaged
    (each in ``errors``) or of a kind that this release does not know (by name in
    ``unknown``). ``redacted`` counts the credentials that were replaced, ``failed`` what
    could not be read at all: these come first in ``errors``.
    """

    files: int = 0
    unchanged: int = 0
    conversations: int = 0
    messages: int = 0
    skipped: int = 0
    redacted: int = 0
    failed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    errors: tuple[Problem, ...] = ()
    seconds: float = 0.0
