"""``query``: the canned queries, the same as in Datasette."""

from __future__ import annotations

from typing import Any

import click

from .. import queries
from ..errors import NotFound, UsageError
from ..search import MARK_END, MARK_START, register_functions
from ..storage import search_available
from ..storage.connection import sqlite_errors
from .archive import archive_path, open_archive
from .command import JSON, command
from .output import echo_json, table


@command(
    "query",
    "glin-datasette query --list",
    "glin-datasette query recent",
    "glin-datasette query by_file -p file=src/parser.py --json",
)
@click.argument("name", required=False)
@click.option(
    "-p", "--param", "params", metavar="KEY=VALUE", multiple=True, help="A parameter's value."
)
@click.option("--list", "list_all", is_flag=True, help="List the queries and their parameters.")
@JSON
def query(name: str | None, params: tuple[str, ...], list_all: bool, as_json: bool) -> None:
    """Run one of the canned queries.

    Datasette shows the same ones. Every parameter may be left out.

    With --json: query (its name) and rows (objects); with --list: queries (name, title,
    description and params with name, description and default).
    """
    if list_all or name is None:
        _list(as_json)
        return
    if name not in queries.names():
        raise NotFound(f"no query {name!r}; 'glin-datasette query --list' shows which there are")
    db = open_archive()
    found = queries.load(name, indexed=search_available(db))
    with sqlite_errors(archive_path()):
        register_functions(db.conn)
        rows = list(db.query(found.sql, _values(found, params)))
    if as_json:
        echo_json({"query": name, "rows": rows})
    elif rows:
        table(
            [key.upper() for key in rows[0]],
            [[_unmarked(value) for value in row.values()] for row in rows],
        )
    else:
        click.echo("No rows.")


def _unmarked(value: Any) -> Any:
    """A value without the characters that mark what was found."""
    if isinstance(value, str):
        return value.replace(MARK_START, "").replace(MARK_END, "")
    return value


def _values(query: queries.Query, params: tuple[str, ...]) -> dict[str, Any]:
    values = {param.name: "" for param in query.params}
    for param in params:
        key, equals, value = param.partition("=")
        if not equals or key not in values:
            known = ", ".join(values) or "none"
            raise UsageError(f"{param!r} is not KEY=VALUE with a parameter of this query: {known}")
        values[key] = value
    return values


def _list(as_json: bool) -> None:
    found = [queries.load(name) for name in queries.names()]
    if as_json:
        echo_json(
            {
                "queries": [
                    {
                        "name": query.name,
                        "title": query.title,
                        "description": query.description,
                        "params": [
                            {
                                "name": param.name,
                                "description": param.description,
                                "default": param.default,
                            }
                            for param in query.params
                        ],
                    }
                    for query in found
                ]
            }
        )
        return
    for query in found:
        click.secho(query.name, bold=True)
        click.echo(f"  {query.description}")
        click.echo(f"  Parameters: {', '.join(param.name for param in query.params) or 'none'}")
