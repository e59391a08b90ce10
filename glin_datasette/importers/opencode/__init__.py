"""opencode: sessions with messages with parts, in two kinds of storage.

Until early 2026 each session, message and part was a JSON file of its own
(:mod:`.storage`); since then they are rows of an SQLite database (:mod:`.database`), with
the same contents under the same ids, so that a session that was moved from one to the
other is one conversation. :mod:`.reader` makes messages of them, :mod:`.parts` of one part.

What is known of the format is told by opencode's own source. Conversations: a session's
``source_id`` is its id (``ses_…``); one that another session started has that as its
parent, as a subagent, or as a fork where the database says so. Messages are named by
their parts (``prt_…``), which are unique everywhere.

While messages are reverted, they lie on a branch (``<session>/branch-<message>``).
opencode deletes them when the next prompt is sent; there they are kept.
"""

from __future__ import annotations

from .database import OpencodeDatabase
from .storage import OpencodeStorage

__all__ = ["OpencodeDatabase", "OpencodeStorage"]
