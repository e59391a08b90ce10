"""What a person types into a search box, as SQL can use it.

Any text at all is a valid query::

    word word      both, anywhere in the message
    "a phrase"     these words in this order; an unclosed quote runs to the end
    prefix*        words that begin like that
    a OR b         either; binds tighter than the space: x a OR b is x and (a or b)
    -word          not that; --word is a word, as the option of a command

Nearly all of it becomes an FTS5 expression over the columns ``content`` and ``parts`` (see
:mod:`.parts`). A bare word is looked for in both, so that ``user`` finds ``getUserName``. What
is quoted, left out, or several words to the index (``path/to/file.py``) is looked for as it
stands, in the content alone. Of scripts without spaces any stretch of characters is found.

What the index cannot know is looked for in the text itself: terms of nothing but punctuation.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from .parts import EDGE, LETTER, RUN, UNSPACED, pairs

__all__ = [
    "MARK_END",
    "MARK_START",
    "contains",
    "effort",
    "match",
    "match_one",
    "plain_words",
    "rest",
    "snippet",
]

#: Around a found word in a snippet. Stored text never holds them.
MARK_START, MARK_END = "\x02", "\x03"

#: A pasted log is a valid query too; more terms than this narrow nothing any further.
_MAX_TERMS = 64
_MAX_TERM_LENGTH = 1000

_TERM = re.compile(r'(?P<no>-(?!-))?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<prefix>\*)?')

#: What is at the end of a prefix in an expression, and nowhere else.
_PREFIX = '"*'

_WORDS = re.compile(rf"{LETTER}+")
_PIECES = re.compile(rf"(?P<run>{UNSPACED}+)|(?:(?!{UNSPACED}){LETTER})+")


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    prefix: bool = False
    #: Whether it is meant as it stands: in quotes, or left out.
    exact: bool = False

    @property
    def worded(self) -> bool:
        """Whether it holds anything but punctuation, and so the index can find it."""
        return bool(_WORDS.search(self.text))

    @property
    def said(self) -> str:
        """As a query has it."""
        return _quoted(self.text) + ("*" if self.prefix else "")

    @property
    def fts(self) -> str:
        if not RUN.search(self.text):
            whole = self.exact or len(_WORDS.findall(self.text)) > 1
            return ("content : " if whole else "") + self.said
        pieces = self._pieces()
        found = [_run_fts(piece) if isinstance(piece, list) else _quoted(piece) for piece in pieces]
        if self.prefix and isinstance(pieces[-1], str):
            found[-1] += "*"
        return found[0] if len(found) == 1 else f"({' AND '.join(found)})"

    @property
    def patterns(self) -> tuple[re.Pattern[str], ...]:
        """All of them find in plain text what the index would, or the very characters."""
        if not self.worded:
            found = [re.escape(self.text)]
        elif not RUN.search(self.text):
            words = _WORDS.findall(self.text)
            if self.exact or len(words) > 1:
                found = [_whole(words, self.prefix)]
            else:
                found = [_part(words[0], self.prefix)]
        else:
            pieces = self._pieces()
            found = [
                r"[\W_]+".join(piece)
                if isinstance(piece, list)
                else _part(piece, self.prefix and piece is pieces[-1])
                for piece in pieces
            ]
        return tuple(re.compile(pattern, re.IGNORECASE) for pattern in found)

    def _pieces(self) -> list[list[str] | str]:
        """Words, and between them the runs of unspaced scripts that follow on another."""
        pieces: list[list[str] | str] = []
        for found in _PIECES.finditer(self.text):
            if not found["run"]:
                pieces.append(found[0])
            elif pieces and isinstance(pieces[-1], list):
                pieces[-1].append(found[0])
            else:
                pieces.append([found[0]])
        return pieces


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _run_fts(runs: list[str]) -> str:
    """Runs that follow on another: each but the last ends where the term's does."""
    *closed, last = runs
    phrase = " ".join([*(pairs(run, closed=True) for run in closed), pairs(last, closed=False)])
    return f'parts : "{phrase}"' + ("*" if len(last) == 1 else "")


def _whole(words: list[str], prefix: bool) -> str:
    phrase = r"[\W_]+".join(re.escape(word) for word in words)
    return rf"(?<!{LETTER}){phrase}" + ("" if prefix else rf"(?!{LETTER})")


