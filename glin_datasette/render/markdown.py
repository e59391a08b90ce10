"""A transcript as Markdown: a heading for each turn, spoken text as it was written, tool
calls and results in code blocks, or on one line each when folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..models import Conversation, Message
from .facts import facts
from .fold import Folded, fold, speaker, summary
from .plain import one_line, visible
from .safe_markdown import fenced, safe_markdown, safe_phrase

__all__ = ["render_markdown"]


def render_markdown(
    conversation: Conversation, messages: Iterable[Message], *, full: bool = False
) -> Iterator[str]:
    """The transcript in pieces that end in a newline each.

    ``full`` shows what tools were given and returned and what was thought; without it
    each of these is one line.
    """
    yield from _head(conversation)
    turn = None
    for item in messages if full else fold(messages):
        message = item.message if isinstance(item, Folded) else item
        if turn != speaker(message):
            turn = speaker(message)
            when = f" · {_inline(message.ts)}" if message.ts else ""
            yield f"\n## {turn.capitalize()}{when}\n"
        yield "\n"
        if isinstance(item, Folded):
            yield f"> {_inline(item.line)}\n"
        else:
            yield "".join(f"{line}\n" for line in _body(message))
        if message.tags:
            yield f"\n> Tags: {_inline(', '.join(message.tags))}\n"


def _head(conversation: Conversation) -> Iterator[str]:
    yield f"# {_inline(conversation.title or 'Untitled conversation')}\n\n"
    for label, value in facts(conversation).items():
        yield f"- {label}: {_inline(value)}\n"


def _body(message: Message) -> Iterator[str]:
    if message.kind == "text":
        yield from safe_markdown(message.content)
    elif message.kind == "attachment":
        yield f"> {_inline(summary(message))}"
    else:
        yield f"**{_label(message)}**"
        yield ""
        # A code block and not quoted Markdown: thoughts are shown as they were written.
        yield from fenced(message.content, "text" if message.kind == "thinking" else "")


def _label(message: Message) -> str:
    if message.kind == "thinking":
        return "Thinking"
    name = _inline(message.tool_name or "tool")
    if message.kind == "tool_call":
        return f"Call of {name}"
    return f"{'Failure' if message.is_error else 'Result'} of {name}"


def _inline(text: str) -> str:
    return safe_phrase(one_line(visible(text)))
