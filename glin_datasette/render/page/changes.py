"""Changes of files as diffs: what the tools that edit were given, and patches.

Lines are marked by their first character, ``+`` or ``-``, and by a class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from html import escape

from markupsafe import Markup

from ..plain import visible

__all__ = ["change_of", "diff_block"]

#: How tools call the text that they replace, and its replacement.
_REPLACEMENTS = (
    ("old_string", "new_string"),
    ("oldString", "newString"),
    ("old_str", "new_str"),
    ("oldText", "newText"),
)
#: Longer texts, in characters and in lines, are shown one after the other: comparing takes
#: the square of their lengths.
_LONGEST, _MOST_LINES = 40_000, 600
_PATCH = "*** Begin Patch"


def change_of(content: str, given: Mapping[str, object]) -> Markup | None:
    """What a tool call was to change, as a diff; ``None`` if its input says no such thing.

    :param given: ``content`` taken apart, as
        :func:`~glin_datasette.tool_input.parse_tool_input` does
    """
    patch = next((text for text in (*given.values(), content) if _is_patch(text)), None)
    if isinstance(patch, str):
        return diff_block(patch[patch.index(_PATCH) :])
    edits = list(_edits(given))
    return _pre(line for old, new in edits for line in _compared(old, new)) if edits else None


def diff_block(text: str) -> Markup:
    """A diff or patch as it was written, with its lines marked."""
    return _pre(visible(text).rstrip("\n").split("\n"))


def _is_patch(text: object) -> bool:
    return isinstance(text, str) and _PATCH in text[:200]


def _edits(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for old, new in _REPLACEMENTS:
        before, after = given.get(old), given.get(new)
        if isinstance(before, str) and isinstance(after, str):
            yield before, after
    several = given.get("edits")
    for each in several if isinstance(several, list) else ():
        if isinstance(each, dict):
            yield from _edits(each)


def _compared(old: str, new: str) -> Iterator[str]:
    before, after = visible(old).split("\n"), visible(new).split("\n")
    if len(old) + len(new) > _LONGEST or len(before) + len(after) > _MOST_LINES:
        yield from (f"-{line}" for line in before)
        yield from (f"+{line}" for line in after)
        return
    lines = difflib.unified_diff(before, after, lineterm="", n=3)
    for number, line in enumerate(lines):
        # The first two name files, which these texts are not.
        if number >= 2 and not line.startswith("@@"):
            yield line
        elif number > 2:
            yield "⋯"


def _pre(lines: Iterable[str]) -> Markup:
    marked = "\n".join(map(_marked, lines))
    return Markup(f'<pre class="t-code t-diff"><code>{marked}</code></pre>\n')


def _marked(line: str) -> str:
    kind = {"+": "t-add", "-": "t-del", "@": "t-hunk", "*": "t-hunk"}.get(line[:1])
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)
