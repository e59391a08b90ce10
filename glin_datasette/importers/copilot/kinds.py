"""The kinds of events in a log of the Copilot CLI."""

from __future__ import annotations

__all__ = ["KNOWN", "QUIET_FAMILIES", "TOLD"]

#: Kinds that this importer reads.
TOLD = frozenset(
    {
        "abort",
        "assistant.message",
        "assistant.reasoning",
        "assistant.usage",
        "session.compaction_complete",
        "session.context_changed",
        "session.error",
        "session.handoff",
        "session.model_change",
        "session.resume",
        "session.start",
        "session.title_changed",
        "session.truncation",
        "session.warning",
        "skill.invoked",
        "subagent.failed",
        "subagent.started",
        "system.notification",
        "tool.execution_complete",
        "tool.execution_start",
        "tool.user_requested",
        "user.message",
    }
)
#: Kinds that hold nothing to keep, or what another one says as well: progress, settings,
#: what the user was asked and may do, and the system prompt.
_QUIET = frozenset(
    {
        *(f"assistant.{name}" for name in (
            "idle", "intent", "message_delta", "message_start", "reasoning_delta",
            "server_tool_progress", "streaming_delta", "tool_call_delta", "turn_end",
            "turn_retry", "turn_start",
        )),
        *(f"session.{name}" for name in (
            "auto_mode_resolved", "autopilot_objective_changed", "background_tasks_changed",
            "binary_asset", "commands_changed", "compaction_start", "context_cleared",
            "custom_agents_updated", "custom_notification", "extensions_loaded", "idle", "info",
            "limits_changed", "mcp_server_status_changed", "mcp_servers_loaded", "mode_changed",
            "mode_notice_delivered", "permissions_changed", "plan_changed",
            "remote_steerable_changed", "schedule_cancelled", "schedule_created",
            "schedule_rearmed", "session_limits_changed", "shutdown", "skills_loaded",
            "snapshot_rewind", "task_complete", "todos_changed", "tools_updated",
            "usage_checkpoint", "usage_info", "workspace_file_changed",
        )),
        *(f"subagent.{name}" for name in ("completed", "configured", "deselected", "selected")),
        *(f"tool.{name}" for name in ("execution_partial_result", "execution_progress")),
        "pending_messages.modified",
        "system.message",
        "tool_search.activated",
    }
)  # fmt: skip
KNOWN = TOLD | _QUIET
#: Families of kinds of which none is kept.
QUIET_FAMILIES = frozenset(
    {"auto_mode_switch", "canvas", "capabilities", "command", "commands", "elicitation"}
    | {"exit_plan_mode", "external_tool", "factory", "fusion", "hook", "mcp", "mcp_app", "model"}
    | {"permission", "sampling", "session_limits_exhausted", "user_input"}
)
