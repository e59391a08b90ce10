"""What the search index cannot make out of a text by itself, as more text for it.

FTS5 takes ``getUserName`` for one word, and a sentence in Chinese for one too. The column
``messages.parts`` is indexed beside the text and holds

- the parts of identifiers that are written together: ``get user name``, each once;
- of scripts that are written without spaces every two characters that follow each other,
  in their order, and the last one of each run: ``数据库`` is ``数据 据库 库``. So any part
  of a run is a phrase of such pairs, and a single character the beginning of one.
"""

from __future__ import annotations

import re

__all__ = ["UNSPACED", "pairs", "parts_of"]

#: Han, Kana, Hangul, Thai, Lao, Khmer, Burmese: written without spaces between words, or
#: (Hangul) with endings grown onto them. A set of a regular expression.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)

#: Longer than this it is no identifier, but data: base64, a key.
_LONGEST = 64

# A word that changes from small to large letters, or that ends a row of large ones.
_COMPOSED = re.compile(
    r"(?<![A-Za-z0-9])(?:[A-Z]*+[a-z][a-z0-9]*+[A-Z]|[A-Z]{2,}+(?<=[A-Z]{2})[a-z])[A-Za-z0-9]*+"
)
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_RUN = re.compile(f"[{UNSPACED}]+")
#: Words of letters that are written beside such a run, without a space between them.
_BESIDE = re.compile(f"[A-Za-z0-9]+(?=[{UNSPACED}])|(?<=[{UNSPACED}])[A-Za-z0-9]+")


def parts_of(content: str) -> str:
    """The text to index beside ``content``; empty where there is nothing to add."""
    words = dict.fromkeys(
        part.lower()
        for found in dict.fromkeys(_COMPOSED.findall(content))
        if len(found) <= _LONGEST
        for part in _PART.findall(found)
        if len(part) > 1
    )
    if content.isascii():
        return " ".join(words)
    words |= dict.fromkeys(word.lower() for word in _BESIDE.findall(content))
    runs = [pairs(run) for run in _RUN.findall(content)]
    return " ".join([*words, *runs])


def pairs(run: str) -> str:
    """The pairs of a run of characters, and its last one."""
    return " ".join([*(run[at : at + 2] for at in range(len(run) - 1)), run[-1]])
