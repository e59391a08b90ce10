"""Text for measuring: invented, the same on every run, and shaped like what people, models and
tools write.

Words of prose follow Zipf's law, so that a few stand almost everywhere and most are rare, and
frequent ones are short. Code and the output of tools are made of lines with identifiers, paths,
numbers and hashes; each output has tokens that stand nowhere else, as real ones do.

Marker words stand in a known share of the messages, whatever else these hold.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Literal

#: Word -> the share of messages that hold it.
MARKERS = {"quokka": 0.0001, "walrus": 0.01, "badger": 0.1, "sparrow": 0.5}

#: Two words that stand side by side in 1 % of the messages, and each alone in another 4 %.
PHRASE = ("copper", "kettle")

#: What 40 words of all degrees of rarity begin with; one message in ten holds one of them.
PREFIX = "zyg"

#: ``mixed``: as :class:`Writer` is asked; ``short``: all of it is prose of 260 bytes, give or
#: take; ``long``: code of about 3,500 bytes.
Style = Literal["mixed", "short", "long"]

_SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo")
_WORDS = 20_000
_LINES = 20_000

_CODE = (
    "    {0} = {1}.{2}({3})",
    "    if {0} is None or {1}.{2} > {n}:",
    "        return {0}({1}, {2}={n})",
    "def {0}({1}: str, {2}: int = {n}) -> {3}:",
    "    for {0} in self.{1}.{2}():",
    "export function {0}({1}, {2}) {{",
    "  const {0} = await {1}.{2}(`{3}`);",
    '    raise {3}(f"{0} of {1} is not {2}")',
    "    # {0} {1} {2} {3}",
    "}}",
    "",
)
_OUTPUT = (
    "{p}:{n}:    {0} = {1}.{2}({3})",
    "-rw-r--r-- 1 user user {n} Feb 11 05:53 {p}",
    "tests/{p}::test_{0}_{1} PASSED [ {n}%]",
    "2026-02-11 05:53:33,{n} INFO {0}: {1} {2} in {n} ms",
    "   Compiling {0} v0.{n}.1 ({p})",
    'E       AssertionError: {0} "{1}" != "{2}"',
    "+    {0} = {1}({2})",
    "-    {0} = {1}",
)
_NUMBERS = (1, 7, 12, 64, 100, 255, 404, 1024, 3600, 8080, 65_536)


class Writer:
    """Writes text by the numbers that ``seed`` leads to."""

    def __init__(self, seed: int = 1, style: Style = "mixed") -> None:
        self.numbers = random.Random(seed)
        self._style = style
        self._words = _vocabulary()
        # Cumulated once: choosing a word is then a bisection.
        self._weights = list(itertools.accumulate(1 / (n + 2) for n in range(_WORDS)))
        # Of the same vocabulary whatever the seed, so that two writers write about one project.
        lines = random.Random(0)
        identifiers = [_identifier(lines, self._words) for _ in range(_WORDS)]
        self.paths = [_path(lines, self._words) for _ in range(5_000)]
        self._code = self._lines(lines, _CODE, identifiers)
        self._output = self._lines(lines, _OUTPUT, identifiers)
        self._prefixed = [PREFIX + "".join(p) for p in itertools.product(_SYLLABLES[:7], repeat=2)]
        del self._prefixed[40:]

    def _lines(
        self, numbers: random.Random, templates: tuple[str, ...], identifiers: list[str]
    ) -> list[str]:
        return [
            numbers.choice(templates).format(
                *numbers.choices(identifiers, cum_weights=self._weights, k=4),
                n=numbers.choice(_NUMBERS),
                p=numbers.choice(self.paths),
            )
            for _ in range(_LINES)
        ]

    def prose(self, words: int = 42) -> str:
        """Of about so many words: from half to one and a half times."""
        return self._either(self._prose, words)

    def code(self, lines: int = 25) -> str:
        """Of about so many lines, 30 bytes each."""
        return self._either(self._listing, lines)

    def output(self, lines: int = 40) -> str:
        """What a tool returned, of about so many lines, 45 bytes each."""
        return self._either(self._printed, lines)

    def title(self) -> str:
        """A few words."""
        return " ".join(self._chosen(6)).capitalize()

    def uuid(self) -> str:
        """One that is made by these numbers, and so the same every time."""
        digits = f"{self.numbers.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _either(self, wanted: Callable[[int], str], length: int) -> str:
        if self._style == "short":
            return self._prose(38)
        if self._style == "long":
            return self._listing(70)
        return wanted(length)

    def _prose(self, about: int) -> str:
        words = self._chosen(self._around(about))
        for marker in self._markers():
            words.insert(int(self.numbers.random() * len(words)), marker)
        return " ".join(words)

    def _listing(self, about: int) -> str:
        return self._from(self._code, about, "    # {}")

    def _printed(self, about: int) -> str:
        # Unlike any other: what makes an index of real output large.
        once = f"{self.numbers.getrandbits(160):040x} {self.numbers.getrandbits(30)}"
        return f"{once}\n{self._from(self._output, about, 'WARN {}')}"

    def _from(self, pool: list[str], about: int, comment: str) -> str:
        lines = self.numbers.choices(pool, k=self._around(about))
        if markers := self._markers():
            where = int(self.numbers.random() * len(lines))
            lines.insert(where, comment.format(" ".join(markers)))
        return "\n".join(lines)

    def _chosen(self, count: int) -> list[str]:
        return self.numbers.choices(self._words, cum_weights=self._weights, k=count)

    def _around(self, about: int) -> int:
        return max(1, int(about * (0.5 + self.numbers.random())))

    def _markers(self) -> list[str]:
        chance = self.numbers.random
        found = [word for word, share in MARKERS.items() if chance() < share]
        if (drawn := chance()) < 0.09:
            # The first ninth side by side, the others alone.
            found.append(" ".join(PHRASE) if drawn < 0.01 else PHRASE[drawn < 0.05])
        if chance() < 0.1:
            found.append(self._prefixed[int(40 * chance() ** 3)])
        return found


def _vocabulary() -> list[str]:
    """Words of two syllables, then of three, then of four: the frequent ones are short."""
    words = (
        "".join(parts) for size in (2, 3, 4) for parts in itertools.product(_SYLLABLES, repeat=size)
    )
    return list(itertools.islice(words, _WORDS))


def _identifier(numbers: random.Random, words: list[str]) -> str:
    first, second, third = (words[int(len(words) * numbers.random() ** 3)] for _ in range(3))
    # Few are composed of words in capitals: FTS5 splits the others by itself.
    if (drawn := numbers.random()) < 0.85:
        return first if drawn < 0.5 else f"{first}_{second}"
    if drawn < 0.95:
        return f"{first}{second.title()}"
    return f"{first.title()}{second.title()}{third.title()}"


def _path(numbers: random.Random, words: list[str]) -> str:
    folder, package, name = (words[int(n * numbers.random())] for n in (20, 60, 2_000))
    end = numbers.choice(("py", "py", "ts", "tsx", "rs", "go", "md", "sql"))
    return f"{folder}/{package}/{name}.{end}"
