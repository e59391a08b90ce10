"""GitHub Copilot, in the terminal and in VS Code: two formats, one source.

- :mod:`.cli` reads the Copilot CLI's logs; :mod:`.reader` turns their events
  into messages, :mod:`.events` and :mod:`.notes` take one event apart.
- :mod:`.vscode` reads VS Code's chat sessions; :mod:`.patches` replays one that
  is kept as a log of changes, :mod:`.replies` takes a request and its reply apart, and
  :mod:`.tools` the calls in it.
- :mod:`.workspace` reads what lies beside a transcript.
- :mod:`.identify` tells both from files of other formats.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...paths import expanded
from ..importer import Importer
from ..places import app_data, configured

if TYPE_CHECKING:
    from ..base import Checkpoint, Item

__all__ = ["SOURCE", "CopilotCli", "CopilotVSCode"]

SOURCE = "copilot"

_CLI_FOLDERS = ("session-state", "history-session-state")
_CHAT_FOLDERS = ("chatSessions", "emptyWindowChatSessions")
_PROGRAMS = ("Code", "Code - Insiders", "VSCodium")


class CopilotCli(Importer):
    """Importer of the Copilot CLI's event logs."""

    name = "copilot-cli"
    title = "GitHub Copilot CLI"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """Below ``$COPILOT_HOME`` or ``~/.copilot``, and where older versions had it."""
        homes = [configured("COPILOT_HOME", Path.home() / ".copilot")]
        state = os.environ.get("XDG_STATE_HOME")
        if state and not os.environ.get("COPILOT_HOME"):
            homes.append(expanded(state) / ".copilot")
        return [home / folder for home in homes for folder in _CLI_FOLDERS]

    def matches(self, path: Path) -> bool:
        """``<session>/events.jsonl``, or ``<session>.jsonl`` in the folder of sessions."""
        if path.name == "events.jsonl":
            return path.parent.parent.name in _CLI_FOLDERS
        return path.suffix == ".jsonl" and path.parent.name in _CLI_FOLDERS

    def beside(self, path: Path) -> Iterable[Path]:
        """The title of a session may change when the session does not."""
        return [path.with_name("workspace.yaml")] if path.name == "events.jsonl" else []

    def identify(self, path: Path, head: bytes) -> bool:
        """Whether one of the first lines is an event. VS Code keeps events that look alike,
        of the chats that it has in another form as well."""
        from .identify import is_log

        return is_log(path, head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .cli import read

        return read(path, start)


class CopilotVSCode(Importer):
    """Importer of chat sessions of VS Code."""

    name = "copilot-vscode"
    title = "GitHub Copilot in VS Code"
    source = SOURCE

    def places(self) -> Sequence[Path]:
        """The storage of workspaces and of empty windows, here and as a remote machine."""
        users = [folder / "User" for folder in app_data(*_PROGRAMS)]
        users.append(Path.home() / ".vscode-server" / "data" / "User")
        names = ("workspaceStorage", "globalStorage/emptyWindowChatSessions")
        return [user / name for user in users for name in names]

    def matches(self, path: Path) -> bool:
        """A session in one of the two folders that have some."""
        return path.suffix in (".json", ".jsonl") and path.parent.name in _CHAT_FOLDERS

    def identify(self, path: Path, head: bytes) -> bool:
        """By the members of a session, or by one of the first changes to one."""
        from .identify import is_chat

        return is_chat(head)

    def read(self, path: Path, start: Checkpoint) -> Iterator[Item]:
        """See :meth:`glin_datasette.importers.base.Importer.read`."""
        from .vscode import read

        return read(path, start)
