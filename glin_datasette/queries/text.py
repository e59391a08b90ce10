"""What a person types into a search box, as SQL can use it.

Any text at all is a valid query::

    word word      both, anywhere in the message
    "a phrase"     these words in this order; an unclosed quote runs to the end
    prefix*        words that begin like that
    a OR b         either; binds tighter than the space: x a OR b is x and (a or b)
    -word          not that; --word is a word, as the option of a command

Most of it becomes an FTS5 expression. What the index cannot know is looked for in the
text itself: words of scripts that are written without spaces, which FTS5 would take for
one long word, and terms of nothing but punctuation.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

__all__ = ["MARK_END", "MARK_START", "contains", "match", "rest", "snippet"]

#: Around a found word in a snippet. Stored text never holds them.
MARK_START, MARK_END = "\x02", "\x03"

#: A pasted log is a valid query too; more terms than this narrow nothing any further.
_MAX_TERMS = 64
_MAX_TERM_LENGTH = 1000

_TERM = re.compile(r'(?P<no>-(?!-))?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<prefix>\*)?')

# Han, Kana, Hangul, Thai, Lao, Khmer, Burmese: written without spaces between words, or
# (Hangul) with endings grown onto them.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)
# What the tokenizer takes for a part of a word: letters and digits, and no underscore.
_LETTER = r"[^\W_]"
_WORDS = re.compile(rf"{_LETTER}+")


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    prefix: bool = False

    @property
    def worded(self) -> bool:
        """Whether it holds anything but punctuation."""
        return bool(_WORDS.search(self.text))

    @property
    def indexed(self) -> bool:
        """Whether the index can find it."""
        return self.worded and not _UNSPACED.search(self.text)

    @property
    def fts(self) -> str:
        quoted = self.text.replace('"', '""')
        return f'"{quoted}"' + ("*" if self.prefix else "")

    @property
    def regex(self) -> str:
        """Finds in plain text what the index would, or the very characters."""
        if not self.indexed:
            return re.escape(self.text)
        words = r"[\W_]+".join(re.escape(word) for word in _WORDS.findall(self.text))
        return rf"(?<!{_LETTER}){words}" + ("" if self.prefix else rf"(?!{_LETTER})")


@dataclass(frozen=True, slots=True)
class _Parsed:
    #: Every group must be met, by any of its terms.
    groups: tuple[tuple[_Term, ...], ...]
    excluded: tuple[_Term, ...]


def match(text: str) -> str | None:
    """The part of a query that the index answers, as an FTS5 expression.

    :returns: ``None`` if there is no such part; :func:`rest` is then all of it
    """
    parsed = _parse(text)
    groups = [group for group in parsed.groups if _indexed(group)]
    if not groups:
        return None
    wanted = " AND ".join(f"({' OR '.join(term.fts for term in group)})" for group in groups)
    unwanted = " OR ".join(term.fts for term in parsed.excluded if term.indexed)
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def rest(text: str) -> str | None:
    """The part of a query that must be looked for in the text itself, as a query again.

    :returns: ``None`` if :func:`match` is all of it
    """
    parsed = _parse(text)
    answered = match(text) is not None
    groups = [g for g in parsed.groups if not _indexed(g)]
    excluded = [t for t in parsed.excluded if not (answered and t.indexed)]
    parts = [" OR ".join(term.fts for term in group) for group in groups]
    parts += [f"-{term.fts}" for term in excluded]
    return " ".join(parts) or None


def contains(text: str, content: str) -> bool:
    """Whether ``content`` is what a query asks for, by reading it. Case does not matter."""
    wanted, unwanted = _patterns(text)
    return all(p.search(content) for p in wanted) and not any(p.search(content) for p in unwanted)


def snippet(text: str, content: str, width: int = 200) -> str:
    """About ``width`` characters of ``content`` around the first thing that a query asks
    for, with what was found between :data:`MARK_START` and :data:`MARK_END`."""
    wanted, _ = _patterns(text)
    first = min((m.start() for p in wanted if (m := p.search(content))), default=0)
    start = max(0, first - width // 4) if first > width // 2 else 0
    end = min(len(content), start + width)
    cut = content[start:end]
    spans = sorted({m.span() for p in wanted for m in p.finditer(cut) if m.end() > m.start()})
    marked, done = [], 0
    for begin, stop in spans:
        if begin >= done:
            marked += [cut[done:begin], MARK_START, cut[begin:stop], MARK_END]
            done = stop
    shown = "".join([*marked, cut[done:]])
    return ("…" if start else "") + shown + ("…" if end < len(content) else "")


def _indexed(group: tuple[_Term, ...]) -> bool:
    return all(term.indexed for term in group)


@functools.lru_cache(maxsize=64)
def _parse(text: str) -> _Parsed:
    groups: list[list[_Term]] = []
    excluded: list[_Term] = []
    joined = False
    for found in list(_TERM.finditer(text.replace("\x00", " ")))[:_MAX_TERMS]:
        word = found["word"]
        if word == "OR" and not found["no"] and groups:
            joined = True
            continue
        said = found["phrase"] if word is None else word
        # A star that ends a word was taken up by the word itself.
        prefix = bool(found["prefix"]) or (word is not None and word.endswith("*"))
        bare = said.rstrip("*") if word is not None and prefix else said
        if not bare.strip():
            # Nothing but stars or quotes; a lone star is meant as it stands.
            bare, prefix = said.strip(), False
        if not bare:
            continue
        term = _Term(bare.strip()[:_MAX_TERM_LENGTH], prefix)
        if found["no"]:
            excluded.append(term)
        elif joined:
            groups[-1].append(term)
        else:
            groups.append([term])
        joined = False
    if any(term.worded for group in groups for term in group):
        # A dash between words, or a bracket, is no term of its own.
        groups = [[term for term in group if term.worded] for group in groups]
        excluded = [term for term in excluded if term.worded]
    return _Parsed(tuple(tuple(group) for group in groups if group), tuple(excluded))


@functools.lru_cache(maxsize=64)
def _patterns(text: str) -> tuple[list[re.Pattern[str]], list[re.Pattern[str]]]:
    parsed = _parse(text)
    wanted = [
        re.compile("|".join(term.regex for term in group), re.IGNORECASE) for group in parsed.groups
    ]
    return wanted, [re.compile(term.regex, re.IGNORECASE) for term in parsed.excluded]
