"""Which old backups may go."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ...errors import BackupError
from .files import backup_time

__all__ = ["Keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How many backups to keep: the newest ones, and the newest of each of the last days,
    weeks (from Monday) and months that have any, all in UTC as their names are. A backup
    stays if any of these keeps it.

    :raises BackupError: if nothing at all is to be kept, or less than nothing
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0

    def __post_init__(self) -> None:
        numbers = (self.last, self.daily, self.weekly, self.monthly)
        if min(numbers) < 0 or not any(numbers):
            raise BackupError("no backups would be kept; keep at least 1")

    def too_old(self, backups: Iterable[Path]) -> list[Path]:
        """Those of ``backups``, newest first, that may go."""
        periods: tuple[tuple[int, Callable[[datetime], Hashable]], ...] = (
            (self.daily, datetime.date),
            (self.weekly, lambda when: when.isocalendar()[:2]),
            (self.monthly, lambda when: (when.year, when.month)),
        )
        seen: list[set[Hashable]] = [set() for _ in periods]
        old = []
        for n, backup in enumerate(backups):
            kept = n < self.last
            when = backup_time(backup)
            for (wanted, period), had in zip(periods, seen, strict=True):
                if period(when) not in had and len(had) < wanted:
                    had.add(period(when))
                    kept = True
            if not kept:
                old.append(backup)
        return old
