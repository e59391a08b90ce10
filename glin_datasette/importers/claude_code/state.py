"""What reading a file has to remember from one record to the next, and from one import
to the next: bounded, and a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeVar

from ...models import Relation, TitleFrom

__all__ = ["Call", "Reply", "State", "Thread", "Titled", "remember"]

K = TypeVar("K")
V = TypeVar("V")

#: Raise it when what is carried along changes its shape.
VERSION = 2

#: How many of each are remembered. Parents, results and the lines of one reply are near.
RECENT = 128
REPLIES = 32
CALLS = 64
TASKS = 16
THREADS = 64
LINKS = 64


@dataclass(slots=True)
class Titled:
    """A title that was found before the first message it belongs to."""

    title: str
    source: TitleFrom


@dataclass(slots=True)
class Thread:
    """One conversation of the file: the session, a subagent or a sidechain."""

    id: str
    number: int
    parent: str | None = None
    relation: Relation | None = None
    repo_root: str | None = None
    git_branch: str | None = None
    client: str | None = None
    transport: str | None = None
    #: The time of its last record, for the next one if that has none.
    last: str | None = None
    #: 0: no prompt yet, 1: only slash commands, 2: a prompt.
    prompted: int = 0
    #: Whether a message of it was yielded.
    said: bool = False
    #: A title that waits for the first message.
    title: Titled | None = None


@dataclass(slots=True)
class Reply:
    """One answer of the service, which may span many lines. ``message`` carries its
    tokens; ``None`` until one was worth keeping."""

    conversation: str
    message: str | None
    token_in: int | None
    token_out: int
    token_cached: int | None


@dataclass(slots=True)
class Call:
    """A tool call that has no result yet. ``git``: the subcommands it ran."""

    name: str | None
    git: list[str]


@dataclass(slots=True)
class State:
    """Everything that is carried along."""

    #: The session this file is of, and the older session whose records it began with.
    session: str | None = None
    older: str | None = None
    #: Name of the git worktree; the client takes it for a title of its own accord.
    worktree: str | None = None
    threads: dict[str, Thread] = field(default_factory=dict)
    #: Record uuid -> (number of its thread, time it was ordered by).
    recent: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    #: Digest of the prompt that a subagent was given -> its description.
    tasks: dict[str, str] = field(default_factory=dict)
    #: Ids of the messages that tell of pull requests: the client writes each link again
    #: whenever the session is resumed.
    links: dict[str, bool] = field(default_factory=dict)
    next_number: int = 0

    def dump(self) -> dict[str, Any]:
        """As a JSON object, to be written before anything is read again."""
        facts = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in ("threads", "replies", "calls"):
            facts[name] = {key: _facts(value) for key, value in facts[name].items()}
        return {"version": VERSION, **facts}

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> State:
        """What :meth:`dump` made; a state of another version starts afresh."""
        if value.get("version") != VERSION:
            return cls()
        return cls(
            session=value["session"],
            older=value["older"],
            worktree=value["worktree"],
            threads={name: _thread(**item) for name, item in value["threads"].items()},
            recent={name: (item[0], item[1]) for name, item in value["recent"].items()},
            replies={name: Reply(**item) for name, item in value["replies"].items()},
            calls={name: Call(**item) for name, item in value["calls"].items()},
            tasks=dict(value["tasks"]),
            links=dict(value["links"]),
            next_number=value["next_number"],
        )


def _facts(value: Thread | Reply | Call) -> dict[str, Any]:
    """As ``asdict``, without a copy of each value: there are many, and they stay as they are."""
    facts = {each.name: getattr(value, each.name) for each in fields(value)}
    if facts.get("title"):
        facts["title"] = asdict(facts["title"])
    return facts


def _thread(title: dict[str, Any] | None, **facts: Any) -> Thread:
    return Thread(title=Titled(**title) if title else None, **facts)


def remember(memory: dict[K, V], key: K, value: V, limit: int) -> None:
    """Put ``key`` last, and forget the first one beyond ``limit``."""
    memory.pop(key, None)
    memory[key] = value
    if len(memory) > limit:
        del memory[next(iter(memory))]
