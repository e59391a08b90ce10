"""``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .. import paths
from ..errors import UsageError
from ..export import export_lines, write_export
from ..storage import find_conversation, query_conversations
from .archive import open_archive
from .command import command
from .file_path import FilePath
from .filters import filter_options, filters_of
from .output import echo_pieces, plural


@command(
    "export",
    "glin-datasette export --output everything.jsonl",
    "glin-datasette export 12 15 > two.jsonl",
    "glin-datasette export --tag shared | gzip > shared.jsonl.gz",
)
@click.argument("ids", metavar="[ID]...", nargs=-1)
@filter_options
@click.option(
    "--output", "-o", metavar="FILE", type=FilePath(dir_okay=False),
    help="Write to FILE, which appears once it is whole, and not to stdout.",
)  # fmt: skip
def export(ids: tuple[str, ...], output: Path | None, **filters: Any) -> None:
    """Write conversations as JSON Lines, for import elsewhere.

    The conversations ID, or those that hold a message that passes the filters, or all;
    each is written whole. 'glin-datasette import' reads them back into an equal archive.
    docs/formats.md describes the format.
    """
    chosen = filters_of(filters)
    if ids and chosen:
        raise UsageError("name conversations by their ids or by filters, not both")
    db = open_archive()
    if ids:
        found = [find_conversation(db, wanted) for wanted in dict.fromkeys(ids)]
    else:
        # The oldest first, so that ids in the new archive follow time as in this one.
        found = query_conversations(db, chosen, limit=None)[::-1]
    lines = export_lines(db, found)
    if output is None or str(output) == "-":
        echo_pieces(lines)
        return
    write_export(lines, paths.expanded(output))
    click.echo(f"Exported {plural(len(found), 'conversation')} to {output}", err=True)
