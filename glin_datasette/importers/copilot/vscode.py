"""Copilot's chat in VS Code, Insiders and VSCodium: one session a file, below the folder of
VS Code's settings::

    User/workspaceStorage/<workspace>/chatSessions/<session>.json
    User/workspaceStorage/<workspace>/chatSessions/<session>.jsonl
    User/workspaceStorage/<workspace>/workspace.json                {"folder": "file:///…"}
    User/globalStorage/emptyWindowChatSessions/<session>.json       without a folder

Up to version 1.108 a session is one document; since then it is a log of changes, see
:mod:`.patches`. Where there are both, the document is what the log began from, and only
the log is read. :mod:`.replies` says what a request holds.

Kept are prompts with the images and files that came with them, replies, thinking, tool
calls with what the model asked for and was told, edits, and errors. Messages have the time
of their request. What was rendered for the model is not kept.

Requests that were edited, tried again or taken back are conversations
``<session>/branch-<request>``, as long as the log has them or an import has seen them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..base import Checkpoint, Item, Moved, Said, Skipped
from ..documents import read_elements, read_members
from ..session import Session
from ..text import identifier
from . import SOURCE
from .patches import Replay, Request, replay, slim
from .replies import read_request, request_id
from .workspace import read_folder

__all__ = ["read"]

#: Messages whose request is remembered, to know them when it is gone.
_REMEMBERED = 1000


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """A session, whole, whenever its file has changed."""
    folder = None
    if path.parent.name == "chatSessions":
        folder = read_folder(path.parent.with_name("workspace.json"))
    reading = _Reading(path, folder, start.state)
    if path.suffix == ".jsonl":
        replayed = replay(path)
        yield from replayed.problems
        yield from reading.log(replayed)
    elif _is_file(path.with_suffix(".jsonl")):
        yield Checkpoint()
        return
    else:
        yield from reading.document()
    yield Checkpoint(state=reading.state)


def _is_file(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


class _Reading:
    """One session as it is read. ``state`` is for the next time: the messages of the newest
    requests, and which requests are on branches."""

    def __init__(self, path: Path, folder: str | None, before: Mapping[str, Any]) -> None:
        self._path = path
        self._folder = folder
        self._before: dict[str, list[str]] = dict(before.get("requests", {}))
        self._branched: list[str] = list(before.get("branched", ()))
        #: The messages of each request of the session; of those on branches, only ids.
        self._messages: dict[str, list[str]] = {}
        self._gone: dict[str, None] = {}
        #: Whether a part of the file could not be read: what is not there may still be.
        self._damaged = False

    @property
    def state(self) -> dict[str, Any]:
        """As a JSON object, bounded."""
        kept: dict[str, list[str]] = {}
        left = _REMEMBERED
        for request in reversed(self._messages):
            left -= len(self._messages[request])
            if left < 0:
                break
            kept[request] = self._messages[request]
        return {
            "requests": dict(reversed(kept.items())),
            "branched": list(self._gone)[-_REMEMBERED:],
        }

    def document(self) -> Iterator[Item]:
        """A session that is one document."""
        with self._path.open("rb") as file:
            main = self._session(read_members(file, "requests"))
        with self._path.open("rb") as file:
            for element in read_elements(file, "requests"):
                error = element.error
                if error is None and not isinstance(element.value, dict):
                    error = "no object"
                if error is not None:
                    self._damaged = True
                    yield Skipped(None, f"request {element.number}: {error}")
                else:
                    yield from self._request(main, element.value, element.number)
                del element
        yield from self._end(main)

    def log(self, replayed: Replay) -> Iterator[Item]:
        """A session that was replayed."""
        main = self._session(replayed.facts)
        self._damaged = bool(replayed.problems)
        for number, each in enumerate(replayed.requests(), 1):
            request = each.value()
            if isinstance(request, dict):
                yield from self._request(main, request, number)
            elif request is not None:
                yield Skipped(None, f"request {number}: no object")
        for gone in replayed.dropped:
            yield from self._branch(main, gone)
        yield from self._end(main)

    def _session(self, facts: Mapping[str, Any]) -> Session:
        id = identifier(facts.get("sessionId")) or identifier(self._path.stem) or "session"
        session = Session(SOURCE, id, transport="vscode", cwd=self._folder)
        session.entitle(facts.get("customTitle"), "generated")
        return session

    def _request(self, session: Session, request: dict[str, Any], number: int) -> Iterator[Item]:
        id = request_id(session.parent or session.id, request)
        said = self._messages.setdefault(id, [])
        try:
            items = list(read_request(session, id, slim(request)))
        except RecursionError:
            yield Skipped(None, f"request {number}: nested too deeply")
            return
        for item in items:
            if isinstance(item, Said):
                said.append((item.message.source_id or "").removeprefix(id))
            yield item

    def _branch(self, main: Session, requests: Iterable[Request]) -> Iterator[Item]:
        """Requests that are no longer part of the session, but still in the file."""
        child: Session | None = None
        ids: list[str] = []
        for each in requests:
            request = each.value()
            if not isinstance(request, dict):
                continue
            id = request_id(main.id, request)
            if id in self._messages or id in self._gone:
                continue
            child = child or main.child(f"{main.id}/branch-{id}", "branch")
            yield from self._request(child, request, 0)
            ids += (id + ending for ending in self._messages.pop(id))
            self._gone[id] = None
        if child and ids:
            yield Moved(child.id, tuple(ids))

    def _end(self, main: Session) -> Iterator[Item]:
        """What the last import saw and is gone, and what was gone and is back."""
        yield from main.finish()
        gone = {
            id: endings
            for id, endings in self._before.items()
            if id not in self._messages and id not in self._gone
        }
        if gone and self._damaged:
            known = {id: ends for id, ends in self._before.items() if id not in self._gone}
            self._messages = {**known, **self._messages}
        elif gone:
            child = main.child(f"{main.id}/branch-{next(iter(gone))}", "branch")
            child.entitle(main.title, "prompt")
            yield from child.tell()
            yield Moved(child.id, tuple(id + end for id, ends in gone.items() for end in ends))
            self._gone.update(dict.fromkeys(gone))
        for id in self._branched:
            if back := self._messages.get(id):
                yield Moved(main.id, tuple(id + ending for ending in back))
            else:
                self._gone.setdefault(id, None)
