"""A conversation for people and programs to read: Markdown, HTML or JSON.

Every function takes a conversation and an iterable of its messages in order, and yields
the document in pieces, so that a transcript of any length needs little memory. What a
transcript says is somebody else's text: in Markdown and HTML it can bring nothing to
life. Its JSON Lines form is the export format, see :mod:`glin_datasette.export`.
"""

from __future__ import annotations

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
