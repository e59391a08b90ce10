"""Transcript files -> conversations and messages. One package for each format.

An importer never sees the archive; see :mod:`.importer` for what it is, and :mod:`.base` for
what it yields. The modules that do not speak of a format are what importers have in common:

- :mod:`.session`: one conversation as it is read; :mod:`.refs`: what a message points at
- :mod:`.jsonl`, :mod:`.documents`, :mod:`.sqlite_file`: reading files, whatever state they
  are in, with bounded memory; :mod:`.sqlite_store`, :mod:`.unchanged`: what has changed in
  one that holds many conversations
- :mod:`.text`, and :mod:`glin_datasette.tool_input`: text fit for the archive
- :mod:`.third_party`: importers that other packages bring
- :mod:`.walk`, :mod:`.places`, :mod:`.repository`: finding things on this machine

Most imports find nothing new, and loading all that reads records takes longer than that. So
what is loaded from here on is the importers' classes alone, which know names and places.
What looks into a file (``identify``, ``read``) is imported inside of the method, when the
first file is looked into: for a format that no file is of, never.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .aider import Aider
from .chatgpt import ChatGPT
from .claude_ai import ClaudeAI
from .claude_code import ClaudeCode
from .codex import Codex
from .copilot import CopilotCli, CopilotVSCode
from .cursor import CursorAgent, CursorEditor
from .gemini import Gemini
from .glin import GlinImporter
from .glin_archive import GlinArchive
from .importer import Importer
from .junie import Junie
from .llm import LlmImporter
from .messages import Messages
from .opencode import OpencodeDatabase, OpencodeStorage
from .pi import Pi

if TYPE_CHECKING:
    from .third_party import Broken

__all__ = [
    "HEAD_SIZES",
    "broken_importers",
    "importer_for",
    "importer_named",
    "importers",
    "may_be_transcript",
]

#: How many bytes of a file are looked at to tell its format: more only where nobody knew
#: it by less, because its first line is very long or damaged.
HEAD_SIZES = (64 * 1024, 1024 * 1024, 16 * 1024 * 1024)

#: Endings of the files in a folder that are worth a look at what they hold.
_ENDINGS = frozenset({".db", ".json", ".jsonl", ".vscdb", ".zip"})


#: In the order in which they are asked whether a file is theirs.
_OURS: tuple[Importer, ...] = (
    GlinImporter(),
    GlinArchive(),
    Messages(),
    ClaudeCode(),
    Codex(),
    Gemini(),
    Aider(),
    CopilotCli(),
    CopilotVSCode(),
    Junie(),
    OpencodeStorage(),
    OpencodeDatabase(),
    Pi(),
    CursorEditor(),
    CursorAgent(),
    LlmImporter(),
    ChatGPT(),
    ClaudeAI(),
)
_OURS_NAMED = {importer.name: importer for importer in _OURS}


def importers() -> tuple[Importer, ...]:
    """Every importer, in the order in which they are asked whether a file is theirs."""
    return tuple(_in_turn())


def _in_turn() -> Iterator[Importer]:
    """The same, one by one: who finds the right one among ours looks for no others."""
    yield from _OURS
    yield from _theirs()[0]


def broken_importers() -> tuple[Broken, ...]:
    """What went wrong so far with importers that other packages bring: nothing, where nobody
    needed them."""
    return tuple(_theirs()[1]) if _theirs.cache_info().currsize else ()


@functools.cache
def _theirs() -> tuple[list[Importer], list[Broken]]:
    """The importers of other packages. Looked for only where ours do not do: it takes a look
    at every package that is installed."""
    from . import third_party

    return third_party.load(importer.name for importer in _OURS)


def importer_named(name: str) -> Importer | None:
    """The importer of the format ``name``."""
    ours = _OURS_NAMED.get(name)
    return ours or next((each for each in _theirs()[0] if each.name == name), None)


def may_be_transcript(path: Path) -> bool:
    """Whether a file in some folder is worth a look, judged by its name alone."""
    return path.suffix in _ENDINGS or any(importer.matches(path) for importer in _in_turn())


def importer_for(path: Path) -> Importer | None:
    """The importer for a file, judged by its beginning; ``None`` if it is no transcript.

    :raises OSError: if the file cannot be read
    """
    head = b""
    with path.open("rb") as file:
        for size in HEAD_SIZES:
            more = file.read(size - len(head))
            if not more:
                break
            head += more
            for importer in _in_turn():
                if importer.identify(path, head):
                    return importer
    return None
