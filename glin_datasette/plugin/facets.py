"""Tags on the pages of conversations and messages: the facet, and the filter ``?_tag=``.

A conversation has the tags that were put on it. A message counts as tagged if it has the
tag or its conversation does. Several ``_tag`` must all be met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasette import Forbidden
from datasette.database import QueryInterrupted
from datasette.facets import Facet
from datasette.filters import FilterArguments
from datasette.utils import path_with_added_args, path_with_removed_args

from .archives import is_archive
from .compat import allowed

if TYPE_CHECKING:
    from datasette import Request
    from datasette.app import Datasette

#: Rows of a page that are counted at most: a page of a million rows is there as soon.
_MOST = 10_000

#: How many of ``hits``, the rows of a page, have which tag. Counted by id, then joined to the
#: names.
_COUNTS = {
    "conversations": """
        select tag_id, count(*) as n from conversation_tags
        where conversation_id in (select id from hits) group by tag_id
    """,
    # Counted once per conversation, because a tagged one may hold thousands of messages.
    # Then those that are tagged themselves and not through their conversation.
    "messages": """
        select ct.tag_id, sum(c.n) as n
        from (select conversation_id, count(*) as n from hits group by conversation_id) as c
        join conversation_tags as ct on ct.conversation_id = c.conversation_id
        group by ct.tag_id
        union all
        select mt.tag_id, count(*) as n
        from hits cross join message_tags as mt on mt.message_id = hits.id
        where not exists (
            select 1 from conversation_tags as ct
            where ct.conversation_id = hits.conversation_id and ct.tag_id = mt.tag_id
        )
        group by mt.tag_id
    """,
}

#: The columns that are counted by.
_COLUMNS = {"conversations": "id", "messages": "id, conversation_id"}

#: What is used twice SQLite keeps, so the page's own query, a search perhaps, runs once.
_FACET = """
    with hits as materialized (select {columns} from ({sql}) limit {most})
    select tags.name as value, sum(counts.n) as count, (select count(*) from hits) as counted
    from ({counts}) as counts join tags on tags.id = counts.tag_id
    group by tags.id order by count desc, value limit {limit}
"""

_TAG = "(select id from tags where name = :{name} collate nocase)"
_FILTERS = {
    "conversations": (
        f"id in (select conversation_id from conversation_tags where tag_id = {_TAG})"
    ),
    "messages": (
        "(conversation_id in"
        f" (select conversation_id from conversation_tags where tag_id = {_TAG})"
        f" or id in (select message_id from message_tags where tag_id = {_TAG}))"
    ),
}


def _wanted(request: Request) -> list[str]:
    return [name for tag in request.args.getlist("_tag") if (name := tag.strip())]


async def tag_filter(
    datasette: Datasette, request: Request, database: str, table: str
) -> FilterArguments | None:
    """What ``?_tag=`` asks of the rows of a table; ``None`` for tables without tags.

    :raises Forbidden: if the tags may not be seen
    """
    tags = _wanted(request)
    if not tags or table not in _FILTERS or not is_archive(datasette, database):
        return None
    if not await allowed(datasette, request.actor, "view-table", database, "tags"):
        raise Forbidden("You do not have permission to view tags")
    names = [f"glin_tag_{i}" for i in range(len(tags))]
    return FilterArguments(
        [_FILTERS[table].format(name=name) for name in names],
        dict(zip(names, tags, strict=True)),
        [f'tagged "{tag}"' for tag in tags],
    )


class TagFacet(Facet):
    """Counts the rows of a page's query by tag. Always on; ``?_nofacet=1`` turns it off."""

    type = "tag"

    def get_configs(self) -> list[dict[str, Any]]:
        """The facets of this type on this page: one on our two tables, else none."""
        if self.table in _COUNTS and is_archive(self.ds, self.database):
            return [{"source": "metadata", "config": {"simple": "tags"}}]
        return []

    async def facet_results(self) -> tuple[list[dict[str, Any]], list[str]]:
        """The counts, and what took too long to count."""
        if not self.get_configs() or not await allowed(
            self.ds, self.request.actor, "view-table", self.database, "tags"
        ):
            return [], []
        size = self.get_facet_size()
        try:
            rows = await self.ds.execute(
                self.database,
                _FACET.format(
                    counts=_COUNTS[self.table],
                    columns=_COLUMNS[self.table],
                    sql=self.sql,
                    most=_MOST,
                    limit=size + 1,
                ),
                self.params,
                truncate=False,
                custom_time_limit=self.ds.setting("facet_time_limit_ms"),
            )
        except QueryInterrupted:
            return [], ["tags"]
        selected = {tag.casefold() for tag in _wanted(self.request)}
        many = bool(rows.rows) and rows.rows[0]["counted"] == _MOST
        facet = {
            "name": f"tags of {_MOST:,} rows" if many else "tags",
            "type": self.type,
            "hideable": False,
            "toggle_url": "",
            "results": [
                self._result(row["value"], row["count"], row["value"].casefold() in selected)
                for row in rows.rows[:size]
            ],
            "truncated": len(rows) > size,
        }
        return [facet], []

    def _result(self, tag: str, count: int, selected: bool) -> dict[str, Any]:
        return {
            "value": tag,
            "label": tag,
            "count": count,
            "toggle_url": self._toggle_url(tag, selected),
            "selected": selected,
        }

    def _toggle_url(self, tag: str, selected: bool) -> str:
        # The page that follows this one is another page when the rows are others.
        path = path_with_removed_args(self.request, {"_next"})
        if selected:
            for given in self.request.args.getlist("_tag"):
                if given.strip().casefold() == tag.casefold():
                    path = path_with_removed_args(self.request, {"_tag": given}, path=path)
        else:
            path = path_with_added_args(self.request, {"_tag": tag, "_next": None})
        return str(self.ds.absolute_url(self.request, self.ds.urls.path(path)))
