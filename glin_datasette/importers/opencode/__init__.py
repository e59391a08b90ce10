"""opencode: sessions with messages with parts, in two kinds of storage.

Until early 2026 each session, message and part was a JSON file of its own
(:mod:`.storage`); since then they are rows of an SQLite database (:mod:`.database`), with
the same contents under the same ids, so that a session that was moved from one to the
other is one conversation. :mod:`.reader` makes messages of them, :mod:`.parts` of one part,
and :mod:`.identify` tells both from other files.

What is known of the format is told by opencode's own source. Conversations: a session's
``source_id`` is its id (``ses_…``); one that another session started has that as its
parent, as a subagent, or as a fork where the database says so. Messages are named by
their parts (``prt_…``), which are unique everywhere.

While messages are reverted, they lie on a branch (``<session>/branch-<message>``).
opencode deletes them when the next prompt is sent; there they are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..importer import Importer
from ..places import SQLITE_SIDECARS
from .layout import MESSAGE_FILE, SESSION, files_in, messages_of, parts_of
from .places import data_folder, named_database

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "OpencodeDatabase", "OpencodeStorage"]

SOURCE = "opencode"

_DATABASE = re.compile(r"opencode(?:-[\w.-]+)?\.db", re.ASCII)


class OpencodeStorage(Importer):
    """Importer of opencode's JSON files."""

    name = "opencode"
    title = "opencode"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """The folders of sessions, newer and older."""
        data = data_folder()
        return [data / "storage" / "session", data / "project"]

    def matches(self, path: Path) -> bool:
        """``storage/session/<project>/ses_….json``."""
        return (
            path.suffix == ".json"
            and SESSION.fullmatch(path.stem) is not None
            and path.parts[-4:-2] == ("storage", "session")
            and path.parent.name != "share"
        )

    def beside(self, path: Path) -> Iterable[Path]:
        """The messages, and the folders of their parts. opencode does not write a session's
        own file for each of them, but a message's when the last of its parts is done."""
        session = path.stem
        if not SESSION.fullmatch(session):
            return
        folder = messages_of(path, session)
        yield folder
        for id, file in files_in(folder, MESSAGE_FILE):
            yield file
            yield parts_of(path, session, id)

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a session's document."""
        from .identify import is_session

        return is_session(head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """The session with its messages, anew whenever anything has changed."""
        from .storage import read

        return read(path, start)


class OpencodeDatabase(Importer):
    """Importer of opencode's database."""

    name = "opencode-db"
    title = "opencode (database)"
    source = SOURCE
    sidecars = SQLITE_SIDECARS
    nested = False

    def places(self) -> Sequence[Path]:
        """The data folder, and the one that ``$OPENCODE_DB`` names a file in."""
        named = named_database()
        return list(dict.fromkeys([data_folder(), *([named.parent] if named else [])]))

    def matches(self, path: Path) -> bool:
        """``opencode.db``, ``opencode-<channel>.db``, or what ``$OPENCODE_DB`` names."""
        return _DATABASE.fullmatch(path.name) is not None or path == named_database()

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether it is a database with opencode's tables."""
        from .identify import is_ours

        return is_ours(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """The sessions that have changed since the last reading."""
        from .database import read

        return read(path, start)
