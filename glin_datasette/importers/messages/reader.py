"""Rows as conversations and messages."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...models import Conversation
from ...tool_input import parse_tool_input
from ..base import Checkpoint, Item, Said, Skipped, Unknown
from ..jsonl import read_lines
from ..refs import unique
from ..session import Session
from ..text import clean, digest
from .columns import COLUMNS, REQUIRED, Record, parse
from .rows import is_jsonl, read_csv

__all__ = ["read"]

#: Conversations that may take turns in a file and be remembered, and calls of each that
#: wait for their results.
_OPEN = 256
_CALLS = 32
#: Unknown columns that are told of one file.
_MOST_UNKNOWN = 1000
#: Rows without an id that a checkpoint remembers. A longer file is read from its beginning.
_MOST_COUNTED = 2000

_KNOWN = frozenset(COLUMNS)


def read(path: Path, start: Checkpoint) -> Iterator[Item]:
    """The messages of a file; of JSON Lines, those from ``start`` on."""
    if is_jsonl(path):
        with closing(_Reader(start.state)) as reader:
            yield from _read_jsonl(path, start, reader)
    else:
        with closing(_Reader({})) as reader:
            yield from _read_csv(path, reader)


def _read_jsonl(path: Path, start: Checkpoint, reader: _Reader) -> Iterator[Item]:
    end, number = start.offset, start.line
    for line in read_lines(path, start.offset, start.line):
        if line.record is not None:
            yield from reader.unknown(line.record)
            yield from reader.items(line.number, line.record)
        elif line.error is not None:
            yield Skipped(line.number, line.error)
        if line.torn:
            break
        end, number = line.end, line.number
    state = reader.state()
    yield Checkpoint(end, number, state) if state is not None else Checkpoint()


def _read_csv(path: Path, reader: _Reader) -> Iterator[Item]:
    header: list[str] = []
    for row in read_csv(path):
        if row.cells is None:
            yield Skipped(row.line, row.error or "")
            if not header:
                break
        elif not header:
            header = [name.strip() for name in row.cells]
            yield from reader.unknown(header)
            if error := _bad_header(header):
                yield Skipped(row.line, error)
                break
        elif len(row.cells) != len(header):
            yield Skipped(row.line, f"{len(row.cells)} cells, and there are {len(header)} columns")
        else:
            values = {k: v for k, v in zip(header, row.cells, strict=True) if v}
            if "content" in values:
                # What ends lines is a matter of the file, and not of what was said.
                values["content"] = values["content"].replace("\r\n", "\n")
            yield from reader.items(row.line, values)
    # Of a file that grew, a quoted cell may go on behind what was its end.
    yield Checkpoint()


def _bad_header(header: list[str]) -> str | None:
    if missing := [name for name in REQUIRED if name not in header]:
        return (
            f"no column {', '.join(missing)} in the header; "
            "the first row of CSV names the columns, with commas between them"
        )
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        return f"two columns {twice[0]} in the header"
    return None


@dataclass(slots=True)
class _Open:
    """A conversation that rows are about, as far as it was read."""

    session: Session
    #: Times of the last row, and of the prompt that gave the title.
    last_ts: str | None = None
    titled_ts: str | None = None


class _Reader:
    """Remembers what rows said before."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        #: (source, conversation) -> it; the one that spoke last at the end.
        self._open: dict[tuple[str, str], _Open] = {}
        for facts, last_ts, titled_ts in state.get("open", ()):
            session = Session.load(facts)
            self._open[session.source, session.id] = _Open(session, last_ts, titled_ts)
        self._unknown: dict[str, None] = dict.fromkeys(state.get("unknown", ()))
        self._counts = _Counts(state.get("counts", {}))
        self._current: tuple[str, str] | None = None

    def close(self) -> None:
        """Give up what is kept outside of memory."""
        self._counts.close()

    def state(self) -> dict[str, Any] | None:
        """For the next reading; ``None`` if that has to begin at the beginning."""
        counts = self._counts.dump()
        if counts is None:
            return None
        held = [[each.session.dump(), each.last_ts, each.titled_ts] for each in self._open.values()]
        return {"open": held, "unknown": list(self._unknown), "counts": counts}

    def unknown(self, names: Iterable[str]) -> Iterator[Item]:
        """Columns that nobody knows, each once."""
        for name in names:
            if name in _KNOWN or len(self._unknown) >= _MOST_UNKNOWN:
                continue
            kind = f"column {clean(name).strip() or 'without a name'}"[:60]
            if kind not in self._unknown:
                self._unknown[kind] = None
                yield Unknown(kind)

    def items(self, line: int, values: Mapping[str, Any]) -> Iterator[Item]:
        """What a row says."""
        try:
            record = parse(values)
        except ValueError as ex:
            yield Skipped(line, str(ex))
            return
        key = record.source, record.conversation
        about = self._open.pop(key, None) or _Open(Session(*key))
        self._open[key] = about
        if len(self._open) > _OPEN:
            del self._open[next(iter(self._open))]
        session = about.session
        self._note(about, record)
        if key != self._current and not session.changed:
            # Says nothing but whose messages come now.
            yield Conversation(source=record.source, source_id=record.conversation)
        self._current = key
        for item in self._say(session, record):
            if isinstance(item, Said):
                # Rows are ordered by time; one without stays behind the row before it.
                message = replace(
                    item.message,
                    sort_ts=None if record.ts else about.last_ts,
                    refs=unique((*record.commits, *record.urls, *item.message.refs)),
                    tags=record.tags,
                )
                item = Said(item.conversation, message)
            yield item
        if record.conversation_tags:
            yield Conversation(
                source=record.source,
                source_id=record.conversation,
                tags=record.conversation_tags,
            )
        about.last_ts = record.ts or about.last_ts
        while len(session.calls) > _CALLS:
            del session.calls[next(iter(session.calls))]

    def _note(self, about: _Open, record: Record) -> None:
        session = about.session
        session.note(
            parent=record.parent,
            relation=record.relation,
            client=record.client,
            transport=record.transport,
            repo_root=record.repo_root,
            git_branch=record.git_branch,
        )
        if record.title:
            session.entitle(record.title, "custom")
        if record.role != "user" or record.kind != "text":
            return
        # The first prompt in time names the conversation, wherever it stands.
        if session.title_from is None:
            about.titled_ts = record.ts
        elif session.title_from == "prompt" and (record.ts or "~") < (about.titled_ts or ""):
            about.titled_ts = record.ts
            session.entitle(record.content, "prompt")

    def _say(self, session: Session, record: Record) -> Iterator[Item]:
        return session.say(
            record.role,
            record.kind,
            record.content,
            id=record.id or self._generated(record),
            ts=record.ts,
            model=record.model,
            token_in=record.token_in,
            token_out=record.token_out,
            token_cached=record.token_cached,
            tool_name=record.tool_name,
            tool_call_id=record.tool_call_id,
            tool_input=_tool_input(record),
            is_error=record.is_error,
            files=record.files,
        )

    def _generated(self, record: Record) -> str:
        """An id for a row that has none: equal for equal rows in equal order."""
        said = [record.source, record.conversation, record.role, record.kind, record.ts]
        key = digest(json.dumps([*said, record.content]))
        nth = self._counts.next(key)
        return f"row:{key}" + (f":{nth}" if nth > 1 else "")


