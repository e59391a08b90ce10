"""One event of the agent -> what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...models import Kind, Role
from ..text import digest, identifier, string

__all__ = ["Block", "read_block"]

#: States in which a block stays as it is, and those of them that are failures.
_FAILED = frozenset({"CANCELED", "CANCELLED", "FAILED", "REJECTED"})
_DONE = _FAILED | {"COMPLETED", "FINISHED"}

#: Stands before a result that answers a question.
_ANSWER = "<!-- ANSWER -->"

_PATCHED = re.compile(r"^(?:\+\+\+ b/|--- a/)(.+)$", re.MULTILINE)
#: Characters of a patch that are looked at for files.
_SCAN = 256 * 1024


@dataclass(slots=True)
class Block:
    """A message, or a call with its result. ``name`` stands for a step where there is none."""

    kind: Kind = "text"
    role: Role = "assistant"
    text: str | None = None
    tool: str | None = None
    input: object = None
    result: str | None = None
    is_error: bool = False
    files: tuple[str, ...] = ()
    name: str | None = None


def read_block(kind: str, event: dict[str, Any]) -> Block | None:
    """What an event shows; ``None`` if it is of no kind that shows anything."""
    text = string(event.get("text"))
    if kind == "MarkdownBlockUpdatedEvent":
        return Block(text=text)
    if kind == "AgentThoughtBlockUpdatedEvent":
        return Block("thinking", text=text)
    if kind == "ResultBlockUpdatedEvent":
        result = (string(event.get("result")) or "").removeprefix(_ANSWER)
        files = tuple(path for paths in _changes(event) for path in paths)
        return Block(text=None if result == "Empty" else result, files=files)
    if kind == "AgentPatchCreatedEvent":
        patch = string(event.get("patch")) or ""
        found = tuple(dict.fromkeys(_PATCHED.findall(patch[:_SCAN])))
        return Block("attachment", text=patch, files=found, name=f"patch-{digest(patch)}")
    if kind == "AgentFailureEvent":
        reason = string(event.get("message")) or string(event.get("errorCode"))
        return Block(role="system", text=reason, is_error=True)
    if kind == "SuggestPlanEvent":
        return Block(text=string(event.get("plan")))
    if kind in ("AskAsyncRequestUpdatedEvent", "AskRequestUpdatedEvent"):
        asked = event.get("askRequest")
        question = asked.get("question") if isinstance(asked, dict) else event.get("question")
        return Block(text=string(question) or string(event.get("title")))
    if kind == "ChoiceRequestUpdatedEvent":
        return Block(text="\n".join(_choice(event)))
    return _call(kind, event)


def _call(kind: str, event: dict[str, Any]) -> Block | None:
    status = string(event.get("status"))
    done, failed = status in _DONE, status in _FAILED
    details = string(event.get("details"))
    block = Block("tool_call", is_error=failed)
    result = details if done else None
    if kind == "TerminalBlockUpdatedEvent":
        command = string(event.get("command"))
        block.tool, block.input = "terminal", {"command": command} if command else None
        result = string(event.get("output")) or result
    elif kind == "McpBlockUpdatedEvent":
        block.tool = identifier(event.get("toolName")) or "mcp"
        given = string(event.get("input")) or (None if done else details)
        block.input = _parsed(given)
    elif kind == "ToolBlockUpdatedEvent":
        block.tool, block.input = "tool", string(event.get("text"))
    elif kind == "ViewFilesBlockUpdatedEvent":
        block.tool, block.files = "view_files", tuple(_viewed(event))
        block.input = "\n".join(block.files)
    elif kind == "FileChangesBlockUpdatedEvent":
        block.tool = "file_changes"
        changes = list(_changes(event))
        block.input = "\n".join(map(_told, changes))
        block.files = tuple(dict.fromkeys(path for paths in changes for path in paths))
    elif kind == "TestRunBlockUpdatedEvent":
        block.tool, block.input = "run_tests", string(event.get("name"))
    elif kind == "CustomAgentBlockUpdatedEvent":
        block.tool, block.input = "agent", string(event.get("name"))
    else:
        return None
    block.result = result or (str(status).lower() if failed else None)
    if done and block.result is None and block.tool in ("terminal", "tool"):
        block.result = ""  # It is done and printed nothing.
    return block


def _parsed(given: str | None) -> object:
    """Arguments are an object in a text."""
    try:
        return json.loads(given) if given else None
    except (ValueError, RecursionError):
        return given


def _viewed(event: dict[str, Any]) -> Iterator[str]:
    files = event.get("files")
    for each in files if isinstance(files, list) else ():
        if isinstance(each, dict) and (path := string(each.get("relativePath"))):
            yield path


def _changes(event: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The paths that a file had before and has after each change, if they differ."""
    changes = event.get("changes")
    for each in changes if isinstance(changes, list) else ():
        if isinstance(each, dict):
            paths = (each.get("beforeRelativePath"), each.get("afterRelativePath"))
            found = tuple(dict.fromkeys(path for value in paths if (path := string(value))))
            if found:
                yield found


def _told(paths: tuple[str, ...]) -> str:
    return " -> ".join(paths)


def _choice(event: dict[str, Any]) -> Iterator[str]:
    if title := string(event.get("title")):
        yield title
    request = event.get("choiceRequest")
    options = request.get("options") if isinstance(request, dict) else None
    for each in options if isinstance(options, list) else ():
        if isinstance(each, dict) and (text := string(each.get("description"))):
            yield f"- {text}"
