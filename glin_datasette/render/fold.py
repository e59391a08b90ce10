"""What a transcript shows in place of long things: one line for each tool call with the
size of its result, for each thought and for each attachment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..models import Message
from .plain import count_lines, shorten

__all__ = ["Folded", "fold", "outcome", "speaker", "summary"]

_WIDTH = 100

#: Inputs that say best what a tool call is about, best first. Importers write a call's
#: input as one ``key: value`` a line.
_TELLING = (
    "command", "cmd", "file_path", "path", "notebook_path", "pattern", "query", "url",
    "description", "prompt",
)  # fmt: skip
_INPUT = re.compile(r"^([A-Za-z_]\w*): (?:\|\n  )?(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Folded:
    """One line that stands for a message, or for a tool call and its result."""

    message: Message
    line: str


def speaker(message: Message) -> str:
    """Whose turn a message is part of. Thoughts, calls and results are the assistant's."""
    if message.role == "tool" or message.kind in ("tool_call", "tool_result"):
        return "assistant"
    return message.role


def fold(messages: Iterable[Message]) -> Iterator[Message | Folded]:
    """Replace everything but spoken text by a :class:`Folded` line.

    A call waits for its results until somebody speaks; only its one line is held.
    """
    waiting: dict[str, Folded] = {}
    for message in messages:
        call_id = message.tool_call_id
        if message.kind == "tool_call":
            # Two calls under one id are damaged data; the first one is shown as it is.
            if call_id is not None and call_id in waiting:
                yield waiting.pop(call_id)
            folded = Folded(message, summary(message))
            if call_id is None:
                yield from _released(waiting)
                yield folded
            else:
                waiting[call_id] = folded
        elif message.kind == "tool_result" and call_id is not None and call_id in waiting:
            call = waiting.pop(call_id)
            yield Folded(call.message, f"{call.line} {outcome(message)}")
        else:
            yield from _released(waiting)
            yield message if message.kind == "text" else Folded(message, summary(message))
    yield from _released(waiting)


def summary(message: Message) -> str:
    """One line about a message that is not shown: ``Bash: git status``."""
    if message.kind == "tool_call":
        about = _about(message.content)
        name = shorten(message.tool_name or "Tool", 60)
        return f"{name}: {about}" if about else name
    if message.kind == "tool_result":
        name = shorten(message.tool_name or "a tool", 60)
        return f"Result of {name} {outcome(message)}"
    if message.kind == "thinking":
        return f"Thinking ({_lines(message.content)})"
    return f"Attachment: {shorten(message.content, _WIDTH)}"


def _released(waiting: dict[str, Folded]) -> Iterator[Folded]:
    yield from waiting.values()
    waiting.clear()


def _about(content: str) -> str:
    found = {name: value for name, value in reversed(_INPUT.findall(content[:20_000]))}
    telling = next((found[name] for name in _TELLING if found.get(name)), None)
    return shorten(telling if telling is not None else content[:1000].strip(), _WIDTH)


def outcome(result: Message) -> str:
    """What a result came to: ``(3 lines of output)``, ``(failed, 1 line of output)``."""
    if not result.content:
        return "(failed)" if result.is_error else "(no output)"
    size = f"{_lines(result.content)} of output"
    return f"(failed, {size})" if result.is_error else f"({size})"


def _lines(text: str) -> str:
    count = count_lines(text)
    return f"{count} line{'' if count == 1 else 's'}"
