"""``backup``, ``verify`` and ``restore``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from .. import paths
from ..errors import GlinError
from ..models import BackupReport
from ..sizes import human_size
from ..storage import Keep, backup_db, list_backups, restore_db, verify_backup
from ..storage.backups.manifest import described_by
from .archive import archive_path, open_archive
from .command import JSON, YES, command
from .file_path import FilePath
from .output import echo_json, plural, short_time, table
from .progress import progress_bar
from .restored import echo_restored, told


@command(
    "backup",
    "glin-datasette backup",
    "glin-datasette backup --to /media/stick --keep 7",
    "glin-datasette backup --compress --keep-daily 7 --keep-weekly 4 --keep-monthly 12",
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
@click.option(
    "--keep-daily", metavar="D", type=click.IntRange(1),
    help="Keep the newest of each of the last D days that have one; remove what nothing keeps.",
)  # fmt: skip
@click.option(
    "--keep-weekly", metavar="W", type=click.IntRange(1), help="The same for W weeks.",
)  # fmt: skip
@click.option(
    "--keep-monthly", metavar="M", type=click.IntRange(1), help="The same for M months.",
)  # fmt: skip
@click.option("--compress", is_flag=True, help="Compress it, with Zstandard.")
@click.option("--list", "list_", is_flag=True, help="List the backups that there are.")
@JSON
def backup(
    folder: Path | None,
    keep: int | None,
    keep_daily: int | None,
    keep_weekly: int | None,
    keep_monthly: int | None,
    compress: bool,
    list_: bool,
    as_json: bool,
) -> None:
    """Make a backup of the archive.

    It is verified before it counts. The archive may be in use meanwhile: the backup is of
    one moment. Beside it lies a manifest, with its SHA-256.

    Days, weeks and months are those of UTC, as the names of backups are. Several --keep
    options keep what any of them keeps. Only backups of this archive and machine are
    removed, and none that holds conversations while the new one holds none.

    With --json: path, created_at, size (bytes), sha256, compressed, schema_version,
    conversations, messages, verified, seconds, pruned and spared (paths: removed, and not
    removed since the new one holds no conversations); with --list: backups, the newest first.
    """
    numbers = {"last": keep, "daily": keep_daily, "weekly": keep_weekly, "monthly": keep_monthly}
    wanted = {name: number for name, number in numbers.items() if number is not None}
    if list_:
        if wanted or compress:
            raise click.UsageError("--list makes no backup; leave --keep and --compress out")
        _list(list_backups(archive_path(), folder), as_json)
        return
    # One that is not there is no reason to make an empty one, and its backup the newest.
    db = open_archive(create=False)
    with progress_bar("Backing up") as progress:
        report = backup_db(
            db,
            folder,
            keep=Keep(**wanted) if wanted else None,
            compress=compress,
            progress=progress,
        )
    if report.spared:
        click.echo(
            f"{report.path}: holds no conversations, so "
            f"{plural(len(report.spared), 'older backup')} that would have been removed stayed",
            err=True,
        )
    if as_json:
        echo_json(dataclasses.asdict(report))
        return
    for old in report.pruned:
        click.echo(f"Removed {old}")
    click.echo(f"{_summary(report)}, verified")


@command(
    "verify",
    "glin-datasette verify glin-20260211T055333Z.db",
    "glin-datasette verify /media/stick/*.db",
    statuses="0 all of them are whole, 1 one is not or failed, 2 wrong usage.",
)
@click.argument("backups", metavar="FILE...", nargs=-1, required=True, type=FilePath())
@JSON
def verify(backups: tuple[Path, ...], as_json: bool) -> None:
    """Read backups back, all of each.

    FILE is a file, or the name of one that 'backup --list' shows; a manifest stands for its
    backup. Its pages, links and rows are read, and compared with its manifest where it has
    one.

    With --json: backups, with what 'backup --json' tells of each that is whole, and path
    and error of each that is not.
    """
    found: list[dict[str, object]] = []
    # A pattern such as glin-backups/* also matches their manifests.
    for file in dict.fromkeys(described_by(_named(name)) for name in backups):
        try:
            report = verify_backup(file)
        except GlinError as ex:
            found.append({"path": str(file), "error": str(ex)})
            if not as_json:
                click.echo(f"Error: {ex}", err=True)
            continue
        found.append(dataclasses.asdict(report))
        if not as_json:
            click.echo(f"{_summary(report)}, whole")
    if as_json:
        echo_json({"backups": found})
    if any("error" in each for each in found):
        click.get_current_context().exit(1)


@command(
    "restore",
    "glin-datasette restore glin-20260211T055333Z.db --dry-run",
    "glin-datasette restore /media/stick/glin-20260211T055333Z.db --yes",
)
@click.argument("backup", metavar="BACKUP", type=FilePath())
@click.option("--dry-run", is_flag=True, help="Verify the backup and change nothing.")
@click.option("--force", "-f", is_flag=True, help="Like --yes, and sets aside what is no archive.")
@YES
@JSON
def restore(backup: Path, dry_run: bool, force: bool, yes: bool, as_json: bool) -> None:
    """Put a backup in the place of the archive.

    BACKUP is a file, or the name of one that 'backup --list' shows. It is verified first,
    and what the archive holds now is backed up. One of an older release is brought to
    the newest schema. A file that is no database, and of which nothing tells that it was an
    archive, is only replaced with --force; a database of somebody else never is.

    With --json: path, restored_from, previous (the backup of what was there),
    schema_version, conversations, messages, in_place (false if what has the archive open
    must be restarted) and seconds.
    """
    archive = archive_path()
    source = _named(backup)
    report = restore_db(archive, source, dry_run=True, force=force)
    if not dry_run:
        if archive.exists() and not (yes or force):
            click.confirm(f"{told(report)}\nPut this in the place of {archive}?", abort=True)
        with progress_bar("Restoring") as progress:
            report = restore_db(archive, source, force=force, progress=progress)
    echo_restored(report, dry_run=dry_run, as_json=as_json)


def _list(backups: list[BackupReport], as_json: bool) -> None:
    if as_json:
        echo_json({"backups": [dataclasses.asdict(each) for each in backups]})
    elif backups:
        table(
            ("MESSAGES", "SIZE", "MADE", "FILE"),
            [
                (f"{b.messages:,}", human_size(b.size), short_time(b.created_at), b.path)
                for b in backups
            ],
            numeric=2,
        )
    else:
        click.echo("No backups.")


def _named(backup: Path) -> Path:
    """A backup that was named by its path, or by its name beside the archive."""
    beside = paths.backups_dir(archive_path()) / backup
    return beside if not backup.exists() and beside.exists() else backup


def _summary(report: BackupReport) -> str:
    return (
        f"{report.path}: {human_size(report.size)}, "
        f"{plural(report.conversations, 'conversation')}, "
        f"{plural(report.messages, 'message')}"
    )
