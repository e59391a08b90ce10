"""What lies beside a transcript: ``workspace.yaml`` of the Copilot CLI, ``workspace.json``
of VS Code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..text import clean

__all__ = ["path_of", "read_folder", "read_workspace"]

_MOST = 64 * 1024
_PAIR = re.compile(r"([A-Za-z_]+):(?:[ \t]+(.*))?")
_DRIVE = re.compile(r"/[A-Za-z]:")


def read_workspace(path: Path) -> dict[str, str]:
    """The ``key: value`` lines of a flat YAML file; of a longer text, its first line."""
    found: dict[str, str] = {}
    lines = _text(path).splitlines()
    for number, line in enumerate(lines):
        pair = _PAIR.fullmatch(line)
        if pair is None:
            continue
        value = (pair[2] or "").strip()
        if value[:1] in ("|", ">"):
            value = next((rest.strip() for rest in lines[number + 1 :] if rest.strip()), "")
        elif value[:1] in ("'", '"') and value[-1:] == value[0] and len(value) > 1:
            value = value[1:-1].replace("''", "'") if value[0] == "'" else _unquoted(value)
        if value and value not in ("null", "~"):
            found[pair[1]] = clean(value)
    return found


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except (ValueError, RecursionError):
        return text[1:-1]


def read_folder(path: Path) -> str | None:
    """The folder that a ``workspace.json`` names."""
    try:
        value = json.loads(_text(path))
    except (ValueError, RecursionError):
        return None
    return path_of(value.get("folder")) if isinstance(value, dict) else None


def path_of(uri: object) -> str | None:
    """The path of a file, from a URI as text or as VS Code takes it apart. Also of one on
    another machine; ``None`` for what is no file."""
    scheme: object
    path: object
    if isinstance(uri, str):
        try:
            parts = urlsplit(uri)
        except ValueError:
            return None
        host = f"//{parts.netloc}" if parts.scheme == "file" and parts.netloc else ""
        scheme, path = parts.scheme, host + unquote(parts.path)
    elif isinstance(uri, dict):
        scheme, path = uri.get("scheme"), uri.get("path")
        own = uri.get("fsPath")
        if scheme == "file" and isinstance(own, str) and own:
            path = own
    else:
        return None
    if scheme not in ("file", "vscode-remote") or not isinstance(path, str):
        return None
    path = clean(path)
    # `/c:/src` is how a URI has it.
    return (path[1:] if _DRIVE.match(path) else path).rstrip("/") or None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
