"""One message of the editor, which it calls a bubble.

``type`` is 1 for a prompt and 2 for anything of the assistant. That may be text, thoughts,
or a tool's call together with its result: ``toolFormerData``, whose arguments and result
are JSON inside of a text.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

from ...models import Attachment, Kind
from ...tool_input import render_tool_input
from ..base import Item, Unknown
from ..jsonl import BadLine
from ..session import Session
from ..sqlite_file import json_value
from ..text import count, digest, epoch_time, identifier, normalise_time, string

__all__ = ["bubble_time", "folder_of", "model_of", "read_bubble"]

#: Milliseconds since 1970 from 2000 on: a smaller number counts from the program's start.
_ABSOLUTE = 946_684_800_000

#: What the editor adds to a tool's arguments, and what stands for the text of a file.
_OWN_ARGUMENTS = frozenset(
    {"cloudAgentEdit", "noCodeblock", "parsingResult", "requestedSandboxPolicy"}
)
_OWN_RESULTS = frozenset({"beforeContentId", "afterContentId"})
_FILES = ("targetFile", "target_file", "relativeWorkspacePath", "relative_workspace_path")
#: A call has its result when it is neither of these.
_RUNNING = frozenset({"loading", "pending", "running", "started"})


def read_bubble(
    session: Session, bubble: dict[str, Any], id: str, ts: str | None
) -> Iterator[Item]:
    """The messages that a bubble is made of."""
    if session.cwd is None:
        session.note(cwd=_workspace(bubble))
    session.note(model=model_of(bubble.get("modelInfo")))
    kind = bubble.get("type")
    if kind == 1:
        yield from _prompt(session, bubble, id, ts)
    elif kind == 2:
        yield from _reply(session, bubble, id, ts)
    else:
        yield Unknown(f"bubble type {str(kind)[:40]}")


def bubble_time(bubble: dict[str, Any]) -> str | None:
    """When it was said, as far as it tells."""
    created = bubble.get("createdAt")
    if found := normalise_time(created) or epoch_time(created):
        return found
    timing = bubble.get("timingInfo")
    for name in ("clientStartTime", "clientRpcSendTime", "clientSettleTime", "clientEndTime"):
        value = timing.get(name) if isinstance(timing, dict) else None
        if isinstance(value, int | float) and value >= _ABSOLUTE:
            return epoch_time(value)
    return None


def model_of(value: object) -> str | None:
    """The model in ``modelInfo`` or ``modelConfig``; ``default`` names none."""
    name = identifier(value.get("modelName")) if isinstance(value, dict) else None
    return name if name != "default" else None


def folder_of(uri: object) -> str | None:
    """A folder of this machine: an address, the parts of one, or its path."""
    if isinstance(uri, dict):
        return folder_of(uri.get("fsPath") or uri.get("external") or uri.get("path"))
    text = string(uri)
    if text is None:
        return None
    if text.startswith("file:"):
        try:
            text = unquote(urlsplit(text).path)
        except ValueError:
            return None
        if text[2:3] == ":":  # /c:/Users
            text = text[1:]
    is_absolute = text.startswith(("/", "\\\\")) or text[1:2] == ":"
    return text if is_absolute and "\0" not in text and "\n" not in text else None


def _workspace(bubble: dict[str, Any]) -> str | None:
    uris = bubble.get("workspaceUris")
    found = folder_of(uris[0]) if isinstance(uris, list) and uris else None
    if found is None:
        found = folder_of(bubble.get("workspaceProjectDir"))
        # Cursor's own folder for the project is not the project.
        if found and "/.cursor/projects/" in found.replace("\\", "/"):
            return None
    return found


def _prompt(session: Session, bubble: dict[str, Any], id: str, ts: str | None) -> Iterator[Item]:
    yield from session.say(
        "user", "text", string(bubble.get("text")), id=f"{id}#text", ts=ts, files=_attached(bubble)
    )
    for path in _images(bubble):
        name = path.replace("\\", "/").rpartition("/")[2]
        media_type = mimetypes.guess_type(name)[0] or "image"
        yield from session.say(
            "user",
            "attachment",
            id=f"{id}#image-{digest(path)}",
            ts=ts,
            attachments=[Attachment(media_type=media_type, name=name)],
        )


def _reply(session: Session, bubble: dict[str, Any], id: str, ts: str | None) -> Iterator[Item]:
    tool = bubble.get("toolFormerData")
    tool = tool if isinstance(tool, dict) and _is_call(tool) else None
    tokens = bubble.get("tokenCount")
    tokens = tokens if isinstance(tokens, dict) else {}
    # Nothing but zeros stands for nothing known.
    used = [count(tokens.get(name)) for name in ("inputTokens", "outputTokens")]
    spent: dict[str, Any] = {}
    if any(used):
        spent = {"token_in": used[0], "token_out": used[1]}
    parts: tuple[tuple[Kind, str | None], ...] = (
        ("thinking", _thoughts(bubble)),
        ("text", string(bubble.get("text"))),
    )
    for kind, text in parts:
        if text:
            yield from session.say("assistant", kind, text, id=f"{id}#{kind}", ts=ts, **spent)
            spent = {}
    if tool is not None:
        yield from _call(session, tool, id, ts, spent)


def _is_call(tool: dict[str, Any]) -> bool:
    """It may hold nothing but notes of the editor."""
    return any(tool.get(name) for name in ("name", "rawArgs", "params", "result"))


def _call(
    session: Session, tool: dict[str, Any], id: str, ts: str | None, spent: dict[str, Any]
) -> Iterator[Item]:
    name, call = identifier(tool.get("name")), identifier(tool.get("toolCallId")) or id
    # What the model sent; else what the editor made of it.
    arguments = _inner(tool.get("rawArgs"))
    params = _inner(tool.get("params"))
    if not arguments:
        arguments = params
        if isinstance(params, dict):
            arguments = {k: v for k, v in params.items() if k not in _OWN_ARGUMENTS}
    yield from session.say(
        "assistant",
        "tool_call",
        id=f"{id}#call",
        ts=ts,
        tool_name=name,
        tool_call_id=call,
        tool_input=arguments,
        files=[path for path in map(string, _named_files(arguments, params)) if path],
        **spent,
    )
    status = tool.get("status")
    text = _result(tool)
    if not text and (not isinstance(status, str) or status in _RUNNING):
        return
    yield from session.say(
        "tool",
        "tool_result",
        text,
        id=f"{id}#result",
        ts=ts,
        tool_name=name,
        tool_call_id=call,
        is_error=status == "error",
    )


def _result(tool: dict[str, Any]) -> str:
    """What a tool gave back, as a person would read it."""
    if error := _inner(tool.get("error")):
        if isinstance(error, dict):
            error = string(error.get("message")) or error
        return error if isinstance(error, str) else render_tool_input(error)
    found = _inner(tool.get("result"))
    if found is None or found == "":
        return "rejected" if tool.get("userDecision") == "rejected" else ""
    if not isinstance(found, dict):
        return render_tool_input(found)
    for name in ("output", "contents"):
        if isinstance(found.get(name), str):
            code = found.get("exitCode")
            failed = f"\nexit code {code}" if type(code) is int and code else ""
            return f"{found[name].rstrip()}{failed}"
    told = {k: v for k, v in found.items() if k not in _OWN_RESULTS}
    return render_tool_input(told) if told else ""


def _inner(value: object) -> Any:
    """The JSON inside of a text; the text itself where it is none."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json_value(value)
        except BadLine:
            return value
    return value


