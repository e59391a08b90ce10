"""The generated parts of the docs, each a function that returns Markdown.

The pages call them in cog blocks; ``make docs-write`` puts in what they return, and
``make docs`` fails when a page says something else.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import click
import sqlite_utils
import yaml

from glin_datasette import paths, queries
from glin_datasette.storage import get_db
from glin_datasette.storage.schema import shipped

# Not ours: SQLite's and sqlite-utils' own bookkeeping.
_INTERNAL_TABLES = ("sqlite_", "_sqlite_", "messages_fts_")

_API = {
    "glin_datasette.storage": "The storage",
    "glin_datasette.replication": "Replication",
    "glin_datasette.search": "Searching",
    "glin_datasette.queries": "Canned queries",
    "glin_datasette.ingest": "Importing",
    "glin_datasette.render": "Rendering",
    "glin_datasette.export": "Exporting",
    "glin_datasette.credentials": "Credentials",
    "glin_datasette.models": "Values and reports",
    "glin_datasette.errors": "Errors",
    "glin_datasette.paths": "Places",
}


def cli() -> str:
    """The ``--help`` of every command."""
    from glin_datasette.cli import main

    parts = []
    for names, command in commands(main):
        title = " ".join(names)
        context = click.Context(command, info_name=title, terminal_width=80, max_content_width=80)
        parts.append(f"{'#' * min(len(names) + 1, 4)} {title}\n")
        parts.append(f"```text\n{command.get_help(context)}\n```\n")
    return "\n" + "\n".join(parts)


def commands(
    command: click.Command, names: tuple[str, ...] = ("glin-datasette",)
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """(full name, command) of ``command`` and of all below it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below, name
            yield from commands(below, (*names, name))


def schema() -> str:
    """Every table, column, index, trigger and view of a new archive, with a diagram."""
    with tempfile.TemporaryDirectory() as folder, get_db(Path(folder) / "glin.db") as db:
        described = yaml.safe_load(paths.metadata_path().read_text("utf-8"))
        texts = described["databases"]["glin"]["tables"]
        tables = [t for t in db.tables if not t.name.startswith(_INTERNAL_TABLES)]
        real = [t for t in tables if t.name != "messages_fts"]
        parts = ["", _diagram(real)]
        for table in real:
            parts += [f"## {table.name}\n", _table(db, table, texts.get(table.name, {}))]
        parts += ["## messages_fts\n", _search_index(db)]
        parts += ["## The triggers that count\n", _count_triggers(db)]
        for view in db.views:
            text = texts.get(view.name, {}).get("description", "")
            parts += [f"## {view.name}\n", f"{text}\n", _sql(view.schema)]
    return "\n".join(parts)


def _diagram(tables: Iterable[Any]) -> str:
    lines = ["```mermaid", "erDiagram"]
    for table in tables:
        for key in table.foreign_keys:
            lines.append(f'  {key.other_table} ||--o{{ {key.table} : "{key.column}"')
    for table in tables:
        referring = {key.column for key in table.foreign_keys}
        lines.append(f"  {table.name} {{")
        for column in table.columns:
            marks = [
                mark
                for mark, holds in (("PK", column.is_pk), ("FK", column.name in referring))
                if holds
            ]
            lines.append(f"    {column.type} {column.name} {', '.join(marks)}".rstrip())
        lines.append("  }")
    return "\n".join([*lines, "```", ""])


def _table(db: sqlite_utils.Database, table: Any, texts: dict[str, Any]) -> str:
    described = texts.get("columns", {})
    keys = {key.column: key for key in table.foreign_keys}
    rows = []
    for column in table.columns:
        facts = []
        if column.is_pk:
            facts.append("primary key")
        if column.notnull and not column.is_pk:
            facts.append("not null")
        if column.default_value is not None:
            facts.append(f"default `{column.default_value}`")
        if column.name in keys:
            key = keys[column.name]
            facts.append(f"→ `{key.other_table}.{key.other_column}`, {key.on_delete.lower()}")
        text = described.get(column.name, "")
        rows.append([f"`{column.name}`", column.type, "; ".join(facts), _one_line(text)])
    parts = [f"{_one_line(texts.get('description', ''))}\n"] if "description" in texts else []
    parts.append(_grid(["column", "type", "", "what it holds"], rows))
    indexes = [
        [f"`{index.name}`", _index_text(db, index)]
        for index in table.indexes
        # Those belong to primary keys, and are told with the columns.
        if not index.name.startswith("sqlite_autoindex_")
    ]
    if indexes:
        parts.append(_grid(["index", "on"], sorted(indexes)))
    return "\n".join(parts)


def _index_text(db: sqlite_utils.Database, index: Any) -> str:
    sql = db.execute("select sql from sqlite_master where name = ?", [index.name]).fetchone()[0]
    # An index on an expression has a column without a name.
    written = re.search(r"\((.+)\)", re.split(r"\bwhere\b", sql, flags=re.IGNORECASE)[0])
    facts = [", ".join(f"`{column or (written and written[1])}`" for column in index.columns)]
    if index.unique:
        facts.append("unique")
    if "collate nocase" in sql.lower():
        facts.append("without regard to case")
    if condition := re.search(r"\bwhere (.+)$", sql, re.IGNORECASE):
        facts.append(f"where {condition[1].lower()}")
    return "; ".join(facts)


