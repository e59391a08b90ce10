"""What is said of a file, a commit or a tag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .conversations import Conversation, Message

__all__ = ["About", "CommitSeen", "FileSeen", "Made", "Mention", "Tagged", "Touch"]

Touch = Literal["read", "edited", "made", "mentioned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSeen:
    """A file of a repository, and how many messages and conversations touched it."""

    path: str
    repo_root: str | None
    messages: int
    conversations: int
    first_ts: str | None
    last_ts: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSeen:
    """A commit, and how many messages and conversations name it.

    ``commit`` is the longest form of its hash that there is. ``subject`` is the first
    line of its message, where the archive holds what git said when it was made.
    """

    commit: str
    messages: int
    conversations: int
    first_ts: str | None
    last_ts: str | None
    #: Where it was made or, where that is not known, first named.
    conversation_id: int
    message_id: int
    title: str | None
    source: str
    repo_root: str | None
    subject: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A message that touched a file or names a commit, and the conversation that it is in.

    ``values`` are the paths or hashes as the message has them.
    """

    message: Message
    conversation: Conversation
    values: tuple[str, ...]
    how: Touch


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Where a commit comes from: the message in which git says that it made it. Where
    there is none, ``certain`` is false and it is the earliest that names it."""

    mention: Mention
    subject: str | None
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """A page of the messages that are about a file or a commit, and how many all are."""

    messages: int
    conversations: int
    first_ts: str | None
    last_ts: str | None
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A conversation that has a tag, or that holds messages that have it.

    ``whole`` says whether the conversation itself has it. ``messages`` are the newest of
    those that have it themselves, ``total`` counts them.
    """

    conversation: Conversation
    whole: bool
    total: int
    messages: tuple[Message, ...]
