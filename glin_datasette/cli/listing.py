"""``list``."""

from __future__ import annotations

from typing import Any

import click

from ..render import conversation_json
from ..storage import query_conversations
from .archive import open_archive
from .command import JSON, command
from .filters import filter_options, filters_of
from .output import echo_json, short_time, table


@command(
    "list",
    "glin-datasette list",
    "glin-datasette list --repo api --since 7d",
    "glin-datasette list --file src/parser.py --json",
)
@filter_options
@click.option("--limit", type=click.IntRange(0), default=50, show_default=True, help="How many.")
@click.option("--offset", type=click.IntRange(0), default=0, help="How many to pass over.")
@JSON
def list_(limit: int, offset: int, as_json: bool, **filters: Any) -> None:
    """List conversations, the newest first.

    With filters, those that hold a message that passes all of them.

    With --json: conversations, each with every column and its tags.
    """
    found = query_conversations(
        open_archive(), filters_of(filters), limit=min(limit, 2**31), offset=min(offset, 2**31)
    )
    if as_json:
        echo_json({"conversations": [conversation_json(each) for each in found]})
    elif found:
        table(
            ("ID", "LAST", "SOURCE", "REPOSITORY", "TITLE"),
            [
                (
                    each.id,
                    short_time(each.ended_at),
                    each.source,
                    (each.repo_root or "").replace("\\", "/").rstrip("/").rpartition("/")[2],
                    _title(each.title, each.relation, each.tags),
                )
                for each in found
            ],
            numeric=1,
        )
    else:
        click.echo("No conversations.")


def _title(title: str | None, relation: str | None, tags: tuple[str, ...]) -> str:
    text = title or "Untitled conversation"
    if relation:
        text = f"({relation}) {text}"
    return f"{text} [{', '.join(tags)}]" if tags else text
