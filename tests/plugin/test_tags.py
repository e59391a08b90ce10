"""Tags on the pages of tables: the facet and the filter, in HTML and JSON."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import pytest

from glin_datasette.models import Conversation, Message
from glin_datasette.storage import (
    get_db,
    insert_conversation,
    insert_message,
    tag_conversation,
    tag_message,
)

pytestmark = pytest.mark.asyncio

HOSTILE_TAG = 'hostile <script>window.evil=1</script><img src=x onerror="window.evil=2">\'"&<b>'


async def test_conversations_are_counted_by_their_tags(serve, archive: Path) -> None:
    facets = await serve(archive).facets("/glin/conversations.json")
    assert facets["tags"] == {"docs": 2, "bug": 1, HOSTILE_TAG: 1}


async def test_messages_are_counted_by_their_own_tags_and_their_conversations(
    serve, archive: Path
) -> None:
    facets = await serve(archive).facets("/glin/messages.json")
    # Message 1 has "bug" by itself and through its conversation, and is counted once.
    assert facets["tags"] == {"docs": 5, "bug": 4, "idea": 1, HOSTILE_TAG: 1}


async def test_of_very_many_rows_some_are_counted(
    serve, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glin_datasette.plugin.facets._MOST", 3)
    served = serve(archive)
    [counts] = [
        counts
        for name, counts in (await served.facets("/glin/messages.json")).items()
        if name == "tags of 3 rows"
    ]
    assert 0 < max(counts.values()) <= 3
    few = await served.facets("/glin/messages.json?_search=parser&role=assistant")
    assert "tags" in few


async def test_the_facet_counts_what_search_and_filters_leave(serve, archive: Path) -> None:
    served = serve(archive)
    searched = await served.facets("/glin/messages.json?_search=parser")
    assert searched["tags"] == {"docs": 3, "bug": 2, "idea": 1, HOSTILE_TAG: 1}
    both = await served.facets("/glin/messages.json?_search=parser&role=assistant")
    assert both["tags"] == {"bug": 1, "docs": 1, "idea": 1}


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("_tag=bug", [1, 2, 3, 5]),
        ("_tag=BUG", [1, 2, 3, 5]),
        ("_tag=+bug+", [1, 2, 3, 5]),
        ("_tag=bug&_tag=idea", [2]),
        ("_tag=bug&_search=parser", [1, 2]),
        ("_tag=docs&role=user", [1, 4, 5]),
        ("_tag=nothing", []),
        ("_tag=", [1, 2, 3, 4, 5, 6]),
        (urlencode({"_tag": HOSTILE_TAG}), [6]),
        ("_tag='", []),
    ],
)
async def test_messages_are_filtered_by_tag(
    serve, archive: Path, query: str, ids: list[int]
) -> None:
    rows = await serve(archive).rows(f"/glin/messages.json?{query}")
    assert [row["id"] for row in rows] == ids


async def test_conversations_are_filtered_by_tag(serve, archive: Path) -> None:
    served = serve(archive)
    rows = await served.rows("/glin/conversations.json?_tag=docs")
    assert [row["id"] for row in rows] == [2, 1]
    rows = await served.rows("/glin/conversations.json?_tag=docs&_tag=bug")
    assert [row["id"] for row in rows] == [1]


async def test_a_click_on_a_tag_adds_it_and_another_takes_it_away(serve, archive: Path) -> None:
    served = serve(archive)
    start = "/glin/messages.json?_search=parser"
    [bug] = [
        v for v in (await served.facet_results(start))["tags"]["results"] if v["value"] == "bug"
    ]
    assert not bug["selected"]
    assert "_search=parser" in bug["toggle_url"]
    assert [row["id"] for row in await served.rows(bug["toggle_url"])] == [1, 2]
    [bug] = [
        v
        for v in (await served.facet_results(f"{start}&_tag=BUG"))["tags"]["results"]
        if v["value"] == "bug"
    ]
    assert bug["selected"]
    assert "_tag" not in bug["toggle_url"]


async def test_a_click_on_a_tag_goes_back_to_the_first_page(serve, archive: Path) -> None:
    served = serve(archive)
    for query in ("_next=2", "_next=2&_tag=bug"):
        found = await served.facet_results(f"/glin/messages.json?_size=1&{query}")
        urls = [value["toggle_url"] for value in found["tags"]["results"]]
        assert urls
        assert [url for url in urls if "_next" in url] == []


async def test_pages_of_tagged_messages_follow_each_other(serve, archive: Path) -> None:
    served = serve(archive)
    path, seen = "/glin/messages.json?_tag=bug&_size=1", []
    while path:
        body = (await served.get(path)).json()
        seen += [row["id"] if isinstance(row, dict) else row[0] for row in body["rows"]]
        path = (body["next_url"] or "").removeprefix("http://localhost")
    assert seen == [1, 2, 3, 5]


async def test_the_page_shows_the_facet_and_keeps_the_filter_in_its_form(
    serve, archive: Path
) -> None:
    html = (await serve(archive).get("/glin/messages?_tag=bug")).text
    assert 'id="facet-tags"' in html
    assert 'tagged "bug"' in html or "tagged &#34;bug&#34;" in html
    assert '<input type="hidden" name="_tag" value="bug">' in html


async def test_an_empty_archive_has_an_empty_facet(serve, tmp_path: Path) -> None:
    get_db(tmp_path / "empty.db").close()
    served = serve(tmp_path / "empty.db")
    for table in ("conversations", "messages"):
        assert (await served.facets(f"/empty/{table}.json"))["tags"] == {}


async def test_tables_without_tags_have_no_facet(serve, archive: Path) -> None:
    served = serve(archive)
    assert "tags" not in await served.facets("/glin/message_refs.json")
    assert len(await served.rows("/glin/message_refs.json?_tag=bug")) == 4


async def test_who_may_not_see_tags_learns_nothing_of_them(serve, archive: Path) -> None:
    only_alice = {"databases": {"glin": {"tables": {"tags": {"allow": {"id": "alice"}}}}}}
    served = serve(archive, says=only_alice)
    assert "tags" not in await served.facets("/glin/messages.json")
    assert (await served.get("/glin/messages.json?_tag=bug")).status_code == 403
    alice = {"id": "alice"}
    assert "bug" in (await served.facets("/glin/messages.json", alice))["tags"]
    assert (await served.get("/glin/messages.json?_tag=bug", alice)).status_code == 200


async def test_facet_and_filter_agree_with_counting_by_hand(serve, tmp_path: Path) -> None:
    choose = random.Random(7)
    names = ["a", "b", "c", "d"]
    tagged: dict[int, set[str]] = {}
    with get_db(tmp_path / "random.db") as db:
        for number in range(12):
            conversation = insert_conversation(db, Conversation(source="s", source_id=str(number)))
            shared = set(choose.sample(names, choose.randint(0, 2)))
            for tag in shared:
                tag_conversation(db, conversation, tag)
            for _ in range(choose.randint(0, 6)):
                message = insert_message(db, conversation, Message(role="user", content="x"))
                own = set(choose.sample(names, choose.randint(0, 2)))
                for tag in own:
                    tag_message(db, message, tag)
                tagged[message] = shared | own
    served = serve(tmp_path / "random.db")
    expected = Counter(tag for tags in tagged.values() for tag in tags)
    assert (await served.facets("/random/messages.json"))["tags"] == dict(expected)
    for first in names:
        for second in names:
            query = f"_tag={first}&_tag={second}"
            rows = await served.rows(f"/random/messages.json?{query}&_size=max")
            wanted = [m for m, tags in tagged.items() if {first, second} <= tags]
            assert [row["id"] for row in rows] == wanted
