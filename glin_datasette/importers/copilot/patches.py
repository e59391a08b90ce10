"""Replaying a chat session of VS Code that is kept as a log of changes, one a line::

    {"kind": 0, "v": {"sessionId": "…", "requests": […]}}            the whole session
    {"kind": 1, "k": ["requests", 0, "modelId"], "v": "…"}           a value is set
    {"kind": 2, "k": ["requests", 0, "response"], "v": […], "i": 3}  a list is cut to
                                                                     3, then grows
    {"kind": 3, "k": ["customTitle"]}                                a value is removed

VS Code writes the whole session anew after some hundred changes. What this importer does
not read is not kept in memory (the state of the input box, what was rendered for the
model), and requests are kept as text, but for the one that is being changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base import Skipped
from ..jsonl import read_lines

__all__ = ["MAX_LOG", "Replay", "Request", "replay", "slim"]

#: Bytes of changes that are replayed at the most: a session is held in memory.
MAX_LOG = 64 * 1024 * 1024

_FACTS = frozenset({"customTitle", "sessionId"})
_REQUEST = frozenset(
    {"agent", "completionTokens", "isSystemInitiated", "message", "modelId", "promptTokens"}
    | {"requestId", "response", "result", "timestamp", "variableData"}
)
_METADATA = frozenset(
    {"outputTokens", "promptTokens", "resolvedModel", "toolCallResults", "toolCallRounds"}
)
_AGENT = frozenset({"extensionId", "extensionVersion"})


class _BadPatch(ValueError):
    """A change that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as JSON. ``id`` tells it from others, if it has one."""

    id: str | None
    text: str

    def value(self) -> Any:
        """The request."""
        return json.loads(self.text)


@dataclass(slots=True)
class Replay:
    """The session that a log leads to. ``dropped``: the requests that were taken out of it,
    those together that were taken out at once."""

    facts: dict[str, Any] = field(default_factory=dict)
    dropped: list[list[Request]] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)
    _requests: list[Request] = field(default_factory=list)
    #: The place of the request that is being changed, and the request.
    _at: int = -1
    _open: Any = None

    def requests(self) -> Iterator[Request]:
        """The requests of the session."""
        self.close()
        yield from self._requests

    def open(self, place: object) -> Any:
        """The request at a place, to be changed."""
        if type(place) is not int or not 0 <= place < len(self._requests):
            raise _BadPatch(f"there is no request {place!r}"[:80])
        if place != self._at:
            self.close()
            self._at, self._open = place, self._requests[place].value()
        return self._open

    def close(self) -> None:
        """Keep what became of the request that was changed."""
        if self._at >= 0:
            self._requests[self._at] = _packed(self._open)
        self._at, self._open = -1, None

    def splice(self, begin: int, end: int | None, values: Iterable[Any]) -> None:
        """Put ``values`` in the place of the requests from ``begin`` on. Of those that were
        there, note what is gone."""
        self.close()
        removed = self._requests[begin:end]
        self._requests[begin:end] = [_packed(slim(value)) for value in values]
        if removed:
            left = {request.id for request in self._requests if request.id is not None}
            if gone := [request for request in removed if request.id not in left]:
                self.dropped.append(gone)

    def __len__(self) -> int:
        return len(self._requests)


def _packed(request: Any) -> Request:
    id = request.get("requestId") if isinstance(request, dict) else None
    try:
        return Request(id if isinstance(id, str) else None, json.dumps(request))
    except RecursionError:
        raise _BadPatch("nested too deeply") from None


def replay(path: Path) -> Replay:
    """Replay the log at ``path``.

    :raises OSError: if it cannot be read
    """
    found = Replay()
    begun = False
    lost = first_lost = 0
    for line in read_lines(path, 0, 0):
        if line.end > MAX_LOG:
            words = f"more than {MAX_LOG // 1024 // 1024} MiB of changes; the rest is left out"
            found.problems.append(Skipped(line.number, words))
            break
        if line.error is not None:
            found.problems.append(Skipped(line.number, line.error))
        if line.torn or line.record is None:
            continue
        if line.record.get("kind") != 0 and not begun:
            lost, first_lost = lost + 1, first_lost or line.number
            continue
        try:
            _apply(found, line.record)
            begun = True
        except _BadPatch as problem:
            found.problems.append(Skipped(line.number, f"no change: {problem}"))
        del line
    if lost:
        words = f"{lost} changes of a session whose beginning is missing"
        found.problems.append(Skipped(first_lost, words))
    return found


def slim(request: Any) -> Any:
    """A request without what this importer does not read."""
    if not isinstance(request, dict):
        return request
    return {name: _slim(name, value) for name, value in request.items() if name in _REQUEST}


def _slim(name: str, value: Any) -> Any:
    if name == "agent":
        return _only(value, _AGENT)
    if name == "result" and isinstance(value, dict):
        return {**value, "metadata": _only(value.get("metadata"), _METADATA)}
    return value


def _only(value: Any, names: frozenset[str]) -> Any:
    return {k: v for k, v in value.items() if k in names} if isinstance(value, dict) else None


def _apply(found: Replay, record: dict[str, Any]) -> None:
    kind, value, cut = record.get("kind"), record.get("v"), record.get("i")
    if type(kind) is not int or kind not in (0, 1, 2, 3):
        raise _BadPatch("it is of no known kind")
    if kind == 0:
        if not isinstance(value, dict):
            raise _BadPatch("the session is no object")
        requests = value.get("requests")
        found.facts = {name: value[name] for name in _FACTS if name in value}
        found.splice(0, None, requests if isinstance(requests, list) else ())
        return
    keys = record.get("k")
    if not isinstance(keys, list) or not keys or not all(type(key) in (str, int) for key in keys):
        raise _BadPatch("it has no path")
    if kind == 2 and not isinstance(value, list | None):
        raise _BadPatch("what it adds is no list")
    if cut is not None and (type(cut) is not int or cut < 0):
        raise _BadPatch("it cuts a list at no place")
    if keys[0] != "requests":
        if keys[0] in _FACTS:
            _change(found.facts, keys, kind, value, cut)
    elif len(keys) == 1:
        begin = 0 if kind != 2 else len(found) if cut is None else cut
        found.splice(begin, None, value if kind != 3 and isinstance(value, list) else ())
    elif len(keys) == 2:
        if kind == 2 or type(keys[1]) is not int or not 0 <= keys[1] <= len(found):
            raise _BadPatch(f"there is no request {keys[1]!r}"[:80])
        found.splice(keys[1], keys[1] + 1, [value] if kind == 1 else ())
    elif keys[2] in _REQUEST:
        value = _slim(keys[2], value) if len(keys) == 3 else value
        _change(found.open(keys[1]), keys[2:], kind, value, cut)


def _change(holder: Any, keys: list[Any], kind: int, value: Any, cut: int | None) -> None:
    """Make a change at a path below ``holder``."""
    for key in keys[:-1]:
        holder = _get(holder, key)
    key = keys[-1]
    if not isinstance(holder, dict | list):
        raise _BadPatch("there is nothing to change")
    if kind == 2:
        target = _get(holder, key)
        target = [] if target is None else target
        if not isinstance(target, list):
            raise _BadPatch("what it adds to is no list")
        del target[len(target) if cut is None else cut :]
        target.extend(value or ())
        value = target
    if isinstance(holder, dict):
        holder[str(key)] = None if kind == 3 else value
    elif isinstance(key, int) and 0 <= key < len(holder):
        holder[key] = None if kind == 3 else value
    elif key == len(holder) and kind != 3:
        holder.append(value)
    else:
        raise _BadPatch(f"there is nothing at {key!r}"[:80])


def _get(holder: Any, key: Any) -> Any:
    if isinstance(holder, dict):
        return holder.get(str(key))
    if isinstance(holder, list) and isinstance(key, int) and 0 <= key < len(holder):
        return holder[key]
    return None
