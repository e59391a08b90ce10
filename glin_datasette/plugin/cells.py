"""How the values of an archive look in HTML tables: linked to each other, and escaped.

Whatever a cell holds came out of a transcript, so it may be hostile. It only ever gets
into a page through ``Markup.format``, which escapes it, and into a URL quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from markupsafe import Markup, escape

from .archives import is_archive
from .shown import outward
from .urls import Urls

if TYPE_CHECKING:
    from datasette.app import Datasette

#: Around the words that a search found, as glin_datasette.models.Hit says.
_FOUND, _FOUND_END = "\x02", "\x03"

_LINK = Markup('<a href="{}">{}</a>')
#: What Datasette shows of another row: its label and its id.
_LABELLED = Markup('<a href="{}">{}</a>&nbsp;<em>{}</em>')
_ID_AND_LINK = Markup('{} <a class="glin-read" href="{}">{}</a>')

#: Columns that lead to the conversations that have the same value.
_FILTERS = ("source", "repo_root")
#: Columns that hold the ids of conversations, and of messages, in our tables and in what our
#: queries return.
_CONVERSATIONS = ("conversation_id", "parent_id")
_MESSAGES = ("message_id", "newest_hit")


def render(
    datasette: Datasette,
    row: Mapping[str, Any],
    value: Any,
    column: str,
    table: str | None,
    database: str | None,
) -> Markup | None:
    """The HTML of one cell, or ``None`` to leave it to Datasette.

    ``table`` is ``None`` for what a query returns.
    """
    if database is None or not is_archive(datasette, database):
        return None
    cell = _Cell(datasette, database, table, row)
    renderer = _RENDERERS.get(column)
    return renderer(cell, value, column) if renderer else None


class _Cell:
    def __init__(
        self, datasette: Datasette, database: str, table: str | None, row: Mapping[str, Any]
    ) -> None:
        self.datasette = datasette
        self.database = database
        self.table = table
        self.row = row

    @property
    def to(self) -> Urls:
        return Urls(self.datasette, self.database)

    def url(self, table: str, **arguments: object) -> str:
        path = self.datasette.urls.table(self.database, table)
        return f"{path}?{urlencode(arguments, doseq=True)}"

    def get(self, column: str) -> Any:
        # A row that Datasette has put labels into holds {"value": …, "label": …}.
        if column not in self.row.keys():  # noqa: SIM118 - an sqlite3.Row iterates over values
            return None
        value = self.row[column]
        return value["value"] if isinstance(value, dict) else value

    def id(self, column: str) -> int | None:
        value = self.get(column)
        return value if isinstance(value, int) else None


def _conversation(cell: _Cell, value: Any, column: str) -> Markup | None:
    """The transcript; of a message's own conversation, the place of the message in it."""
    conversation = cell.id(column)
    if conversation is None:
        return None
    message = cell.id("id") if cell.table == "messages" else None
    address = cell.to.conversation(conversation, message=message)
    if isinstance(value, dict) and value["label"] != str(conversation):
        return _LABELLED.format(address, value["label"], conversation)
    return _LINK.format(address, conversation)


def _message(cell: _Cell, value: Any, column: str) -> Markup | None:
    """The message in its transcript, or by itself where its conversation is not known."""
    # A message has no title; Datasette would show its id twice.
    message = cell.id(column)
    if message is None:
        return None
    conversation = cell.id("conversation_id")
    if conversation is None:
        return _LINK.format(cell.to.message(message), message)
    return _LINK.format(cell.to.conversation(conversation, message=message), message)


def _row_id(cell: _Cell, value: Any, column: str) -> Markup | None:
    """The id on the page of a row. In lists Datasette itself makes a link to that page."""
    conversation = cell.id("id" if cell.table == "conversations" else "conversation_id")
    if not isinstance(value, int) or conversation is None:
        return None
    if cell.table == "conversations":
        return _ID_AND_LINK.format(value, cell.to.conversation(conversation), "Read the transcript")
    if cell.table == "messages":
        address = cell.to.conversation(conversation, message=value)
        return _ID_AND_LINK.format(value, address, "Read it in its transcript")
    return None


def _title(cell: _Cell, value: Any, column: str) -> Markup | None:
    conversation = cell.id("id" if cell.table == "conversations" else "conversation_id")
    if conversation is None or cell.table not in ("conversations", None):
        return None
    return _LINK.format(cell.to.conversation(conversation), value if value else "(no title)")


def _filter(cell: _Cell, value: Any, column: str) -> Markup | None:
    if isinstance(value, str) and value and cell.table in ("conversations", None):
        return _LINK.format(cell.url("conversations", **{column: value}), value)
    return None


def _tag(cell: _Cell, value: Any, column: str) -> Markup | None:
    if isinstance(value, str) and value:
        return _LINK.format(cell.to.tag(value), value)
    return None


def _tagged(cell: _Cell, value: Any, column: str) -> Markup | None:
    """How many conversations have the tag of this row: a link to those."""
    tag = cell.get("tag")
    if cell.table is None and isinstance(tag, str) and isinstance(value, int) and value:
        return _LINK.format(cell.url(column, _tag=tag), value)
    return None


def _tag_name(cell: _Cell, value: Any, column: str) -> Markup | None:
    return _tag(cell, value, column) if cell.table == "tags" else None


def _ref(cell: _Cell, value: Any, column: str) -> Markup | None:
    kind = cell.get("ref_type")
    if not isinstance(value, str) or not kind:
        return None
    if kind == "url":
        return outward(value)
    address = cell.to.commit(value) if kind == "commit" else cell.to.file(value)
    return _LINK.format(address, value)


def _file(cell: _Cell, value: Any, column: str) -> Markup | None:
    """A column of a query that is a file."""
    if cell.table is None and isinstance(value, str) and value:
        return _LINK.format(cell.to.file(value), value)
    return None


def _commit(cell: _Cell, value: Any, column: str) -> Markup | None:
    """A column of a query that is a commit."""
    if cell.table is None and isinstance(value, str) and value:
        return _LINK.format(cell.to.commit(value), value)
    return None


def _snippet(cell: _Cell, value: Any, column: str) -> Markup | None:
    if not isinstance(value, str) or cell.table is not None:
        return None
    marked = str(escape(value)).replace(_FOUND, "<mark>").replace(_FOUND_END, "</mark>")
    return Markup(marked)


_RENDERERS: dict[str, Callable[[_Cell, Any, str], Markup | None]] = {
    **dict.fromkeys(_CONVERSATIONS, _conversation),
    **dict.fromkeys(_MESSAGES, _message),
    **dict.fromkeys(_FILTERS, _filter),
    "id": _row_id,
    "title": _title,
    "tag": _tag,
    "conversations": _tagged,
    "name": _tag_name,
    "ref_value": _ref,
    "file": _file,
    "commit": _commit,
    "snippet": _snippet,
}
