"""Saying the messages of a file's conversation, each once, though records repeat them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...models import Attachment
from ..base import Item, Said, Unknown, Usage
from ..session import Session
from ..text import digest, string
from . import SOURCE
from .held import Held, Waiting
from .state import State
from .texts import data_url, is_context, prompt_title, read_content, shell_input, told_cwd

__all__ = ["Voice"]

_ID_IN_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class Voice:
    """What :class:`~.reader.Reader` speaks with. Whatever is said, what waited before it
    is said first: so a reading that starts where something waits says nothing twice."""

    def __init__(self, path: Path, state: State) -> None:
        self.path = path
        self.state = state
        self.held = Held()

    def session(self) -> Session:
        """The conversation of the file."""
        if self.state.session is None:
            self.state.session = Session(SOURCE, self.named() or self.path.stem[:128])
            self.state.session.note(client=SOURCE)
        return self.state.session

    def named(self) -> str | None:
        """The session's id by the name of the file."""
        found = _ID_IN_NAME.findall(self.path.stem)
        return found[0].lower() if found else None

    # --- prompts -----------------------------------------------------------------------

    def typed(self, record: Waiting) -> Iterator[Item]:
        """Something that was typed, as an event tells."""
        if self.state.replay:
            yield from self.wait(record)
            return
        payload = record.payload
        text = payload.get("message")
        text = text if isinstance(text, str) else ""
        if is_context(text, typed=True):
            return
        self.state.events = True
        item = self.held.last("user")
        yield from self.settle()
        seen = _mark(text)
        if item is None and seen == self.state.prompt:
            return
        files = payload.get("attachments")
        images = [*files] if isinstance(files, list) else []
        found = payload.get("images")
        for url in found if isinstance(found, list) else []:
            if isinstance(url, str) and (file := data_url(url)):
                images.append(file)
        if item is not None:
            images = [*read_content(item.payload.get("content")).attachments] or images
        paths = payload.get("local_images")
        names = [p for p in (paths if isinstance(paths, list) else []) if isinstance(p, str)]
        key = item.key if item else record.key
        yield from self.asked(text, key, record.ts, images, names)
        self.state.prompt = seen

    def _untyped(self, record: Waiting, *, prompts: bool) -> Iterator[Item]:
        """A text in the user's name that no event told of. ``prompts``: it was typed, if
        the client did not write it itself."""
        content = read_content(record.payload.get("content"))
        text, key, ts = content.text, record.key, record.ts
        if not self.session().cwd and (cwd := told_cwd(text)):
            self.session().note(cwd=cwd)
        if command := shell_input(text):
            yield from self.say("user", "text", command, key, ts)
        elif is_context(text) or _mark(text) == self.state.prompt:
            return
        elif prompts:
            yield from map(Unknown, content.strange)
            yield from self.asked(text, key, ts, content.attachments)
        else:
            yield from self.note(text, key, ts)

    def asked(
        self,
        text: str,
        key: str,
        ts: str | None,
        images: object = (),
        files: object = (),
    ) -> Iterator[Item]:
        attachments = [file for file in _list(images) if isinstance(file, Attachment)]
        if not text.strip() and not attachments:
            return
        title = prompt_title(text)
        self.state.turn(title)
        self.state.ledger.turns(prompt=True)
        kind = "text" if text.strip() else "attachment"
        paths = [path for path in _list(files) if isinstance(path, str)]
        yield from self.say(
            "user", kind, text, key, ts, title=title, attachments=attachments, files=paths
        )

    # --- messages ----------------------------------------------------------------------

    def wait(self, record: Waiting) -> Iterator[Item]:
        for each in self.held.add(record):
            yield from self._alone(each)

    def settle(self) -> Iterator[Item]:
        """Say what has waited in vain."""
        for each in self.held.take():
            yield from self._alone(each)

    def _alone(self, record: Waiting) -> Iterator[Item]:
        """A record whose counterpart did not come."""
        if self.state.replay:
            return
        if record.what == "user":
            yield from self._untyped(record, prompts=not self.state.events)
        elif record.what == "text":
            text = string(record.payload.get("message"))
            yield from self.reply("text", text, record.key, record.ts)
        elif record.what in ("thinking", "thought"):
            text = string(record.payload.get("text"))
            yield from self.reply("thinking", text, record.key, record.ts)

    def reply(
        self,
        kind: Any,
        text: str | None,
        key: str,
        ts: str | None,
        attachments: tuple[Attachment, ...] = (),
    ) -> Iterator[Item]:
        yield from self.say(
            "assistant", kind, text or "", key, ts, reply=True, attachments=attachments
        )

    def note(
        self, text: str, key: str, ts: str | None, *, is_error: bool = False
    ) -> Iterator[Item]:
        yield from self.say("system", "text", text, key, ts, is_error=is_error)

    def say(
        self,
        role: Any,
        kind: Any,
        text: str | None,
        key: str,
        ts: str | None,
        *,
        reply: bool = False,
        **facts: Any,
    ) -> Iterator[Item]:
        session, state = self.session(), self.state
        id = f"{session.id}:{key}"
        if ts is None and not session.said:
            # An old file has a time on its first line only.
            ts = state.began
        items = list(session.say(role, kind, text, id=id, ts=ts, **facts))
        if not any(isinstance(item, Said) for item in items):
            yield from items
            return
        state.said(id)
        state.prompt = None
        found = state.ledger.takes(id) if reply else None
        yield from items
        if found:
            yield Usage(session.id, id, found[0], found[2], found[1])


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _mark(text: str) -> str:
    """What tells a text from the one before it."""
    text = text.strip()
    return digest(f"{len(text)} {text[:2000]}")
