"""Gemini CLI: ``~/.gemini/tmp/<project>/chats/session-*.json`` and ``session-*.jsonl``.

Older versions write a session as one document, ``{"sessionId", "projectHash", "startTime",
"lastUpdated", "messages": […]}``, anew whenever it changes. Newer ones append lines to a
file: the document's other members first, then messages, ``$set`` and ``$rewindTo``; a
message that changes is written again as a whole. Subagents have files of their own,
``chats/<session>/<id>.jsonl``. The source of Gemini CLI (``chatRecordingTypes.ts``) tells
what the members are.

- :mod:`.messages` reads one message, :mod:`.parts` its content,
- :mod:`.lines` and :mod:`.document` read the two kinds of files,
- :mod:`.session` is what they have in common, :mod:`.project` finds the project's folder.

A conversation's ``source_id`` is the session's id, or the file's name where no line tells
it. A message's is ``<session>:<id>``; of what it holds beside its text,
``#thought-1`` and ``#call-<id>``. What was rewound is ``<session>/branch-<id of its first
message>``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..base import Checkpoint, Importer, Item
from ..documents import outline
from ..jsonl import BadLine, decode
from ..places import configured
from ..text import string
from .document import read_document
from .lines import read_session
from .messages import TYPES
from .session import SOURCE

__all__ = ["Gemini"]

_HEADER = frozenset({"sessionId", "projectHash"})
_MESSAGE = frozenset({"id", "timestamp", "type", "content"})
_MAY_HAVE = _MESSAGE | {"displayContent", "model", "thoughts", "tokens", "toolCalls"}
_TYPE = re.compile(rb'"type"\s*:\s*"(?:' + "|".join(sorted(TYPES)).encode() + rb')"')
#: How far the first line is looked at, where the file's name says nothing.
_FIRST = 64 * 1024


class Gemini(Importer):
    """Importer of the sessions of Gemini CLI."""

    name = SOURCE
    title = "Gemini CLI"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """``.gemini/tmp`` in ``$GEMINI_CLI_HOME``, or in the home folder."""
        return [configured("GEMINI_CLI_HOME", Path.home()) / ".gemini" / "tmp"]

    def matches(self, path: Path) -> bool:
        """``chats/session-*.json``, the same as ``.jsonl``, and ``chats/<id>/*.jsonl``."""
        if path.parent.name == "chats":
            return path.name.startswith("session-") and path.suffix in (".json", ".jsonl")
        return path.parent.parent.name == "chats" and path.suffix == ".jsonl"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a document of a session, or one of the first lines is a record."""
        is_array, keys = outline(head)
        if not is_array and keys >= _HEADER:
            return True
        cut = b""
        for line in head.split(b"\n"):
            try:
                if _is_record(decode(line)):
                    return True
            except BadLine:
                cut = line
        # A line may go on behind the head, the last one.
        if not cut or not head.endswith(cut):
            return False
        is_array, keys = outline(cut)
        return not is_array and (
            keys >= _HEADER or (_MESSAGE <= keys <= _MAY_HAVE and bool(_TYPE.search(cut)))
        )

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        return (read_session if _has_lines(path) else read_document)(path, start)


def _has_lines(path: Path) -> bool:
    if path.suffix == ".jsonl":
        return True
    with path.open("rb") as file:
        head = file.read(_FIRST)
    try:
        return "messages" not in decode(head.partition(b"\n")[0])
    except BadLine:
        return False


def _is_record(record: Mapping[str, object]) -> bool:
    if isinstance(record.get("$rewindTo"), str) or isinstance(record.get("$set"), dict):
        return True
    if record.keys() >= _HEADER:
        return all(isinstance(record[key], str) for key in _HEADER)
    kind = record.get("type")
    return record.keys() >= _MESSAGE and record.keys() <= _MAY_HAVE and string(kind) in TYPES
