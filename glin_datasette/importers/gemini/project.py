"""The folder of the project that a session was about.

Its path is not in the session. Newer versions write it to ``.project_root`` beside
``chats``, and to ``~/.gemini/projects.json`` together with the name of the folder there;
what a session calls ``projectHash`` is the SHA-256 of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from ..text import string

__all__ = ["project_root"]

_MOST = 1024 * 1024


def project_root(path: Path, digest: object, folders: object) -> str | None:
    """The project of the session in the file ``path``, if something on this machine tells
    it, or if one of ``folders``, where the session worked, is it by its ``digest``."""
    for candidate, sure in _candidates(path):
        if sure or _digest(candidate) == digest:
            return candidate
    for folder in folders if isinstance(folders, list) else []:
        if (found := string(folder)) and _digest(found) == digest:
            return found
    return None


def _candidates(path: Path) -> Iterator[tuple[str, bool]]:
    chats = next((folder for folder in path.parents if folder.name == "chats"), None)
    if chats is None:
        return
    project = chats.parent
    if found := string(_read(project / ".project_root")):
        yield found, True
    try:
        known = json.loads(_read(project.parent.parent / "projects.json"))
    except (ValueError, RecursionError):
        return
    projects = known.get("projects") if isinstance(known, dict) else None
    for folder, name in projects.items() if isinstance(projects, dict) else ():
        if found := string(folder):
            yield found, name == project.name


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except OSError:
        return ""


def _digest(folder: str) -> str:
    return hashlib.sha256(folder.encode("utf-8", "replace")).hexdigest()
