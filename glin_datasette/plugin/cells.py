"""How the values of an archive look in HTML tables: linked to each other, and escaped.

Whatever a cell holds came out of a transcript, so it may be hostile. It only ever gets
into a page through ``Markup.format``, which escapes it, and into a URL quoted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from markupsafe import Markup, escape

from .archives import is_archive

if TYPE_CHECKING:
    from datasette.app import Datasette

#: Around the words that a search found, as glin_datasette.models.Hit says.
_FOUND, _FOUND_END = "\x02", "\x03"

_LINK = Markup('<a href="{}">{}</a>')
_OUTWARD = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>')

#: What to see of the messages when reading a conversation.
_READ_COLUMNS = ("ts", "role", "kind", "tool_name", "content")
#: Columns that lead to the conversations that have the same value.
_FILTERS = ("source", "repo_root")
#: Columns that hold ids, in our tables and in what our queries return.
_IDS = {"conversation_id": "conversations", "parent_id": "conversations", "message_id": "messages"}


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

    def url(self, table: str, **arguments: object) -> str:
        path = self.datasette.urls.table(self.database, table)
        return f"{path}?{urlencode(arguments, doseq=True)}"

    def row_url(self, table: str, row_id: int) -> str:
        return str(self.datasette.urls.row(self.database, table, str(row_id)))

    def get(self, column: str) -> Any:
        # A row that Datasette has put labels into holds {"value": …, "label": …}.
        if column not in self.row.keys():  # noqa: SIM118 - an sqlite3.Row iterates over values
            return None
        value = self.row[column]
        return value["value"] if isinstance(value, dict) else value


def _id(cell: _Cell, value: Any, column: str) -> Markup | None:
    # Where Datasette knows the foreign key, it shows the title of the other row too. A
    # message has no title; Datasette would show its id twice.
    if isinstance(value, dict) and value["label"] == str(value["value"]):
        value = value["value"]
    if isinstance(value, int):
        return _LINK.format(cell.row_url(_IDS[column], value), value)
    return None


def _title(cell: _Cell, value: Any, column: str) -> Markup | None:
    conversation = cell.get("id" if cell.table == "conversations" else "conversation_id")
    if not isinstance(conversation, int) or cell.table not in ("conversations", None):
        return None
    messages = cell.url(
        "messages", conversation_id=conversation, _sort="position", _col=_READ_COLUMNS
    )
    return _LINK.format(messages, value if value else "(no title)")


def _filter(cell: _Cell, value: Any, column: str) -> Markup | None:
    if isinstance(value, str) and value and cell.table in ("conversations", None):
        return _LINK.format(cell.url("conversations", **{column: value}), value)
    return None


def _tag(cell: _Cell, value: Any, column: str) -> Markup | None:
    # Messages, because a message counts as tagged where its conversation is: with a tag
    # that only messages have, the list of conversations would be empty.
    if isinstance(value, str) and value:
        return _LINK.format(cell.url("messages", _tag=value), value)
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
        # Anything else, such as javascript:, stays text. None would let Datasette decide.
        return _OUTWARD.format(value, value) if _is_web(value) else escape(value)
    same = cell.url("message_refs", ref_type=kind, ref_value=value)
    return _LINK.format(same, value)


def _snippet(cell: _Cell, value: Any, column: str) -> Markup | None:
    if not isinstance(value, str) or cell.table is not None:
        return None
    marked = str(escape(value)).replace(_FOUND, "<mark>").replace(_FOUND_END, "</mark>")
    return Markup(marked)


def _is_web(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


_RENDERERS: dict[str, Callable[[_Cell, Any, str], Markup | None]] = {
    **dict.fromkeys(_IDS, _id),
    **dict.fromkeys(_FILTERS, _filter),
    "title": _title,
    "tag": _tag,
    "conversations": _tagged,
    "name": _tag_name,
    "ref_value": _ref,
    "snippet": _snippet,
}
