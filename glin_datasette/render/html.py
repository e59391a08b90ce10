"""A transcript as one HTML page that stands alone: no script, nothing loaded from
elsewhere, every text escaped, links to the web and to mail addresses only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape

from ..models import Conversation, Message
from .facts import facts
from .fold import speaker, summary
from .plain import one_line, visible

__all__ = ["render_html"]

_URL = re.compile(r"\b(?:https?://|mailto:)[^\s<>\"'`\\^{|}\x00-\x20]+", re.IGNORECASE)
_AFTER_URL = ".,;:!?)]*_"

# The policy holds even if a reader puts the page on a server among other things.
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto;
  padding: 0 1rem; }}
h1 {{ line-height: 1.2; }}
h2 {{ font-size: 1rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #8886; }}
h2 time, dt {{ font-weight: normal; opacity: .7; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
.text, pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .5rem 0; }}
.user {{ border-left: 3px solid #48f; padding-left: 1rem; }}
details {{ margin: .5rem 0; opacity: .85; }}
summary {{ cursor: pointer; overflow-wrap: anywhere; }}
pre {{ font: 13px/1.4 ui-monospace, monospace; padding: .5rem; background: #8882; }}
.error > summary {{ color: #d33; }}
</style>
</head>
<body>
"""


def render_html(
    conversation: Conversation, messages: Iterable[Message], *, full: bool = False
) -> Iterator[str]:
    """The page in pieces. Tool output and thoughts can be unfolded by whoever reads it;
    ``full`` has them unfolded from the beginning."""
    title = _text(conversation.title or "Untitled conversation")
    yield _HEAD.format(title=title)
    yield f"<h1>{title}</h1>\n<dl>\n"
    for label, value in facts(conversation).items():
        yield f"<dt>{label}</dt><dd>{_text(value)}</dd>\n"
    yield "</dl>\n"
    turn = None
    for message in messages:
        if turn != speaker(message):
            turn = speaker(message)
            when = f" <time>{_text(message.ts)}</time>" if message.ts else ""
            yield f"<h2>{escape(turn.capitalize())}{when}</h2>\n"
        yield _message(message, unfolded=full)
    yield "</body>\n</html>\n"


def _message(message: Message, *, unfolded: bool) -> str:
    anchor = f' id="message-{message.id}"' if message.id is not None else ""
    content = _linked(visible(message.content))
    tags = f"<p>Tags: {_text(', '.join(message.tags))}</p>\n" if message.tags else ""
    if message.kind == "text":
        return f'<div{anchor} class="text {escape(message.role)}">{content}</div>\n{tags}'
    error = ' class="error"' if message.is_error else ""
    opened = " open" if unfolded else ""
    return (
        f"<details{anchor}{error}{opened}><summary>{_text(summary(message))}</summary>"
        f"<pre>{content}</pre></details>\n{tags}"
    )


def _text(text: str) -> str:
    return escape(one_line(text))


def _linked(text: str) -> str:
    parts: list[str] = []
    end = 0
    for found in _URL.finditer(text):
        url = found[0].rstrip(_AFTER_URL)
        parts.append(escape(text[end : found.start()]))
        link = escape(url)
        parts.append(f'<a href="{link}" rel="noopener noreferrer nofollow">{link}</a>')
        end = found.start() + len(url)
    return "".join([*parts, escape(text[end:])])
