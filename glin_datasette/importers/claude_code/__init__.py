"""Claude Code: ``~/.claude/projects/<folder>/<session>.jsonl``, one record a line.

There is no published description of the format; what is known of it is told where it is
read. The parts, from the outside in:

- :mod:`.reader` decides which conversation a record belongs to, and when; pairs calls with
  results; counts tokens. It yields the items of :mod:`..base`.
- :mod:`.forks` tells copies in a forked session from its own records.
- :mod:`.blocks` takes one record apart, :mod:`.wrappers` one text of a user.
- :mod:`.state` is what a checkpoint carries to the next reading.
- :mod:`.kinds` lists the records that hold nothing to keep.

Conversations: a session's ``source_id`` is its id; a subagent's is
``<session>/agent-<agent>``, whether its records lie in a file of their own or inside the
session's; a sidechain of an older version, which has no id, is
``<session>/sidechain-<uuid of its first record>``.

``repo_root`` is the working directory of a conversation's first record; where that
directory is on this machine, inside a git repository, it is the top of that. (The folder's
name cannot tell: it replaces every character that is not a letter or digit.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...paths import expanded
from ..base import Checkpoint, Importer, Item
from ..documents import outline
from ..jsonl import BadLine, decode
from ..records import cut_line, read_records, records_in
from .kinds import KNOWN
from .reader import SOURCE, Reader
from .state import State

__all__ = ["ClaudeCode"]

#: Keys that tell Claude Code's records from those of others that have a type as well.
_KEYS = frozenset({"leafUuid", "messageId", "parentUuid", "sessionId", "uuid"})
#: What stands before the first object, list or long text on a line.
_SCALARS = re.compile(rb'\{(?:"\w+"\s*+:\s*+(?:null|true|false|[\d.]++|"[^"\\]*+")\s*+,\s*+)+')
#: Keys that a line of which only the beginning is known has beside the session.
_CUT_KEYS = frozenset(
    {
        "cwd",
        "gitBranch",
        "isSidechain",
        "message",
        "parentUuid",
        "toolUseResult",
        "userType",
        "uuid",
    }
)
_CUT_LINE = re.compile(rb'"(?:parentUuid|sessionId)"\s*:\s*(?:null|"[0-9a-f-]{36}")')


class ClaudeCode(Importer):
    """Importer of Claude Code's transcripts."""

    name = SOURCE
    title = "Claude Code"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``$CLAUDE_CONFIG_DIR/projects`` if that is set, else the two usual folders."""
        if configured := os.environ.get("CLAUDE_CONFIG_DIR"):
            return [expanded(configured) / "projects"]
        home = Path.home()
        return [home / ".claude" / "projects", home / ".config" / "claude" / "projects"]

    def matches(self, path: Path) -> bool:
        """Every ``*.jsonl``."""
        return path.suffix == ".jsonl"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is a record of Claude Code."""
        others = False
        for record in records_in(head):
            if _is_record(record):
                return True
            others = True
        cut = cut_line(head)
        if others or not cut.startswith(b"{"):
            return False
        begins = _SCALARS.match(cut)
        if begins and _begins_record(begins[0]):
            return True
        # Other formats have sessions as well, and lines that are as long.
        return bool(_CUT_LINE.search(cut)) and not _CUT_KEYS.isdisjoint(outline(cut)[1])

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        state = State.load(start.state)
        reader = Reader(path, state)
        end = yield from read_records(
            path, start, lambda record, line: reader.read(record, line.key)
        )
        yield from reader.finish()
        yield Checkpoint(*end, state.dump())


def _is_record(record: Mapping[str, object]) -> bool:
    kind = record.get("type")
    return isinstance(kind, str) and kind in KNOWN and not _KEYS.isdisjoint(record)


def _begins_record(scalars: bytes) -> bool:
    try:
        return _is_record(decode(scalars.rstrip(b", \t") + b"}"))
    except BadLine:
        return False
