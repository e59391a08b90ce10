"""One opencode session -> conversations and messages, whatever it is stored in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...models import Relation
from ..base import Item, Moved, Said, Skipped, Unknown, Usage
from ..session import Session
from ..text import count, epoch_time, identifier, string
from . import SOURCE
from .parts import Told, say_error, say_part

__all__ = ["Facts", "MessageOf", "read_session"]

#: What opencode calls a session before it has thought of a title.
_NO_TITLE = re.compile(r"(?:New|Child) session - \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

#: Reverts that are remembered, the latest ones.
_REVERTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a session's own record says. The values are as they stand there."""

    id: str
    parent: object = None
    #: The session that this one began as a copy of.
    origin: object = None
    directory: object = None
    #: The top of the project that it belongs to.
    worktree: object = None
    title: object = None
    version: object = None
    revert: object = None


@dataclass(frozen=True, slots=True)
class MessageOf:
    """One message. ``parts`` are read one by one, each with its id; one that is damaged
    comes as what is to be told of it."""

    id: str
    info: dict[str, Any]
    parts: Iterable[tuple[str, dict[str, Any]] | Skipped] = ()


def read_session(
    facts: Facts, messages: Iterable[MessageOf | Skipped], reverted: dict[str, str]
) -> Iterator[Item]:
    """What a session holds. ``reverted`` notes which sessions have a branch of reverted
    messages (session -> branch), from one reading to the next."""
    session = _open(facts)
    before = reverted.pop(facts.id, None)
    start, first_part = _revert(facts.revert)
    #: Of what lies on the branch; or of all, if a branch of the last reading is no more.
    moved: list[str] = []
    back: list[str] = []
    branch: Session | None = None
    for message in messages:
        if isinstance(message, Skipped):
            yield message
            continue
        if branch is None and message.id == start and first_part is None:
            branch = session.child(f"{facts.id}/branch-{start}", "branch")
        for item in _message(session if branch is None else branch, message):
            if isinstance(item, _Part):
                # Only the end of this message was reverted, and all that follows it.
                if branch is None and message.id == start and item.id == first_part:
                    branch = session.child(f"{facts.id}/branch-{start}", "branch")
                    item.session = branch
                continue
            if isinstance(item, Said):
                if branch is not None and item.conversation == branch.id:
                    moved.append(item.message.source_id or "")
                elif before is not None:
                    back.append(item.message.source_id or "")
            yield item
    yield from session.finish()
    if branch is not None and moved:
        yield from branch.finish()
        yield Moved(branch.id, tuple(moved))
        reverted[facts.id] = branch.id
        while len(reverted) > _REVERTS:
            del reverted[next(iter(reverted))]
    if back:
        yield Moved(session.id, tuple(back))


def _open(facts: Facts) -> Session:
    parent, relation = _parent(facts)
    cwd, version = string(facts.directory), identifier(facts.version)
    session = Session(
        SOURCE,
        facts.id,
        parent=parent,
        relation=relation,
        client=f"{SOURCE}/{version}" if version else None,
        repo_root=_around(cwd, string(facts.worktree)),
        cwd=cwd,
    )
    title = string(facts.title)
    if title and not _NO_TITLE.fullmatch(title):
        session.entitle(title, "generated")
    return session


def _parent(facts: Facts) -> tuple[str | None, Relation | None]:
    if (parent := identifier(facts.parent)) and parent != facts.id:
        return parent, "subagent"
    if (origin := identifier(facts.origin)) and origin != facts.id:
        return origin, "fork"
    return None, None


def _around(cwd: str | None, worktree: str | None) -> str | None:
    """The project's top if a session's folder lies in it. ``/`` stands for no project."""
    if not cwd or not worktree or worktree == "/":
        return None
    here, top = (each.replace("\\", "/").rstrip("/") for each in (cwd, worktree))
    return worktree if top and (here == top or here.startswith(top + "/")) else None


def _revert(value: object) -> tuple[str | None, str | None]:
    """The message and the part from which on a session is reverted."""
    if not isinstance(value, dict):
        return None, None
    return identifier(value.get("messageID")), identifier(value.get("partID"))


@dataclass(slots=True)
class _Part:
    """Comes before each part of a message: its id, and the conversation that it goes to,
    which may be changed."""

    id: str
    session: Session


def _message(session: Session, message: MessageOf) -> Iterator[Item | _Part]:
    info = message.info
    role = info.get("role")
    if isinstance(info.get("parts"), list) and "metadata" in info:
        yield Unknown("message of the first form")
        return
    if role not in ("user", "assistant"):
        yield Unknown(f"role {string(role) or '(none)'}"[:60])
        return
    _learn_place(session, info)
    told = Told(
        role="assistant" if role == "assistant" else "user",
        ts=_created(info),
        model=identifier(info.get("modelID")) if role == "assistant" else None,
    )
    tokens = _tokens(info) if told.role == "assistant" else None
    first: Said | None = None
    steps: list[_Tokens] = []
    for part in message.parts:
        if isinstance(part, Skipped):
            yield part
            continue
        id, record = part
        place = _Part(id, session)
        yield place
        session = place.session
        if record.get("type") == "step-finish" and (step := _tokens(record)):
            steps.append(step)
        for item in say_part(session, told, id, record):
            if first is None and isinstance(item, Said) and item.message.role == "assistant":
                item = first = _counted(item, tokens)
            yield item
    if "error" in info:
        for item in say_error(session, f"{message.id}#error", told.ts, info["error"]):
            if first is None and isinstance(item, Said):
                item = first = _counted(item, tokens)
            yield item
    # A message that took several steps has the tokens of the last one.
    if first and first.message.source_id and tokens and len(steps) > 1:
        yield Usage(
            first.conversation,
            first.message.source_id,
            sum(each.token_in for each in steps),
            sum(each.token_out for each in steps),
            sum(each.token_cached for each in steps),
        )


def _learn_place(session: Session, info: Mapping[str, Any]) -> None:
    """The first versions told a session's folder with its replies only."""
    path = info.get("path")
    if session.cwd or not isinstance(path, dict) or not (cwd := string(path.get("cwd"))):
        return
    session.note(cwd=cwd, repo_root=_around(cwd, string(path.get("root"))))


def _created(info: Mapping[str, Any]) -> str | None:
    time = info.get("time")
    return epoch_time(time.get("created")) if isinstance(time, dict) else None


@dataclass(frozen=True, slots=True)
class _Tokens:
    token_in: int
    token_out: int
    token_cached: int


def _tokens(holder: Mapping[str, Any]) -> _Tokens | None:
    """``input`` leaves out what came from a cache or went there, ``output`` the reasoning."""
    tokens = holder.get("tokens")
    if not isinstance(tokens, dict):
        return None
    cache = tokens.get("cache")
    cache = cache if isinstance(cache, dict) else {}
    fresh, read, written, out, thought = (
        count(value) or 0
        for value in (
            tokens.get("input"),
            cache.get("read"),
            cache.get("write"),
            tokens.get("output"),
            tokens.get("reasoning"),
        )
    )
    found = _Tokens(fresh + read + written, out + thought, read)
    return found if found.token_in or found.token_out else None


def _counted(item: Said, tokens: _Tokens | None) -> Said:
    if tokens is None:
        return item
    return replace(
        item,
        message=replace(
            item.message,
            token_in=tokens.token_in,
            token_out=tokens.token_out,
            token_cached=tokens.token_cached,
        ),
    )
