"""Making text, times and identifiers that come from outside fit for the archive."""

from __future__ import annotations

import hashlib
import re

from ..dates import epoch_time, normalise_time

__all__ = [
    "clean",
    "count",
    "digest",
    "epoch_time",
    "identifier",
    "normalise_time",
    "one_line",
    "string",
]

#: An identifier is used in keys and in the state of a checkpoint; a longer one is damage.
_MAX_IDENTIFIER = 128

# Terminal colours, titles and links carry no text, and split words for the search index.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\))")
# \x02 and \x03 mark found words in snippets. SQLite's own functions end a text at NUL.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_UNCLEAN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` without terminal sequences and control characters, other than white space;
    halves of surrogate pairs become U+FFFD."""
    if text.isprintable() or not _UNCLEAN.search(text):
        return text
    text = _CONTROL.sub("", _TERMINAL.sub("", text))
    return _SURROGATE.sub("\ufffd", text)


def string(value: object) -> str | None:
    """A clean, stripped text; ``None`` for anything else, and for nothing but space."""
    if not isinstance(value, str):
        return None
    # Asked a dozen times of each record, nearly always about a short and clean text.
    return (value if value.isprintable() else clean(value)).strip() or None


def identifier(value: object) -> str | None:
    """As :func:`string`, of bounded length: a digest stands for one that is too long.
    What it returned once it returns unchanged."""
    found = string(value)
    return found if found is None or len(found) <= _MAX_IDENTIFIER else digest(found)


#: No reply has a larger count; a larger number is damage, and might not fit into SQLite.
_MAX_COUNT = 10**12


def count(value: object) -> int | None:
    """A plausible count of tokens or bytes; ``None`` for anything else."""
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None


def digest(value: str | bytes) -> str:
    """32 hexadecimal digits that stand for ``value``."""
    data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def one_line(text: str, limit: int = 100) -> str | None:
    """The first line that holds something, cut on a word at about ``limit`` characters."""
    for line in text.splitlines():
        words = " ".join(line[: limit * 10].split())
        if not any(character.isalnum() for character in words):
            continue
        if len(words) <= limit:
            return words
        head = words[: limit + 1].rpartition(" ")[0]
        # A language without spaces, or one long path: cut where it is.
        return (head if len(head) > limit // 2 else words[:limit]).rstrip() + "…"
    return None
