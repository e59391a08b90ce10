"""What is made of the messages on their way from an importer into the archive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..importers.base import Item, Said, Summary
from ..models import Conversation, Message, Ref
from .binaries import extract
from .options import ImportOptions

if TYPE_CHECKING:
    from ..credentials import Redactor

__all__ = ["Shaper", "shorten"]


class Shaper:
    """Applies the options to the items of one file. ``redacted`` counts replacements;
    ``dropped`` are the references that hold credentials."""

    def __init__(self, options: ImportOptions, *, redact: bool) -> None:
        self._attachments = options.attachments
        self._most = options.tool_output
        self._redact: Redactor | None = None
        if redact:
            # Its rules take longer to load than most imports take.
            from ..credentials import Redactor

            self._redact = Redactor()
        self.redacted = 0
        self.dropped: set[Ref] = set()

    def shape(self, items: Iterator[Item], *, exact: bool) -> Iterator[Item]:
        """The items as they are to be stored. Of a copy of an archive, the attachments stay."""
        for item in items:
            if isinstance(item, Said):
                message = item.message if exact else self._without_binaries(item.message)
                message = self._message(message)
                yield item if message is item.message else Said(item.conversation, message)
                del message
            elif self._redact and isinstance(item, Conversation):
                yield self._conversation(item)
            elif self._redact and isinstance(item, Summary):
                yield replace(item, title=self.state(item.title))
            else:
                yield item
            # A large one is not held while the next one is read.
            del item

    def _without_binaries(self, message: Message) -> Message:
        """Bytes are attachments, and those are dropped unless they are to be kept."""
        content, found = extract(message.content)
        if found:
            message = replace(message, content=content, attachments=message.attachments + found)
        if message.attachments and not self._attachments:
            message = replace(message, attachments=())
        return message

    def state(self, value: Any) -> Any:
        """What an importer wants to remember, a JSON value: titles that wait may be in it."""
        if self._redact is None:
            return value
        if isinstance(value, str):
            return self._redact(value)[0]
        if isinstance(value, dict):
            return {name: self.state(each) for name, each in value.items()}
        return [self.state(each) for each in value] if isinstance(value, list | tuple) else value

    def _conversation(self, conversation: Conversation) -> Conversation:
        """Nothing is counted: it is told more than once, and its title is a prompt's line."""
        return replace(
            conversation,
            title=self.state(conversation.title),
            notes=self.state(conversation.notes),
            repo_root=self.state(conversation.repo_root),
        )

    def _message(self, message: Message) -> Message:
        if self._redact:
            content = self._clean(message.content)
            if content != message.content:
                message = replace(message, content=content)
            if message.refs:
                dropped = {r for r in message.refs if self._redact(r.value)[1]}
                self.dropped |= dropped
                message = replace(message, refs=tuple(r for r in message.refs if r not in dropped))
        if self._most is not None and message.role == "tool":
            message = replace(message, content=shorten(message.content, self._most))
        return message

    def _clean(self, text: str) -> str:
        if self._redact is None:
            return text
        found, count = self._redact(text)
        self.redacted += count
        return found


def shorten(text: str, most: int) -> str:
    """The first and the last ``most / 2`` characters of ``text``, with a mark between them
    that says how many are left out; all of it if that is no longer."""
    half = max(most, 2) // 2
    left_out = len(text) - 2 * half
    mark = f"\n[… {left_out:,} characters left out …]\n"
    if left_out <= len(mark):
        return text
    return f"{text[:half]}{mark}{text[-half:]}"
