"""Text from a transcript made fit to be shown: in a terminal, in Markdown, in HTML."""

from __future__ import annotations

import re

__all__ = ["count_lines", "one_line", "shorten", "visible"]

# Escape sequences can rewrite a terminal and bidirectional overrides can make text read
# as something that it is not, so each control character is shown as its picture.
_PICTURES = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"}
_PICTURES[0x7F] = 0x2421
_PICTURES |= dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
_PICTURES |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
_NEWLINES = re.compile(r"\r\n?")
#: What is in the table: most text has none of it, and looking is five times as fast.
_ACTING = re.compile(f"[{re.escape(''.join(map(chr, _PICTURES)))}]")


def visible(text: str) -> str:
    """``text`` without characters that act instead of showing: line ends become ``\\n``,
    and control characters other than it and the tab become visible ones."""
    if not _ACTING.search(text):
        return text
    return _NEWLINES.sub("\n", text).translate(_PICTURES)


def one_line(text: str) -> str:
    """``text`` on one line, with every run of white space as one space."""
    return " ".join(visible(text).split())


def shorten(text: str, width: int) -> str:
    """``text`` on one line of at most ``width`` characters, cut with an ellipsis."""
    line = one_line(text)
    return line if len(line) <= width else line[: max(width - 1, 0)].rstrip() + "…"


def count_lines(text: str) -> int:
    """How many lines ``text`` has; a last line need not end in a newline."""
    text = visible(text)
    return text.count("\n") + (not text.endswith("\n") and bool(text))
