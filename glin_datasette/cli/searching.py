"""``search``."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import click

from ..language import quote
from ..models import Hit, SearchFacets, SearchResult
from ..render import one_line, visible
from ..search import FACETS, MARK_END, MARK_START, Sort, suggest
from ..search import facets as count_facets
from ..search import search as find
from .archive import open_archive
from .command import JSON, command
from .filters import filter_options, filters_of, operators
from .output import echo_json, plural, short_time, table

#: Values that are told of each facet.
_VALUES = 10

_MARKED = re.compile(f"{MARK_START}(.*?){MARK_END}", re.DOTALL)


class _QueryCommand(click.Command):
    """Takes ``-word`` for a part of the query, and ``--word`` for a mistake."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        known = {name for param in self.get_params(ctx) for name in param.opts}
        for arg in args[: args.index("--")] if "--" in args else args:
            name = arg.partition("=")[0]
            if name.startswith("--") and name not in known:
                raise click.NoSuchOption(name, ctx=ctx)
        return super().parse_args(ctx, args)


@command(
    "search",
    "glin-datasette search connection reset",
    "glin-datasette search '\"connection reset\"' repo:api since:7d -tag:done",
    "glin-datasette search 'parse* OR lex*' --role assistant --sort newest",
    "glin-datasette search commit:1a2b3c4 --json",
    cls=_QueryCommand,
    context_settings={"ignore_unknown_options": True},
)
@click.argument("words", metavar="QUERY...", nargs=-1)
@filter_options
@click.option(
    "--sort", type=click.Choice(["rank", "newest"]), default="rank", show_default=True,
    help="Best first, or newest first.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="How many.")
@click.option("--offset", type=click.IntRange(0), default=0, help="How many to pass over.")
@click.option("--facets", is_flag=True, help="Count what was found by tag, source, and so on.")
@JSON
def search(
    words: tuple[str, ...],
    sort: Sort,
    limit: int,
    offset: int,
    facets: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Find messages.

    Any text is a QUERY. It may hold words, "phrases", prefix*, OR and -word, and the
    filters below as operators: tag: source: role: kind: model: repo: file: commit:
    since: until:, each with a dash before it to leave out. Without words it finds the
    newest messages that pass the filters. Quote for the shell what it would change.

    With --json: query, total, exact (false: it is at least total), ranked (all,
    "newest N" or no), notice and hits (conversation_id, message_id, title, source,
    repo_root, role, kind, ts, snippet, score). In a snippet, what was found stands between
    the characters U+0002 and U+0003. Where nothing is found, suggestions (word, instead,
    query) for words that no message has.

    With --facets also facets: the messages by tag, source, repo, role, kind, model and
    month, and over time in buckets (since, until, messages) of one step. Where exact is
    false, only the newest messages were counted.
    """
    filters_of(filters)  # An option, unlike a word of the query, must be right.
    # The options first: a quote that is not closed takes all that follows it.
    query = " ".join([operators(filters), *words]).strip()
    db = open_archive()
    result = find(db, query, sort=sort, limit=limit, offset=offset)
    counted = count_facets(db, query) if facets else None
    suggestions = () if result.total else suggest(db, query)
    if as_json:
        told = {"facets": dataclasses.asdict(counted)} if counted else {}
        meant = [dataclasses.asdict(each) for each in suggestions]
        echo_json({**_json(result), "suggestions": meant, **told})
        return
    for hit in result.hits:
        _tell(hit)
    _tell_total(result, offset)
    if result.notice:
        click.echo(result.notice, err=True)
    for each in suggestions:
        click.echo(f"Did you mean {each.instead}? Try: {one_line(each.query)}", err=True)
    if counted:
        _tell_facets(counted)


def _json(result: SearchResult) -> dict[str, Any]:
    return {
        "query": result.query,
        "total": result.total,
        "exact": result.exact,
        "ranked": result.ranked,
        "notice": result.notice,
        "hits": [dataclasses.asdict(hit) for hit in result.hits],
    }


def _tell(hit: Hit) -> None:
    click.secho(one_line(hit.title or "Untitled conversation"), bold=True)
    facts = [
        short_time(hit.ts),
        hit.source,
        f"{hit.role} {hit.kind}",
        f"conversation {hit.conversation_id}",
        f"message {hit.message_id}",
        hit.repo_root or "",
    ]
    click.secho("  " + one_line(" · ".join(fact for fact in facts if fact)), dim=True)
    click.echo(f"  {_snippet(hit.snippet)}\n")


def _snippet(snippet: str) -> str:
    """On one line, with what was found bold where the terminal can show it."""
    text = re.sub(r"\s+", " ", snippet).strip()
    parts = []
    end = 0
    for found in _MARKED.finditer(text):
        parts += [visible(text[end : found.start()]), click.style(visible(found[1]), bold=True)]
        end = found.end()
    return "".join([*parts, visible(text[end:])])


def _tell_total(result: SearchResult, offset: int) -> None:
    shown = len(result.hits)
    found = f"{'' if result.exact else 'At least '}{plural(result.total, 'message')} found"
    if shown == result.total:
        click.echo(found)
    elif not shown:
        click.echo(f"{found}, none from {offset + 1:,} on")
    else:
        rest = offset + shown < result.total
        click.echo(
            f"{found}, {offset + 1:,} to {offset + shown:,} shown"
            + (f"; more with --offset {offset + shown}" if rest else "")
        )


def _tell_facets(counted: SearchFacets) -> None:
    """Each value as the filter that narrows the search to it."""
    more = "" if counted.exact else ">"
    for name in FACETS:
        counts: dict[str, int] = getattr(counted, name)
        _tell_facet(name, {f"{name}:{quote(value)}": n for value, n in counts.items()}, more)
    _tell_facet("month", {f"since:{m} until:{m}": n for m, n in counted.month.items()}, more)


def _tell_facet(name: str, counts: dict[str, int], more: str) -> None:
    if counts:
        click.echo()
        rows = [(f"{more}{n:,}", said) for said, n in list(counts.items())[:_VALUES]]
        table(("MESSAGES", name.upper()), rows, numeric=1)
