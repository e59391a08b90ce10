"""The record kinds of Claude Code's transcripts that hold nothing to keep.

They are listed so that a kind which is really new stands out as unknown.
"""

from __future__ import annotations

__all__ = ["KNOWN", "QUIET", "QUIET_SYSTEM"]

#: Types of records about the client's own state.
QUIET = frozenset(
    {
        "agent-color",
        "agent-name",
        "agent-setting",
        "artifact-autoreact-ledger",
        "artifact-comment-monitor",
        "attribution-snapshot",
        "bridge-session",
        "content-replacement",
        "cost-state",
        "file-history-delta",
        "file-history-snapshot",
        "frame-link",
        "isolation-latch",
        "last-prompt",
        "mode",
        "permission-mode",
        "progress",
        "queue-operation",
        "relocated",
        "tag",
        "task-summary",
        "turn_end",
        "worktree-state",
    }
)

#: Every type that this importer knows.
KNOWN = QUIET | {
    "ai-title",
    "assistant",
    "attachment",
    "custom-title",
    "pr-link",
    "summary",
    "system",
    "user",
}

#: Subtypes of system records that are not worth keeping even where they have a text.
QUIET_SYSTEM = frozenset(
    {
        "agents_killed",
        "bridge_status",
        "file_snapshot",
        "hook_progress",
        "init",
        "memory_saved",
        "permission_retry",
        "scheduled_task_fire",
        "status",
        "stop_hook_summary",
        "turn_duration",
    }
)
