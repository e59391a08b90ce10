"""``check``."""

from __future__ import annotations

import dataclasses

import click

from ..models import HealthReport
from ..render import one_line
from ..storage import check_file
from .archive import archive_path, open_archive
from .command import JSON, command
from .output import echo_json, plural, size
from .secrets import tell_secrets

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command(
    "check",
    "glin-datasette check",
    "glin-datasette check --deep --json",
    "glin-datasette check --secrets",
    statuses="0 healthy, warnings included; 1 damage found, or with --secrets a credential, or "
    "the check failed; 2 wrong usage.",
)
@click.option("--deep", is_flag=True, help="Read everything: pages, links, the search index.")
@click.option("--secrets", is_flag=True, help="Only look for what looks like a credential.")
@JSON
def check(deep: bool, secrets: bool, as_json: bool) -> None:
    """Check the archive's health. Changes nothing.

    With --json: status (ok, warn, fail), path, schema_version, sqlite_version, checks
    (name, status, detail, ms), counts, sizes (bytes), last_backup_age (seconds),
    checked_at, ms and replication (null, or as with 'replicate --status --json').

    With --secrets it is told where in messages, titles and notes something looks like a
    credential, and of what kind it is; it is never shown itself.

    With --secrets --json: path, total, by_kind (kinds and their number), found (kind,
    place: message, reference, title or notes; count, conversation_id, message_id, title,
    role, ts), more (places beyond the first 1,000), messages and seconds.
    """
    if secrets and deep:
        raise click.UsageError("--secrets reads everything anyway; leave --deep out")
    path = archive_path()
    if not path.exists():
        open_archive()
    if secrets:
        if tell_secrets(path, as_json=as_json).total:
            click.get_current_context().exit(1)
        return
    report = check_file(path, deep=deep)
    if as_json:
        echo_json(dataclasses.asdict(report))
    else:
        _tell(report)
    if report.status == "fail":
        click.get_current_context().exit(1)


def _tell(report: HealthReport) -> None:
    for each in report.checks:
        status = click.style(f"{each.status:4}", fg=_COLOURS[each.status])
        click.echo(f"{status}  {each.name}: {one_line(each.detail)}")
    counts = [plural(count, name.rstrip("s")) for name, count in report.counts.items()]
    bytes_ = size(report.sizes.get("database", 0))
    click.echo(f"{report.path}: {report.status}; {', '.join([bytes_, *counts])}")
