"""What reading a file has to remember from one record to the next, and from one import
to the next: bounded, and a JSON object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..session import Session
from .tokens import Ledger

__all__ = ["State", "Turn"]

#: Raise it when what is carried along changes its shape.
VERSION = 1

#: Turns, and messages of them, that can still be taken back.
_TURNS = 64
_MESSAGES = 2000
#: Calls that are remembered, so that a completed item is not a second one.
_CALLS = 256


@dataclass(slots=True)
class Turn:
    """A prompt and what came of it."""

    title: str | None
    messages: list[str] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """Everything that is carried along."""

    session: Session | None = None
    #: A copy of the parent's records is being passed over. ``copied``: it was seen to be,
    #: and the latest time on the lines that begin it.
    replay: bool = False
    copied: str | None = None
    #: When the session began: by the clock in its id (milliseconds), and as a time.
    born: int | None = None
    began: str | None = None
    #: Whether the file tells by events what was typed.
    events: bool = False
    #: Digest of the last prompt, until something is said to it.
    prompt: str | None = None
    turns: list[Turn] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def said(self, message: str) -> None:
        """Note a message of the current turn."""
        if self.turns:
            self.turns[-1].messages.append(message)
            while sum(len(turn.messages) for turn in self.turns[:-1]) > _MESSAGES:
                del self.turns[0]
            del self.turns[-1].messages[_MESSAGES:]

    def turn(self, title: str | None) -> None:
        """A prompt begins a turn."""
        self.turns.append(Turn(title))
        del self.turns[:-_TURNS]

    def called(self, call: str | None) -> None:
        """Note a call."""
        if call:
            self.calls.append(call)
            del self.calls[:-_CALLS]

    def dump(self) -> dict[str, Any]:
        """As a JSON object."""
        facts = asdict(self) | {"session": self.session.dump() if self.session else None}
        return {"version": VERSION, **facts}

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> State:
        """What :meth:`dump` made; a state of another version starts afresh."""
        facts = dict(value)
        if facts.pop("version", None) != VERSION:
            return cls()
        facts["session"] = Session.load(facts["session"]) if facts["session"] else None
        facts["turns"] = [Turn(**turn) for turn in facts["turns"]]
        facts["ledger"] = Ledger.load(facts["ledger"])
        return cls(**facts)
