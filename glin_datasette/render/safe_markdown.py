"""Somebody's Markdown made safe to stand inside a document of ours.

It keeps its look, but it cannot bring HTML to life, load an image, link anywhere but to
the web, forge a heading of the transcript or swallow what follows it. What would do so is
written as a character reference, which Markdown never takes for structure; a backslash
would not do, since there may be one before it already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .plain import visible

__all__ = ["fenced", "safe_markdown", "safe_phrase"]

# A fence indented further than this is inside a list item or no fence; either way it ends
# no later than the next line that is not indented.
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")

_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_LINK = re.compile(r"\]\((?!(?:(?:https?://|mailto:)[^\s<>&\\]*|[\w./#@-]*)\))")
_DEFINITION = re.compile(r"\]:(?!\s*(?:https?://|mailto:)[^\s<>&\\]*\s*$)", re.MULTILINE)
_HEADING = re.compile(r"^( {0,3})(#{1,6})(?=[ \t]|$)", re.MULTILINE)
_UNDERLINE = re.compile(r"(?<=\n)( {0,3})(?=(?:-+|=+)[ \t]*$)", re.MULTILINE)


def safe_markdown(text: str) -> Iterator[str]:
    """The lines of ``text``, made safe, without their newlines. Its headings move two
    levels down and its code fences are closed."""
    fence = ""
    paragraph: list[str] = []
    for line in visible(text).split("\n"):
        if fence:
            yield line
            closing = _CLOSING.match(line)
            if closing and closing[1].startswith(fence):
                fence = ""
        elif opening := _FENCE.match(line):
            yield from _safe_lines(paragraph)
            # At the margin, where no list item around it can end it early.
            yield line.lstrip(" ")
            fence = opening[1]
        elif not line.strip():
            yield from _safe_lines(paragraph)
            yield line
        else:
            paragraph.append(line)
    yield from _safe_lines(paragraph)
    if fence:
        yield fence


def safe_phrase(text: str) -> str:
    """``text``, which is one line, made safe to stand after other words on a line."""
    return _safe(visible(text), keep_code=_code_is_certain([text]))


def fenced(text: str, language: str = "") -> Iterator[str]:
    """The lines of a code block that holds ``text``, whatever it is."""
    text = visible(text)
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    yield fence + language
    yield from text.removesuffix("\n").split("\n")
    yield fence


def _safe_lines(paragraph: list[str]) -> Iterator[str]:
    """Make the lines safe and empty the list."""
    if not paragraph:
        return
    text = _safe("\n".join(paragraph), keep_code=_code_is_certain(paragraph))
    paragraph.clear()
    text = _HEADING.sub(lambda m: m[1] + "#" * min(len(m[2]) + 2, 6), text)
    text = _UNDERLINE.sub(r"\1\\", text)
    yield from text.split("\n")


def _safe(text: str, *, keep_code: bool) -> str:
    if not keep_code:
        return _escaped(text)
    parts: list[str] = []
    end = 0
    for span in _CODE_SPAN.finditer(text):
        parts += [_escaped(text[end : span.start()]), span[0]]
        end = span.end()
    return "".join([*parts, _escaped(text[end:])])


def _escaped(text: str) -> str:
    text = text.replace("![", "&#33;[")
    text = _TAG.sub("&lt;", text)
    text = _LINK.sub("]&#40;", text)
    return _DEFINITION.sub("]&#58;", text)


def _code_is_certain(lines: list[str]) -> bool:
    """Whether every code span ends on the line where it begins, so that every reader of
    Markdown finds the same ones however it divides the lines into blocks. A backslash or
    a table's bar beside backticks may end a span early."""
    for line in lines:
        if "`" not in line:
            continue
        if "\\`" in line or "|" in line or "`" in _CODE_SPAN.sub("", line):
            return False
    return True
