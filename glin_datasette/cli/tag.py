"""``tag add``, ``tag remove`` and ``tag list``."""

from __future__ import annotations

import dataclasses

import click

from .. import storage
from ..errors import UsageError
from ..models import TagChange
from .archive import open_archive
from .command import JSON, command
from .output import echo_json, plural, table


@click.group()
def tag() -> None:
    """Tag conversations and messages."""


_IDS = click.argument("ids", metavar="[ID]...", nargs=-1)
_CONVERSATIONS = click.option(
    "--conversation", "more", metavar="ID", multiple=True, help="A conversation; the same as ID."
)
_MESSAGES = click.option(
    "--message", "messages", metavar="ID", type=int, multiple=True, help="A message."
)


@command("add", "glin-datasette tag add bug 12 15", "glin-datasette tag add answer --message 345")
@click.argument("name")
@_IDS
@_CONVERSATIONS
@_MESSAGES
def add(name: str, ids: tuple[str, ...], more: tuple[str, ...], messages: tuple[int, ...]) -> None:
    """Tag the conversations ID, or messages, with NAME.

    Upper and lower case are one tag. Tagging twice changes nothing.
    """
    changed = _change(name, (*ids, *more), messages, add=True)
    click.echo(f"Tagged {_told(changed)}")


@command("remove", "glin-datasette tag remove bug 12")
@click.argument("name")
@_IDS
@_CONVERSATIONS
@_MESSAGES
def remove(
    name: str, ids: tuple[str, ...], more: tuple[str, ...], messages: tuple[int, ...]
) -> None:
    """Take the tag NAME off the conversations ID, or off messages.

    A tag that nothing has any more is gone.
    """
    changed = _change(name, (*ids, *more), messages, add=False)
    click.echo(f"Took the tag off {_told(changed)}")


@command("list", "glin-datasette tag list", "glin-datasette tag list --json")
@JSON
def list_(as_json: bool) -> None:
    """List the tags with their numbers of conversations and messages.

    With --json: tags (name, conversations, messages).
    """
    tags = storage.list_tags(open_archive())
    if as_json:
        echo_json({"tags": [dataclasses.asdict(each) for each in tags]})
    elif tags:
        rows = [(each.conversations, each.messages, each.name) for each in tags]
        table(("CONVERSATIONS", "MESSAGES", "TAG"), rows, numeric=2)
    else:
        click.echo("No tags.")


for _command in (add, remove, list_):
    tag.add_command(_command)


def _change(name: str, ids: tuple[str, ...], messages: tuple[int, ...], *, add: bool) -> TagChange:
    if not ids and not messages:
        raise UsageError("name at least one conversation by its id, or a message with --message")
    db = open_archive()
    conversations = [storage.find_conversation(db, wanted).id or 0 for wanted in ids]
    return storage.change_tags(db, name, add=add, conversations=conversations, messages=messages)


def _told(changed: TagChange) -> str:
    return (
        f"{plural(changed.conversations, 'conversation')} and {plural(changed.messages, 'message')}"
    )
