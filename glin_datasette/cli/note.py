"""``note``: what you write on a conversation yourself."""

from __future__ import annotations

import sys

import click

from ..errors import UsageError
from ..render import visible
from ..storage import find_conversation, set_notes
from .archive import open_archive
from .command import JSON, command
from .output import echo_json


@command(
    "note",
    "glin-datasette note 12",
    "glin-datasette note 12 'The fix is in the second reply'",
    "glin-datasette note 12 --edit",
    "git log -1 | glin-datasette note 12 -",
)
@click.argument("conversation", metavar="ID")
@click.argument("text", required=False)
@click.option("--edit", is_flag=True, help="Write them in your editor ($EDITOR).")
@click.option("--remove", is_flag=True, help="Remove them.")
@JSON
def note(conversation: str, text: str | None, edit: bool, remove: bool, as_json: bool) -> None:
    """Show or write the notes on a conversation.

    ID is as for 'show'. TEXT replaces them; it is read from standard input if it is -.
    Notes are your own: no import changes them.

    With --json: conversation_id, notes (null without any) and changed.
    """
    if (text is not None) + edit + remove > 1:
        raise UsageError("give a text, --edit or --remove, and only one of them")
    db = open_archive()
    found = find_conversation(db, conversation)
    notes, changed = found.notes, False
    if edit:
        # None where the editor was left without saving.
        text = click.edit(found.notes or "")
    elif text == "-":
        text = sys.stdin.read()
    if text is not None or remove:
        changed = set_notes(db, found.id or 0, text or "")
        notes = find_conversation(db, str(found.id)).notes
    if as_json:
        echo_json({"conversation_id": found.id, "notes": notes, "changed": changed})
    elif text is not None or remove:
        click.echo("The notes were saved" if changed else "The notes stay as they were")
    else:
        click.echo(visible(notes) if notes else "No notes.")
