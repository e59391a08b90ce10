"""What a person types into a search box, as SQL can use it.

Any text at all is a valid query::

    word word      both, anywhere in the message; user is in getUserName too
    "a phrase"     these very words in this order; an unclosed quote runs to the end
    prefix*        words that begin like that
    a OR b         either; binds tighter than the space: x a OR b is x and (a or b)
    -word          not that; --word is a word, as the option of a command

It becomes an FTS5 expression over the columns of the index: the text, and what
:mod:`.parts` adds to it. Terms of nothing but punctuation, which the index does not know,
are looked for in the text itself.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, replace

from .parts import UNSPACED, pairs

__all__ = ["MARK_END", "MARK_START", "contains", "match", "plain_words", "rest", "snippet"]

#: Around a found word in a snippet. Stored text never holds them.
MARK_START, MARK_END = "\x02", "\x03"

#: A pasted log is a valid query too; more terms than this narrow nothing any further.
_MAX_TERMS = 64
_MAX_TERM_LENGTH = 1000

_TERM = re.compile(r'(?P<no>-(?!-))?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<prefix>\*)?')

#: A term's runs of a script without spaces, and what stands between them.
_PIECES = re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")
_UNSPACED = re.compile(f"[{UNSPACED}]")
# What the tokenizer takes for a part of a word: letters and digits, and no underscore.
_LETTER = r"[^\W_]"
_WORDS = re.compile(rf"{_LETTER}+")


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    prefix: bool = False
    #: In quotes, it is meant as it stands.
    exact: bool = False

    @property
    def worded(self) -> bool:
        """Whether it holds anything but punctuation."""
        return bool(_WORDS.search(self.text))

    @property
    def fts(self) -> str:
        """The term in FTS5's language."""
        found = [_piece(piece, self) for piece in _PIECES.findall(self.text)]
        # A piece of punctuation alone would find nothing.
        pieces = [piece for piece in found if piece]
        return pieces[0] if len(pieces) == 1 else f"({' AND '.join(pieces)})"

    @property
    def quoted(self) -> str:
        """The term as somebody types it who wants it as it stands."""
        return f'"{self.text}"' + ("*" if self.prefix else "")

    @property
    def regex(self) -> str:
        """Finds in plain text what the index would, or the very characters."""
        if not self.worded or _UNSPACED.search(self.text):
            return re.escape(self.text)
        words = _WORDS.findall(self.text)
        joined = r"[\W_]+".join(re.escape(word) for word in words)
        found = rf"(?<!{_LETTER}){joined}" + ("" if self.prefix else rf"(?!{_LETTER})")
        if not self.exact and len(words) == 1 and words[0].isascii() and words[0].isalpha():
            found += "|" + _inside_a_word(words[0], self.prefix)
        return found


def _piece(piece: str, term: _Term) -> str | None:
    if _UNSPACED.match(piece):
        if len(piece) == 1:
            return f'parts : "{piece}"*'
        # Without the last character, which is that of a whole run only.
        return f'parts : "{pairs(piece).rpartition(" ")[0]}"'
    words = _WORDS.findall(piece)
    if not words:
        return None
    expression = _fts_string(piece) + ("*" if term.prefix else "")
    # Several words are looked for in the text, where they stand side by side as written;
    # what stands beside an unspaced script is a part of the word that it makes with it.
    whole = piece == term.text
    return f"content : {expression}" if whole and (term.exact or len(words) > 1) else expression


def _fts_string(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _inside_a_word(word: str, prefix: bool) -> str:
    """A part of an identifier, by the case of its letters, whatever the other flags."""
    low, large, first = word.lower(), word.upper(), word.capitalize()
    end = "" if prefix else "(?![a-z])"
    return (
        rf"(?-i:(?<=[A-Za-z0-9]){first}{end}|(?<=[a-z0-9]){large}{end}"
        rf"|(?<![A-Za-z0-9]){low}(?=[A-Z])|{large}(?=[A-Z][a-z]))"
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
    groups = [group for group in parsed.groups if _indexed(group)]
    if not groups:
        return None
    wanted = " AND ".join(f"({' OR '.join(term.fts for term in group)})" for group in groups)
    # What is left out is left out for its whole words: -user keeps getUserName.
    unwanted = " OR ".join(replace(term, exact=True).fts for term in parsed.excluded if term.worded)
    return f"({wanted}) NOT ({unwanted})" if unwanted else wanted


def rest(text: str) -> str | None:
    """The part of a query that must be looked for in the text itself, as a query again.

    :returns: ``None`` if :func:`match` is all of it
    """
    parsed = _parse(text)
    answered = match(text) is not None
    groups = [g for g in parsed.groups if not _indexed(g)]
    excluded = [t for t in parsed.excluded if not (answered and t.worded)]
    parts = [" OR ".join(term.quoted for term in group) for group in groups]
    parts += [f"-{term.quoted}" for term in excluded]
    return " ".join(parts) or None


def plain_words(text: str) -> list[str]:
    """The words of a query that are one word of letters each, neither quoted nor the
    beginning of another, and not left out."""
    return [
        term.text
        for group in _parse(text).groups
        for term in group
        if not term.exact and not term.prefix and term.text.isalpha()
        and not _UNSPACED.search(term.text)
    ]  # fmt: skip


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
    return all(term.worded for term in group)


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
        term = _Term(bare.strip()[:_MAX_TERM_LENGTH], prefix, exact=word is None)
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
    unwanted = [replace(term, exact=True).regex for term in parsed.excluded]
    return wanted, [re.compile(regex, re.IGNORECASE) for regex in unwanted]
