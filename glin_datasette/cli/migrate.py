"""``migrate``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click
import sqlite_utils

from .. import storage
from ..errors import NotFound, ReadOnlyArchive
from .archive import archive_path, open_archive
from .command import JSON, command
from .output import echo_json


@command(
    "migrate",
    "glin-datasette migrate --dry-run",
    "glin-datasette migrate",
)
@click.option("--list", "list_", is_flag=True, help="List the pending steps; change nothing.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@JSON
def migrate(list_: bool, dry_run: bool, as_json: bool) -> None:
    """Bring the archive's schema up to date.

    Other commands do this by themselves when they open an older archive. A backup is
    made first, and its name printed on stderr.

    With --json: path, version, newest, applied and pending (names of steps).
    """
    path = archive_path()
    version, pending = _look(path)
    applied: list[str] = []
    if pending and not (list_ or dry_run):
        db = open_archive()
        if storage.pending(db):
            raise ReadOnlyArchive(
                f"{path}: it can only be read, so its schema stays at version {version}; "
                "check its file mode and folder"
            )
        version, applied, pending = storage.version(db), pending, []
    if as_json:
        echo_json(
            {
                "path": str(path),
                "version": version,
                "newest": storage.newest_version(),
                "applied": applied,
                "pending": pending,
            }
        )
        return
    for name in pending:
        click.echo(f"pending: {name}")
    for name in applied:
        click.echo(f"applied: {name}")
    state = f"{len(pending)} to apply" if pending else "up to date"
    click.echo(f"{path}: schema version {version}, {state}")


def _look(path: Path) -> tuple[int, list[str]]:
    """The version and the pending steps of the archive, there or not, as it is."""
    try:
        db = storage.get_db(path, readonly=True)
    except NotFound:
        db = sqlite_utils.Database(memory=True)
    with contextlib.closing(db):
        return storage.version(db), storage.pending(db)