def _part(word: str, prefix: bool) -> str:
    """A word in any case; or a part of one, which its case tells."""
    begin, end = rf"(?<!{LETTER})|(?<={UNSPACED})", rf"(?!{LETTER})|(?={UNSPACED})"
    cases = {word.lower(), word.upper(), word[:1].upper() + word[1:].lower()}
    parts = "|".join(re.escape(each) for each in sorted(cases))
    any_case = re.escape(word)
    if prefix:
        return rf"(?:{begin}){any_case}|(?-i:{EDGE}(?:{parts}))"
    return (
        rf"(?:{begin}){any_case}(?:{end})"
        rf"|(?-i:(?:{begin}|{EDGE})(?:{parts})(?:{end}|{EDGE})|{EDGE}(?:{parts})(?=[0-9]))"
    )


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
    groups = [group for group in parsed.groups if group[0].worded]
    if not groups:
        return None
    wanted = " AND ".join(f"({' OR '.join(term.fts for term in group)})" for group in groups)
    unwanted = " OR ".join(term.fts for term in parsed.excluded)
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def match_one(text: str) -> str | None:
    """:func:`match`, to be asked about one message; ``None`` where that takes as long as
    asking about all: the index puts everything together that words begin like that."""
    expression = match(text)
    return None if expression is None or _PREFIX in expression else expression


def effort(text: str) -> Literal["word", "words", "prefix"]:
    """What the index has to do for each stretch of messages in which it looks for a query:
    go to a place in one list, in several at once, or put a list together."""
    expression = match(text) or ""
    if _PREFIX in expression:
        return "prefix"
    return "word" if expression.count('"') == 2 else "words"


def rest(text: str) -> str | None:
    """The part of a query that must be looked for in the text itself, as a query again: it
    is of punctuation, or there is nothing that it could be left out of.

    :returns: ``None`` if :func:`match` is all of it
    """
    if match(text) is not None:
        return None
    parsed = _parse(text)
    parts = [" OR ".join(term.said for term in group) for group in parsed.groups]
    parts += [f"-{term.said}" for term in parsed.excluded]
    return " ".join(parts) or None


def plain_words(text: str) -> list[str]:
    """The words of a query that are one word of letters each, neither quoted nor the
    beginning of another, and not left out."""
    return [
        term.text
        for group in _parse(text).groups
        for term in group
        if not (term.exact or term.prefix or RUN.search(term.text)) and term.text.isalpha()
    ]


def contains(text: str, content: str) -> bool:
    """Whether ``content`` is what a query asks for, by reading it. Case does not matter."""
    if content.isascii() and not _may_hold(text, content.lower()):
        return False
    wanted, unwanted = _patterns(text)
    return all(any(_found(term, content) for term in group) for group in wanted) and not any(
        _found(term, content) for term in unwanted
    )


def _may_hold(text: str, lowered: str) -> bool:
    """Whether ASCII text in lower case has the words of a query anywhere. That is found out in
    a tenth of the time that the patterns take, and most texts have not."""
    return all(
        any(all(word in lowered for word in words) for words in group) for group in _words(text)
    )


@functools.lru_cache(maxsize=64)
def _words(text: str) -> list[list[list[str]]]:
    """The ASCII words of each term of each group, in lower case."""
    return [
        [[word.lower() for word in _WORDS.findall(term.text) if word.isascii()] for term in group]
        for group in _parse(text).groups
    ]


def snippet(text: str, content: str, width: int = 200) -> str:
    """About ``width`` characters of ``content`` around the first thing that a query asks
    for, with what was found between :data:`MARK_START` and :data:`MARK_END`."""
    wanted = [pattern for group in _patterns(text)[0] for term in group for pattern in term]
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


#: What finds a term: all of them must.
_Patterns = tuple[re.Pattern[str], ...]


def _found(term: _Patterns, content: str) -> bool:
    return all(pattern.search(content) for pattern in term)


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
        exact = word is None or bool(found["no"])
        term = _Term(bare.strip()[:_MAX_TERM_LENGTH], prefix, exact)
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
def _patterns(text: str) -> tuple[list[list[_Patterns]], list[_Patterns]]:
    parsed = _parse(text)
    return (
        [[term.patterns for term in group] for group in parsed.groups],
        [term.patterns for term in parsed.excluded],
    )
