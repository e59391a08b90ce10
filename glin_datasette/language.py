"""The query language: plain words, and operators that filter.

The words are those of :mod:`glin_datasette.queries.text`. Operators stand anywhere in the
text and any number of times::

    tag:  source:  role:  kind:  model:  repo:  file:  commit:  conversation:
    since:  until:      dates, today, yesterday, 7d, 12h, 2026-02

``-tag:x`` leaves out what has it; ``repo:"two words"`` quotes, with ``""`` for a quote
inside. What only looks like an operator (``http://…``, ``foo:bar``) is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from . import dates
from .errors import FilterError
from .models import KINDS, ROLES, Filters

__all__ = ["OPERATORS", "Part", "Reading", "join", "parse", "parts", "quote", "read", "unparse"]


def _text(value: str) -> str:
    return value


def _one_of(name: str, choices: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value.lower() not in choices:
            raise FilterError(f"{name}: {value!r} is none of {', '.join(choices)}")
        return value.lower()

    return check


def _number(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise FilterError(f"conversation: {value!r} is not the number of a conversation")
    return int(value)


#: Operator -> what its value is; raises FilterError for one that it cannot have.
OPERATORS: dict[str, Callable[[str], Any]] = {
    "tag": _text,
    "source": _text,
    "role": _one_of("role", ROLES),
    "kind": _one_of("kind", KINDS),
    "model": _text,
    "repo": _text,
    "file": _text,
    "commit": _text,
    "conversation": _number,
    "since": dates.resolve,
    "until": lambda value: dates.resolve(value, end=True),
}

_OPERATOR = re.compile(
    rf"(?<!\S)(?P<no>-)?(?P<name>{'|'.join(OPERATORS)}):"
    r'(?:"(?P<quoted>(?:[^"]|"")*)"?|(?P<value>\S+))'
    r'|"[^"]*(?:"|$)',  # A phrase is text, whatever it holds.
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text asks for. ``refused`` are operators whose value cannot be, one sentence
    each; they were taken for text."""

    filters: Filters
    refused: tuple[str, ...] = ()


def read(text: str) -> Reading:
    """What a person typed, as filters. Dates are resolved to UTC. Never fails."""
    wanted: dict[str, list[Any]] = {}
    unwanted: dict[str, list[Any]] = {}
    refused: list[str] = []

    def take(found: re.Match[str]) -> str:
        if not found["name"]:
            return found[0]
        name = found["name"].lower()
        value = _value(found)
        if not value:
            return " "
        try:
            meant = OPERATORS[name](value)
        except FilterError as ex:
            refused.append(str(ex))
            return found[0]
        (unwanted if found["no"] else wanted).setdefault(name, []).append(meant)
        return " "

    text = text.encode("utf-8", "replace").decode()
    words = text
    # What stands right behind an operator may be one itself once that is taken out.
    while (shorter := " ".join(_OPERATOR.sub(take, words).split())) != words:
        words = shorter
    filters = replace(
        # Every bound must be met, so the narrowest is enough; left out is what meets any.
        _filters(wanted, since=max, until=min),
        text=words,
        exclude=_filters(unwanted, since=min, until=max) if unwanted else None,
    )
    return Reading(filters, tuple(dict.fromkeys(refused)))


def parse(text: str) -> Filters:
    """What ``text`` asks for, strictly.

    :raises FilterError: if an operator has a value that it cannot have
    """
    reading = read(text)
    if reading.refused:
        raise FilterError(reading.refused[0])
    return reading.filters


def quote(value: str) -> str:
    """``value`` as an operator takes it: in quotes where it needs them."""
    bare = value.strip()
    if bare and not re.search(r'[\s"]', bare):
        return bare
    return '"' + bare.replace('"', '""') + '"'


def unparse(filters: Filters) -> str:
    """The text that :func:`parse` reads as ``filters``."""
    parts = []
    for sign, said in (("", filters), ("-", filters.exclude)):
        for name in OPERATORS if said else ():
            value = getattr(said, name)
            values = (value,) if isinstance(value, str) else value or ()
            parts += [f"{sign}{name}:{quote(str(value))}" for value in values]
    # Last, because a quote that is never closed runs to the end.
    return " ".join([*parts, filters.text] if filters.text else parts)


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a query asks for, which can be taken away on its own: an operator, or
    (``name`` is ``None``) a word, a phrase, or several of them with OR between."""

    name: str | None
    value: str
    excluded: bool
    #: As it is typed.
    said: str


#: The terms of :mod:`.queries.text`, as they stand.
_TERM = re.compile(r'-?"[^"]*(?:"\*?|$)|[^\s"]+')


def parts(text: str) -> tuple[Part, ...]:
    """What a query is made of: its words, then its operators, each as it was typed, so that
    ``7d`` stays ``7d``. :func:`join` makes a query of them again."""
    operators: list[Part] = []

    def take(found: re.Match[str]) -> str:
        if not found["name"]:
            return found[0]
        name, value, excluded = found["name"].lower(), _value(found), bool(found["no"])
        try:
            if value:
                OPERATORS[name](value)
        except FilterError:
            return found[0]
        if value:
            said = f"{'-' * excluded}{name}:{quote(value)}"
            operators.append(Part(name, value, excluded, said))
        return " "

    words = _OPERATOR.sub(take, text.encode("utf-8", "replace").decode())
    return (*_words(words), *operators)


def join(said: Iterable[Part | str]) -> str:
    """The query that asks for all of these."""
    return " ".join(part if isinstance(part, str) else part.said for part in said)


def _words(text: str) -> list[Part]:
    found: list[Part] = []
    open_at = -1  # The newest word that OR can add to.
    joined = False
    for term in _TERM.findall(text):
        if term == "OR" and open_at >= 0:
            joined = True
            continue
        if term.lstrip("-").startswith('"') and term.count('"') == 1:
            term += '"'  # What is not closed would swallow what comes behind it.
        if re.match(r"-(?!-|$)", term):
            found.append(Part(None, term[1:], True, term))
        elif joined:
            said = f"{found[open_at].said} OR {term}"
            found[open_at] = Part(None, said, False, said)
        else:
            open_at = len(found)
            found.append(Part(None, term, False, term))
        joined = False
    return found


def _value(found: re.Match[str]) -> str:
    quoted = found["quoted"]
    value = found["value"] if quoted is None else quoted.replace('""', '"')
    return str(value).strip()


def _filters(said: dict[str, list[Any]], **bounds: Callable[[list[str]], str]) -> Filters:
    values: dict[str, Any] = {
        name: bounds[name](values) if name in bounds else tuple(values)
        for name, values in said.items()
    }
    return Filters(**values)
