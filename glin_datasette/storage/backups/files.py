"""What backups are called, and which there are.

A backup is an ordinary archive file, named so that names sort by time:
``glin-20260211T055333Z.db``, or with ``.zst`` at its end if it is compressed. It gets that
name only when it is whole and verified.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from ... import paths

__all__ = [
    "PACKED",
    "aside_name",
    "backup_files",
    "backup_time",
    "created_at",
    "is_backup",
    "is_backup_name",
    "newest_backup",
    "take_name",
]

#: The ending of a compressed backup.
PACKED = ".zst"

_TIME = r"-(\d{8}T\d{6})(?:\.\d+)?Z\.db(?:\.zst)?"
_NAME = re.compile(f"^.+{_TIME}$")


def backup_files(archive: Path, folder: Path) -> list[Path]:
    """The backups in ``folder`` that are named after ``archive``, newest first."""
    if not folder.is_dir():
        return []
    found = [f for f in folder.iterdir() if is_backup_name(archive, f.name) and f.is_file()]
    # Without the Z, so that a second one of the same second sorts behind the first.
    return sorted(found, key=lambda file: file.name.partition("Z.db")[0], reverse=True)


def is_backup_name(archive: Path, name: str) -> bool:
    """Whether a file is called as backups of ``archive`` are."""
    return re.fullmatch(re.escape(archive.stem) + _TIME, name) is not None


def newest_backup(archive: str | os.PathLike[str]) -> Path | None:
    """The newest backup beside an archive, judged by its name; ``None`` if there is none."""
    path = Path(archive)
    return next(iter(backup_files(path, paths.backups_dir(path))), None)


def is_backup(file: Path) -> bool:
    """Whether a file is called as the backups of some archive are."""
    return _NAME.match(file.name) is not None


def backup_time(backup: Path) -> datetime:
    """When a backup was made, as its name says; else when the file was last changed."""
    named = _NAME.match(backup.name)
    if named:
        try:
            return datetime.strptime(named[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            pass  # Digits that are no time: somebody else's name.
    return datetime.fromtimestamp(backup.stat().st_mtime, tz=UTC)


def created_at(backup: Path) -> str:
    """:func:`backup_time` as everything in an archive has it."""
    return backup_time(backup).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def stamp() -> str:
    """The present time, as it stands in names."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S")


def take_name(temporary: Path, folder: Path, stem: str, ending: str) -> Path:
    """Give a finished file its name, which no other file has."""
    # link() fails where the name is taken, rename() would overwrite: two backups in one
    # second get two names.
    now, count = stamp(), 0
    while True:
        bare = f"{stem}-{now}{f'.{count:03d}' if count else ''}Z.db"
        count += 1
        if any((folder / (bare + other)).exists() for other in ("", PACKED)):
            continue
        try:
            os.link(temporary, folder / (bare + ending))
        except FileExistsError:
            continue
        return folder / (bare + ending)


def aside_name(archive: Path, why: str) -> Path:
    """A name beside an archive for what it was, such as ``glin.db.replaced-20260211T055333``,
    that no other file has: not even if the clock stands still or has gone back."""
    bare, count = f"{archive.name}.{why}-{stamp()}", 0
    while True:
        aside = archive.with_name(f"{bare}{f'.{count:03d}' if count else ''}Z")
        if not any(aside.with_name(aside.name + end).exists() for end in ("", "-wal", "-shm")):
            return aside
        count += 1
