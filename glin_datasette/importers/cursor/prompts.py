"""What a person typed, without what Cursor wraps around it for the model.

A prompt looks like this; the outer elements come and go with Cursor's versions, and the
prompts that agents give to each other have no ``user_query``::

    <timestamp>Friday, Sep 4, 2026, 2:21 AM (UTC+8)</timestamp>
    <open_and_recently_viewed_files>…</open_and_recently_viewed_files>
    <user_query>
    Why does it fail?
    </user_query>
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ...dates import normalise_time
from ...models import Role

__all__ = ["Prompt", "read_prompt", "without_redactions"]

_QUERY = "user_query"
#: What Cursor tells the model by itself.
_WRAPPERS = (
    "additional_data", "agent_skills", "agent_transcripts", "attached_files",
    "available_subagent_models", "available_subagent_types", "communication", "current_file",
    "cursor_rules", "dynamic_tools", "git_status", "hooks_context", "image_files",
    "linter_errors", "manually_attached_skills", "mcp_file_system", "mcp_meta_tool_servers",
    "mcp_meta_tools", "open_and_recently_viewed_files", "open_files", "plugin_info",
    "project_context", "project_layout", "recently_viewed_files", "rules", "system-reminder",
    "system_reminder", "terminal_files_information", "terminal_state", "timestamp", "user_info",
    "user_rules",
)  # fmt: skip
#: What it tells in the place of a person.
_NOTICE = "system_notification"

#: Minutes are all there is, in local time; without the offset it is no moment.
_MOMENT = re.compile(
    r"([A-Z][a-z]{2})[a-z]*\s+(\d{1,2}),\s+(\d{4}),\s+(\d{1,2}):(\d{2})\s*([AP])M"
    r"\s*\(UTC(?:([+-])(\d{1,2})(?::(\d{2}))?)?\)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WORKSPACE = re.compile(r"^Workspace Path: *(\S.*?) *$", re.MULTILINE)
#: What stands where the text of a reply was taken out.
_REDACTED = re.compile(r"^[ \t]*\[REDACTED\][ \t]*$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """``text`` may be empty: then nobody said anything. ``cwd`` is the workspace."""

    text: str
    role: Role = "user"
    ts: str | None = None
    cwd: str | None = None


def read_prompt(text: str) -> Prompt:
    """Take a prompt out of its wrappers."""
    inside, outside = _taken(text, _QUERY)
    told: dict[str, str] = {}
    for name in _WRAPPERS:
        blocks, outside = _taken(outside, name)
        if blocks:
            told[name] = blocks[0]
    role: Role = "user"
    if not inside:
        notices, rest = _taken(outside, _NOTICE)
        if notices and not rest.strip():
            inside, outside, role = notices, "", "system"
    parts = [part.strip() for part in (*inside, outside)]
    workspace = _WORKSPACE.search(told.get("user_info", ""))
    return Prompt(
        text="\n".join(filter(None, parts)),
        role=role,
        ts=_moment(told.get("timestamp", "")),
        cwd=workspace[1] if workspace else None,
    )


def without_redactions(text: str) -> str:
    """A reply without the lines that say that there was more."""
    return _REDACTED.sub("", text).strip() if "[REDACTED]" in text else text


def _taken(text: str, name: str) -> tuple[list[str], str]:
    """What elements of a name hold, and the text without them."""
    found, left = [], []
    at = 0
    for begin, inner, inner_end, end in _elements(text, name):
        left.append(text[at:begin])
        found.append(text[inner:inner_end])
        at = end
    return found, "".join([*left, text[at:]])


def _elements(text: str, name: str) -> Iterator[tuple[int, int, int, int]]:
    opening, closing = f"<{name}>", f"</{name}>"
    at = 0
    while (begin := text.find(opening, at)) >= 0:
        inner = begin + len(opening)
        if (inner_end := text.find(closing, inner)) < 0:
            return
        at = inner_end + len(closing)
        yield begin, inner, inner_end, at


def _moment(text: str) -> str | None:
    found = _MOMENT.search(text[:200])
    if not found or found[1] not in _MONTHS:
        return None
    month, (day, year, hour, minute) = _MONTHS.index(found[1]) + 1, map(int, found.groups()[1:5])
    offset = timedelta(hours=int(found[8] or 0), minutes=int(found[9] or 0))
    try:
        zone = timezone(-offset if found[7] == "-" else offset)
        local = datetime(year, month, day, hour % 12 + 12 * (found[6] == "P"), minute, tzinfo=zone)
    except ValueError:
        return None
    return normalise_time(local.isoformat())
