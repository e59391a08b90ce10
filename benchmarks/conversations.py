"""Conversations for measuring, as values of the package: what both the archives and the
transcripts of the benchmarks are made of.

They come in order of time, one after another over a year, from several tools, repositories and
models. Most are short, some long, and one of :data:`LONGEST` messages. Nothing but the numbers
of a :class:`~benchmarks.text.Writer` decides what is in them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from benchmarks.text import Writer
from glin_datasette.models import Conversation, Kind, Message, Ref, Role
from glin_datasette.tool_input import render_tool_input

#: How many messages the one long conversation has, if there is room for it.
LONGEST = 5_000

#: Source -> the models that answer there.
SOURCES = {
    "claude-code": ("claude-opus-4-6", "claude-sonnet-4-6", "claude-haiku-4-5"),
    "codex": ("gpt-5.2-codex", "gpt-5.2"),
    "cursor": ("claude-sonnet-4-6", "gpt-5.2"),
    "gemini-cli": ("gemini-3-pro",),
    "chatgpt": ("gpt-5.2",),
}
_SOURCE_WEIGHTS = (50, 25, 12, 8, 5)

#: The most frequent first: each is half as frequent as the one before, or nearly.
TAGS = (
    "bug", "feature", "refactoring", "docs", "performance", "release", "security", "tests",
    "research", "question", "decision", "spike", "ci", "design", "infra", "follow-up",
)  # fmt: skip

#: A commit that some messages mention.
COMMIT = "c0ffee" + "0123456789" * 3 + "abcd"
_REPOSITORIES = tuple(f"/home/someone/src/project{n}" for n in range(40))
_BRANCHES = ("main", "main", "main", "fix/search", "feature/import", "release")

#: What follows on another in a conversation, again and again, by role and kind.
_TURNS: tuple[tuple[Role, Kind], ...] = (
    ("user", "text"),
    ("assistant", "thinking"),
    ("assistant", "text"),
    ("assistant", "tool_call"),
    ("tool", "tool_result"),
    ("assistant", "tool_call"),
    ("tool", "tool_result"),
    ("assistant", "tool_call"),
    ("tool", "tool_result"),
    ("assistant", "text"),
)

_START = datetime(2025, 1, 1, tzinfo=UTC)
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Told:
    """A conversation with its messages, each with its references and tags."""

    conversation: Conversation
    messages: tuple[Message, ...]


def conversations(
    writer: Writer,
    messages: int,
    *,
    source: str | None = None,
    length: int | None = None,
    start: datetime = _START,
    over: timedelta = _YEAR,
) -> Iterator[Told]:
    """Conversations that have so many messages in all, from ``start`` on for a time.

    :param source: all are from this one
    :param length: all are as long, but for the last; by default it varies
    """
    step = over / max(messages, 1)
    number = 0
    for count in _lengths(writer, messages, length):
        yield _told(writer, count, source, start + number * step, step)
        number += count


def _lengths(writer: Writer, messages: int, length: int | None) -> Iterator[int]:
    left, longest = messages, 0 if length else min(LONGEST, messages // 4)
    while left > 0:
        count = length or max(2, int(writer.numbers.lognormvariate(4.1, 1.0)))
        if longest and left <= messages // 2:
            count, longest = longest, 0
        yield (count := min(count, left))
        left -= count


def _told(writer: Writer, count: int, source: str | None, start: datetime, step: timedelta) -> Told:
    numbers = writer.numbers
    source = source or numbers.choices(list(SOURCES), weights=_SOURCE_WEIGHTS)[0]
    # The cube makes a few of them frequent.
    repository = int(len(_REPOSITORIES) * numbers.random() ** 3)
    session = writer.uuid()
    model = numbers.choice(SOURCES[source])
    files = numbers.choices(writer.paths, k=8)
    messages = []
    for position, (role, kind) in zip(range(count), itertools.cycle(_TURNS), strict=False):
        messages.append(
            _message(writer, role, kind, position, _time(start + position * step), model, files)
        )
    return Told(
        Conversation(
            source=source,
            source_id=session,
            title=writer.title(),
            title_from="prompt",
            started_at=messages[0].ts,
            ended_at=messages[-1].ts,
            client=f"{source}/2.1.0",
            transport="cli",
            model=model,
            repo_root=_REPOSITORIES[repository],
            git_branch=numbers.choice(_BRANCHES),
            tags=_tags(writer, 0.3),
        ),
        tuple(messages),
    )


def _message(
    writer: Writer,
    role: Role,
    kind: Kind,
    position: int,
    ts: str,
    model: str,
    files: list[str],
) -> Message:
    numbers = writer.numbers
    content, refs, tool = "", [], None
    if kind == "tool_call":
        file = files[int(8 * numbers.random() ** 2)]
        tool, told = _call(writer, file)
        content = render_tool_input(told)
        if tool != "Bash":
            refs.append(Ref("file", file))
    elif kind == "tool_result":
        content = writer.output(25)
        if numbers.random() < 0.02:
            refs.append(Ref("commit", f"{numbers.getrandbits(160):040x}"))
        elif numbers.random() < 0.001:
            refs.append(Ref("commit", COMMIT))
    else:
        content = writer.prose(30 if role == "user" else 50)
        if numbers.random() < 0.02:
            refs.append(Ref("url", f"https://example.org/{numbers.choice(files)}"))
    answers = role == "assistant"
    counted = answers and kind != "thinking"
    return Message(
        role=role,
        kind=kind,
        content=content,
        ts=ts,
        model=model if answers else None,
        token_in=20_000 + int(100_000 * numbers.random()) if counted else None,
        token_out=len(content) // 4 if counted else None,
        token_cached=18_000 if counted else None,
        tool_name=tool,
        # A result follows its call.
        tool_call_id=f"call_{position - (role == 'tool'):06}" if kind.startswith("tool") else None,
        is_error=kind == "tool_result" and numbers.random() < 0.05,
        source_id=writer.uuid(),
        refs=tuple(refs),
        tags=_tags(writer, 0.01),
    )


def _call(writer: Writer, file: str) -> tuple[str, dict[str, str]]:
    """The name of a tool and what it is given."""
    drawn = writer.numbers.random()
    if drawn < 0.4:
        return "Bash", {"command": writer.prose(12), "description": "Look at it"}
    if drawn < 0.7:
        return "Read", {"file_path": file, "prompt": writer.prose(6)}
    if drawn < 0.9:
        return "Edit", {"file_path": file, "old_string": "pass", "new_string": writer.code(12)}
    return "Write", {"file_path": file, "content": writer.code(40)}


def _tags(writer: Writer, share: float) -> tuple[str, ...]:
    """One to three of the tags for this share of those who ask."""
    numbers = writer.numbers
    if numbers.random() >= share:
        return ()
    count = 1 + int(3 * numbers.random() ** 2)
    drawn = {TAGS[int(len(TAGS) * numbers.random() ** 3)] for _ in range(count)}
    return tuple(sorted(drawn))


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
