"""Cursor: what its editor and its agent keep of conversations.

- :mod:`.editor`: the editor's database, which has everything;
- :mod:`.transcript`: the transcripts of agents, one file each, which have less.

Both name a conversation by the same id. One that the editor's database on this machine
holds is read from there, and its transcript is passed over.
"""

from __future__ import annotations

from .editor import CursorEditor
from .transcript import CursorAgent

__all__ = ["CursorAgent", "CursorEditor"]
