"""Datasette's own pages lead to ours: menus, the jump menu, the index, and signing in."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sqlite_utils
from datasette import hookspecs

from glin_datasette.models import Conversation
from glin_datasette.storage import get_db, insert_conversation, tag_conversation

pytestmark = pytest.mark.asyncio

ROOT = {"id": "root"}

only_1_0 = pytest.mark.skipif(
    not hasattr(hookspecs, "jump_items_sql"), reason="Datasette 0.65 has no such menu"
)
#: Who may see the database, but not what was said.
NO_MESSAGES = {"databases": {"glin": {"tables": {"messages": {"allow": {"id": "reader"}}}}}}


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: dict[str, str] = {}
        self._href: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._href = dict(attrs).get("href")

    def handle_data(self, data: str) -> None:
        if self._href is not None and data.strip():
            self.links.setdefault(data.strip(), self._href)
            self._href = None


async def links(served, path: str, actor=None) -> dict[str, str]:
    """The links of a page, by their text."""
    response = await served.get(path, actor)
    assert response.status_code == 200
    parser = _Links()
    parser.feed(response.text)
    return parser.links


async def jump(served, q: str, actor=None) -> list[tuple[str, str, str]]:
    response = await served.get(f"/-/jump?q={q}", actor)
    assert response.status_code == 200
    found = [(each["type"], each["name"], each["url"]) for each in response.json()["matches"]]
    return [each for each in found if each[0] in ("page", "search", "conversation", "tag")]


MENU = {
    "Archive": "/-/glin",
    "Search": "/-/glin/search",
    "Conversations": "/-/glin/conversations",
    "Backups": "/-/glin/backups",
    "Health": "/-/glin/health",
}
STATE = {"/-/glin/backups", "/-/glin/health"}


@pytest.mark.parametrize("base", ["/", "/talks/"])
async def test_menus_lead_to_our_pages(serve, archive: Path, base: str) -> None:
    served = serve(archive, settings={"base_url": base})
    expected = {label: base.rstrip("/") + href for label, href in MENU.items()}
    for page in ("/", "/glin", "/glin/messages/1"):
        found = await links(served, page)
        assert expected.items() <= found.items(), page
    for href in MENU.values():
        assert (await served.get(href)).status_code == 200, href
    found = await links(served, "/glin/conversations")
    assert found["Browse conversations"] == expected["Conversations"]
    assert (await links(served, "/glin/messages"))["Search messages"] == expected["Search"]
    assert (await links(served, "/glin/tags"))["Browse tags"].endswith("/-/glin/tags")


async def test_each_archive_leads_to_its_own_pages(serve, archive: Path, tmp_path: Path) -> None:
    get_db(tmp_path / "second.db").close()
    served = serve(archive, tmp_path / "second.db")
    for page, href in (
        ("/", "/-/glin/health"),
        ("/glin/messages/1", "/-/glin/health"),
        ("/second", "/-/glin/health?db=second"),
        ("/second/messages", "/-/glin/health?db=second"),
        ("/-/glin/backups?db=second", "/-/glin/health?db=second"),
    ):
        assert (await links(served, page))["Health"] == href, page
    found = await links(served, "/second/messages")
    assert found["Search messages"] == "/-/glin/search?db=second"


async def test_only_archives_and_only_for_those_who_may(
    serve, archive: Path, tmp_path: Path
) -> None:
    with sqlite_utils.Database(tmp_path / "dogs.db") as db:
        db.table("messages").insert({"id": 1, "name": "Cleo"}, pk="id")
    served = serve(tmp_path / "dogs.db")
    for page in ("/", "/dogs", "/dogs/messages", "/dogs/messages/1"):
        assert "/-/glin" not in (await served.get(page)).text, page
    served = serve(archive, says=NO_MESSAGES)
    for page in ("/", "/glin"):
        led = set((await links(served, page)).values())
        # What tells nothing of what was said is there for everybody.
        assert {href for href in led if href.startswith("/-/glin")} == STATE, page
        led = set((await links(served, page, {"id": "reader"})).values())
        assert set(MENU.values()) <= led, page
    assert "glin-entry" not in (await served.get("/")).text


async def test_the_index_has_a_way_into_the_archive(serve, archive: Path, tmp_path: Path) -> None:
    html = (await serve(archive).get("/")).text
    assert '<form class="glin-entry core" role="search" action="/-/glin/search"' in html
    assert 'name="db"' not in html
    get_db(tmp_path / "second.db").close()
    html = (await serve(archive, tmp_path / "second.db").get("/")).text
    assert '<input type="hidden" name="db" value="glin">' in html


@only_1_0
async def test_the_row_actions_lead_into_the_transcript(serve, archive: Path) -> None:
    served = serve(archive)
    html = (await served.get("/glin/messages/2")).text
    assert '<a href="/-/glin/conversations/1?at=2#message-2" role="menuitem"' in html
    html = (await served.get("/glin/conversations/1")).text
    assert '<a href="/-/glin/conversations/1" role="menuitem"' in html


@only_1_0
async def test_the_jump_menu_finds_conversations_tags_and_pages(serve, archive: Path) -> None:
    with get_db(archive) as db:
        tag_conversation(db, 1, "100%_pars")
        for n in range(30):
            insert_conversation(
                db, Conversation(source="codex", source_id=f"p{n}", title=f"Parsing {n}")
            )
    served = serve(archive)
    found = await jump(served, "PARS")
    assert ("conversation", "Parser", "/-/glin/conversations/1") in found or len(found) == 10
    assert sum(kind == "conversation" for kind, _, _ in found) == 8
    assert ("tag", "100%_pars", "/-/glin/tags?tag=100%25_pars") in found
    assert ("search", "Search for “PARS”", "/-/glin/search?q=PARS") in found
    assert ("page", "Health", "/-/glin/health") in await jump(served, "heal")
    assert await jump(served, "parser zebra") == [
        ("search", "Search for “parser zebra”", "/-/glin/search?q=parser+zebra")
    ]
    # The wildcards of SQL are letters like others.
    assert [kind for kind, _, _ in await jump(served, "r_er")] == ["search"]
    assert len(await jump(served, "")) == len(MENU)


@only_1_0
async def test_the_jump_menu_tells_nothing_to_those_who_may_not(
    serve, archive: Path, tmp_path: Path
) -> None:
    get_db(tmp_path / "second.db").close()
    served = serve(archive, tmp_path / "second.db", says=NO_MESSAGES)
    assert {url.rpartition("?")[2] for _, _, url in await jump(served, "Parser")} == {
        "q=Parser&db=second"
    }
    for_reader = await jump(served, "Parser", {"id": "reader"})
    assert ("conversation", "Parser", "/-/glin/conversations/1") in for_reader
    assert ("search", "Search in second for “Parser”", "/-/glin/search?q=Parser&db=second") in (
        for_reader
    )


@only_1_0
async def test_hostile_titles_are_text_in_the_jump_menu(serve, archive: Path) -> None:
    served = serve(archive)
    response = await served.get("/-/jump?q=hostile")
    assert "<script>window.evil=1</script>" in json.loads(response.text)["matches"][0]["name"]


@pytest.mark.parametrize("prefix", ["/", "/talks/"])
async def test_root_signs_in_and_lands_at_the_front_door(
    serve, archive: Path, tmp_path: Path, prefix: str
) -> None:
    with sqlite_utils.Database(tmp_path / "dogs.db") as db:
        db.table("dogs").insert({"id": 1, "name": "Cleo"}, pk="id")
    for files, landed in (
        ([archive], f"{prefix}-/glin"),
        # Where there is more than archives, Datasette's list of databases stays the start.
        ([archive, tmp_path / "dogs.db"], prefix),
    ):
        served = serve(*files, settings={"base_url": prefix})
        served.ds._root_token = "one-time"
        assert (await served.get("/-/auth-token?token=wrong")).status_code == 403
        response = await served.get("/-/auth-token?token=one-time")
        assert (response.status_code, response.headers["location"]) == (302, landed)
        assert "ds_actor=" in response.headers["set-cookie"]
