"""What an import did, while it is doing it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..models import ImportReport, Problem
from ..paths import told

if TYPE_CHECKING:
    from ..importers.base import Skipped

#: A report names so many damaged places; all are counted.
MAX_PROBLEMS = 1000


@dataclass(slots=True)
class Tally:
    """An ImportReport in the making."""

    files: int = 0
    unchanged: int = 0
    conversations: int = 0
    messages: int = 0
    skipped: int = 0
    redacted: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    #: What could not be read at all, and damage inside of what could.
    failures: dict[str, Problem] = field(default_factory=dict)
    errors: list[Problem] = field(default_factory=list)

    def failure(self, path: Path | str, error: str) -> None:
        """Note what could not be read at all."""
        if len(self.failures) < MAX_PROBLEMS:
            name = told(path)
            self.failures.setdefault(name, Problem(name, None, error))

    def unreadable(self, path: Path, ex: OSError) -> None:
        """Note what the system would not let us read."""
        self.failure(path, f"cannot be read: {ex.strerror or ex}")

    def damage(self, path: Path, problems: list[Skipped]) -> None:
        """Note the damaged places of a file."""
        for problem in problems[: MAX_PROBLEMS - len(self.errors)]:
            self.errors.append(Problem(told(path), problem.line, problem.error))

    def report(self, seconds: float) -> ImportReport:
        """All of it."""
        return ImportReport(
            files=self.files,
            unchanged=self.unchanged,
            conversations=self.conversations,
            messages=self.messages,
            skipped=self.skipped,
            redacted=self.redacted,
            failed=len(self.failures),
            unknown=dict(sorted(self.unknown.items())),
            errors=(*self.failures.values(), *self.errors)[:MAX_PROBLEMS],
            seconds=round(seconds, 3),
        )
