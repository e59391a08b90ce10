"""What ``restore`` and ``replicate --restore`` tell of what they put in the place of an archive."""

from __future__ import annotations

import dataclasses

import click

from ..models import RestoreReport
from .output import echo_json, plural

__all__ = ["echo_restored", "told"]


def echo_restored(report: RestoreReport, *, dry_run: bool, as_json: bool) -> None:
    """Tell what was restored, or would be."""
    if not report.in_place:
        click.echo(
            f"{report.path}: SQLite could not open it, so another file took its place; restart "
            "what still has the old one open, such as a server",
            err=True,
        )
    if as_json:
        echo_json(dataclasses.asdict(report))
    elif dry_run:
        click.echo(f"{told(report)}, verified; nothing was changed")
    else:
        if report.previous:
            click.echo(f"What was there before: {report.previous}")
        click.echo(f"{report.path}: restored from {told(report)}")


def told(report: RestoreReport) -> str:
    """What it holds."""
    return (
        f"{report.restored_from}: {plural(report.conversations, 'conversation')}, "
        f"{plural(report.messages, 'message')}, schema version {report.schema_version}"
    )
