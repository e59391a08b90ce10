"""A tool's input as readable text, and back.

The text is indexed for search, so it holds no JSON escapes where that can be avoided::

    command: git status
    timeout: 120000
    new_string: |
      first line
      second line
    todos: [{"content":"Write it","status":"pending"}]

A string stands as it is, unless it would be read as something else (more than one line,
space at an end, text that is JSON): then it follows indented under ``key: |``.
"""

from __future__ import annotations

import json
import re

__all__ = ["parse_tool_input", "render_tool_input"]

_PLAIN_KEY = re.compile(r"[\w.$@/-]+")
_INDENT = "  "
#: What JSON may begin with, for Python's reader, space before it included.
_BEGINS_JSON = frozenset('{["-0123456789tfnNI \t\r\n')


def render_tool_input(value: object) -> str:
    """An object one ``key: value`` a line; a string as it is; anything else as JSON."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return _json(value)
    return "\n".join(f"{_key(str(name))}: {_value(item)}" for name, item in value.items())


def parse_tool_input(text: str) -> dict[str, object]:
    """The object that :func:`render_tool_input` made ``text`` from.

    :raises ValueError: if it did not
    """
    found: dict[str, object] = {}
    lines = text.split("\n") if text else []
    at = 0
    while at < len(lines):
        name, rest = _split(lines[at])
        at += 1
        if rest != "|":
            found[name] = _scalar(rest)
            continue
        block = []
        while at < len(lines) and lines[at].startswith(_INDENT):
            block.append(lines[at].removeprefix(_INDENT))
            at += 1
        found[name] = "\n".join(block)
    return found


def _key(name: str) -> str:
    return name if _PLAIN_KEY.fullmatch(name) else _json(name)


def _value(value: object) -> str:
    if not isinstance(value, str):
        return _json(value)
    if not value:
        return '""'
    if "\n" in value or value != value.strip() or value == "|" or _is_json(value):
        return "|\n" + "\n".join(_INDENT + line for line in value.split("\n"))
    return value


def _split(line: str) -> tuple[str, str]:
    if line.startswith('"'):
        name, end = json.JSONDecoder().raw_decode(line)
        rest = line[end:]
    else:
        name, colon, rest = line.partition(":")
        rest = colon + rest
    if not rest.startswith(": "):
        raise ValueError(f"no 'key: value' on the line {line[:80]!r}")
    return str(name), rest[2:]


def _scalar(text: str) -> object:
    return json.loads(text) if _is_json(text) else text


def _is_json(text: str) -> bool:
    if text[:1] not in _BEGINS_JSON:
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return "… (nested too deeply)"
