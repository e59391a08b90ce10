"""What stands at the head of a transcript, in Markdown and in HTML."""

from __future__ import annotations

from ..models import Conversation
from ..resume import resume_command

__all__ = ["facts"]


def facts(conversation: Conversation) -> dict[str, str]:
    """Label -> what is known of a conversation, without what is not."""
    times = [time for time in (conversation.started_at, conversation.ended_at) if time]
    told = {
        "Source": f"{conversation.source} {conversation.source_id}",
        "Archive id": conversation.id,
        "Belongs to": conversation.parent_source_id,
        "Time": " to ".join(dict.fromkeys(times)),
        "Model": conversation.model,
        "Client": conversation.client,
        "Repository": conversation.repo_root,
        "Branch": conversation.git_branch,
        "Resume": resume_command(conversation),
        "Tags": ", ".join(conversation.tags),
        "Notes": conversation.notes,
    }
    return {label: str(value) for label, value in told.items() if value}
