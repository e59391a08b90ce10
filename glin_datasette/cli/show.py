"""``show``."""

from __future__ import annotations

import click

from ..export import export_lines
from ..render import render_html, render_json, render_markdown
from ..storage import find_conversation, iter_messages
from .archive import open_archive
from .command import command
from .output import echo_pieces


@command(
    "show",
    "glin-datasette show 12",
    "glin-datasette show 3f2a --full | less",
    "glin-datasette show 12 --format html > conversation.html",
)
@click.argument("conversation", metavar="ID")
@click.option(
    "--format", "format_", type=click.Choice(["markdown", "html", "json", "jsonl"]),
    default="markdown", show_default=True, help="jsonl is the format of export.",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Show tool calls, their results and thoughts whole.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def show(conversation: str, format_: str, full: bool, as_json: bool) -> None:
    """Show a conversation.

    ID is its number in the archive, its id in the tool that it came from, or the
    beginning of that. In Markdown a tool call with its result, a thought and an
    attachment are one line each; in HTML they can be unfolded. JSON holds everything.

    With --json: conversation and messages, each with every column, refs and tags.
    """
    db = open_archive()
    found = find_conversation(db, conversation)
    messages = iter_messages(db, found.id or 0)
    if as_json or format_ == "json":
        echo_pieces(render_json(found, messages))
    elif format_ == "jsonl":
        echo_pieces(export_lines(db, [found]))
    elif format_ == "html":
        echo_pieces(render_html(found, messages, full=full))
    else:
        echo_pieces(render_markdown(found, messages, full=full))
