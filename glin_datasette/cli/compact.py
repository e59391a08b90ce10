"""``compact``."""

from __future__ import annotations

import dataclasses

import click

from ..sizes import human_size
from ..storage import compact_db
from .archive import open_archive
from .command import JSON, command
from .output import echo_json


@command("compact", "glin-datasette compact", "glin-datasette compact --json")
@JSON
def compact(as_json: bool) -> None:
    """Give back what deletes freed.

    The file is written anew without what was deleted, which is then nowhere in it any
    more, and the search index is merged. Meanwhile others can read and have to wait with
    writing; for that time it takes free space of twice the archive.

    With --json: path, before and after (bytes, the WAL included), busy (whether another
    process reads, so that the space is given back later) and seconds.
    """
    report = compact_db(open_archive())
    if as_json:
        echo_json(dataclasses.asdict(report))
        return
    sizes = f"{human_size(report.before)} before, {human_size(report.after)} now"
    click.echo(f"{report.path}: {sizes}")
    if report.busy:
        click.echo(
            "Another process reads the archive; the space is given back when that has ended",
            err=True,
        )