def _tool_input(record: Record) -> object:
    """What a call was given, as far as its text tells; references are found in it."""
    if record.kind != "tool_call":
        return None
    try:
        return parse_tool_input(record.content)
    except (ValueError, RecursionError):
        return record.content


class _Counts:
    """How often each key came. Kept in a temporary file, if they are many."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._db: sqlite3.Connection | None = None
        if counts:
            self._opened().executemany("insert into seen values (?, ?)", counts.items())

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            # No name: SQLite keeps it in memory as long as it is small.
            self._db = sqlite3.connect("", isolation_level=None)
            self._db.execute("pragma journal_mode = off")
            self._db.execute("create table seen (key text primary key, n integer) without rowid")
            self._db.execute("begin")
        return self._db

    def next(self, key: str) -> int:
        """How often it came, with this time."""
        row = self._opened().execute(
            "insert into seen values (?, 1) on conflict do update set n = n + 1 returning n", [key]
        )
        return int(row.fetchall()[0][0])

    def dump(self) -> dict[str, int] | None:
        """All of it; ``None`` if that is too much to remember."""
        if self._db is None:
            return {}
        rows = self._db.execute("select * from seen limit ?", [_MOST_COUNTED + 1]).fetchall()
        return dict(rows) if len(rows) <= _MOST_COUNTED else None

    def close(self) -> None:
        """Remove it."""
        if self._db is not None:
            self._db.close()
