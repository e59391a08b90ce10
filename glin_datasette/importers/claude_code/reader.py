"""From the records of one file to conversations and messages, one record at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...models import TITLE_RANK, Conversation, Message, Ref, Relation, TitleFrom
from ..base import Checkpoint, Item, Said, Summary, Unknown, Usage
from ..records import read_records
from ..refs import (
    command_commits,
    file_ref,
    git_subcommands,
    mentioned_files,
    output_commits,
    text_commits,
    tool_files,
    unique,
    urls,
)
from ..repository import repository_of
from ..text import count, digest, identifier, normalise_time, one_line, string
from . import SOURCE
from .blocks import Block, Strange, read_blocks
from .forks import original
from .kinds import QUIET
from .state import (
    CALLS,
    LINKS,
    RECENT,
    TASKS,
    THREADS,
    Call,
    State,
    Thread,
    Titled,
    remember,
)
from .tokens import model_of, reply_of

__all__ = ["Reader", "read"]

#: The fields of a record that :meth:`Reader._thread` looks at.
_ABOUT = (
    "sessionId", "isSidechain", "agentId", "cwd", "gitBranch", "version", "entrypoint",
)  # fmt: skip

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

#: Record uuids of one reading that are remembered, so that copies are yielded once. Where
#: they are more, storage still finds the copy by its ``source_id``.
_SEEN = 200_000


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on."""
    state = State.load(start.state)
    reader = Reader(path, state)
    end = yield from read_records(path, start, lambda record, line: reader.read(record, line.key))
    yield from reader.finish()
    yield Checkpoint(*end, state.dump())


