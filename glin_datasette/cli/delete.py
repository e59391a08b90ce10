"""``delete``."""

from __future__ import annotations

import contextlib

import click
import sqlite_utils

from ..errors import NotFound
from ..models import Conversation
from ..render import shorten
from ..storage import children_of, count_messages, delete_conversation, find_conversation
from ..storage.connection import transaction
from .archive import open_archive
from .command import YES, command
from .output import plural


@command("delete", "glin-datasette delete 12", "glin-datasette delete 12 15 --yes")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@YES
def delete(ids: tuple[str, ...], yes: bool) -> None:
    """Delete conversations.

    Their messages go with them, and the subagent runs, forks and branches that belong
    to them.

    They stay deleted when their transcripts are imported again, unless that is asked for
    with 'import --deleted'. A backup that was made before still holds them.
    """
    db = open_archive()
    doomed: dict[int, Conversation] = {}
    for wanted in ids:
        _collect(db, find_conversation(db, wanted), doomed)
    messages = sum(count_messages(db, each) for each in doomed)
    what = f"{plural(len(doomed), 'conversation')} with {plural(messages, 'message')}"
    if not yes:
        for number, each in doomed.items():
            click.echo(f"{number}  {shorten(each.title or 'Untitled conversation', 70)}")
        click.confirm(f"Delete {what}?", abort=True)
    with transaction(db):
        for number in doomed:
            # What belonged to one before it is gone already.
            with contextlib.suppress(NotFound):
                delete_conversation(db, number)
    click.echo(f"Deleted {what}")


def _collect(
    db: sqlite_utils.Database, conversation: Conversation, found: dict[int, Conversation]
) -> None:
    """Add a conversation and all that belongs to it, each once."""
    waiting = [conversation]
    while waiting:
        each = waiting.pop()
        if each.id is not None and each.id not in found:
            found[each.id] = each
            waiting += children_of(db, each.id)
