"""The front door, search, the lists of conversations, files, commits and tags."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from shown import COMMIT, FILE, add_everything

from glin_datasette.search import search
from glin_datasette.storage import get_db


@pytest.fixture
def ids(archive: Path) -> dict[str, int]:
    with get_db(archive) as db:
        return add_everything(db)


def links(html: str) -> set[str]:
    return {unescape(found) for found in re.findall(r'href="([^"]*)"', html)}


@pytest.mark.asyncio
async def test_a_search_is_grouped_counted_and_narrowed(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    said = (await served.get("/-/glin/search.json?q=sorted&size=200")).json()
    with get_db(archive, readonly=True) as db:
        found = search(db, "sorted", limit=200)
    hits = [hit for group in said["conversations"] for hit in group["hits"]]
    assert said["total"] == found.total == len(hits)
    assert {hit["message_id"] for hit in hits} == {hit.message_id for hit in found.hits}
    assert sum(one["count"] for one in said["facets"]["source"]) == found.total
    assert sum(one["count"] for one in said["histogram"]["buckets"]) == found.total

    for name in ("source", "repo", "role", "kind", "model", "month", "tag"):
        for one in said["facets"][name]:
            narrowed = (await served.get(f"/-/glin/search.json?q={quote(one['q'])}")).json()
            assert narrowed["total"] == one["count"], one
            again = [each for each in narrowed["facets"][name] if each["selected"]]
            assert one["value"] in [each["value"] for each in again]
            back = next(each for each in again if each["value"] == one["value"])
            widened = (await served.get(f"/-/glin/search.json?q={quote(back['q'])}")).json()
            assert widened["total"] == said["total"]

    html = (await served.get("/-/glin/search?q=sorted")).text
    assert "<mark>sorted</mark>" in html
    for hit in hits[:5]:
        anchor = f"at={hit['message_id']}&q=sorted#message-{hit['message_id']}"
        assert any(link.endswith(anchor) for link in links(html))
    # Pages are all hits, each once.
    paged: list[int] = []
    for number in range(1, 99):
        page = (await served.get(f"/-/glin/search.json?q=sorted&size=3&page={number}")).json()
        paged += [hit["message_id"] for group in page["conversations"] for hit in group["hits"]]
        if number >= page["pages"]:
            break
    assert sorted(paged) == sorted(hit["message_id"] for hit in hits)


@pytest.mark.asyncio
async def test_nothing_found_says_what_to_do(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    said = (await served.get("/-/glin/search.json?q=sortd+tag:bug")).json()
    assert said["total"] == 0
    assert said["suggestions"][0]["instead"] == "sorted"
    assert (await served.get(f"/-/glin/search.json?q={quote(said['suggestions'][0]['q'])}")).json()[
        "total"
    ]
    assert said["loosen"]
    html = (await served.get("/-/glin/search?q=sortd+tag:bug")).text
    assert "Did you mean" in html and "Nothing found" in html
    for text in ("潮汐", "排序", "조석", "déjà", "deja", "table.py", "時"):
        assert (await served.get(f"/-/glin/search.json?q={quote(text)}")).json()["total"] > 0, text


@pytest.mark.asyncio
async def test_conversations_of_a_day_and_a_week(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    everything = (await served.get("/-/glin/conversations.json?size=200")).json()
    assert {one["id"] for one in everything["conversations"]} >= set(ids.values())
    day = "since:2026-02-11 until:2026-02-11"
    said = (await served.get(f"/-/glin/conversations.json?q={quote(day)}")).json()
    assert {one["id"] for one in said["conversations"]} >= {
        ids["tides"], ids["subagent"], ids["fork"],
    }  # fmt: skip
    assert said["total"] == len(said["conversations"])
    assert said["period"]
    html = (await served.get(f"/-/glin/conversations?q={quote(day)}")).text
    assert "2026-02-10" in html and "2026-02-12" in html
    by_file = (await served.get(f"/-/glin/conversations.json?q=file:{FILE}")).json()
    assert {one["id"] for one in by_file["conversations"]} == {ids["tides"], ids["patch"]}


@pytest.mark.asyncio
async def test_the_front_door_leads_everywhere(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    said = (await served.get("/-/glin.json")).json()
    html = (await served.get("/-/glin")).text
    assert f"{said['messages']:,}" in html
    busy = [day for day, count in said["days"].items() if count]
    assert busy
    for day in busy:
        there = f"/-/glin/conversations?q=since%3A{day}+until%3A{day}"
        assert there in links(html)
        shown = (await served.get(there.replace("conversations?", "conversations.json?"))).json()
        assert shown["total"] > 0
    assert "/-/glin/tags?tag=bug" in links(html)
    assert all(f"/-/glin/conversations/{one['conversation_id']}" in links(html)
               for one in said["recent"])  # fmt: skip
    assert "autofocus" in html


@pytest.mark.asyncio
async def test_files_commits_and_tags(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    said = (await served.get(f"/-/glin/files.json?file={FILE}")).json()
    assert said["total"] == len(said["mentions"])
    times = [one["ts"] for one in said["mentions"]]
    assert times == sorted(times)
    html = (await served.get("/-/glin/files?file=table.py")).text
    for one in said["mentions"]:
        assert any(f"#message-{one['message_id']}" in link for link in links(html))
    listed = (await served.get("/-/glin/files")).text
    assert any(FILE in unescape(link).replace("%2F", "/") for link in links(listed))

    commit = (await served.get(f"/-/glin/commits.json?commit={COMMIT[:8]}")).json()
    assert (commit["made"]["certain"], commit["made"]["conversation_id"]) == (True, ids["tides"])
    assert COMMIT[:7] in (await served.get("/-/glin/commits")).text

    tags = (await served.get("/-/glin/tags.json")).json()["tags"]
    for tag in tags:
        one = (await served.get(f"/-/glin/tags.json?tag={quote(tag['name'])}")).json()
        assert one["total"] > 0
        assert tag["name"] == one["tag"]
        # A hostile one too: its page is linked, and says its name as text.
        page = await served.get(f"/-/glin/tags?tag={quote(tag['name'])}")
        assert page.status_code == 200
        assert "<script>window.evil" not in page.text


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True, False])
def test_finding_an_answer(
    browse: Callable[..., Any], archive: Path, ids: dict[str, int], javascript: bool
) -> None:
    browsed = browse(archive, javascript=javascript)
    page = browsed.page
    browsed.open("/-/glin")
    box = page.locator("input[data-glin-search]").first
    assert box.evaluate("box => box === document.activeElement")
    box.fill("sorted")
    box.press("Enter")
    page.wait_for_url("**/-/glin/search?**")
    everything = int(page.locator(".glin-total strong").inner_text().split()[0])

    page.get_by_role("region", name="Source").get_by_role("link", name="codex").click()
    page.wait_for_url("**codex**")
    narrowed = int(page.locator(".glin-total strong").inner_text().split()[0])
    assert 0 < narrowed < everything
    page.get_by_role("region", name="Source").get_by_role("link", name="codex").click()
    page.wait_for_url(lambda url: "codex" not in url)
    assert int(page.locator(".glin-total strong").inner_text().split()[0]) == everything

    if javascript:
        # As one types: the results change, the page does not, and neither does the focus.
        page.evaluate("window.same = true")
        query = page.locator("#glin-q")
        query.fill("harbour")
        page.wait_for_url("**q=harbour**")
        assert page.evaluate("window.same") is True
        assert query.evaluate("box => box === document.activeElement")
        assert "harbour" in page.title()
        query.fill("sorted")
        page.wait_for_url("**q=sorted**")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
    else:
        page.locator("[data-glin-open]").first.click()
    page.wait_for_url("**/-/glin/conversations/**")
    target = page.locator(":target")
    assert "sorted" in target.inner_text().lower()
    assert browsed.wrong == []
