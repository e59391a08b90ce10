"""llm, the command line tool and library: ``logs.db``, an SQLite database.

It has two generations, and a database that is older than the second one has both:

- ``conversations`` and ``responses``: a row has a prompt and its reply; tool calls, results,
  attachments and fragments are in tables around it (see :mod:`.responses`);
- ``threads``, ``turns``, ``messages`` and ``parts``: messages are a tree, named by a hash
  of their content and of what is above them, and a turn is one reply (see :mod:`.threads`).

A thread continues the conversation that has its id. A turn that is a response as well is
read as that, since it may have been read before llm made a turn of it.

Kept are prompts, system prompts, replies, reasoning, tool calls and results, attachments,
fragments and tokens. Options, schemas, durations and the raw reply of the provider are not.

Messages are named by the id of their response, and in threads by that of the thread and
the hash. The database grows at its end, but rows of an old conversation may come late: the
checkpoint notes what there was of each (see :mod:`..unchanged`), and what has not changed
is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import SQLITE_SIDECARS, app_data, configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "LlmImporter"]

SOURCE = "llm"


class LlmImporter(Importer):
    """Reads what ``llm`` logs."""

    name = SOURCE
    title = "llm"
    source = SOURCE
    sidecars = SQLITE_SIDECARS

    def places(self) -> Sequence[Path]:
        """``$LLM_USER_PATH``, else the folder that the tool has on each system."""
        return [configured("LLM_USER_PATH", app_data("io.datasette.llm")[0])]

    def matches(self, path: Path) -> bool:
        """``logs.db``."""
        return path.name == "logs.db"

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a database with the tables of either generation."""
        from .identify import identify

        return identify(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .reader import read

        return read(path, start)