def _named_files(*arguments: Any) -> Iterator[object]:
    for each in arguments:
        if isinstance(each, dict):
            yield from (each.get(name) for name in _FILES)


def _thoughts(bubble: dict[str, Any]) -> str | None:
    thinking = bubble.get("thinking")
    if isinstance(thinking, dict) and (text := string(thinking.get("text"))):
        return text
    blocks = bubble.get("allThinkingBlocks")
    found = [
        text
        for block in (blocks if isinstance(blocks, list) else ())
        if isinstance(block, dict) and (text := string(block.get("text")))
    ]
    return "\n\n".join(found) or None


def _attached(bubble: dict[str, Any]) -> list[str]:
    """The files that somebody put beside a prompt."""
    context = bubble.get("context")
    context = context if isinstance(context, dict) else {}
    found: list[object] = []
    for name in ("fileSelections", "selections"):
        found += [folder_of(each.get("uri")) for each in _dicts(context.get(name))]
    for name in ("attachedCodeChunks", "attachedFileCodeChunksMetadataOnly"):
        found += [each.get("relativeWorkspacePath") for each in _dicts(bubble.get(name))]
    return [path for path in map(string, found) if path]


def _images(bubble: dict[str, Any]) -> list[str]:
    context = bubble.get("context")
    selected = context.get("selectedImages") if isinstance(context, dict) else None
    found = [each.get("path") for each in (*_dicts(bubble.get("images")), *_dicts(selected))]
    return list(dict.fromkeys(path for path in map(string, found) if path))


def _dicts(value: object) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
