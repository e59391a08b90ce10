"""Calls of tools, and what came of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...models import Attachment
from ..session import base64_size
from ..text import identifier, string
from .texts import Content, read_content

__all__ = ["CALLS", "RESULTS", "Call", "Result", "read_call", "read_item", "read_result"]

#: ``type`` of the response items that are calls, and of those that are results.
CALLS = frozenset(
    {
        "custom_tool_call",
        "function_call",
        "image_generation_call",
        "local_shell_call",
        "tool_search_call",
        "web_search_call",
    }
)
RESULTS = frozenset({"custom_tool_call_output", "function_call_output", "tool_search_output"})

#: What stands before the output of a command.
_EXIT = re.compile(r"^(?:Exit code:|Process exited with code) (-?\d{1,10})$", re.MULTILINE)
_HEAD = 400


@dataclass(frozen=True, slots=True)
class Call:
    """A call: ``input`` is an object where the tool takes one."""

    name: str | None
    id: str | None
    input: object
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a call returned."""

    id: str | None
    text: str
    is_error: bool = False
    attachments: tuple[Attachment, ...] = ()
    strange: tuple[str, ...] = ()


def read_call(payload: dict[str, Any]) -> tuple[Call, Result | None]:
    """The call of a response item; with its result, where that is a part of it."""
    kind = payload.get("type")
    id = identifier(payload.get("call_id"))
    if kind == "web_search_call":
        action = payload.get("action")
        facts = action if isinstance(action, dict) else {}
        asked = {k: v for k, v in facts.items() if k != "type" or len(facts) == 1}
        return Call("web_search", id or identifier(payload.get("id")), asked), None
    if kind == "local_shell_call":
        action = payload.get("action")
        facts = dict(action) if isinstance(action, dict) else {}
        asked = {k: v for k, v in facts.items() if k not in ("type", "env") and v is not None}
        return Call("local_shell", id or identifier(payload.get("id")), asked), None
    if kind == "image_generation_call":
        id = id or identifier(payload.get("id"))
        prompt = string(payload.get("revised_prompt"))
        call = Call("image_generation", id, {"prompt": prompt} if prompt else {})
        return call, _image(id, payload.get("result"))
    if kind == "custom_tool_call":
        return Call(_name(payload), id, payload.get("input")), None
    if kind == "tool_search_call":
        return Call("tool_search", id, _parsed(payload.get("arguments"))), None
    return Call(_name(payload), id, _parsed(payload.get("arguments"))), None


def read_result(payload: dict[str, Any]) -> Result:
    """The result that a response item is."""
    id = identifier(payload.get("call_id"))
    if payload.get("type") == "tool_search_output":
        tools = payload.get("tools")
        names = [
            name
            for tool in (tools if isinstance(tools, list) else [])
            if isinstance(tool, dict) and (name := string(tool.get("name")))
        ]
        return Result(id, "\n".join(names))
    output = payload.get("output")
    failed = False
    if isinstance(output, str):
        output, failed = _opened(output)
    if isinstance(output, dict):
        failed = failed or output.get("success") is False or output.get("isError") is True
        output = output.get("content", output.get("output"))
    content = _content(output)
    return Result(
        id,
        content.text,
        failed or _exit_code(content.text) not in (None, 0),
        content.attachments,
        content.strange,
    )


def read_item(item: dict[str, Any]) -> Iterator[Call | Result]:
    """The command or change of files that a completed item tells of, as call and result."""
    kind = _plain(item.get("type"))
    id = identifier(item.get("call_id")) or identifier(item.get("id"))
    status = _plain(item.get("status"))
    if kind in ("commandexecution", "execcommandend"):
        asked = {
            name: value
            for name in ("command", "cwd")
            if isinstance(value := item.get(name), str | list) and value
        }
        if not asked:
            return
        output = next(
            (
                found
                for name in ("aggregated_output", "aggregatedOutput", "formatted_output", "stdout")
                if isinstance(found := item.get(name), str)
            ),
            "",
        )
        code = item.get("exit_code", item.get("exitCode"))
        yield Call("exec_command", id, asked)
        yield Result(id, output, status == "failed" or (type(code) is int and code != 0))
    elif kind == "filechange":
        changes = item.get("changes")
        found = changes if isinstance(changes, dict) else {}
        files = tuple(path for path in found if isinstance(path, str) and path.strip())
        if files:
            yield Call("apply_patch", id, "\n".join(files), files)
            yield Result(id, status, status == "failed")


def _plain(value: object) -> str:
    """``commandExecution``, ``CommandExecution`` and ``command_execution`` are the same."""
    return (string(value) or "").replace("_", "").casefold()


def _name(payload: dict[str, Any]) -> str | None:
    name = identifier(payload.get("name"))
    space = identifier(payload.get("namespace"))
    return f"{space.rstrip('_')}__{name.lstrip('_')}" if space and name else name


def _parsed(arguments: object) -> object:
    """The arguments of a function: an object, written down as JSON."""
    if isinstance(arguments, str):
        try:
            found = json.loads(arguments)
        except (ValueError, RecursionError):
            return arguments
        return found if isinstance(found, dict) else arguments
    return arguments


def _opened(output: str) -> tuple[object, bool]:
    """Output that is JSON: ``{"output": …, "metadata": {"exit_code": 1}}``, or a list of
    content."""
    if not output.startswith(('{"', "[{")):
        return output, False
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        return output, False
    if isinstance(found, dict) and isinstance(found.get("output"), str):
        facts = found.get("metadata")
        code = facts.get("exit_code") if isinstance(facts, dict) else None
        return found["output"], type(code) is int and code != 0
    if isinstance(found, list) and all(
        isinstance(part, dict) and (isinstance(part.get("text"), str) or "image_url" in part)
        for part in found
    ):
        return found, False
    return output, False


def _content(output: object) -> Content:
    if isinstance(output, str | list):
        return read_content(output)
    return Content("" if output is None else json.dumps(output, ensure_ascii=False))


def _exit_code(text: str) -> int | None:
    head, found, _ = text[:_HEAD].partition("\nOutput:")
    match = _EXIT.search(head) if found else None
    return int(match[1]) if match else None


def _image(id: str | None, data: object) -> Result | None:
    if not isinstance(data, str) or not data:
        return None
    file = Attachment(media_type="image/png", size=base64_size(data), data=data)
    return Result(id, "", attachments=(file,))
