"""What ``check --secrets`` tells."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import click

from ..models import SecretFound, SecretsReport
from ..render import one_line, shorten
from ..storage.connection import connect
from .output import echo_json, plural, short_time
from .progress import progress_bar

__all__ = ["tell_secrets"]

_MAX_TITLE = 60


def tell_secrets(path: Path, *, as_json: bool) -> SecretsReport:
    """Look for credentials in the archive at ``path`` and print where they are."""
    # It loads the rules of detect-secrets, which takes a while.
    from ..credentials import scan_secrets

    with contextlib.closing(connect(path, readonly=True)) as db, progress_bar("Searching") as show:
        report = scan_secrets(db, progress=show)
    if as_json:
        echo_json({"path": str(path), **dataclasses.asdict(report)})
        return report
    for each in report.found:
        click.echo(_line(each))
    if report.more:
        click.echo(f"and {plural(report.more, 'more place')}")
    if not report.total:
        click.echo(
            f"{path}: nothing in {plural(report.messages, 'message')} looks like a credential"
        )
        return report
    kinds = ", ".join(f"{count:,} × {kind}" for kind, count in report.by_kind.items())
    click.echo(
        f"{path}: what looks like a credential is found {plural(report.total, 'time')}: {kinds}"
    )
    click.echo(
        "Replace at their services those that are real. 'glin-datasette show ID' shows a "
        "conversation.\n'glin-datasette import --redact' takes them out wherever the transcript "
        "is still there, 'glin-datasette delete ID'\nremoves a conversation. Backups keep what "
        "they hold."
    )
    return report


def _line(found: SecretFound) -> str:
    where = f"conversation {found.conversation_id}"
    if found.message_id is not None:
        where += f", message {found.message_id}"
    if found.place != "message":
        where += f", {found.place}"
    kind = found.kind if found.count == 1 else f"{found.count} × {found.kind}"
    title = shorten(found.title or "Untitled conversation", _MAX_TITLE)
    return f"{where}: {kind}  {short_time(found.ts)}  {one_line(title)}"
