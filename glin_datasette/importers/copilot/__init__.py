"""GitHub Copilot, in the terminal and in VS Code: two formats, one source.

- :mod:`.cli` is the importer of the Copilot CLI's logs; :mod:`.reader` turns their events
  into messages, :mod:`.events` and :mod:`.notes` take one event apart.
- :mod:`.vscode` is the importer of VS Code's chat sessions; :mod:`.patches` replays one that
  is kept as a log of changes, :mod:`.replies` takes a request and its reply apart, and
  :mod:`.tools` the calls in it.
- :mod:`.workspace` reads what lies beside a transcript.
"""

from __future__ import annotations

from .cli import CopilotCli
from .vscode import CopilotVSCode

__all__ = ["SOURCE", "CopilotCli", "CopilotVSCode"]

SOURCE = "copilot"
