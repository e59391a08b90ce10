"""``/-/glin``: the front door. A search box, and what there is to be found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from datasette import Response

from ...models import Overview
from ...storage import overview
from .. import charts
from ..page import Asked
from ..shown import last_part
from ..urls import Urls


@dataclass(frozen=True, slots=True)
class _Rank:
    """A line of what is used most: a name, where it leads, and how often it is used."""

    label: str
    full: str
    address: str
    number: int


async def front(asked: Asked) -> Response:
    """Show what an archive holds."""
    seen = await asked.read(overview)
    to = asked.urls
    return await asked.shown(
        "front",
        asdict(seen),
        calendar=charts.calendar(
            seen.days, lambda day: to.conversations(f"since:{day} until:{day}"), seen.today
        ),
        weekly=charts.weekly(
            seen.weeks,
            lambda monday, sunday: to.conversations(f"since:{monday} until:{sunday}"),
        ),
        series=charts.series(seen.weeks),
        busy_days=[day for day in reversed(seen.days.items()) if day[1]],
        busy_weeks=charts.spans(seen.weeks),
        ranks=[(title, more, rows) for title, more, rows in _ranks(seen, to) if rows],
    )


def _ranks(seen: Overview, to: Urls) -> Iterable[tuple[str, tuple[str, str] | None, list[_Rank]]]:
    """What is used most: a title, a link to more with its text, and the lines."""
    yield (
        "Repositories",
        (to.page("files"), "Files"),
        [
            _Rank(last_part(one.name), one.name, to.filtered("repo", one.name), one.messages)
            for one in seen.repositories
        ],
    )
    yield (
        "Tags",
        (to.page("tags"), "All tags"),
        [
            _Rank(one.name, one.name, to.tag(one.name), one.conversations + one.messages)
            for one in seen.tags
        ],
    )
    yield (
        "Models",
        None,
        [
            _Rank(one.name, one.name, to.filtered("model", one.name), one.messages)
            for one in seen.models
        ],
    )
