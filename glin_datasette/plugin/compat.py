"""Everything that differs between Datasette 0.65 and the 1.0 line, decided once.

What the two lines call things::

                    0.65                           1.0
    permissions     permission_allowed() hook      actions, and rules as SQL
    canned queries  canned_queries() hook          add_query() at startup
    descriptions    get_metadata() hook            set_*_metadata() at startup
    table settings  in the metadata                in datasette.config
    jumping         nothing                        jump_items_sql() hook
    actions of rows nothing                        row_actions() hook
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasette import Forbidden, actor_matches_allow, hookspecs
from markupsafe import Markup

from ..queries import Query

if TYPE_CHECKING:
    from datasette.app import Datasette

Actor = Mapping[str, Any] | None
#: As in metadata.yml: title, description, tables; a table's settings are among its keys.
Metadata = dict[str, Any]

PLUGIN = "glin-datasette"
#: The permission to make a backup.
BACKUP = "glin-backup"
#: The permission to write tags and notes.
TAG = "glin-tag"
#: What the plugin's own permissions are for, and the setting that gives each to somebody.
PERMISSIONS = {
    BACKUP: ("Make, verify and download backups of an archive", "allow-backup"),
    TAG: ("Add and remove tags and notes in an archive", "allow-tag"),
}

IS_1_0 = hasattr(hookspecs, "register_actions")

#: Keys of a table's metadata that 1.0 reads from its configuration.
_SETTINGS = ("facets", "facet_size", "hidden", "label_column", "size", "sort", "sort_desc")


async def allowed(
    datasette: Datasette, actor: Actor, action: str, database: str, table: str | None = None
) -> bool:
    """Whether ``actor`` may do ``action`` with a database, or with a table in it."""
    if IS_1_0:
        from datasette.resources import DatabaseResource, TableResource

        resource = TableResource(database, table) if table else DatabaseResource(database)
        return bool(await datasette.allowed(action=action, resource=resource, actor=actor))
    if action in PERMISSIONS:
        return bool(await datasette.permission_allowed(actor, action, resource=database))
    rules: list[Any] = [("view-database", database), "view-instance"]
    if table:
        rules.insert(0, (action, (database, table)))
    try:
        await datasette.ensure_permissions(actor, rules)
    except Forbidden:
        return False
    return True


async def may_view_tables(
    datasette: Datasette, actor: Actor, database: str, tables: Sequence[str]
) -> bool:
    """Whether ``actor`` may view all these tables of a database."""
    asked = list(tables)
    if IS_1_0:
        # One query says of nearly all that they may be viewed, in the time of two or three
        # single ones. What it leaves out is asked for: a table may be closed, or missing.
        page = await datasette.allowed_resources("view-table", actor, parent=database, limit=1000)
        open_ones = {resource.child for resource in page.resources}
        asked = [table for table in tables if table not in open_ones]
    for table in asked:
        if not await allowed(datasette, actor, "view-table", database, table):
            return False
    return True


def may_write(datasette: Datasette, actor: Actor, action: str) -> bool | None:
    """What this plugin itself says about one of :data:`PERMISSIONS`: yes, or nothing.

    Yes for those that its setting in the plugin's configuration matches and, on 0.65, for
    root; on 1.0 Datasette answers for root by itself.
    """
    if action not in PERMISSIONS:
        return None
    if not IS_1_0 and actor and actor.get("id") == "root":
        return True
    config = datasette.plugin_config(PLUGIN) or {}
    rule = config.get(PERMISSIONS[action][1])
    return True if rule is not None and actor_matches_allow(actor, rule) else None


def actions() -> list[Any]:
    """1.0: the actions that this plugin adds."""
    from datasette.permissions import Action
    from datasette.resources import DatabaseResource

    return [
        Action(name=name, description=description, resource_class=DatabaseResource)
        for name, (description, _) in PERMISSIONS.items()
    ]


def write_rule(datasette: Datasette, actor: Actor, action: str) -> Any:
    """1.0: :func:`may_write` as a permission rule."""
    from datasette.permissions import PermissionSQL

    if may_write(datasette, actor, action):
        return PermissionSQL.allow(reason=f"{PERMISSIONS[action][1]} of {PLUGIN}")
    return None


def grant(reason: str) -> Any:
    """1.0: a rule that something is allowed."""
    from datasette.permissions import PermissionSQL

    return PermissionSQL.allow(reason=reason)


def veto(reason: str) -> Any:
    """1.0: a rule that nothing is allowed, whatever others say."""
    from datasette.permissions import PermissionSQL

    # A rule of its own for a table is stronger than the denial, and is filtered out by the
    # list of what may be allowed at all, which is empty.
    rule = PermissionSQL.deny(reason=reason)
    rule.restriction_sql = "SELECT NULL AS parent, NULL AS child WHERE 0"
    return rule


def jump_item(kind: str, label: str, address: str, description: str, typed: str) -> Any:
    """1.0: one thing that the jump menu offers; ``typed`` is what it was found by, so that
    Datasette finds it again."""
    from datasette.jump import JumpSQL

    return JumpSQL.menu_item(
        item_type=kind,
        label=label,
        url=address,
        description=description,
        search_text=f"{typed} {label} {description}",
    )


def own_settings(datasette: Datasette, database: str) -> Mapping[str, Any]:
    """What whoever runs Datasette has said about the tables of ``database``."""
    said = datasette.config if IS_1_0 else datasette._metadata_local
    tables: Mapping[str, Any] = _walk(said, "databases", database, "tables")
    return tables


def canned(query: Query) -> dict[str, Any]:
    """A query as both lines take it."""
    return {
        "sql": query.sql,
        "title": query.title,
        # Lists of queries show the first, the page of the query the second.
        "description": query.description,
        "description_html": _described(query),
        "hide_sql": True,
    }


def _described(query: Query) -> str:
    text = Markup("<p>{}</p>").format(query.description)
    if not query.params:
        return str(text)
    params = Markup().join(
        Markup("<dt>{}</dt><dd>{}{}</dd>").format(
            param.name, param.description, f" Empty: {param.default}." if param.default else ""
        )
        for param in query.params
    )
    more = Markup(
        '<details class="glin-parameters"><summary>Parameters</summary><dl>{}</dl></details>'
    )
    return str(text + more.format(params))


async def publish(
    datasette: Datasette, database: str, queries: list[Query], metadata: Metadata
) -> None:
    """1.0: give ``database`` its queries, descriptions and table settings.

    What is there already was said by whoever runs Datasette, and stays.
    """
    for query in queries:
        await datasette.add_query(
            database,
            query.name,
            parameters=[param.name for param in query.params],
            is_trusted=True,
            source=PLUGIN,
            **canned(query),
        )
    said = await datasette.get_database_metadata(database)
    for key in metadata.keys() - {"tables"} - said.keys():
        await datasette.set_database_metadata(database, key, metadata[key])
    for table, described in metadata["tables"].items():
        said = await datasette.get_resource_metadata(database, table)
        for key in described.keys() - {"columns", *_SETTINGS} - said.keys():
            await datasette.set_resource_metadata(database, table, key, described[key])
        for column, text in described.get("columns", {}).items():
            if not await datasette.get_column_metadata(database, table, column):
                await datasette.set_column_metadata(database, table, column, "description", text)
    _configure(datasette, database, metadata["tables"])


async def publish_title(datasette: Datasette, metadata: Metadata) -> None:
    """1.0: name the whole instance, unless it has a name."""
    said = await datasette.get_instance_metadata()
    for key in metadata.keys() - said.keys():
        await datasette.set_instance_metadata(key, metadata[key])


def _configure(datasette: Datasette, database: str, tables: Metadata) -> None:
    # A copy: the caller of Datasette(config=…) may hold on to what it passed.
    config = copy.deepcopy(datasette.config or {})
    configured = config
    for key in ("databases", database, "tables"):
        configured = configured.setdefault(key, {})
    for table, described in tables.items():
        settings = {key: described[key] for key in _SETTINGS if key in described}
        configured[table] = settings | (configured.get(table) or {})
    datasette.config = config


def _walk(value: Any, *keys: str) -> Any:
    for key in keys:
        value = (value or {}).get(key)
    return value or {}
