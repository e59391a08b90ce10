"""What the Copilot CLI itself says in a session: errors, and what became of the context."""

from __future__ import annotations

import re
from typing import Any

from ..text import count, string

__all__ = ["note"]

_TAGS = re.compile(r"</?system_(?:notification|reminder)>")


def note(kind: str, data: dict[str, Any]) -> tuple[str, bool]:
    """The words for an event, and whether it is an error."""
    message = string(data.get("message")) or ""
    if kind == "session.error":
        error = string(data.get("errorType"))
        label = f"Error ({error[:60]})" if error else "Error"
        return f"{label}: {message or 'no message'}", True
    if kind == "subagent.failed":
        name = string(data.get("agentDisplayName")) or string(data.get("agentName"))
        return f"{name or 'Subagent'} failed: {_reason(data, 'error')}", True
    if kind == "abort":
        return f"Aborted: {_reason(data, 'reason')}", False
    if kind == "session.truncation":
        gone = count(data.get("messagesRemovedDuringTruncation"))
        what = "older messages" if gone is None else f"{gone} messages"
        return f"Conversation truncated: {what} left out from here on", False
    if kind == "session.compaction_complete":
        if data.get("success") is False:
            return f"Compaction failed: {_reason(data, 'error')}", True
        return _with("Conversation compacted", data.get("summaryContent")), False
    if kind == "session.handoff":
        return _with("Handed over", data.get("summary")), False
    if kind == "system.notification":
        return _TAGS.sub("", string(data.get("content")) or ""), False
    return message, False


def _reason(data: dict[str, Any], key: str) -> str:
    return string(data.get(key)) or "no reason given"


def _with(head: str, summary: object) -> str:
    found = string(summary)
    return f"{head}\n\n{found}" if found else head
