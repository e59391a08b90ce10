"""The Datasette plugin, for Datasette 0.65 and 1.0: hooks only.

Hooks that only one of the two lines knows are marked optional.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import click
from datasette import hookimpl
from markupsafe import Markup

from .. import search
from ..errors import UsageError
from . import archives, cells, compat, links, metadata, tokens, views
from .guard import App, guard, is_json, is_ours
from .hosts import known_hosts, only_known_hosts
from .landing import landing
from .private import closed, is_private

if TYPE_CHECKING:
    from datasette import Request
    from datasette.app import Datasette
    from datasette.filters import FilterArguments

Later = Callable[[], Awaitable[links.Links]]


@hookimpl
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    async def inner() -> None:
        try:
            known_hosts(datasette)
            is_private(datasette)
        except UsageError as ex:
            # One line, and no server, rather than one that is more open than it should be.
            raise click.ClickException(f"{compat.PLUGIN}: {ex}") from None
        archives.attach_default(datasette)
        known = archives.attached(datasette)
        for name, path, indexed in archives.recognise(datasette):
            described = metadata.for_archive(compat.own_settings(datasette, name))
            archive = archives.Archive(name, path, described, indexed)
            known.archives[name] = archive
            if compat.IS_1_0:
                await compat.publish(datasette, name, archive.queries(), described)
        if compat.IS_1_0 and known.alone:
            await compat.publish_title(datasette, metadata.for_instance())

    return inner


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    search.register_functions(conn)


@hookimpl(optionalhook=True)
def canned_queries(datasette: Datasette, database: str) -> dict[str, Any]:
    archive = archives.attached(datasette).archives.get(database)
    return {
        query.name: {**compat.canned(query), "params": [param.name for param in query.params]}
        for query in (archive.queries() if archive else ())
    }


@hookimpl(optionalhook=True)
def get_metadata(datasette: Datasette) -> dict[str, Any]:
    known = archives.attached(datasette)
    # Datasette writes into what it gets.
    databases = {a.name: metadata.copied(a.metadata) for a in known.archives.values()}
    return {**(metadata.for_instance() if known.alone else {}), "databases": databases}


@hookimpl(optionalhook=True)
def permission_allowed(datasette: Datasette, actor: compat.Actor, action: str) -> bool | None:
    if tokens.grants(actor, action) and action in compat.PERMISSIONS:
        return True
    return compat.may_write(datasette, actor, action)


# 0.65 takes the last answer, so this one is a veto.
@hookimpl(specname="permission_allowed", optionalhook=True, trylast=True)
def permission_denied(datasette: Datasette, actor: compat.Actor, action: str) -> bool | None:
    return False if closed(datasette, actor) or tokens.refuses(actor, action) else None


@hookimpl(optionalhook=True)
def register_actions() -> list[Any]:
    return compat.actions()


@hookimpl(optionalhook=True)
def permission_resources_sql(datasette: Datasette, actor: compat.Actor, action: str) -> Any:
    if closed(datasette, actor):
        return compat.veto(f"private: true of {compat.PLUGIN}")
    if tokens.refuses(actor, action):
        return compat.veto("not what the token is for")
    if tokens.grants(actor, action) and action in compat.PERMISSIONS:
        return compat.grant("what the token is for")
    return compat.write_rule(datasette, actor, action)


# None of Datasette's own makes anything of such a token; one of us has to come first.
@hookimpl(tryfirst=True)
def actor_from_request(datasette: Datasette, request: Request) -> dict[str, Any] | None:
    return tokens.actor_of(datasette, request.scope)


@hookimpl
def register_facet_classes() -> list[type]:
    from .facets import TagFacet

    return [TagFacet]


@hookimpl
def filters_from_request(
    datasette: Datasette, request: Request, database: str, table: str
) -> Callable[[], Awaitable[FilterArguments | None]]:
    from .facets import tag_filter

    async def inner() -> FilterArguments | None:
        return await tag_filter(datasette, request, database, table)

    return inner


@hookimpl
def render_cell(
    datasette: Datasette,
    row: Mapping[str, Any],
    value: Any,
    column: str,
    table: str | None,
    database: str | None,
) -> Markup | None:
    return cells.render(datasette, row, value, column, table, database)


@hookimpl
def register_routes() -> list[tuple[str, views.Route]]:
    return views.routes()


@hookimpl
def menu_links(datasette: Datasette, actor: compat.Actor, request: Request | None) -> Later:
    async def inner() -> links.Links:
        return await links.for_menu(datasette, actor, request)

    return inner


@hookimpl
def database_actions(datasette: Datasette, actor: compat.Actor, database: str) -> Later:
    async def inner() -> links.Links:
        return await links.for_database(datasette, actor, database)

    return inner


@hookimpl
def table_actions(datasette: Datasette, actor: compat.Actor, database: str, table: str) -> Later:
    async def inner() -> links.Links:
        return await links.for_table(datasette, actor, database, table)

    return inner


@hookimpl(optionalhook=True)
def row_actions(
    datasette: Datasette, actor: compat.Actor, database: str, table: str, row: Mapping[str, Any]
) -> Later:
    async def inner() -> links.Links:
        return await links.for_row(datasette, actor, database, table, row)

    return inner


@hookimpl(optionalhook=True)
def homepage_actions(datasette: Datasette, actor: compat.Actor, request: Request | None) -> Later:
    async def inner() -> links.Links:
        return await links.for_menu(datasette, actor, request)

    return inner


@hookimpl(optionalhook=True)
def jump_items_sql(
    datasette: Datasette, actor: compat.Actor, request: Request
) -> Callable[[], Awaitable[list[Any]]]:
    async def inner() -> list[Any]:
        return await links.to_jump_to(datasette, actor, request.args.get("q") or "")

    return inner


@hookimpl
def extra_template_vars(
    datasette: Datasette, template: str, request: Request | None
) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def inner() -> dict[str, Any]:
        if template != "index.html" or request is None:
            return {}
        return {"glin_entry": await links.entry(datasette, request.actor)}

    return inner


@hookimpl
def extra_css_urls(datasette: Datasette, template: str, database: str | None) -> list[str]:
    known = archives.attached(datasette).archives
    entry = template == "index.html" and known
    if database in known or entry or template.startswith("glin_"):
        return [datasette.urls.static_plugins(compat.PLUGIN, "glin.css")]
    return []


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Callable[[App], App]:
    return lambda app: landing(datasette, guard(datasette, app))


# The last to be asked is the outermost.
@hookimpl(specname="asgi_wrapper", trylast=True)
def outermost_asgi_wrapper(datasette: Datasette) -> Callable[[App], App]:
    return lambda app: only_known_hosts(datasette, app)


@hookimpl(optionalhook=True)
def skip_csrf(datasette: Datasette, scope: dict[str, Any]) -> bool:
    # JSON requests have no form to hold a token; guard() has refused other sites by now.
    return is_ours(datasette, scope) and is_json(scope)


@hookimpl
def register_commands(cli: click.Group) -> None:
    # Everything behind "glin" is left to our own command line, imported when it is used:
    # this hook runs whenever datasette starts.
    @cli.command(
        name="glin",
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def glin(arguments: tuple[str, ...]) -> None:
        """Archive your conversations with AI assistants"""
        from ..cli import main

        main(args=list(arguments), prog_name="datasette glin")
