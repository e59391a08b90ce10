"""What importers yield and the archive keeps: conversations and their messages; and what picks
some of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = [
    "KINDS",
    "RELATIONS",
    "ROLES",
    "TITLE_RANK",
    "Attachment",
    "Conversation",
    "Filters",
    "Kind",
    "Message",
    "Prompt",
    "Ref",
    "RefType",
    "Relation",
    "Role",
    "TagChange",
    "TitleFrom",
    "TranscriptFacts",
]

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["text", "thinking", "tool_call", "tool_result", "attachment"]
RefType = Literal["file", "commit", "url"]
Relation = Literal["subagent", "fork", "branch"]
TitleFrom = Literal["prompt", "summary", "generated", "custom"]
ROLES: tuple[Role, ...] = get_args(Role)
KINDS: tuple[Kind, ...] = get_args(Kind)
RELATIONS: tuple[Relation, ...] = get_args(Relation)
#: A title found later replaces an earlier one only if it ranks at least as high.
TITLE_RANK: dict[TitleFrom | None, int] = {
    None: 0,
    "prompt": 1,
    "summary": 2,
    "generated": 3,
    "custom": 4,
}


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Something outside the archive that a message points at.

    ``value`` is a path relative to the repository root where the file lies inside it and
    absolute where it does not; a commit hash in lower case, 7 to 40 digits; or a URL.
    """

    type: RefType
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with a message: an image, a document.

    ``size`` is in bytes. ``sha256`` (64 hexadecimal digits) names its bytes where the
    archive holds them. ``data`` is what an importer found: the bytes, or base64 text of
    them as it stands in the transcript; never set on what is read from the archive.
    """

    media_type: str
    name: str | None = None
    size: int | None = None
    sha256: str | None = None
    data: bytes | str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation, subagent run, fork or branch.

    Unique in the archive by (``source``, ``source_id``). ``id`` is ``None`` until it is
    stored. A field that is ``None`` says nothing: storing the conversation again keeps
    what is there.
    """

    source: str
    source_id: str
    id: int | None = None
    parent_id: int | None = None
    #: ``source_id`` of the conversation that this one belongs to, in the same source.
    parent_source_id: str | None = None
    relation: Relation | None = None
    title: str | None = None
    title_from: TitleFrom | None = None
    started_at: str | None = None
    ended_at: str | None = None
    #: Product and version that held the conversation, as ``claude-code/2.1.39``.
    client: str | None = None
    #: How it was reached: ``cli``, ``ide``, ``web``, … as the source says it.
    transport: str | None = None
    #: The model of the newest reply.
    model: str | None = None
    repo_root: str | None = None
    git_branch: str | None = None
    notes: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that was said, thought, called or returned in a conversation.

    ``source_id`` is the record's id in its source and unique within the conversation;
    ``None`` where there is none. ``token_in`` counts all input tokens of the reply,
    ``token_cached`` the part of them that was read from a cache, ``token_out`` the output;
    a reply that spans several messages carries its counts on one of them.
    """

    role: Role
    kind: Kind = "text"
    content: str = ""
    id: int | None = None
    conversation_id: int | None = None
    #: 0-based place in the conversation; given by storage.
    position: int | None = None
    ts: str | None = None
    model: str | None = None
    token_in: int | None = None
    token_out: int | None = None
    token_cached: int | None = None
    tool_name: str | None = None
    #: Pairs a ``tool_call`` with its ``tool_result``.
    tool_call_id: str | None = None
    is_error: bool = False
    source_id: str | None = None
    #: Time to order by where ``ts`` alone would put a reply before what it replies to.
    #: Not stored. ``None``: ``ts``.
    sort_ts: str | None = None
    refs: tuple[Ref, ...] = ()
    tags: tuple[str, ...] = ()
    #: Stored only where an import was asked to keep them.
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which messages, or which conversations that have such messages.

    A message must meet every field. Within a field one value is enough, but for ``tag``,
    ``file`` and ``commit``: there every value must be met. ``text`` is what a person
    types: words, ``"phrases"``, ``prefix*``, ``OR``, ``-word``.
    """

    text: str = ""
    #: On the message or on its conversation; without regard to case.
    tag: tuple[str, ...] = ()
    source: tuple[str, ...] = ()
    role: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    #: The whole ``repo_root`` or the end of it, from a ``/`` on: ``glin``, ``src/glin``.
    repo: tuple[str, ...] = ()
    #: A file, a folder above it, or the end of its path from a ``/`` on.
    file: tuple[str, ...] = ()
    #: A hash or the first 4 or more digits of one.
    commit: tuple[str, ...] = ()
    #: Ids of conversations.
    conversation: tuple[int, ...] = ()
    #: The earliest time, as ISO 8601 UTC or the beginning of one: ``2026-02``.
    since: str | None = None
    #: The latest time, likewise: ``2026-02`` includes all of February.
    until: str | None = None
    #: What must not be: messages that meet any field of these are left out.
    exclude: Filters | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The beginning of something that the user said, for the outline of a conversation."""

    message_id: int
    ts: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFacts:
    """What a conversation comes to. ``failed`` counts the tools that reported an error,
    ``token_in`` those from a cache too."""

    messages: int
    failed: int
    token_in: int
    token_out: int
    token_cached: int
    by_kind: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChange:
    """How many conversations and messages got a tag, or lost it."""

    conversations: int
    messages: int
