"""Addresses of every route that a Datasette really has, made from the routes themselves, so
that none can be forgotten: a new one is in every test that goes through them."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")

#: What stands in an address for each name in the routes.
PARTS = {
    "database": "glin",
    "table": "messages",
    "query": "search_messages",
    "pks": "1",
    "id": "1",
    "sha256": "0" * 64,
    "path": "app.css",
    "rest": "",
}


def routes(ds: Any) -> list[str]:
    """The pattern of each route, ours and Datasette's and those of other plugins."""
    return [getattr(pattern, "pattern", pattern) for pattern, _ in ds._routes()]


def live(ds: Any) -> list[str]:
    """Addresses that each route answers."""
    return [address for pattern in routes(ds) for address in addresses(pattern)]


def addresses(pattern: str) -> list[str]:
    """Addresses that a route answers: with each of its optional parts and without, as JSON
    and in every other format that it names."""
    parser = getattr(re, "_parser")  # noqa: B009
    names = {number: name for name, number in re.compile(pattern).groupindex.items()}
    made = list(dict.fromkeys(_examples(parser.parse(pattern), names)))
    assert made and all(re.match(pattern, each) for each in made), (pattern, made)
    return made


def _examples(parsed: Any, names: dict[int, str]) -> list[str]:
    pieces = [_piece(str(kind), value, names) for kind, value in parsed]
    return ["".join(each) for each in product(*pieces)]


def _piece(kind: str, value: Any, names: dict[int, str]) -> list[str]:
    if kind == "LITERAL":
        return [chr(value)]
    if kind == "AT":
        return [""]
    if kind == "SUBPATTERN":
        number, _, _, inside = value
        name = names.get(number)
        if name in PARTS:
            return [PARTS[name]]
        assert name in (None, "format"), f"what stands for {name} in an address?"
        # Any word, or the words that there are.
        any_word = name == "format" and "IN" in str(inside)
        return ["json"] if any_word else _examples(inside, names)
    if kind == "BRANCH":
        return [each for branch in value[1] for each in _examples(branch, names)]
    if kind == "MAX_REPEAT":
        least, _, inside = value
        return [*([""] if least == 0 else []), *_examples(inside, names)]
    # Routes write a dot where they mean one.
    assert kind == "ANY", kind
    return ["."]
