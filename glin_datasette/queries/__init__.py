"""The canned queries: one ``.sql`` file each, the same for the CLI, the plugin and search.

A file begins with a header of SQL comments::

    -- title: Search messages
    -- description: The messages that hold what you type, best first.
    -- param: q | Words, "phrases", prefix*, OR, -word.
    -- param: size | How many. | 50

Each ``param`` line names a parameter, says what it is and, after a second ``|``, the
value that an empty one stands for: Datasette's forms send an empty text for what nobody
filled in. Lines of their own stand for what depends on the filters of a search and on
where it looks, see :mod:`.filters`, :mod:`.look` and :mod:`.text`:

- ``-- matches``: the tables with the matches of ``q``; with ``narrow`` behind it always also
  ``m``, the index that filters look into
- ``-- within``: conditions on these matches
- ``-- messages``: the table ``m`` of messages, where there are no words to match
- ``-- filters``: the message filters
- ``-- unindexed``: what the index cannot answer of ``q``

The folder ``scan/`` has what stands in for a query where SQLite has no FTS5. The SQL may
use the functions of :mod:`.functions`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from importlib.resources import files

from ..models import Filters
from . import filters as _filters
from . import text as _text
from .look import EVERYWHERE, Look, Span

__all__ = ["EVERYWHERE", "Look", "Param", "Query", "Span", "load", "names"]

_HEADER = re.compile(r"^-- (title|description|param): *(.*)$")
_PLACE = re.compile(
    r"^ *-- (filters|unindexed|matches narrow|matches|within|messages)$", re.MULTILINE
)

# The text of a message is fetched only where a query needs it.
_UNINDEXED = "and glin_contains(glin_rest(:q), m.content)"
_UNINDEXED_IF_ANY = "and (glin_rest(:q) is null or glin_contains(glin_rest(:q), m.content))"

_FILTER_PARAMS = {
    "tag": "A tag of the message or of its conversation.",
    "source": "The tool: claude-code, codex, …",
    "role": "system, user, assistant or tool.",
    "kind": "text, thinking, tool_call, tool_result or attachment.",
    "model": "The model that wrote the message.",
    "repo": "The repository's path, or the end of it.",
    "file": "A file, its folder, or the end of its path.",
    "commit": "A commit's hash, or the beginning of one.",
    "since": "The first day: 2026-02-11, 2026-02, yesterday, 7d.",
    "until": "The last day, likewise.",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a query. ``default`` is what an empty value stands for, if anything."""

    name: str
    description: str
    default: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Query:
    """One canned query. ``sql`` is complete: every parameter may be an empty text."""

    name: str
    title: str
    description: str
    params: tuple[Param, ...]
    sql: str
    _body: str

    def filtered(self, filters: Filters, look: Look = EVERYWHERE) -> tuple[str, dict[str, object]]:
        """The query with only those filters that say something, and their parameters.

        Search runs this: the plan is then free to use what is asked for.

        :param look: where it looks
        """
        sql, params = _filters.where(filters, look.settled)
        unindexed = _UNINDEXED if _text.rest(filters.text) else ""
        return self._complete(sql.lstrip("\n"), unindexed, look), {**params, **look.params}

    def _complete(self, filters: str, unindexed: str, look: Look) -> str:
        places = {
            "filters": filters,
            "unindexed": unindexed,
            # Without filters a match is enough, and the index one more look-up for each.
            "matches": look.matches(narrow=bool(filters or unindexed)),
            "matches narrow": look.matches(narrow=True),
            "within": look.within,
            "messages": look.messages,
        }
        # A function as replacement: the SQL has backslashes.
        return _PLACE.sub(lambda found: places[found[1]], self._body)


@functools.cache
def names() -> tuple[str, ...]:
    """The names of all canned queries, in alphabetical order."""
    return tuple(
        sorted(
            entry.name.removesuffix(".sql")
            for entry in files(__package__).iterdir()
            if entry.name.endswith(".sql")
        )
    )


@functools.cache
def load(name: str, *, indexed: bool = True) -> Query:
    """One canned query. ``indexed=False`` where SQLite has no FTS5: what needs the index
    then reads every message instead.

    :raises KeyError: if there is none of this name
    """
    if name not in names():
        raise KeyError(name)
    header, body = _split(f"{name}.sql")
    if not indexed and (files(__package__) / "scan" / f"{name}.sql").is_file():
        _, body = _split(f"scan/{name}.sql")
    params = [Param(*(part.strip() for part in text.split("|"))) for text in header["param"]]
    if "-- filters" in body:
        params += [Param(name, text) for name, text in _FILTER_PARAMS.items()]
    title, description = header["title"][0], header["description"][0]
    query = Query(name, title, description, tuple(params), "", body)
    sql = query._complete(_filters.optional().lstrip("\n"), _UNINDEXED_IF_ANY, EVERYWHERE)
    return dataclasses.replace(query, sql=_with_defaults(sql, query.params))


def _split(file: str) -> tuple[dict[str, list[str]], str]:
    """The header of a file, by the names of its lines, and the SQL below it."""
    header: dict[str, list[str]] = {"title": [], "description": [], "param": []}
    lines = (files(__package__) / file).read_text("utf-8").splitlines()
    while lines and (found := _HEADER.match(lines[0])):
        header[found[1]].append(found[2])
        del lines[0]
    return header, "\n".join(lines).strip()


def _with_defaults(sql: str, params: tuple[Param, ...]) -> str:
    for param in params:
        if param.default:
            sql = re.sub(rf":{param.name}\b", functools.partial(_defaulted, param.default), sql)
    return sql


def _defaulted(default: str, parameter: re.Match[str]) -> str:
    if default.isdigit():
        return f"glin_number({parameter[0]}, {default})"
    quoted = default.replace("'", "''")
    return f"iif(glin_blank({parameter[0]}), '{quoted}', trim({parameter[0]}))"
