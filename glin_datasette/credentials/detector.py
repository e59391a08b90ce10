"""Finding credentials in text."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .rules import Rule

__all__ = ["Finding", "find"]

#: What :class:`~.redactor.Redactor` leaves in the place of a credential.
MARK = re.compile(r"\[redacted: [\w ]{1,40}\]")

#: Up to so many places in front of a trigger are tried one by one.
_NEAR = 10

_TOKEN = re.compile(r"[A-Za-z0-9_-]{0,500}")
_WORD = re.compile(r"[A-Za-z0-9_-]")
_AT_START, _AT_END = ' \t\r\n=:"', ' \t\r\n"'
_ESCAPE = re.compile(r"(?:\\[nrt]|%[0-9A-Fa-f]{2})\Z")


@dataclass(frozen=True, slots=True)
class Finding:
    """A credential: what it is, as ``AWS access key``, and where in the text."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Scan:
    """One search for what may be the beginning of a credential."""

    #: The text that ``pattern`` stands for, if there is only one: it is found sooner.
    plain: str | None
    pattern: re.Pattern[str]
    #: Whether to search the text in lower case.
    folded: bool
    triggers: list[tuple[re.Pattern[str], tuple[Rule, ...]]]


def find(text: str) -> Iterator[Finding]:
    """The credentials in ``text``, in its order, none overlapping another.

    Their rules are loaded at the first call. Nothing is sent anywhere.
    """
    if len(text) < 6:
        return
    # The rules load detect-secrets and requests, which no other command has to pay for.
    from .keywords import assignments

    folded = fold(text)
    found: list[Finding] = []
    for scan in _scans():
        where = folded if scan.folded else text
        if scan.plain in where if scan.plain else scan.pattern.search(where):
            found += _apply(scan, text, folded)
    known = len(found)
    found += [Finding(*each) for each in assignments(text, folded)]
    if found:
        marks = [match.span() for match in MARK.finditer(text)]
        specific = set(found[:known])
        yield from _merged(found, specific, marks)


def fold(text: str) -> str:
    """``text`` in lower case, each character in its place."""
    low = text.lower()
    # The one letter whose lower case is longer.
    return low if len(low) == len(text) else text.replace("\u0130", "i").lower()


@functools.cache
def _scans() -> tuple[_Scan, ...]:
    """What to look for in every text.

    A search for one letter costs the same whatever may follow it: what begins alike is
    looked for at once.
    """
    from .rules import RULES

    alike: dict[tuple[str, bool], dict[str, list[Rule]]] = {}
    for rule in RULES:
        same = alike.setdefault((rule.trigger[0], rule.folded), {})
        same.setdefault(rule.trigger, []).append(rule)
    return tuple(
        _Scan(
            _plain(*same) if len(same) == 1 else None,
            re.compile(f"{first}(?:{'|'.join(trigger[1:] for trigger in same)})"),
            folded,
            [(re.compile(trigger), tuple(rules)) for trigger, rules in same.items()],
        )
        for (first, folded), same in alike.items()
    )


def _plain(trigger: str) -> str | None:
    """The text that an expression stands for, if it leaves no choice."""
    return None if set(trigger) & set("([|") else trigger.replace("\\", "")


def _apply(scan: _Scan, text: str, folded: str) -> Iterator[Finding]:
    where = folded if scan.folded else text
    at = 0
    while hit := scan.pattern.search(where, at):
        at = hit.end()
        for trigger, rules in scan.triggers:
            if not (found := trigger.match(where, hit.start())):
                continue
            for rule in rules:
                for pattern in rule.patterns:
                    each = _search(rule, pattern, text, found.start(), found.end())
                    if each:
                        yield each
                        at = max(at, each.end)


def _search(
    rule: Rule, pattern: re.Pattern[str], text: str, at: int, behind: int
) -> Finding | None:
    limit = behind + rule.span
    match = None
    if rule.before > _NEAR:
        match = pattern.search(text, max(0, at - rule.before), limit)
    else:
        for start in range(max(0, at - rule.before), at + 1):
            if not (rule.token and _within_word(text, start)):
                match = match or pattern.match(text, start, limit)
    if match is None or (rule.token and _within_word(text, match.start())):
        return None
    # In expressions for the whole of a token, groups are for choices only.
    group = 0 if rule.token else next((n for n in range(1, pattern.groups + 1) if match[n]), 0)
    start, end = _trimmed(text, *match.span(group))
    if rule.whole:
        start, end = rule.whole(text, start)
    elif _WORD.match(text, end - 1) and (rest := _TOKEN.match(text, end)) and rest[0]:
        if rule.exact:
            return None
        end = rest.end()
    return Finding(rule.kind, start, end) if rule.accepts(text[start:end]) else None


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Without what an expression wants at the ends only to know that they are there."""
    found = text[start:end]
    return end - len(found.lstrip(_AT_START)), start + len(found.rstrip(_AT_END))


def _within_word(text: str, at: int) -> bool:
    """Whether what begins at ``at`` goes on with a word: that ``risk-free`` holds ``sk-``
    says nothing. An escaped line end is no part of one."""
    if at == 0 or not _WORD.match(text, at - 1):
        return False
    return not _ESCAPE.search(text, max(0, at - 3), at)


def _merged(
    found: list[Finding], specific: set[Finding], marks: list[tuple[int, int]]
) -> Iterator[Finding]:
    """In order, what overlaps as one. A rule for one service knows better what it is than
    the name that something is given."""
    found.sort(key=lambda each: (each.start, -each.end))
    last: Finding | None = None
    for each in found:
        if any(start <= each.start and each.end <= end for start, end in marks):
            continue
        if last is None or each.start >= last.end:
            if last:
                yield last
            last = each
            continue
        kind = each.kind if last not in specific and each in specific else last.kind
        merged = Finding(kind, last.start, max(last.end, each.end))
        if last in specific or each in specific:
            specific.add(merged)
        last = merged
    if last:
        yield last
