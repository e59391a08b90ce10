"""From a history to conversations, one for each run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..base import Checkpoint, Item, Skipped, Usage
from ..jsonl import MAX_LINE
from ..session import Session
from ..text import clean, normalise_time, string
from . import SOURCE

__all__ = ["read"]

_HEADER = re.compile(r"# aider chat started at (\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2})")
_BOM = b"\xef\xbb\xbf"

#: Headers whose number is remembered: two runs that began in the same second are near.
_HEADERS = 256
#: Characters of one message; what is longer goes on in another one.
_MAX_TEXT = 4 * 1024 * 1024
#: How many texts of aider's may come before the first prompt.
_HELD = 8
#: Words of a slash command that says nothing about what the run is about: `/add tide.py`.
_BARE_COMMAND = 4

_VERSION = re.compile(r"aider v(\d[\w.+-]*)", re.IGNORECASE)
_MODEL = re.compile(r"(?:Main model|Models?): ([^\s,]+)")
_TOKENS = re.compile(r"Tokens: ([\d.,]+[kM]?) sent,(?P<more>.*?) ?([\d.,]+[kM]?) received")
_CACHED = re.compile(r"([\d.,]+[kM]?) cache hit")
_FILE = re.compile(r"(?:Added (.+?) to the chat\.?|(?:Applied edit to|Creating empty file) (.+))$")
_THINKING = re.compile(r"<(thinking-content-\w+)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_UNITS = {"k": 1000, "M": 1_000_000}

Speaker = Literal["user", "assistant", "aider"]


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """What a file holds from ``start`` on. Ends at the beginning of the last run, which is
    read again when the file has grown."""
    counts = {str(k): int(v) for k, v in start.state.get("headers", {}).items()}
    run = _begin(path, "", 1)  # What stands before the first header.
    end = start
    with path.open("rb") as file:
        file.seek(start.offset)
        number = start.line
        while (line := _next_line(file)) is not None:
            if line.text is None:
                number += 1
                yield Skipped(number, line.error)
                continue
            header = _HEADER.fullmatch(line.text.rstrip())
            if header:
                yield from run.finish()
                end = Checkpoint(line.begin, number, {"headers": dict(counts)})
                run = _begin(path, header[1], _count(counts, header[1]))
            else:
                yield from run.read(line.text)
            number += 1
    yield from run.finish()
    yield end


@dataclass(frozen=True, slots=True)
class _Line:
    """A whole line, without its end. ``text`` is ``None`` where ``error`` says why."""

    begin: int
    text: str | None
    error: str = ""


def _next_line(file: BinaryIO) -> _Line | None:
    """The next line. One that has no end yet may turn out to be anything: it waits."""
    begin = file.tell()
    raw = file.readline(MAX_LINE + 1)
    if not raw:
        return None
    if len(raw) > MAX_LINE:
        while not raw.endswith(b"\n") and (raw := file.readline(MAX_LINE)):
            pass
        return _Line(begin, None, f"longer than {MAX_LINE // 1024 // 1024} MiB")
    if not raw.endswith(b"\n"):
        return _Line(begin, None, "cut off: the line has no end")
    if not begin:
        raw = raw.removeprefix(_BOM)
    return _Line(begin, clean(raw.decode("utf-8", "replace").rstrip("\r\n")))


def _count(counts: dict[str, int], header: str) -> int:
    """Which one of the runs with this header it is, from 1 on."""
    found = counts.pop(header, 0) + 1
    counts[header] = found
    if len(counts) > _HEADERS:
        del counts[next(iter(counts))]
    return found


def _begin(path: Path, header: str, number: int) -> _Run:
    path = path.absolute()
    id = f"{path}#{header.replace(' ', 'T')}" + (f"-{number}" if number > 1 else "")
    session = Session(SOURCE, id, cwd=str(path.parent), transport="cli")
    return _Run(session, _local_time(header))


def _local_time(text: str) -> str | None:
    """A time on the clock of this machine, as UTC. Of an hour that comes twice when the
    clock is set back, the first one is meant."""
    try:
        return normalise_time(datetime.fromisoformat(text).astimezone(UTC).isoformat())
    except (ValueError, OverflowError, OSError):
        return None


@dataclass(slots=True)
class _Run:
    """One run of aider as it is read: lines become messages where the speaker changes."""

    session: Session
    ts: str | None = None
    speaker: Speaker | None = None
    lines: list[str] = field(default_factory=list)
    size: int = 0
    messages: int = 0
    #: Whether lines end with two spaces where aider ends them so; ``None``: not seen yet.
    marked: bool | None = None
    #: Whether something aider says goes on, without a mark at the beginning of the line.
    goes_on: bool = False
    #: The first message of the last reply, until its tokens are told.
    reply: str | None = None
    #: What aider says before the first prompt: without any, there is no conversation.
    held: list[tuple[str, list[str]]] = field(default_factory=list)
    #: Whether a prompt was said that tells what the run is about.
    titled: bool = False

    def read(self, line: str) -> Iterator[Item]:
        """One line, other than a header."""
        if not line.strip():
            # A prompt has a mark on each of its lines, even the empty ones.
            if self.speaker == "user":
                yield from self._flush()
            self.goes_on = False
            self._keep("")
            return
        speaker, text = self._speaker(line)
        if speaker != self.speaker or self.size > _MAX_TEXT:
            yield from self._flush()
            self.speaker = speaker
        self._keep(text)
        if speaker == "aider":
            yield from self._learn(text.strip())

    def finish(self) -> Iterator[Item]:
        """The end of the run, or of what there is of it."""
        yield from self._flush()
        yield from self.session.finish()

    def _keep(self, text: str) -> None:
        if self.speaker:
            self.lines.append(text)
            self.size += len(text) + 1

    def _speaker(self, line: str) -> tuple[Speaker, str]:
        """Who says a line, and what."""
        ended = line.endswith("  ")
        prompt = line.startswith("#### ") or line == "####"
        own = line.startswith("> ") or line == ">"
        if self.marked is None and (prompt or own):
            self.marked = ended
        if prompt and (ended or not self.marked):
            self.goes_on = False
            return "user", line[5:].rstrip()
        if own and (ended or not self.marked or self.speaker != "assistant"):
            # Only the last line of a longer text has the spaces, and only the first the mark.
            self.goes_on = bool(self.marked) and not ended
            return "aider", line[2:].rstrip()
        if self.goes_on:
            self.goes_on = not ended
            return "aider", line.rstrip()
        return "assistant", line

    def _flush(self) -> Iterator[Item]:
        """Say what was collected."""
        speaker, text = self.speaker, "\n".join(self.lines)
        self.speaker, self.lines, self.size = None, [], 0
        if speaker == "user":
            yield from self._prompt(text)
        elif speaker == "aider":
            files = [file for line in text.split("\n") if (file := _file(line))]
            yield from self._say("system", text, files=files)
        elif speaker == "assistant":
            yield from self._reply(text)

    def _prompt(self, text: str) -> Iterator[Item]:
        if text.strip() in ("", "<blank>"):  # What aider writes where nothing was typed.
            return
        bare = text.lstrip().startswith("/") and len(text.split()) <= _BARE_COMMAND
        if not bare and not self.titled:
            self.titled = True
            self.session.entitle(text, "prompt")
        yield from self._say("user", text)

    def _reply(self, text: str) -> Iterator[Item]:
        self.reply = None
        at = 0
        for thought in _THINKING.finditer(text):
            yield from self._say("assistant", text[at : thought.start()])
            yield from self._say("assistant", thought[2], kind="thinking")
            at = thought.end()
        yield from self._say("assistant", text[at:])

    def _say(
        self,
        role: Literal["system", "user", "assistant"],
        text: str,
        *,
        kind: Literal["text", "thinking"] = "text",
        files: list[str] | None = None,
    ) -> Iterator[Item]:
        if not string(text):
            return
        if role == "system" and not self.messages and len(self.held) < _HELD:
            self.held.append((text, files or []))
            return
        held, self.held = self.held, []
        for told, about in held:
            self.messages += 1
            id = f"{self.session.id}/{self.messages}"
            yield from self.session.say("system", "text", told, id=id, ts=self.ts, files=about)
        self.messages += 1
        id = f"{self.session.id}/{self.messages}"
        if role == "assistant":
            self.reply = self.reply or id
        yield from self.session.say(role, kind, text, id=id, ts=self.ts, files=files or ())

    def _learn(self, line: str) -> Iterator[Item]:
        """What aider says about itself and the last reply."""
        if found := _VERSION.match(line):
            self.session.note(client=f"aider/{found[1][:40]}")
        elif found := _MODEL.match(line):
            self.session.note(model=found[1][:200])
        elif (found := _TOKENS.match(line)) and self.reply:
            cached = _CACHED.search(found["more"])
            reply, self.reply = self.reply, None
            yield Usage(
                self.session.id,
                reply,
                _tokens(found[1]),
                _tokens(found[3]),
                _tokens(cached[1]) if cached else None,
            )


def _file(line: str) -> str | None:
    found = _FILE.match(line.strip())
    return next(filter(None, found.groups()), None) if found else None


def _tokens(text: str) -> int | None:
    """``2.1k`` -> 2100."""
    unit = _UNITS.get(text[-1:], 1)
    try:
        count: Any = float(text.rstrip("kM").replace(",", "")) * unit
        return round(count) if count < 10**12 else None
    except (ValueError, OverflowError):
        return None
