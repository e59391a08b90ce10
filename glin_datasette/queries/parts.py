"""What the search index cannot split by itself, as text for it to index.

FTS5 takes a run of letters and digits for one word. So ``getUserName`` is one, and so is a
whole sentence of a script that is written without spaces. The column ``messages.parts``
holds what is inside of such words:

- of composed identifiers the parts, each once in a message: ``get user name``, and
  ``json5 json`` of ``parseJSON5``
- what stands in other letters next to an unspaced script: ``api`` of ``API接口``
- of each run of an unspaced script every two neighbouring characters, in their order, and
  then its last one: ``数据 据库 库``. A phrase of them finds exactly what holds these
  characters, and every single character begins one of them.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator

__all__ = ["EDGE", "LETTER", "RUN", "UNSPACED", "pairs", "parts_of"]

#: What the tokenizer takes for a part of a word: letters and digits, and no underscore.
LETTER = r"[^\W_]"

#: Thai, Lao, Burmese, Hangul, Khmer, Kana, Han: written without spaces between words, or
#: (Hangul) with endings grown onto them. Their punctuation is not among them.
UNSPACED = (
    "[\u0e01-\u0e3a\u0e40-\u0e4e\u0e50-\u0e59\u0e80-\u0eff\u1000-\u1049\u1050-\u109d"
    "\u1100-\u11ff\u1780-\u17d3\u17d7\u17dc-\u17ff\u3005-\u3007\u3040-\u309a\u309d-\u309f"
    "\u30a1-\u30fa\u30fc-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)
RUN = re.compile(f"{UNSPACED}+")

# Latin, Greek and Cyrillic, as far as their capitals stand together.
_UPPER = "A-Z\u00c0-\u00d6\u00d8-\u00de\u0391-\u03a9\u0400-\u042f"
_LOWER = "a-z\u00df-\u00f6\u00f8-\u00ff\u03ac-\u03ce\u0430-\u045f"
_U, _L = f"[{_UPPER}]", f"[{_LOWER}]"

#: Where a part of an identifier ends and the next one begins: ``get|User``,
#: ``HTTP|Server``, ``base64|Encode``, ``URL|s``.
EDGE = (
    rf"(?:(?<={_L})(?={_U})|(?<={_L}[0-9])(?={_U})|(?<={_L}[0-9][0-9])(?={_U})"
    rf"|(?<=[0-9{_UPPER}])(?={_U}(?!s(?!{_L})){_L})|(?<={_U}{_U})(?=s(?!{_L})))"
)
_EDGE = re.compile(EDGE)


def _composed(upper: str, lower: str) -> re.Pattern[str]:
    # Begins with the rarest character, which the search then looks for first.
    before = (f"{lower}{upper}", f"{lower}[0-9]{upper}", f"{lower}[0-9][0-9]{upper}")
    edges = "|".join(f"(?<={each})" for each in before)
    return re.compile(f"{upper}(?:{edges}|(?<=[0-9]{upper}){lower}|(?<={upper}{upper}){lower})")


_COMPOSED = _composed(_U, _L)
_COMPOSED_ASCII = _composed("[A-Z]", "[a-z]")
_REST = re.compile(f"{LETTER}*+")
#: Dashes, quotes and arrows stand in most long texts, letters beyond ASCII in few.
_FOREIGN = re.compile(r"[^\W\x00-\x7f_]")
_WORD = re.compile(rf"{LETTER}+")

#: A longer word is no identifier, but encoded data.
_LONGEST = 64
#: So is one that falls into more pieces than this which are shorter than that on average.
_FEW, _SHORT = 3, 3


def _marks() -> dict[int, int]:
    """Vowel signs and the like, which the tokenizer drops, as letters that it keeps: of
    the range for private use."""
    blocks = ((0x0E00, 0x0F00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x3099, 0x309B))
    return {
        n: 0xE000 + n % 0x1000
        for first, end in blocks
        for n in range(first, end)
        if unicodedata.category(chr(n)).startswith("M")
    }


_MARKS = _marks()


def parts_of(content: str) -> str:
    """The value of the column ``parts`` for a message; empty where there is nothing."""
    words: dict[str, None] = {}
    ascii = content.isascii()
    composed = _COMPOSED_ASCII if ascii or not _FOREIGN.search(content) else _COMPOSED
    for word in dict.fromkeys(_identifiers(content, composed)):
        words |= _split(word)
    if ascii or not (runs := RUN.findall(content)):
        return " ".join(words)
    for word in dict.fromkeys(_WORD.findall(content)):
        if not word.isascii() and RUN.search(word):
            for piece in RUN.split(word):
                if piece:
                    words |= {piece.lower(): None} | _split(piece)
    return " ".join([*words, *(pairs(run, closed=True) for run in runs)])


def _identifiers(content: str, composed: re.Pattern[str]) -> Iterator[str]:
    """The words with an edge inside. The edges are looked for, and not the words: only few
    have one, and to go from one to both ends of its word takes a few steps."""
    end = 0
    while edge := composed.search(content, end):
        start = edge.start()
        while start > end and content[start - 1].isalnum():
            start -= 1
        rest = _REST.match(content, edge.start())
        end = rest.end() if rest else edge.end()
        yield content[start:end]


def pairs(run: str, *, closed: bool) -> str:
    """The neighbouring characters of a run, as they are indexed; ``closed`` adds the last
    one. Of a single character that is all there is."""
    run = run.translate(_MARKS)
    two = [run[i : i + 2] for i in range(len(run) - 1)]
    return " ".join([*two, run[-1]] if closed or not two else two)


@functools.lru_cache(maxsize=10_000)
def _split(word: str) -> dict[str, None]:
    """The parts of an identifier, as a set that keeps their order."""
    pieces = _EDGE.split(word) if len(word) <= _LONGEST else []
    if len(pieces) < 2 or (len(pieces) > _FEW and len(word) < _SHORT * len(pieces)):
        return {}
    found = (part for piece in pieces for part in (piece, piece.rstrip("0123456789")))
    return {part.lower(): None for part in found if len(part) > 1}
