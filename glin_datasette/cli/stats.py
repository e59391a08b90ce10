"""``stats``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import click

from .. import storage
from ..sizes import human_size
from .archive import archive_path, open_archive
from .command import JSON, command
from .output import echo_json, plural, short_time, table

_MONTHS = 12


@command("stats", "glin-datasette stats", "glin-datasette stats --json")
@JSON
def stats(as_json: bool) -> None:
    """Count what the archive holds.

    With --json: path, size (bytes), conversations, messages, refs, tags, first_ts,
    last_ts, token_in, token_out, token_cached, and messages by_source, by_role, by_kind,
    by_model and by_month.
    """
    found = storage.stats(open_archive())
    path = archive_path()
    bytes_ = path.stat().st_size
    if as_json:
        echo_json({"path": str(path), "size": bytes_, **dataclasses.asdict(found)})
        return
    click.echo(f"{path}: {human_size(bytes_)}")
    click.echo(
        f"{plural(found.conversations, 'conversation')}, {plural(found.messages, 'message')}, "
        f"{plural(found.refs, 'reference')}, {plural(found.tags, 'tag')}"
    )
    if found.first_ts:
        click.echo(f"{short_time(found.first_ts)} to {short_time(found.last_ts)}")
    click.echo(
        f"{plural(found.token_in, 'token')} in ({found.token_cached:,} from a cache), "
        f"{found.token_out:,} out"
    )
    _tell("SOURCE", found.by_source)
    _tell("ROLE", found.by_role)
    _tell("KIND", found.by_kind)
    _tell("MODEL", found.by_model)
    _tell("MONTH", dict(list(found.by_month.items())[:_MONTHS]))


def _tell(name: str, counts: Mapping[str, int]) -> None:
    if counts:
        click.echo()
        table(("MESSAGES", name), [(f"{n:,}", each) for each, n in counts.items()], numeric=1)
