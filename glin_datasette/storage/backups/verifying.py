"""Reading a backup back."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ... import paths
from ...errors import BackupError, DamagedArchive, GlinError, NotFound
from ...models import BackupReport
from ..connection import timed
from .contents import Contents, inspect
from .files import PACKED, backup_files, created_at
from .manifest import Manifest, digest, manifest_path, read_manifest
from .packing import unpacked

__all__ = ["list_backups", "verified", "verify_backup"]


def verify_backup(backup: str | os.PathLike[str]) -> BackupReport:
    """Read a whole backup back: integrity, foreign keys and schema; and, where it has its
    manifest, the digest of the file and the rows of each table.

    :raises NotFound: if there is no such file
    :raises GlinError: if it is damaged, newer than this release or no archive
    """
    with verified(Path(backup)) as (report, _):
        return report


@contextlib.contextmanager
def verified(backup: Path) -> Iterator[tuple[BackupReport, Path]]:
    """The database in a backup, once it was read back; see :func:`verify_backup`."""
    if not backup.exists():
        raise NotFound(
            f"{backup}: no such backup; 'glin-datasette backup --list' shows which there are"
        )
    if not backup.is_file():  # A pipe would be waited for, and some devices have no end.
        raise BackupError(f"{backup}: cannot be read: it is no file")
    with timed("verify_backup"), contextlib.ExitStack() as stack:
        manifest = read_manifest(backup)
        sha256 = _digested(backup, manifest)
        database = stack.enter_context(unpacked(backup))
        contents = inspect(database, deep=True, name=backup)
        if manifest and contents.counts != manifest.counts:
            raise DamagedArchive(
                f"{backup}: damaged: it does not hold the rows that {manifest_path(backup).name} "
                "counts; use another backup"
            )
        yield _report(backup, contents, sha256), database


def list_backups(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None
) -> list[BackupReport]:
    """The backups of the archive at path ``archive``, newest first.

    What they hold is what their manifests say; those without one are opened. They are not
    verified, and one that cannot be opened is left out.
    """
    path = Path(archive)
    found = []
    for file in backup_files(path, Path(folder) if folder else paths.backups_dir(path)):
        with contextlib.suppress(GlinError, OSError):
            found.append(_listed(file))
    return found


def _listed(backup: Path) -> BackupReport:
    with contextlib.suppress(BackupError):
        manifest = read_manifest(backup)
        if manifest and manifest.size == backup.stat().st_size:
            contents = Contents(manifest.schema_version, manifest.counts)
            return _report(backup, contents, manifest.sha256, verified=False)
    with unpacked(backup) as database:
        contents = inspect(database, deep=False, name=backup)
        return _report(backup, contents, None, verified=False)


def _digested(backup: Path, manifest: Manifest | None) -> str:
    try:
        found = digest(backup)
    except OSError as ex:
        raise BackupError(f"{backup}: cannot be read: {ex.strerror or ex}") from None
    if manifest and manifest.sha256 != found:
        raise DamagedArchive(
            f"{backup}: damaged: it is not the file that {manifest_path(backup).name} tells of "
            "(its SHA-256 is another); use another backup"
        )
    return found


def _report(
    backup: Path, contents: Contents, sha256: str | None, *, verified: bool = True
) -> BackupReport:
    return BackupReport(
        path=str(backup),
        created_at=created_at(backup),
        size=backup.stat().st_size,
        sha256=sha256,
        compressed=backup.suffix == PACKED,
        schema_version=contents.schema_version,
        conversations=contents.counts.get("conversations", 0),
        messages=contents.counts.get("messages", 0),
        verified=verified,
    )