class Reader:
    """Reads the records of ``path`` in order. ``state`` goes on from an earlier reading."""

    def __init__(self, path: Path, state: State) -> None:
        self.path = path
        self.state = state
        self.seen: set[str | None] = set(state.recent)
        agent_file = path.name.startswith("agent-") or "subagents" in path.parts
        self.agent = path.stem.removeprefix("agent-") if agent_file else None
        self.session = self._session_by_name()
        #: Conversations that were told of in this reading, and those to be told of again.
        self.told: set[str] = set()
        self.changed: set[str] = set()
        #: What the last record said about its conversation, and which one that is: most
        #: records say the same, and while no other one is opened it means the same.
        self.before: tuple[list[object], Thread] | None = None

    def _session_by_name(self) -> str | None:
        parts = self.path.parts
        if "subagents" in parts[1:]:
            return parts[parts.index("subagents", 1) - 1]
        return self.path.stem if _UUID.fullmatch(self.path.stem) else None

    def read(self, record: dict[str, Any], key: str) -> Iterator[Item]:
        """What one record says. ``key`` is a digest of its line."""
        if (copied := original(record)) is not None:
            self._forked(record, identifier(copied["sessionId"]))
            yield from self._read(copied, key)
            self._also_named(record, copied)
        else:
            yield from self._read(record, key)

    def _read(self, record: dict[str, Any], key: str) -> Iterator[Item]:
        uuid = identifier(record.get("uuid"))
        if uuid in self.seen:
            return
        kind = string(record.get("type")) or "(none)"
        if kind in ("user", "assistant", "system", "attachment"):
            yield from self._message(record, uuid, key, self._thread(record))
        elif kind == "progress":
            yield from self._progress(record, key)
        elif kind == "summary":
            leaf, title = identifier(record.get("leafUuid")), _title(record.get("summary"))
            if leaf and title:
                yield Summary(leaf, title)
        elif kind == "custom-title":
            if _title(record.get("customTitle")) != self.state.worktree:
                self._retitle(record, _title(record.get("customTitle")), "custom")
        elif kind == "ai-title":
            self._retitle(record, _title(record.get("aiTitle")), "generated")
        elif kind == "pr-link":
            yield from self._pull_request(record)
        elif kind in QUIET:
            self._quiet(record, kind)
        else:
            self._quiet(record, kind)
            yield Unknown(kind[:60])

    def finish(self) -> Iterator[Item]:
        """What is still to be told at the end of the file."""
        for thread in self.state.threads.values():
            if thread.id in self.changed:
                yield self._announced(thread)

    # --- which conversation ------------------------------------------------------------

    def _thread(self, record: dict[str, Any]) -> Thread:
        """The conversation that a record belongs to, told what the record says of it."""
        facts = list(map(record.get, _ABOUT))
        if self.before is not None and facts == self.before[0]:
            return self.before[1]
        thread = self._find_thread(record)
        self._note(thread, record)
        # A sidechain without a name is told by what its records reply to.
        self.before = (facts, thread) if "/sidechain-" not in thread.id else None
        return thread

    def _find_thread(self, record: dict[str, Any]) -> Thread:
        session = identifier(record.get("sessionId")) or self._own_session()
        sidechain = record.get("isSidechain")
        if sidechain is True or (self.agent is not None and sidechain is None):
            agent = identifier(record.get("agentId")) or self.agent
            if agent is not None:
                thread = self._child(session, f"agent-{agent.removeprefix('agent-')}")
            else:
                thread = self._sidechain(session, record)
        else:
            thread = self._main(session)
        return thread

    def _own_session(self) -> str:
        return self.session or self.state.session or self.path.stem

    def _main(self, session: str) -> Thread:
        state = self.state
        if self.session in (None, session) and state.session is None:
            state.session = session
        if session != state.session:
            # Records of the session that this one goes on from stand before its own.
            if state.session is None:
                state.older = session
            return self._open(session)
        return self._open(session, state.older, "fork" if state.older else None)

    def _forked(self, record: dict[str, Any], origin: str | None) -> None:
        """Note that the session of ``record`` is a fork of the session ``origin``."""
        self.state.older = self.state.older or origin
        thread = self._main(identifier(record.get("sessionId")) or self._own_session())
        if thread.relation is None and thread.id != origin:
            thread.parent, thread.relation = origin, "fork"
            self.changed.add(thread.id)

    def _also_named(self, copy: dict[str, Any], original: dict[str, Any]) -> None:
        """Let the records behind a copy find it by the name that it has in this file."""
        uuid, known_as = identifier(copy.get("uuid")), identifier(original.get("uuid"))
        if uuid and known_as in self.state.recent:
            remember(self.state.recent, uuid, self.state.recent[known_as], RECENT)

    def _child(self, session: str, name: str) -> Thread:
        return self._open(f"{session}/{name}", session, "subagent")

    def _sidechain(self, session: str, record: dict[str, Any]) -> Thread:
        """The chain of a record that the session's own file holds: that of its parent."""
        parent = identifier(record.get("parentUuid"))
        chains = {t.number: t for t in self.state.threads.values() if "/sidechain-" in t.id}
        if parent is not None:
            known = self.state.recent.get(parent)
            if known is not None and known[0] in chains:
                return self._open(chains[known[0]].id)
            if known is None and chains:
                return self._open(chains[max(chains)].id)
        root = identifier(record.get("uuid")) or digest(repr(record))
        return self._child(session, f"sidechain-{root}")

    def _open(self, id: str, parent: str | None = None, relation: Relation | None = None) -> Thread:
        thread = self.state.threads.get(id)
        if thread is None:
            thread = Thread(id, self.state.next_number, parent, relation)
            self.state.next_number += 1
        remember(self.state.threads, id, thread, THREADS)
        self.before = None
        return thread

    def _note(self, thread: Thread, record: dict[str, Any]) -> None:
        """Take over what a record says about its conversation."""
        before = (thread.repo_root, thread.git_branch, thread.client, thread.transport)
        if thread.repo_root is None:
            # An agent may begin in a folder further down, and works for the session's.
            session = self.state.threads.get(thread.parent or "")
            if thread.relation == "subagent" and session:
                thread.repo_root = session.repo_root
            if thread.repo_root is None and (cwd := string(record.get("cwd"))):
                thread.repo_root = repository_of(cwd)
        # Outside of a branch the client writes HEAD, which says little.
        if thread.git_branch in (None, "HEAD"):
            thread.git_branch = string(record.get("gitBranch")) or thread.git_branch
        if version := string(record.get("version")):
            thread.client = f"{SOURCE}/{version}"
        thread.transport = string(record.get("entrypoint")) or thread.transport or "cli"
        if before != (thread.repo_root, thread.git_branch, thread.client, thread.transport):
            self.changed.add(thread.id)

    def _said(self, thread: Thread, message: Message) -> list[Item]:
        """A message, after what is new about its conversation."""
        thread.said = True
        said = Said(thread.id, message)
        if thread.id in self.changed or thread.id not in self.told:
            return [self._announced(thread), said]
        return [said]

    def _announced(self, thread: Thread) -> Conversation:
        self.changed.discard(thread.id)
        self.told.add(thread.id)
        title = thread.title
        # Storage forgets a conversation that has no message; its title has to wait here.
        if thread.said:
            thread.title = None
        return Conversation(
            source=SOURCE,
            source_id=thread.id,
            parent_source_id=thread.parent,
            relation=thread.relation,
            title=title.title if title else None,
            title_from=title.source if title else None,
            client=thread.client,
            transport=thread.transport,
            repo_root=thread.repo_root,
            git_branch=thread.git_branch,
        )

    # --- titles ------------------------------------------------------------------------

    def _retitle(self, record: dict[str, Any], title: str | None, source: TitleFrom) -> None:
        if title:
            session = identifier(record.get("sessionId")) or self._own_session()
            self._title(self._main(session), title, source)

    def _title(self, thread: Thread, title: str, source: TitleFrom) -> None:
        waiting = thread.title.source if thread.title else None
        if TITLE_RANK[source] >= TITLE_RANK[waiting]:
            thread.title = Titled(title, source)
            self.changed.add(thread.id)

    def _title_by(self, thread: Thread, block: Block) -> None:
        """Name a conversation after its first prompt, or what it was started for."""
        if block.title is None or thread.prompted == 2 or (block.command and thread.prompted):
            return
        first = not thread.prompted and thread.relation == "subagent"
        if first and (described := self._description(block)):
            self._title(thread, described, "generated")
        self._title(thread, block.title, "prompt")
        thread.prompted = 1 if block.command else 2

    def _description(self, block: Block) -> str | None:
        if found := self.state.tasks.get(digest(block.content.strip())):
            return found
        if self.agent is None:
            return None
        # Claude Code tells what an agent was started for in a small file beside its own.
        try:
            with self.path.with_name(f"{self.path.stem}.meta.json").open("rb") as file:
                facts = json.loads(file.read(64 * 1024))
        except (OSError, ValueError, RecursionError):
            return None
        return _title(facts.get("description")) if isinstance(facts, dict) else None

    # --- messages ----------------------------------------------------------------------

    def _message(
        self, record: dict[str, Any], uuid: str | None, key: str, thread: Thread
    ) -> Iterator[Item]:
        own = normalise_time(record.get("timestamp"))
        moment = self._placed(record, uuid, thread, own)
        base = uuid or f"line-{key}"
        model = model_of(record)
        reply = reply_of(record, self.state, thread.id)
        first = True
        for block in read_blocks(record, titled=thread.prompted < 2):
            if isinstance(block, Strange):
                yield Unknown(block.kind)
                continue
            source_id = base if first else f"{base}#{block.index}"
            first = False
            self._title_by(thread, block)
            tool_name, refs = self._paired(record, block, thread)
            tokens = None
            if reply and reply.message is None and block.role == "assistant":
                reply.message, reply.conversation = source_id, thread.id
                tokens, reply = reply, None
            message = Message(
                role=block.role,
                kind=block.kind,
                content=block.content,
                ts=own,
                sort_ts=moment if moment != own else None,
                model=model if block.role == "assistant" else None,
                token_in=tokens.token_in if tokens else None,
                token_out=tokens.token_out if tokens else None,
                token_cached=tokens.token_cached if tokens else None,
                tool_name=tool_name,
                tool_call_id=block.tool_call_id,
                is_error=block.is_error,
                source_id=source_id,
                refs=refs,
                attachments=block.attachments,
            )
            yield from self._said(thread, message)
        if reply and reply.message is not None:
            yield Usage(
                reply.conversation,
                reply.message,
                reply.token_in,
                reply.token_out,
                reply.token_cached,
            )

    def _placed(
        self, record: dict[str, Any], uuid: str | None, thread: Thread, own: str | None
    ) -> str | None:
        """The time that a record is ordered by: never before what it replies to."""
        parent = self._recent(record.get("parentUuid"))
        after = parent[1] if parent else None
        moment = max(own, after) if own and after else own or after or thread.last
        thread.last = moment or thread.last
        if uuid is not None:
            remember(self.state.recent, uuid, (thread.number, moment), RECENT)
            if len(self.seen) >= _SEEN:
                self.seen = set(self.state.recent)
            self.seen.add(uuid)
        return moment

    def _recent(self, value: object) -> tuple[int, str | None] | None:
        """What is remembered of the record that another one names as its parent."""
        if not isinstance(value, str):
            return None
        # As it stands, an id is nearly always the one that is remembered.
        return self.state.recent.get(value) or self.state.recent.get(identifier(value) or "")

    def _paired(
        self, record: dict[str, Any], block: Block, thread: Thread
    ) -> tuple[str | None, tuple[Ref, ...]]:
        """The tool's name and the references of a block."""
        cwd, root = string(record.get("cwd")) or thread.repo_root, thread.repo_root
        name, text = block.tool_name, block.content
        found: list[Ref] = []
        if block.kind == "tool_call":
            arguments = block.tool_input if isinstance(block.tool_input, dict) else {}
            command = arguments.get("command")
            found += tool_files(name or "", arguments, cwd, root)
            found += command_commits(command)
            if block.tool_call_id:
                call = Call(name, git_subcommands(command))
                remember(self.state.calls, block.tool_call_id, call, CALLS)
            described = _title(arguments.get("description"))
            if described and isinstance(prompt := arguments.get("prompt"), str):
                remember(self.state.tasks, digest(prompt.strip()), described, TASKS)
        elif block.kind == "tool_result":
            answered = self.state.calls.pop(block.tool_call_id or "", None)
            if answered:
                name = answered.name
                found += output_commits(text, answered.git)
        elif block.kind == "attachment":
            found += filter(None, (file_ref(file, cwd, root) for file in block.files))
        elif block.role == "user":
            found += mentioned_files(text, cwd, root)
        found += text_commits(text)
        found += urls(text)
        return name, unique(found)

    def _progress(self, record: dict[str, Any], key: str) -> Iterator[Item]:
        """Progress of a subagent holds a record of its conversation; other kinds hold what
        the tool's result will say."""
        self._quiet(record, "progress")
        data = record.get("data")
        if not isinstance(data, dict) or data.get("type") != "agent_progress":
            return
        agent, inner = identifier(data.get("agentId")), data.get("message")
        if agent is None or not isinstance(inner, dict):
            return
        if inner.get("type") not in ("user", "assistant"):
            return
        uuid = identifier(inner.get("uuid"))
        if uuid in self.seen:
            return
        session = identifier(record.get("sessionId")) or self._own_session()
        thread = self._child(session, f"agent-{agent.removeprefix('agent-')}")
        self._note(thread, record)
        yield from self._message({"cwd": record.get("cwd")} | inner, uuid, key, thread)

    def _quiet(self, record: dict[str, Any], kind: str) -> None:
        """Records without a message still link others to each other, and tell facts."""
        if kind == "worktree-state" and isinstance(worktree := record.get("worktreeSession"), dict):
            self.state.worktree = _title(worktree.get("worktreeName"))
        uuid = identifier(record.get("uuid"))
        if uuid is not None:
            thread = self._thread(record)
            self._placed(record, uuid, thread, normalise_time(record.get("timestamp")))

    def _pull_request(self, record: dict[str, Any]) -> Iterator[Item]:
        url = next(urls(string(record.get("prUrl")) or ""), None)
        if url is None:
            return
        thread = self._main(identifier(record.get("sessionId")) or self._own_session())
        source_id = f"pr-link-{digest(f'{thread.id} {url.value}')}"
        if source_id in self.state.links:
            return
        remember(self.state.links, source_id, True, LINKS)
        number, place = count(record.get("prNumber")), string(record.get("prRepository"))
        words = ["Pull request", str(number or ""), f"of {place[:200]}" if place else ""]
        own = normalise_time(record.get("timestamp"))
        moment = self._placed({}, None, thread, own)
        message = Message(
            role="system",
            content=f"{' '.join(filter(None, words))}: {url.value}",
            ts=own,
            sort_ts=moment if moment != own else None,
            source_id=source_id,
            refs=(url,),
        )
        yield from self._said(thread, message)


def _title(value: object) -> str | None:
    return one_line(text, 200) if (text := string(value)) else None
