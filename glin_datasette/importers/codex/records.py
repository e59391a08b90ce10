"""The records of all versions in one shape, and those that hold nothing to keep.

Before September 2025 a file held the facts of the session on its first line and bare items
behind it; since then each line has an envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..text import string

__all__ = ["ENVELOPES", "QUIET", "QUIET_EVENTS", "QUIET_ITEMS", "is_bare_item", "is_bare_meta"]
__all__ += ["unwrapped"]

#: ``type`` of a line that is known by it.
ENVELOPES = frozenset({"session_meta", "turn_context", "response_item", "event_msg", "compacted"})

#: Lines that nothing is kept of.
QUIET = frozenset(
    {
        "inter_agent_communication_metadata",
        "security_risk_score",
        "token_usage_record",
        "world_state",
    }
)

#: ``response_item``: bookkeeping, and what only the service can read.
QUIET_ITEMS = frozenset(
    {
        "additional_tools",
        "compaction",
        "compaction_summary",
        "compaction_trigger",
        "context_compaction",
        "ghost_snapshot",
        "other",
    }
)

#: ``event_msg``: progress, and what stands in a response item as well.
QUIET_EVENTS = frozenset(
    {
        "agent_message_content_delta",
        "agent_message_delta",
        "agent_reasoning_delta",
        "agent_reasoning_raw_content",
        "agent_reasoning_raw_content_delta",
        "agent_reasoning_section_break",
        "background_event",
        "context_compacted",
        "deprecation_notice",
        "dynamic_tool_call_request",
        "dynamic_tool_call_response",
        "exec_command_begin",
        "exec_command_output_delta",
        "guardian_assessment",
        "image_generation_end",
        "item_started",
        "mcp_tool_call_begin",
        "mcp_tool_call_end",
        "model_reroute",
        "patch_apply_begin",
        "patch_apply_end",
        "plan_delta",
        "plan_update",
        "raw_response_item",
        "session_configured",
        "shutdown_complete",
        "stream_error",
        "sub_agent_activity",
        "task_complete",
        "thread_goal_updated",
        "thread_settings_applied",
        "turn_complete",
        "turn_diff",
        "undo_completed",
        "undo_started",
        "view_image_tool_call",
        "warning",
        "web_search_begin",
        "web_search_end",
    }
)

_BARE_ITEMS = frozenset(
    {
        "custom_tool_call",
        "custom_tool_call_output",
        "function_call",
        "function_call_output",
        "local_shell_call",
    }
)


def is_bare_meta(record: Mapping[str, object]) -> bool:
    """Whether this is the first line of an old file."""
    return (
        isinstance(record.get("id"), str)
        and isinstance(record.get("timestamp"), str)
        and ("instructions" in record or "git" in record)
        and not record.keys() & {"type", "role", "sessionId", "messages"}
    )


def is_bare_item(record: Mapping[str, object]) -> bool:
    """Whether this is a later line of an old file."""
    kind = record.get("type")
    if record.get("record_type") == "state":
        return True
    if kind == "message":
        content = record.get("content")
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and first.get("type") in ("input_text", "output_text")
    if kind == "reasoning":
        return "summary" in record and "encrypted_content" in record
    return isinstance(kind, str) and kind in _BARE_ITEMS and isinstance(record.get("call_id"), str)


def unwrapped(record: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type of a record and its payload."""
    kind = string(record.get("type")) or ""
    payload = record.get("payload")
    if isinstance(payload, dict):
        return kind or "(none)", payload
    if "record_type" in record:
        return "world_state", {}
    if not kind and is_bare_meta(record):
        return "session_meta", dict(record)
    if not kind or kind in ENVELOPES or kind in QUIET:
        return kind or "(none)", {}
    return "response_item", dict(record)
