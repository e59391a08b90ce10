"""``backup`` and ``restore``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from .. import paths
from ..models import BackupReport, RestoreReport
from ..storage import backup_db, list_backups, restore_db
from .archive import archive_path, open_archive
from .command import JSON, YES, command
from .file_path import FilePath
from .output import echo_json, plural, short_time, size, table
from .progress import progress_bar


@command(
    "backup",
    "glin-datasette backup",
    "glin-datasette backup --to /media/stick --keep 7",
    "glin-datasette backup --list",
)
@click.option(
    "--to", "folder", metavar="FOLDER", type=FilePath(file_okay=False),
    help="Where backups are; by default beside the archive.",
)  # fmt: skip
@click.option(
    "--keep", metavar="N", type=click.IntRange(1),
    help="Remove all but the N newest, once the new one is verified.",
)  # fmt: skip
@click.option("--list", "list_", is_flag=True, help="List the backups that there are.")
@JSON
def backup(folder: Path | None, keep: int | None, list_: bool, as_json: bool) -> None:
    """Make a backup of the archive.

    It is verified before it counts. The archive may be in use meanwhile: the backup is of
    one moment.

    With --json: path, created_at, size (bytes), schema_version, conversations, messages,
    verified, seconds and pruned (paths); with --list: backups, the newest first.
    """
    if list_:
        _list(list_backups(archive_path(), folder), as_json)
        return
    db = open_archive()
    with progress_bar("Backing up") as progress:
        report = backup_db(db, folder, keep=keep, progress=progress)
    if as_json:
        echo_json(dataclasses.asdict(report))
        return
    for old in report.pruned:
        click.echo(f"Removed {old}")
    click.echo(
        f"{report.path}: {size(report.size)}, {plural(report.conversations, 'conversation')}, "
        f"{plural(report.messages, 'message')}, verified"
    )


@command(
    "restore",
    "glin-datasette restore glin-20260211T055333Z.db --dry-run",
    "glin-datasette restore /media/stick/glin-20260211T055333Z.db --yes",
)
@click.argument("backup", metavar="BACKUP", type=FilePath())
@click.option("--dry-run", is_flag=True, help="Verify the backup and change nothing.")
@click.option("--force", "-f", is_flag=True, help="The same as --yes.")
@YES
@JSON
def restore(backup: Path, dry_run: bool, force: bool, yes: bool, as_json: bool) -> None:
    """Put a backup in the place of the archive.

    BACKUP is a file, or the name of one that 'backup --list' shows. It is verified first,
    and what the archive holds now is backed up.

    With --json: path, restored_from, previous (the backup of what was there),
    schema_version, conversations, messages and seconds.
    """
    archive = archive_path()
    beside = paths.backups_dir(archive) / backup
    source = beside if not backup.exists() and beside.exists() else backup
    report = restore_db(archive, source, dry_run=True)
    if not dry_run:
        if archive.exists() and not (yes or force):
            click.confirm(f"{_told(report)}\nPut this in the place of {archive}?", abort=True)
        with progress_bar("Restoring") as progress:
            report = restore_db(archive, source, progress=progress)
    if as_json:
        echo_json(dataclasses.asdict(report))
    elif dry_run:
        click.echo(f"{_told(report)}, verified; nothing was changed")
    else:
        if report.previous:
            click.echo(f"What was there before: {report.previous}")
        click.echo(f"{archive}: restored from {_told(report)}")


def _list(backups: list[BackupReport], as_json: bool) -> None:
    if as_json:
        echo_json({"backups": [dataclasses.asdict(each) for each in backups]})
    elif backups:
        table(
            ("MESSAGES", "SIZE", "MADE", "FILE"),
            [(f"{b.messages:,}", size(b.size), short_time(b.created_at), b.path) for b in backups],
            numeric=2,
        )
    else:
        click.echo("No backups.")


def _told(report: RestoreReport) -> str:
    return (
        f"{report.restored_from}: {plural(report.conversations, 'conversation')}, "
        f"{plural(report.messages, 'message')}, schema version {report.schema_version}"
    )
