"""Transcripts for measuring, as Claude Code and Codex lay them out on disk: one record a line,
with what real ones repeat, so that a reader has as much to pass over."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.conversations import Told
from glin_datasette.models import Conversation, Message
from glin_datasette.tool_input import parse_tool_input

Record = dict[str, Any]


def write_claude_code(folder: Path, told: Iterable[Told]) -> None:
    """Write ``projects`` below ``folder``: one file for each conversation."""
    for each in told:
        conversation = each.conversation
        project = (conversation.repo_root or "").replace("/", "-")
        path = folder / "projects" / project / f"{conversation.source_id}.jsonl"
        _write(path, claude_code(each))


def write_codex(folder: Path, told: Iterable[Told]) -> None:
    """Write ``sessions`` below ``folder``: one file for each conversation, by its day."""
    for each in told:
        conversation = each.conversation
        started = conversation.started_at or ""
        day = folder / "sessions" / started[:10].replace("-", "/")
        stamp = started[:19].replace(":", "-")
        _write(day / f"rollout-{stamp}-{conversation.source_id}.jsonl", codex(each))


#: Format -> how its transcripts are written.
FORMATS: dict[str, Callable[[Path, Iterable[Told]], None]] = {
    "claude-code": write_claude_code,
    "codex": write_codex,
}


def _write(path: Path, records: Iterable[Record]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            json.dump(record, file, separators=(",", ":"), ensure_ascii=False)
            file.write("\n")


def claude_code(told: Told) -> Iterator[Record]:
    """The records of a conversation of Claude Code."""
    conversation, parent = told.conversation, None
    for message in told.messages:
        record: Record = {
            "parentUuid": parent,
            "isSidechain": False,
            "userType": "external",
            "cwd": conversation.repo_root,
            "sessionId": conversation.source_id,
            "version": "2.1.0",
            "gitBranch": conversation.git_branch,
            **_said(message),
            "uuid": message.source_id,
            "timestamp": message.ts,
        }
        parent = message.source_id
        yield record
    yield {
        "type": "ai-title",
        "aiTitle": conversation.title,
        "sessionId": conversation.source_id,
    }


def _said(message: Message) -> Record:
    """What Claude Code says of a message itself."""
    if message.role == "user":
        return {"type": "user", "message": {"role": "user", "content": message.content}}
    if message.role == "tool":
        block: Record = {
            "tool_use_id": message.tool_call_id,
            "type": "tool_result",
            "content": message.content,
            "is_error": message.is_error,
        }
        # The same once more, as the tool gave it.
        result = {"stdout": message.content, "stderr": "", "interrupted": False, "isImage": False}
        return {
            "type": "user",
            "message": {"role": "user", "content": [block]},
            "toolUseResult": result,
        }
    if message.kind == "thinking":
        block = {
            "type": "thinking",
            "thinking": message.content,
            "signature": _sealed(message),
        }
    elif message.kind == "tool_call":
        block = {
            "type": "tool_use",
            "id": message.tool_call_id,
            "name": message.tool_name,
            "input": parse_tool_input(message.content),
        }
    else:
        block = {"type": "text", "text": message.content}
    return {
        "type": "assistant",
        "requestId": f"req_{message.source_id}",
        "message": {
            "model": message.model,
            "id": f"msg_{message.source_id}",
            "type": "message",
            "role": "assistant",
            "content": [block],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": (message.token_in or 0) - (message.token_cached or 0),
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": message.token_cached or 0,
                "output_tokens": message.token_out or 0,
                "service_tier": "standard",
            },
        },
    }


def codex(told: Told) -> Iterator[Record]:
    """The records of a conversation of Codex."""
    conversation = told.conversation
    yield _record(conversation.started_at, "session_meta", _meta(conversation))
    for message in told.messages:
        if message.role == "user":
            context = {
                "cwd": conversation.repo_root,
                "approval_policy": "on-request",
                "model": conversation.model,
                "effort": "medium",
                "summary": "auto",
            }
            yield _record(message.ts, "turn_context", context)
        for kind, payload in _payloads(message):
            yield _record(message.ts, kind, payload)


def _meta(conversation: Conversation) -> Record:
    return {
        "id": conversation.source_id,
        "timestamp": conversation.started_at,
        "cwd": conversation.repo_root,
        "originator": "codex_cli_rs",
        "cli_version": "0.104.0",
        "source": "cli",
        "model_provider": "openai",
        "base_instructions": {"text": "Be brief. " * 1_000},
        "git": {"branch": conversation.git_branch},
    }


def _payloads(message: Message) -> Iterator[tuple[str, Record]]:
    """What Codex says of a message: most things twice, once for whoever looks on."""
    text = message.content
    if message.kind == "tool_call":
        call = {
            "type": "function_call",
            "name": message.tool_name,
            "arguments": json.dumps(parse_tool_input(text)),
            "call_id": message.tool_call_id,
        }
        yield "response_item", call
    elif message.kind == "tool_result":
        output = {"type": "function_call_output", "call_id": message.tool_call_id, "output": text}
        yield "response_item", output
    elif message.kind == "thinking":
        yield "event_msg", {"type": "agent_reasoning", "text": text}
        reasoning = {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}],
            "content": None,
            "encrypted_content": _sealed(message),
        }
        yield "response_item", reasoning
    else:
        asked = message.role == "user"
        block = {"type": "input_text" if asked else "output_text", "text": text}
        event = {"type": "user_message" if asked else "agent_message", "message": text}
        yield "event_msg", event
        said = {"type": "message", "role": message.role, "content": [block]}
        yield "response_item", said
    if message.token_out is not None:
        usage = {
            "input_tokens": message.token_in,
            "cached_input_tokens": message.token_cached,
            "output_tokens": message.token_out,
            "reasoning_output_tokens": 0,
            "total_tokens": (message.token_in or 0) + message.token_out,
        }
        info = {"last_token_usage": usage, "model_context_window": 258_400}
        yield "event_msg", {"type": "token_count", "info": info, "rate_limits": None}


def _record(ts: str | None, kind: str, payload: Record) -> Record:
    return {"timestamp": ts, "type": kind, "payload": payload}


def _sealed(message: Message) -> str:
    """What only the provider can read, as long as that usually is."""
    return base64.b64encode((message.source_id or "").encode() * 20).decode()
