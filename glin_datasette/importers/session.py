"""One conversation as it is read: what most formats have in common.

An importer opens a :class:`Session` for each conversation, notes what it learns about it,
and says its messages in their order. The session takes care of the rest: the
conversation is told before its first message and again when more is known, the first
prompt becomes its title, calls are paired with results, and files, commits and URLs become
references::

    session = Session("codex", "019c4b43", cwd="/src/glin")
    yield from session.say("user", "text", "Why does it fail?", id="r1", ts=moment)
    yield from session.say("assistant", "tool_call", id="r2", tool_name="shell",
                           tool_call_id="c1", tool_input={"command": "git log -1"})
    yield from session.finish()
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..models import (
    TITLE_RANK,
    Attachment,
    Conversation,
    Kind,
    Message,
    Ref,
    Relation,
    Role,
    TitleFrom,
)
from ..sizes import human_size
from ..tool_input import render_tool_input
from .base import Item, Said
from .refs import (
    command_commits,
    file_ref,
    git_subcommands,
    mentioned_files,
    output_commits,
    patch_files,
    shell_command,
    text_commits,
    tool_files,
    unique,
    urls,
)
from .repository import repository_of
from .text import clean, one_line, string

__all__ = ["Session", "attachment_note", "base64_size"]

#: Calls that wait for their results, at the most.
_CALLS = 256
_MAX_TITLE = 200


@dataclass(slots=True)
class Session:
    """See the module. Its messages keep the order in which they are said, whatever their
    times are."""

    source: str
    id: str
    parent: str | None = None
    relation: Relation | None = None
    client: str | None = None
    transport: str | None = None
    repo_root: str | None = None
    git_branch: str | None = None
    #: The model of the messages to come, where they do not name one.
    model: str | None = None
    #: The folder that relative paths start from; the repository is the one around it.
    cwd: str | None = None
    title: str | None = None
    title_from: TitleFrom | None = None
    #: The largest time so far: what comes later stands behind it.
    latest: str | None = None
    #: Whether a message was said, and whether something was learned since it was told.
    said: bool = False
    changed: bool = True
    #: tool_call_id -> (tool, git subcommands that it ran)
    calls: dict[str, tuple[str | None, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cwd:
            self.note(cwd=self.cwd)

    def note(self, **facts: str | None) -> None:
        """Learn facts, by the names of the fields. ``None`` says nothing; the first
        ``cwd`` decides ``repo_root`` unless that is noted itself, and stays."""
        if (cwd := facts.get("cwd")) and not self.repo_root and not facts.get("repo_root"):
            facts["repo_root"] = repository_of(cwd)
        for name, value in facts.items():
            if value is not None and getattr(self, name) != value:
                setattr(self, name, value)
                self.changed = self.changed or name not in ("cwd", "model")

    def entitle(self, text: object, source: TitleFrom) -> None:
        """Take a title, unless there is one that ranks higher."""
        title = one_line(found, _MAX_TITLE) if (found := string(text)) else None
        if title and TITLE_RANK[source] >= TITLE_RANK[self.title_from] and title != self.title:
            self.title, self.title_from, self.changed = title, source, True

    def say(
        self,
        role: Role,
        kind: Kind,
        content: str | None = None,
        *,
        id: str,
        ts: str | None = None,
        model: str | None = None,
        token_in: int | None = None,
        token_out: int | None = None,
        token_cached: int | None = None,
        tool_name: str | None = None,
        tool_call_id: str | None = None,
        tool_input: object = None,
        is_error: bool = False,
        title: str | None = None,
        files: Iterable[str] = (),
        links: Iterable[str] = (),
        attachments: Iterable[Attachment] = (),
    ) -> Iterator[Item]:
        """A message, after what is new about the conversation.

        Blank content yields nothing, but for calls and results. A call's content is made
        from ``tool_input`` unless it is given. ``title`` is what a prompt would name the
        conversation, by default its first line. ``files`` are paths that it is about, and
        ``links`` addresses beside those in its text.
        Attachments add a line that notes them. ``id`` is unique within the source.
        """
        kept = tuple(attachments)
        text = clean(self._text(kind, content, tool_input, kept))
        if kind in ("text", "thinking", "attachment"):
            text = text.strip()
            if not text:
                return
        if role == "user" and kind == "text" and self.title_from is None:
            self.entitle(title or text, "prompt")
        refs, paired = self._references(
            role, kind, text, tool_name, tool_call_id, tool_input, files, links
        )
        moment = max(filter(None, (ts, self.latest)), default=None)
        self.latest = moment
        message = Message(
            role=role,
            kind=kind,
            content=text,
            source_id=id,
            ts=ts,
            sort_ts=moment if moment != ts else None,
            model=(model or self.model) if role == "assistant" else model,
            token_in=token_in,
            token_out=token_out,
            token_cached=token_cached,
            tool_name=tool_name or paired,
            tool_call_id=tool_call_id,
            is_error=is_error,
            refs=refs,
            attachments=kept,
        )
        self.said = True
        yield from self.tell()
        yield Said(self.id, message)

    def tell(self) -> Iterator[Item]:
        """The conversation, if something was learned since it was told last."""
        if self.changed:
            self.changed = False
            yield Conversation(
                source=self.source,
                source_id=self.id,
                parent_source_id=self.parent,
                relation=self.relation,
                title=self.title,
                title_from=self.title_from,
                client=self.client,
                transport=self.transport,
                repo_root=self.repo_root,
                git_branch=self.git_branch,
            )

    def finish(self) -> Iterator[Item]:
        """What is still to be told at the end of the file."""
        if self.said:
            yield from self.tell()

    def child(self, id: str, relation: Relation) -> Session:
        """A conversation that belongs to this one and was held in the same place."""
        return Session(
            self.source,
            id,
            parent=self.id,
            relation=relation,
            client=self.client,
            transport=self.transport,
            repo_root=self.repo_root,
            git_branch=self.git_branch,
            model=self.model,
            cwd=self.cwd,
        )

    def dump(self) -> dict[str, Any]:
        """As a JSON object, for the state of a checkpoint."""
        return asdict(self) | {"calls": {k: list(v) for k, v in self.calls.items()}}

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> Session:
        """What :meth:`dump` made. It is told again: a title may have waited for a message."""
        facts = dict(value) | {"changed": True}
        facts["calls"] = {k: (v[0], list(v[1])) for k, v in value["calls"].items()}
        return cls(**facts)

    @staticmethod
    def _text(
        kind: Kind, content: str | None, tool_input: object, attachments: tuple[Attachment, ...]
    ) -> str:
        if content is None and kind == "tool_call":
            content = render_tool_input(tool_input if tool_input is not None else {})
        parts = [content] if content else []
        return "\n".join([*parts, *map(attachment_note, attachments)])

    def _references(
        self,
        role: Role,
        kind: Kind,
        text: str,
        tool: str | None,
        call: str | None,
        tool_input: object,
        files: Iterable[str],
        links: Iterable[str],
    ) -> tuple[tuple[Ref, ...], str | None]:
        """What a message points at, and the tool whose call a result answers."""
        cwd, root = self.cwd or self.repo_root, self.repo_root
        found = [ref for path in files if (ref := file_ref(path, cwd, root))]
        paired = None
        if kind == "tool_call":
            command = shell_command(tool_input)
            found += tool_files(tool or "", tool_input, cwd, root)
            found += patch_files(tool_input, cwd, root)
            found += command_commits(command)
            if call:
                self.calls[call] = (tool, git_subcommands(command))
                if len(self.calls) > _CALLS:
                    del self.calls[next(iter(self.calls))]
        elif kind == "tool_result":
            paired, git = self.calls.pop(call or "", (None, []))
            found += output_commits(text, git)
        elif role == "user":
            found += mentioned_files(text, cwd, root)
        found += text_commits(text)
        found += urls(text)
        found += (ref for link in links for ref in urls(link))
        return unique(found), paired


def attachment_note(attachment: Attachment) -> str:
    """``[image/png, 12.3 KB, chart.png]``: what stands for a file in a message's text."""
    facts = [attachment.media_type]
    if attachment.size is not None:
        facts.append(human_size(attachment.size))
    if name := one_line(attachment.name or "", _MAX_TITLE):
        facts.append(name)
    return f"[{', '.join(facts)}]"


def base64_size(text: str) -> int:
    """How many bytes base64 text stands for, without decoding it."""
    return len(text.rstrip("=\r\n")) * 3 // 4
