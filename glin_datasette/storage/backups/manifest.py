"""What is known of a backup without opening it: a small JSON file beside it.

``sha256sum`` gives the same digest. A backup without its manifest is as good, but only its
own structure tells whether it is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from ... import paths
from ...errors import BackupError
from .files import backup_files, is_backup_name
from .temporary import temporary_file

__all__ = [
    "Manifest",
    "described_by",
    "digest",
    "left_alone",
    "manifest_path",
    "newest_intact",
    "own_backups",
    "read_manifest",
    "write_manifest",
]

#: A manifest is some hundred bytes; what is larger is none.
_LARGEST = 1_000_000


def _release() -> str:
    # Loading that takes longer than most commands.
    from importlib.metadata import version

    return version("glin-datasette")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A backup, as it was when it was made."""

    #: Of the file as it is, compressed or not.
    sha256: str
    size: int
    #: UTC.
    created_at: str
    schema_version: int
    #: Rows by table.
    counts: dict[str, int]
    compressed: bool = False
    #: The release of this package that made it.
    release: str = field(default_factory=_release)
    #: Where it came from.
    archive: str
    host: str = field(default_factory=platform.node)

    def is_of(self, archive: Path) -> bool:
        """Whether it tells of a backup of the archive at that path of this machine."""
        return self.host == platform.node() and self.archive == str(archive.resolve())


def manifest_path(backup: Path) -> Path:
    """Where the manifest of a backup is."""
    return backup.with_name(backup.name + ".json")


def described_by(manifest: Path) -> Path:
    """The backup whose manifest this is; the path itself if it is the manifest of none."""
    backup = manifest.with_suffix("")
    return backup if manifest_path(backup) == manifest and backup.is_file() else manifest


def write_manifest(backup: Path, manifest: Manifest) -> None:
    """Write the manifest of a backup, whole or not at all."""
    with temporary_file(backup.parent) as temporary:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(asdict(manifest), file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(manifest_path(backup))


def read_manifest(backup: Path) -> Manifest | None:
    """The manifest of a backup, or ``None`` if there is none.

    :raises BackupError: if there is one that cannot be read
    """
    path = manifest_path(backup)
    try:
        if path.stat().st_size > _LARGEST or not path.is_file():
            raise ValueError("too long, or no file")
        said = json.loads(path.read_text("utf-8"))
        known = {each.name for each in fields(Manifest)}
        manifest = Manifest(**{name: value for name, value in said.items() if name in known})
        if not isinstance(manifest.size, int) or not isinstance(manifest.counts, dict):
            raise ValueError("a value that it cannot have")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as ex:
        told = " ".join(str(ex).split())[:100]
        raise BackupError(
            f"{path}: not the manifest of a backup ({told}); without it the backup is "
            "verified by its contents alone"
        ) from None
    return manifest


def own_backups(archive: Path, folder: Path) -> list[tuple[Path, Manifest | None]]:
    """The backups in ``folder`` that are certainly of this archive, newest first, with their
    manifests.

    Those with a manifest that says so. One without any counts only in the folder beside the
    archive, and only if no other archive can have put it there: ``work.db`` and
    ``work.sqlite`` have one folder, and it may be a link to one that other machines have too.
    """
    found: list[tuple[Path, Manifest | None]] = []
    for file in backup_files(archive, folder):
        with contextlib.suppress(BackupError):
            found.append((file, read_manifest(file)))
    alone = _has_alone(archive, folder) and all(m is None or m.is_of(archive) for _, m in found)
    return [(file, m) for file, m in found if (m.is_of(archive) if m else alone)]


def _has_alone(archive: Path, folder: Path) -> bool:
    """Whether ``folder`` is the one beside the archive, and no other file would have it."""
    there = archive.resolve()
    if folder.resolve() != paths.backups_dir(there):
        return False
    own = {there.name + ending for ending in ("", "-wal", "-shm", "-journal")}
    return not any(
        file.name not in own and paths.backups_dir(file) == paths.backups_dir(there)
        for file in there.parent.iterdir()
    )


def left_alone(archive: Path, folder: Path) -> list[Path]:
    """The backups of this archive in ``folder`` of which only the manifest is left."""
    found = []
    for manifest in folder.glob("*.json"):
        backup = manifest.with_suffix("")
        if is_backup_name(archive, backup.name) and not backup.exists():
            with contextlib.suppress(BackupError):
                told = read_manifest(backup)
                if told and told.is_of(archive):
                    found.append(backup)
    return found


def newest_intact(archive: Path) -> Path | None:
    """The newest backup beside an archive that has the size that its manifest tells;
    ``None`` if there is none. Reading it back is more, and takes longer."""
    for backup in backup_files(archive, paths.backups_dir(archive)):
        with contextlib.suppress(BackupError, OSError):
            manifest = read_manifest(backup)
            if manifest is None or manifest.size == backup.stat().st_size:
                return backup
    return None


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
