"""The tool calls in a reply of VS Code's chat.

A reply shows each as a part (``toolInvocationSerialized``) with words for people. What the
model asked for and was told lies beside, in ``result.metadata``, when the reply has ended;
older versions gave the two different ids, and then the first part is the first call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..text import identifier, string
from .events import mapping
from .workspace import path_of

__all__ = ["Call", "edits", "markdown", "read_calls"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call. ``result`` is ``None`` while there is none."""

    id: str
    name: str | None
    arguments: object
    result: str | None
    failed: bool


def markdown(value: object) -> str:
    """Text that is kept as it is, or as ``{"value": …}``."""
    value = mapping(value).get("value") if isinstance(value, dict) else value
    return value if isinstance(value, str) else ""


def read_calls(parts: list[Any], result: object) -> dict[int, Call]:
    """The call for each of the parts that is one, by the place of the part."""
    metadata = mapping(mapping(result).get("metadata"))
    asked = list(_asked(metadata.get("toolCallRounds")))
    results = mapping(metadata.get("toolCallResults"))
    places = [
        place
        for place, part in enumerate(parts)
        if isinstance(part, dict) and part.get("kind") == "toolInvocationSerialized"
    ]
    by_id = {_short(identifier(call.get("id"))): call for call in asked}
    known = [_short(identifier(parts[place].get("toolCallId"))) for place in places]
    in_order = len(places) == len(asked) and not any(id in by_id for id in known)
    calls = {}
    for number, (place, id) in enumerate(zip(places, known, strict=True)):
        call = asked[number] if in_order else by_id.get(id)
        calls[place] = _call(parts[place], number, mapping(call), results)
    return calls


def _short(id: str | None) -> str | None:
    """VS Code puts a number of its own behind the model's id of a call."""
    return id.partition("__vscode")[0] if id else None


def _asked(rounds: object) -> Iterator[dict[str, Any]]:
    for each in rounds if isinstance(rounds, list) else ():
        calls = mapping(each).get("toolCalls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield call


def _call(
    part: dict[str, Any], number: int, asked: dict[str, Any], results: dict[str, Any]
) -> Call:
    told = _told(results.get(str(asked.get("id"))))
    text, failed = _shown(part)
    if told is None and (text or part.get("isComplete") is True):
        told = text or markdown(part.get("pastTenseMessage"))
    arguments = asked.get("arguments")
    return Call(
        id=identifier(part.get("toolCallId")) or f"call-{number}",
        name=identifier(asked.get("name")) or identifier(part.get("toolId")),
        arguments=_decoded(arguments) if arguments is not None else _input(part),
        result=told,
        failed=failed,
    )


def _decoded(arguments: object) -> object:
    if not isinstance(arguments, str):
        return arguments
    try:
        found = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return found if isinstance(found, dict) else arguments


def _input(part: dict[str, Any]) -> object:
    """What a call was about, as far as the part shows it."""
    data = mapping(part.get("toolSpecificData"))
    line = data.get("commandLine")
    command = [
        data.get("command"),
        line,
        *(mapping(line).get(k) for k in ("userEdited", "toolEdited", "original")),
    ]
    if found := next((each for each in command if isinstance(each, str) and each), None):
        return {"command": found}
    raw = data.get("rawInput")
    if raw is not None:
        return raw
    details = mapping(part.get("resultDetails")).get("input")
    if isinstance(details, str) and details:
        return _decoded(details)
    return markdown(part.get("invocationMessage")) or {}


def _shown(part: dict[str, Any]) -> tuple[str, bool]:
    """What the part shows of a call's result, and whether the call failed."""
    data, details = mapping(part.get("toolSpecificData")), part.get("resultDetails")
    output = mapping(data.get("terminalCommandOutput")).get("text")
    code = mapping(data.get("terminalCommandState")).get("exitCode")
    failed = mapping(details).get("isError") is True or (type(code) is int and code != 0)
    if isinstance(output, str) and output:
        return output, failed
    if isinstance(details, list):
        paths = (path_of(mapping(each).get("uri", each)) for each in details)
        return "\n".join([markdown(part.get("pastTenseMessage")), *filter(None, paths)]), failed
    shown = mapping(details).get("output")
    shown = shown if isinstance(shown, list) else [shown]
    texts = [each if isinstance(each, str) else mapping(each).get("value") for each in shown]
    kept = (
        text
        for text, each in zip(texts, shown, strict=True)
        # Bytes are kept as base64.
        if isinstance(text, str) and mapping(each).get("isText", True) is not False
    )
    return "\n".join(kept), failed


def _told(result: object) -> str | None:
    """The text of what the model was told; ``None`` where it was told nothing."""
    content = mapping(result).get("content")
    if not isinstance(content, list):
        return None
    return "".join(_text(mapping(each).get("value")) for each in content)


def _text(value: object) -> str:
    """A text, or the tree of pieces that it is laid out from."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else ""
    found: list[str] = []
    waiting: list[Any] = [value.get("node", value)]
    while waiting:
        piece = mapping(waiting.pop())
        if piece.get("lineBreakBefore") is True and found and not found[-1].endswith("\n"):
            found.append("\n")
        if isinstance(text := piece.get("text"), str):
            found.append(text)
        children = piece.get("children")
        if isinstance(children, list):
            waiting += reversed(children)
    return "".join(found)


def edits(part: dict[str, Any]) -> dict[str, str]:
    """The file that an edit changes, and the new text of each place in it."""
    found = {"filePath": path_of(part.get("uri")) or ""}
    groups = part.get("edits")
    for group in groups if isinstance(groups, list) else ():
        for edit in group if isinstance(group, list) else (group,):
            edit = mapping(mapping(edit).get("edit", edit))
            text = edit.get("text")
            if not isinstance(text, str):
                continue
            lines = mapping(edit.get("range"))
            key = f"lines-{lines.get('startLineNumber')}-{lines.get('endLineNumber')}"[:60]
            # Two edits of one place: the later text stands below the earlier one.
            found[key] = f"{found[key]}\n{text}" if key in found else text
    return {key: string(value) or "" for key, value in found.items()}
