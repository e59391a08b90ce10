"""What both kinds of files have in common: whose messages they are, and which were rewound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..base import Item, Moved, Said
from ..session import Session
from ..text import identifier, one_line
from . import SOURCE
from .messages import say_message
from .project import project_root

__all__ = ["Reader", "Spoken"]

#: Raise it when what is carried along changes its shape.
VERSION = 1

#: Records, and messages of them, that can be written again or rewound.
_RECORDS = 1000
_MESSAGES = 4000
_MAX_TITLE = 200


@dataclass(slots=True)
class Spoken:
    """A record that was read. ``after``: the time that it was placed behind; ``title``:
    what it would name a conversation."""

    after: str | None
    messages: list[str] = field(default_factory=list)
    title: str | None = None


@dataclass(slots=True)
class Reader:
    """One session as it is read."""

    path: Path
    session: Session | None = None
    #: By the id of the record, in their order.
    records: dict[str, Spoken] = field(default_factory=dict)

    def facts(self, members: Mapping[str, Any]) -> None:
        """Learn what the members of a document say, but for its messages."""
        session = self._session(members)
        session.entitle(members.get("summary"), "summary")
        if session.repo_root is None:
            found = project_root(self.path, members.get("projectHash"), members.get("directories"))
            session.note(cwd=found)

    def _session(self, members: Mapping[str, Any]) -> Session:
        if self.session is None:
            id = identifier(members.get("sessionId")) or self.path.stem[:128]
            self.session = session = Session(SOURCE, id)
            session.note(client="gemini-cli", transport="cli")
            above = self.path.parent
            if above.parent.name == "chats" and above.name != id:
                session.parent, session.relation = above.name[:128], "subagent"
            session.note(cwd=project_root(self.path, members.get("projectHash"), None))
        return self.session

    def message(self, record: dict[str, Any], own: str) -> Iterator[Item]:
        """A message, perhaps once more. ``own``: its id, or what stands for it."""
        session = self._session({})
        known = self.records.get(own)
        latest = session.latest
        if known is None:
            known = Spoken(latest)
        # What is written again keeps its place.
        session.latest = known.after
        items = list(say_message(session, record, f"{session.id}:{own}"))
        session.latest = max(filter(None, (latest, session.latest)), default=None)
        for item in items:
            if isinstance(item, Said):
                self.records[own] = known
                if (id := item.message.source_id) and id not in known.messages:
                    known.messages.append(id)
                if item.message.role == "user":
                    known.title = one_line(item.message.content, _MAX_TITLE)
        self._forget()
        yield from items
        items.clear()

    def _forget(self) -> None:
        while len(self.records) > _RECORDS or (
            len(self.records) > 1
            and sum(len(each.messages) for each in self.records.values()) > _MESSAGES
        ):
            del self.records[next(iter(self.records))]

    def rewound(self, first: str | None) -> Iterator[Item]:
        """The record ``first`` and all behind it go to a branch; all, if it is not known."""
        names = list(self.records)
        at = names.index(first) if first in self.records else 0
        gone = {name: self.records.pop(name) for name in names[at:]}
        if not self.records and self.session and self.session.title_from == "prompt":
            # What is asked now is what the conversation is about.
            self.session.title_from = None
        yield from self.moved(gone)

    def moved(self, gone: Mapping[str, Spoken]) -> Iterator[Item]:
        """These records go to a branch."""
        session = self._session({})
        messages = tuple(id for each in gone.values() for id in each.messages)
        if messages:
            first = messages[0].removeprefix(f"{session.id}:").partition("#")[0]
            branch = session.child(f"{session.id}/branch-{first}", "branch")
            title = next((each.title for each in gone.values() if each.title), None)
            branch.entitle(title, "prompt")
            yield from branch.tell()
            yield Moved(branch.id, messages)

    def finish(self) -> Iterator[Item]:
        """What is still to be told at the end of the file."""
        if self.session is not None:
            yield from self.session.finish()

    def dump(self) -> dict[str, Any]:
        """As a JSON object, for the state of a checkpoint."""
        return {
            "version": VERSION,
            "session": self.session.dump() if self.session else None,
            "records": [
                [name, each.after, each.messages, each.title] for name, each in self.records.items()
            ],
        }

    @classmethod
    def load(cls, path: Path, value: Mapping[str, Any]) -> Reader:
        """What :meth:`dump` made; a state of another version starts afresh."""
        if value.get("version") != VERSION:
            return cls(path)
        return cls(
            path,
            Session.load(value["session"]) if value["session"] else None,
            {name: Spoken(*spoken) for name, *spoken in value["records"]},
        )