def _search_index(db: sqlite_utils.Database) -> str:
    found = db.table("messages_fts").schema
    triggers = [trigger.sql for trigger in db.triggers if trigger.name in _searching()]
    return "\n".join(
        [
            "The full-text index over `content` and `parts` of `messages`. It stores no text of "
            "its own, and these triggers keep it in step.\n",
            _sql(found, *triggers),
        ]
    )


def _searching() -> tuple[str, ...]:
    names: tuple[str, ...] = shipped()["SEARCH_TRIGGERS"]
    return names


def _count_triggers(db: sqlite_utils.Database) -> str:
    rows = []
    for trigger in db.triggers:
        if trigger.name not in _searching():
            fires = re.search(r"(BEFORE|AFTER) .+? ON \w+", trigger.sql)
            into = sorted(
                set(re.findall(r"(?:UPDATE|INTO) (\w+)(?= SET| VALUES| SELECT)", trigger.sql))
            )
            fills = ", ".join(f"`{table}`" for table in into)
            rows.append([f"`{trigger.name}`", f"`{fires[0] if fires else ''}`", fills])
    return "\n".join(
        [
            "They keep the tables of counts equal to what counting would give, whatever writes "
            "to the archive. A row of counts that falls to 0 is removed.\n",
            _grid(["trigger", "fires", "keeps"], rows),
        ]
    )


def query_list() -> str:
    """Every canned query with its parameters."""
    parts = [""]
    for name in queries.names():
        query = queries.load(name)
        parts += [f"## {name}\n", f"**{query.title}.** {query.description}\n"]
        rows = [
            [f"`{p.name}`", p.description, f"`{p.default}`" if p.default else ""]
            for p in query.params
        ]
        if rows:
            parts.append(_grid(["parameter", "what it is", "when empty"], rows))
    return "\n".join(parts)


def api() -> str:
    """Every public name with its signature and docstring."""
    parts = [""]
    for module_name, title in _API.items():
        module = importlib.import_module(module_name)
        parts.append(f"## {title}: `{module_name}`\n")
        for name in module.__all__:
            value = getattr(module, name)
            # Told where it is defined, not where it is only passed on.
            if not getattr(value, "__module__", module_name).startswith(("typing", module_name)):
                continue
            parts += [f"### {name}\n", *_entry(name, value)]
    return "\n".join(parts)


def _entry(name: str, value: Any) -> list[str]:
    if isinstance(value, type) and dataclasses.is_dataclass(value):
        return [_markdown(inspect.getdoc(value)), _fields(value), *_methods(value)]
    if isinstance(value, type) and issubclass(value, Exception):
        base = value.__mro__[1].__name__
        return [f"A kind of `{base}`. {_markdown(inspect.getdoc(value))}"]
    # A cached function is one, too.
    if inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value)):
        return [f"```python\n{_signature(name, value)}\n```\n", _markdown(inspect.getdoc(value))]
    if choices := get_args(value):
        return [f"One of {', '.join(f'`{choice}`' for choice in choices)}.\n"]
    return [f"`{value!r}`\n"]


def _signature(name: str, value: Any) -> str:
    text = f"{name}{inspect.signature(value)}".replace("'", "")
    if len(text) <= 90:
        return text
    signature = inspect.signature(value)
    lines, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        lines.append(f"    {parameter},".replace("'", ""))
    returned = f" -> {signature.return_annotation}".replace("'", "")
    return "\n".join([f"{name}(", *lines, f"){returned}:"]).removesuffix(":")


def _fields(value: Any) -> str:
    source = inspect.getsource(value)
    lines = []
    for field in dataclasses.fields(value):
        if field.name.startswith("_"):
            continue
        default = ""
        if field.default is not dataclasses.MISSING:
            default = f" = {field.default!r}"
        elif field.default_factory is not dataclasses.MISSING:
            default = f" = {field.default_factory()!r}"
        if comment := re.search(rf"((?:^ +#: .*\n)+)^ +{field.name}:", source, re.MULTILINE):
            lines += [f"# {line.strip(' #:')}" for line in comment[1].splitlines()]
        lines.append(f"{field.name}: {field.type}{default}")
    return "```python\n" + "\n".join(lines) + "\n```\n"


def _methods(value: type) -> list[str]:
    parts = []
    for name, method in vars(value).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            signature = _signature(name, method)
            parts += [f"```python\n{signature}\n```\n", _markdown(inspect.getdoc(method))]
    return parts


def _markdown(docstring: str | None) -> str:
    """Our docstrings are reStructuredText; this is the part of it that they use."""
    text = docstring or ""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    text = text.replace("``", "`")
    text = re.sub(r"^:raises (\w+): ?", r"- raises `\1` ", text, flags=re.MULTILINE)
    text = re.sub(r"^:returns: ?", "- returns ", text, flags=re.MULTILINE)
    text = re.sub(r"^:param (\w+): ?", r"- `\1`: ", text, flags=re.MULTILINE)
    return f"{text}\n"


def _grid(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("  |", " |") for line in lines) + "\n"


def _sql(*statements: str) -> str:
    return "```sql\n" + ";\n".join(inspect.cleandoc(sql) for sql in statements) + ";\n```\n"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
