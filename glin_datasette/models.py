"""The values that flow through glin: from importers into storage, and out to people.

All are frozen dataclasses. Times are ISO 8601 text in UTC with milliseconds
(``2026-02-11T05:53:33.335Z``), so that text order is time order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

__all__ = [
    "KINDS",
    "RELATIONS",
    "ROLES",
    "TITLE_RANK",
    "About",
    "Attachment",
    "BackupReport",
    "Bucket",
    "Check",
    "CommitSeen",
    "CompactReport",
    "Conversation",
    "FileSeen",
    "Filters",
    "HealthReport",
    "Hit",
    "ImportReport",
    "Kind",
    "Loosened",
    "Made",
    "Mention",
    "Message",
    "Overview",
    "Problem",
    "Prompt",
    "Recent",
    "Recovered",
    "RecoveryReport",
    "Ref",
    "RefType",
    "Relation",
    "RepairReport",
    "Repaired",
    "ReplicaStatus",
    "RestoreReport",
    "Role",
    "SearchFacets",
    "SearchResult",
    "SecretFound",
    "SecretPlace",
    "SecretsReport",
    "Stats",
    "Status",
    "Step",
    "Suggestion",
    "TagChange",
    "TagCount",
    "Tagged",
    "Tally",
    "TitleFrom",
    "Touch",
    "TranscriptFacts",
]

Role = Literal["system", "user", "assistant", "tool"]
Kind = Literal["text", "thinking", "tool_call", "tool_result", "attachment"]
RefType = Literal["file", "commit", "url"]
Relation = Literal["subagent", "fork", "branch"]
TitleFrom = Literal["prompt", "summary", "generated", "custom"]
Status = Literal["ok", "warn", "fail"]
Step = Literal["day", "week", "month", "year"]
Touch = Literal["read", "edited", "made", "mentioned"]
SecretPlace = Literal["message", "reference", "title", "notes"]

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


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a file that could not be used. ``line`` counts from 1."""

    path: str
    line: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What one import did.

    ``files`` were looked at, ``unchanged`` of them needed no reading. ``conversations``
    and ``messages`` count what was added. ``skipped`` counts records that were damaged
    (each in ``errors``) or of a kind that this release does not know (by name in
    ``unknown``). ``redacted`` counts the credentials that were replaced, ``failed`` what
    could not be read at all: these come first in ``errors``.
    """

    files: int = 0
    unchanged: int = 0
    conversations: int = 0
    messages: int = 0
    skipped: int = 0
    redacted: int = 0
    failed: int = 0
    unknown: dict[str, int] = field(default_factory=dict)
    errors: tuple[Problem, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One message that a search found.

    ``snippet`` marks the words that were found with ``\\x02`` before and ``\\x03`` after
    (control characters that stored text never holds), so that each front end can mark
    them in its own way. ``score`` is BM25 turned positive: larger is better; ``None``
    where nothing was ranked.
    """

    conversation_id: int
    message_id: int
    title: str | None
    source: str
    repo_root: str | None
    role: str
    kind: str
    ts: str | None
    snippet: str
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """A page of hits. ``total`` counts all of them, not only this page; where ``exact`` is
    false there are at least so many.

    ``ranked`` says how they are ordered: ``"all"`` by rank over every hit,
    ``"newest N"`` by rank over the newest N hits and nothing older, ``"no"`` newest first.
    ``notice`` is a sentence for people where the result is not what it would normally be.
    """

    query: str
    total: int
    exact: bool
    hits: tuple[Hit, ...]
    ranked: str
    notice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A stretch of time and the messages in it. ``since`` and ``until`` are its first and
    its last day, as the operators of that name take them: ``2026-02-09``, ``2026-02``."""

    since: str
    until: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchFacets:
    """What the messages that a search found have in common: value -> how many of them,
    the most frequent first. A message has its own tags and those of its conversation.

    Where there are very many, ``exact`` is false: only the newest ``messages`` of them
    were counted. Months and ``buckets`` are those of the local time zone; ``buckets``
    cover the time from the first message to the last in one ``step`` each, without a gap
    unless that takes centuries.
    """

    messages: int
    conversations: int
    exact: bool
    tag: dict[str, int]
    source: dict[str, int]
    repo: dict[str, int]
    role: dict[str, int]
    kind: dict[str, int]
    model: dict[str, int]
    #: ``2026-02`` -> messages, newest month first.
    month: dict[str, int]
    step: Step | None
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened:
    """A query that asks for less, and how much it finds. ``without`` is what was taken out
    of it; ``None`` where nothing was, but any of its words is enough."""

    without: str | None
    query: str
    total: int
    #: Whether that is all; else it finds at least so many.
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A word of a query that no message has, one like it that some have, and the query
    with that one ``instead``."""

    word: str
    instead: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """A backup file that was made or found. ``size`` is in bytes, of the file as it is;
    times are UTC. ``sha256`` is ``None`` where nobody has read the file yet. ``pruned`` are the
    older ones that were removed, ``spared`` those that were not since this one holds no
    conversations."""

    path: str
    created_at: str
    size: int
    sha256: str | None
    compressed: bool
    schema_version: int
    conversations: int
    messages: int
    verified: bool
    seconds: float = 0.0
    pruned: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """An archive that was replaced by a backup. ``previous`` is the backup of what was
    there before; ``None`` if there was nothing. Unless ``in_place``, it is another file now:
    what has the old one open must be restarted."""

    path: str
    restored_from: str
    previous: str | None
    schema_version: int
    conversations: int
    messages: int
    in_place: bool = True
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChange:
    """How many conversations and messages got a tag, or lost it."""

    conversations: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TagCount:
    """A tag, and how many conversations and messages have it."""

    name: str
    conversations: int
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A repository or a model, and how many messages are of it."""

    name: str
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A conversation with the number of its messages, as lists show it."""

    conversation_id: int
    title: str | None
    source: str
    repo_root: str | None
    git_branch: str | None
    model: str | None
    started_at: str | None
    ended_at: str | None
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What an archive holds, at a glance. Days are those of the local time zone.

    ``days`` are the 53 weeks up to ``last_day``, Monday first, each day with its messages.
    ``weeks`` has the same weeks, by their Mondays, with the messages of each source.
    """

    conversations: int
    messages: int
    token_in: int
    token_out: int
    token_cached: int
    first_ts: str | None
    last_ts: str | None
    #: When something was last imported.
    last_import: str | None
    #: Transcript files of which some records could not be read.
    damaged_files: int
    #: Conversations by source, the most first.
    sources: dict[str, int]
    today: str
    last_day: str
    days: dict[str, int]
    weeks: dict[str, dict[str, int]]
    tags: tuple[TagCount, ...]
    repositories: tuple[Tally, ...]
    models: tuple[Tally, ...]
    #: The newest, without the runs of subagents.
    recent: tuple[Recent, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """What the archive holds. The mappings count messages, tokens those of all models."""

    conversations: int
    messages: int
    refs: int
    tags: int
    first_ts: str | None
    last_ts: str | None
    token_in: int
    token_out: int
    token_cached: int
    by_source: dict[str, int]
    by_role: dict[str, int]
    by_kind: dict[str, int]
    by_model: dict[str, int]
    #: ``2026-02`` -> messages, newest month first.
    by_month: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One health check: ``detail`` says what was found and, if not ok, what to do."""

    name: str
    status: Status
    detail: str
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaStatus:
    """How far the replica of an archive is behind it, as this machine knows it.

    ``confirmed_at`` is the last moment for which it is known that the replica had
    everything; ``None`` if there was none yet. ``behind`` says that the archive's files have
    changed since, ``lag_seconds`` for how long the replica may lack something: 0 if nothing
    has changed. ``waiting_bytes`` were taken from the archive and not yet confirmed by the
    target. ``transaction`` counts the replica's transactions.
    """

    target: str
    running: bool
    checked_at: str | None
    confirmed_at: str | None
    behind: bool
    lag_seconds: float | None
    waiting_bytes: int
    transaction: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """The state of an archive. ``status`` is the worst of its checks."""

    status: Status
    path: str
    schema_version: int | None
    sqlite_version: str
    checks: tuple[Check, ...]
    counts: dict[str, int]
    #: Bytes: ``database``, ``wal``, ``free`` (unused pages) and ``disk_free``.
    sizes: dict[str, int]
    #: Seconds since the newest backup that is as it was made; ``None`` without one.
    last_backup_age: float | None
    #: Seconds since an import last read a transcript; ``None`` before the first.
    last_import_age: float | None
    checked_at: str
    ms: float
    #: ``None`` where the archive is not replicated.
    replication: ReplicaStatus | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """One thing that a repair did, or could not do: ``detail`` says it in a sentence."""

    name: str
    done: bool
    #: Of rows, indexes or whatever was mended.
    count: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairReport:
    """What :func:`~glin_datasette.storage.repair_db` did, and the health of the archive then.

    ``backup`` is of what was there before: verified, or where that is not possible a copy
    of the file as it was (``verified`` is false).
    """

    path: str
    backup: str
    verified: bool
    repaired: tuple[Repaired, ...]
    health: HealthReport
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactReport:
    """What :func:`~glin_datasette.storage.compact_db` gave back: the bytes of the archive and
    its WAL ``before`` and ``after``. ``busy``: another process reads, and it is given back
    once that has ended."""

    path: str
    before: int
    after: int
    busy: bool
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What was salvaged of a table, and what was not: ``lost`` is ``None`` where that cannot
    be told, and ``estimated`` where it is not counted but judged by the pages that are lost.
    ``cut`` of the salvaged rows lack the end of a text."""

    table: str
    salvaged: int
    lost: int | None
    estimated: bool
    cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryReport:
    """What :func:`~glin_datasette.storage.recover_db` salvaged of a damaged archive.

    ``complete`` is true if nothing is known or to be feared to be lost. ``unreadable`` are
    ranges of pages, first and last. ``placeholders`` are conversations of which only the
    messages, or the name, were found. ``notes`` are sentences on what cannot be counted.
    """

    path: str
    source: str
    complete: bool
    tables: tuple[Recovered, ...]
    placeholders: int
    pages: int
    page_size: int
    unreadable: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]
    health: HealthReport
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFound:
    """Where in an archive something looks like a credential; never the credential itself.

    ``count`` are of this ``kind`` in this place. ``message_id`` and ``role`` are ``None``
    for the title and the notes of a conversation. Credentials in ``title`` are redacted.
    """

    kind: str
    place: SecretPlace
    count: int
    conversation_id: int
    message_id: int | None
    title: str | None
    role: str | None
    ts: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsReport:
    """What looks like a credential in an archive: ``total`` of them in so many messages,
    by kind, and where they are. ``more`` counts the places that ``found`` leaves out."""

    total: int
    by_kind: dict[str, int]
    found: tuple[SecretFound, ...]
    more: int
    messages: int
    seconds: float
