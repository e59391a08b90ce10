"""The kinds of events in Junie's files."""

from __future__ import annotations

__all__ = ["AGENT_QUIET", "KINDS", "QUIET"]

#: Events with nothing to keep.
QUIET = frozenset(
    {"CancelAgentEvent", "SendToAgentEvent", "SessionCostTrajectorySnapshotEvent"}
    | {"SkillsStatusEvent", "TaskContinueStopped", "TaskStartedEvent", "TaskState"}
    | {"UserMessagesCommittedToHistory", "UserMessagesDroppedFromHistory"}
    | {"UserMessagesFailedInHistory"}
)

#: All events that are known.
KINDS = QUIET | {
    "AgentTaskFailedEvent",
    "SessionA2uxEvent",
    "SessionTitleSetEvent",
    "SystemMessageEvent",
    "UserAsyncResponseEvent",
    "UserPromptEvent",
    "UserResponseEvent",
}

#: Events of the agent with nothing to keep: how it is doing, tips, its own state.
AGENT_QUIET = frozenset(
    {"AgentCurrentStatusUpdatedEvent", "AgentPlanUpdatedEvent", "AgentStartedEvent"}
    | {"AgentStateUpdatedEvent", "AuthorizationAvailabilityEvent", "AvailablePullRequestsEvent"}
    | {"ContextWindowReportEvent", "EnvironmentVariablesUpdatedEvent"}
    | {"NextPromptSuggestionEvent", "ShowPlanProgressEvent", "TipSuggestionCreatedEvent"}
)
