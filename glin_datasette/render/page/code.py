"""Code with its parts marked by Pygments; colours are the page's business.

Highlighting takes far longer than anything else that a page does, so there is a limit for
one block, and a :class:`Budget` for a page. What is beyond them is shown as it is.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from html import escape
from pathlib import PurePosixPath

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_by_name, get_lexer_for_filename
from pygments.util import ClassNotFound

from ..plain import visible

__all__ = ["Budget", "code_block", "language_of"]

#: Characters of one block, and of all blocks of a page.
_MOST = 20_000
_MOST_OF_ALL = 50_000
#: A line longer than this is data, and no code that anybody reads.
_LONGEST_LINE = 2_000

_FORMATTER = HtmlFormatter(nowrap=True, classprefix="h-")


@dataclass(slots=True)
class Budget:
    """How many characters of a page may still be highlighted."""

    left: int = _MOST_OF_ALL

    def take(self, text: str) -> bool:
        """Whether ``text`` may be; what it takes is gone then."""
        size = len(text)
        if size > min(self.left, _MOST):
            return False
        self.left -= size
        return True


def code_block(text: str, language: str = "", budget: Budget | None = None) -> Markup:
    """``<pre>`` with ``text``, highlighted if ``language`` is one that Pygments knows.

    No language is guessed: a wrong guess colours what has no meaning.
    """
    text = visible(text).rstrip("\n")
    inside = _highlighted(text, language, budget or Budget())
    named = Markup(' data-language="{}"').format(language[:30]) if language else ""
    return Markup('<pre class="t-code"{}><code>{}</code></pre>\n').format(named, inside)


@functools.lru_cache(maxsize=1024)
def language_of(path: str) -> str:
    """What Pygments calls the language of a file with this name; empty if it knows none."""
    name = PurePosixPath(path.replace("\\", "/")).name
    try:
        aliases = get_lexer_for_filename(name).aliases
    except (ClassNotFound, ValueError):
        return ""
    return str(aliases[0]) if aliases else ""


def _highlighted(text: str, language: str, budget: Budget) -> Markup:
    lexer = _lexer(language.lower())
    if lexer is None or not budget.take(text) or _has_long_line(text):
        return Markup(escape(text))
    # Pygments escapes what it marks.
    return Markup(highlight(text, lexer, _FORMATTER).rstrip("\n"))


def _has_long_line(text: str) -> bool:
    return any(len(line) > _LONGEST_LINE for line in text.split("\n"))


@functools.lru_cache(maxsize=128)
def _lexer(language: str) -> Lexer | None:
    if not language or len(language) > 30:
        return None
    try:
        found = find_lexer_class_by_name(language)
    except ClassNotFound:
        return None
    return found(stripnl=False, ensurenl=False)
