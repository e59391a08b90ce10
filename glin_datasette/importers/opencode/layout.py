"""Where the JSON files of a session lie, and how they are named."""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = [
    "MESSAGE_FILE",
    "PART_FILE",
    "SESSION",
    "files_in",
    "is_first_layout",
    "messages_of",
    "parts_of",
]

SESSION = re.compile(r"ses_\w{1,100}", re.ASCII)
MESSAGE_FILE = re.compile(r"(msg_\w{1,100})\.json", re.ASCII)
PART_FILE = re.compile(r"(prt_\w{1,100})\.json", re.ASCII)


def is_first_layout(path: Path) -> bool:
    """Whether a session lies where the first versions had it."""
    return path.parent.name == "info"


def messages_of(path: Path, session: str) -> Path:
    """The folder of the messages of a session whose own file is ``path``."""
    top = path.parent.parent
    return (top if is_first_layout(path) else top.parent) / "message" / session


def parts_of(path: Path, session: str, message: str) -> Path:
    """The folder of the parts of one of its messages."""
    top = path.parent.parent
    if is_first_layout(path):
        return top / "part" / session / message
    return top.parent / "part" / message


def files_in(folder: Path, named: re.Pattern[str]) -> list[tuple[str, Path]]:
    """The ids and paths of the files in a folder, in order; none if there is no folder."""
    try:
        with os.scandir(folder) as entries:
            found = [
                (match[1], Path(entry.path))
                for entry in entries
                if (match := named.fullmatch(entry.name)) and entry.is_file()
            ]
    except OSError:
        return []
    return sorted(found)
