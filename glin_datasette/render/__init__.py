"""A conversation for people and programs to read: Markdown, HTML or JSON.

Every function takes a conversation and an iterable of its messages in order, and yields
the document in pieces, so that a transcript of any length needs little memory. What a
transcript says is somebody else's text: in Markdown and HTML it can bring nothing to
life. Its JSON Lines form is the export format, see :mod:`glin_datasette.export`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .data import conversation_json, message_json, render_json
    from .html import render_html
    from .markdown import render_markdown
    from .plain import one_line, shorten, visible

__all__ = [
    "conversation_json",
    "message_json",
    "one_line",
    "render_html",
    "render_json",
    "render_markdown",
    "shorten",
    "visible",
]

#: Module -> the public names that are from there.
_HOMES = {
    "data": "conversation_json message_json render_json",
    "html": "render_html",
    "markdown": "render_markdown",
    "plain": "one_line shorten visible",
}

__getattr__ = lazily(__name__, _HOMES)
