"""``check``."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ..models import HealthReport, RepairReport
from ..render import one_line
from ..sizes import human_size
from ..storage import check_file, repair_db
from .archive import archive_path
from .command import JSON, command
from .output import echo_json, plural
from .progress import progress_bar
from .secrets import tell_secrets

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command(
    "check",
    "glin-datasette check",
    "glin-datasette check --deep --json",
    "glin-datasette check --repair",
    "glin-datasette check --secrets",
    statuses="0 healthy, warnings included; 1 damage found, or with --secrets a credential, or "
    "the check failed; 2 wrong usage.",
)
@click.option("--deep", is_flag=True, help="Read everything: pages, links, the search index.")
@click.option("--repair", is_flag=True, help="Mend what can be mended, after a backup.")
@click.option("--secrets", is_flag=True, help="Only look for what looks like a credential.")
@JSON
def check(deep: bool, repair: bool, secrets: bool, as_json: bool) -> None:
    """Check the archive's health. Changes nothing, unless it is asked to repair.

    With --json: status (ok, warn, fail), path, schema_version, sqlite_version, checks
    (name, status, detail, ms), counts, sizes (bytes), last_backup_age and
    last_import_age (seconds), checked_at, ms and replication (null, or as with 'replicate
    --status --json').

    With --repair the search index and other indexes that disagree are rebuilt, rows whose
    parents are missing dropped, missing triggers, indexes and tables made again, what search
    knows of messages completed, and the WAL written back: all or nothing, after a backup.
    Where no backup can be verified, a copy of the file is set aside instead. Then everything
    is checked.

    With --repair --json: path, backup, verified (whether it is a verified backup), repaired
    (name, done, count, detail), health (as above) and seconds.

    With --secrets it is told where in messages, titles and notes something looks like a
    credential, and of what kind it is; it is never shown itself.

    With --secrets --json: path, total, by_kind (kinds and their number), found (kind,
    place: message, reference, title or notes; count, conversation_id, message_id, title,
    role, ts), more (places beyond the first 1,000), messages and seconds.
    """
    if secrets and repair:
        raise click.UsageError("--secrets and --repair do not go together")
    if secrets and deep:
        raise click.UsageError("--secrets reads everything anyway; leave --deep out")
    path = archive_path()
    if secrets:
        if tell_secrets(path, as_json=as_json).total:
            click.get_current_context().exit(1)
        return
    if repair:
        report = _repair(path, as_json).health
    else:
        report = check_file(path, deep=deep)
        if as_json:
            echo_json(dataclasses.asdict(report))
    if not as_json:
        _tell(report)
    if report.status == "fail":
        click.get_current_context().exit(1)


def _repair(path: Path, as_json: bool) -> RepairReport:
    with progress_bar("Backing up") as progress:
        report = repair_db(path, progress=progress)
    if as_json:
        echo_json(dataclasses.asdict(report))
        return report
    kind = "Backup" if report.verified else "Copy (a backup of it cannot be verified)"
    click.echo(f"{kind}: {report.backup}")
    for each in report.repaired:
        click.echo(f"{'' if each.done else 'Not done: '}{one_line(each.detail)}")
    if not report.repaired:
        click.echo("Nothing to repair.")
    return report


def _tell(report: HealthReport) -> None:
    for each in report.checks:
        status = click.style(f"{each.status:4}", fg=_COLOURS[each.status])
        click.echo(f"{status}  {each.name}: {one_line(each.detail)}")
    counts = [plural(count, name.rstrip("s")) for name, count in report.counts.items()]
    bytes_ = human_size(report.sizes.get("database", 0))
    click.echo(f"{report.path}: {report.status}; {', '.join([bytes_, *counts])}")
