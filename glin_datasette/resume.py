"""How a conversation goes on in the tool that it was held with."""

from __future__ import annotations

import shlex
from urllib.parse import quote

from .models import Conversation

__all__ = ["resume_command"]

#: Source and transport -> what takes a conversation up again; ``None`` for any transport.
#: A command is run in the folder of the conversation, an address is opened in a browser.
_COMMANDS: dict[tuple[str, str | None], str] = {
    ("claude-code", None): "claude --resume {id}",
    ("codex", None): "codex resume {id}",
    ("copilot", "cli"): "copilot --resume={id}",
    ("gemini", None): "gemini --resume {id}",
    ("llm", None): "llm chat --cid {id}",
    ("opencode", None): "opencode --session {id}",
    ("chatgpt", None): "https://chatgpt.com/c/{id}",
    ("claude-ai", None): "https://claude.ai/chat/{id}",
}


def resume_command(conversation: Conversation) -> str | None:
    """The command line, or the address, that takes a conversation up again.

    ``None`` where its tool has no such thing; for a subagent's run and for a branch that
    was left, which their tools do not take up: resume the conversation that they belong
    to. A fork has an id of its own in its tool.
    """
    if conversation.relation in ("subagent", "branch"):
        return None
    source = conversation.source
    template = _COMMANDS.get((source, conversation.transport)) or _COMMANDS.get((source, None))
    if template is None:
        return None
    if template.startswith("https:"):
        return template.format(id=quote(conversation.source_id, safe=""))
    command = template.format(id=shlex.quote(conversation.source_id))
    if conversation.repo_root:
        return f"cd {shlex.quote(conversation.repo_root)} && {command}"
    return command
