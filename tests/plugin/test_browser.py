"""The pages in a real browser: what one clicks, and what hostile text does (nothing)."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.browser

#: As in the fixture's archive.
HOSTILE = '<script>window.evil=1</script><img src=x onerror="window.evil=2">\'"&<b>'
EVIL = quote("<script>window.evil=1</script>")

PAGES = [
    "/",
    "/glin",
    "/glin/conversations",
    "/glin/conversations/3",
    "/glin/messages",
    "/glin/messages/6",
    "/glin/messages?_labels=on&_facet=model",
    "/glin/message_refs",
    "/glin/conversation_tags",
    "/glin/message_tags",
    "/glin/tags",
    "/glin/import_files",
    "/glin/recent",
    "/glin/tag_counts",
    "/glin/search_messages?q=parser",
    "/glin/search_conversations?q=parser",
    f"/glin/messages?_tag={EVIL}",
    f"/glin/search_messages?q={EVIL}&tag={EVIL}",
    "/-/glin",
    f"/-/glin/search?q={EVIL}&sort=newest",
    "/-/glin/search?q=parser",
    "/-/glin/conversations",
    "/-/glin/conversations/3",
    "/-/glin/messages/6",
    f"/-/glin/files?file={quote('src/' + HOSTILE + '.py')}",
    f"/-/glin/files?file={EVIL}",
    "/-/glin/commits?commit=0123abc",
    f"/-/glin/tags?tag={quote('hostile ' + HOSTILE)}",
    f"/-/glin/tags?tag={EVIL}",
    "/-/glin/health",
    "/-/glin/backups",
]


def test_no_page_runs_hostile_text_or_asks_another_host(
    browse: Callable[..., Any], archive: Path
) -> None:
    browsed = browse(archive, "--root")
    browsed.open(browsed.server.sign_in_path)
    for path in PAGES:
        assert browsed.open(path).status == 200, path
        assert browsed.page.evaluate("window.evil") is None, path
        assert browsed.page.locator("img[src=x]").count() == 0, path
    assert browsed.wrong == []


def test_hostile_text_is_there_to_be_read(browse: Callable[..., Any]) -> None:
    browsed = browse()
    browsed.open("/glin/messages/6")
    shown = browsed.page.locator("td.col-content").inner_text()
    assert "<script>window.evil=1</script>" in shown
    assert "\n\n    indented\nlast line" in shown


def test_from_a_row_into_the_transcript(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    browsed.open("/glin/conversations")
    page.get_by_role("link", name="Parser", exact=True).click()
    page.wait_for_url("**/-/glin/conversations/1")
    assert page.get_by_role("heading", level=1).inner_text() == "Parser"
    browsed.open("/glin/messages")
    page.locator("tbody td.col-id a").nth(1).click()
    page.wait_for_url("**/glin/messages/2")
    page.get_by_role("link", name="Read it in its transcript").first.click()
    page.wait_for_url("**/-/glin/conversations/1?at=2#message-2")
    assert page.locator("#message-2").get_by_text("I fixed the parser").is_visible()
    assert browsed.wrong == []


def test_tags_are_clicked_on_and_off_beside_a_search(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    browsed.open("/glin/messages")
    page.locator("input[type=search]").fill("parser")
    page.locator("input[type=search]").press("Enter")
    page.wait_for_url("**_search=parser**")
    facet = page.locator("#facet-tags")
    facet.get_by_role("link", name="docs").click()
    page.wait_for_url("**_tag=docs**")
    facet.get_by_role("link", name="bug").click()
    page.wait_for_url("**_tag=bug**")
    assert "_search=parser" in page.url
    assert page.locator("tbody td.col-id").all_inner_texts() == ["1", "2"]
    # The form keeps them when another search is made.
    page.locator("input[type=search]").fill("a OR the parser")
    page.locator("input[type=search]").press("Enter")
    page.wait_for_url("**_search=a**")
    assert re.search("_tag=docs.*_tag=bug", page.url)
    assert page.locator("tbody td.col-id").all_inner_texts() == []
    page.go_back()
    page.wait_for_url("**_search=parser**")
    facet.locator("li", has_text="bug").locator("a.cross").click()
    page.wait_for_url(lambda url: "_tag=bug" not in url)
    assert page.locator("tbody td.col-id").all_inner_texts() == ["1", "2", "4"]
    assert browsed.wrong == []


def test_a_query_is_filled_in_and_run(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    browsed.open("/glin/search_messages")
    page.locator("input[name=q]").fill('"the parser"')
    page.locator("input[name=role]").fill("assistant")
    page.locator("form.sql input[type=submit]").click()
    page.wait_for_url("**role=assistant**")
    assert page.locator("td.col-message_id").all_inner_texts() == ["2"]
    assert page.locator("td.col-snippet mark").all_inner_texts() == ["the parser"]
    page.locator("summary", has_text="Parameters").click()
    assert page.get_by_text("A tag of the message or of its conversation.").is_visible()
    assert browsed.wrong == []


@pytest.mark.parametrize("javascript", [True, False])
def test_root_makes_a_backup_with_a_button(
    browse: Callable[..., Any], archive: Path, javascript: bool
) -> None:
    browsed = browse(archive, "--root", javascript=javascript)
    page = browsed.page
    browsed.open("/-/glin/backups")
    assert page.get_by_role("button", name="Make a backup now").count() == 0
    browsed.open(browsed.server.sign_in_path)
    browsed.open("/-/glin/backups")
    page.get_by_role("button", name="Make a backup now").click()
    page.get_by_text("Backup made and verified").wait_for()
    [made] = archive.parent.glob("glin-backups/*.db")
    assert made.name in page.get_by_role("status").inner_text()
    assert made.name in page.locator("tbody tr td").first.inner_text()
    page.get_by_role("button", name="Verify").click()
    page.get_by_text("was read back whole").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == made.name
    assert Path(download.value.path()).read_bytes() == made.read_bytes()
    page.get_by_role("link", name="the archive’s health").click()
    page.wait_for_url("**/-/glin/health**")
    assert page.get_by_text("less than a minute ago").is_visible()
    assert browsed.wrong == []


def test_another_site_makes_no_backup(browse: Callable[..., Any], archive: Path) -> None:
    # Another port of this machine is the same site to cookies, and another origin.
    victim = browse(archive, "--root")
    other = browse(archive)
    victim.open(victim.server.sign_in_path)
    for path in ("/-/glin/backups", "/-/glin/backups.json"):
        victim.page.goto(other.server.url + "/")
        victim.wrong.clear()
        with victim.page.expect_navigation() as navigation:
            victim.page.evaluate(
                """url => {
                    const form = document.createElement("form");
                    form.method = "post"; form.action = url;
                    document.body.append(form); form.submit();
                }""",
                victim.server.url + path,
            )
        assert navigation.value.status == 403
    assert not (archive.parent / "glin-backups").exists()


def test_the_page_of_a_message_shows_a_line_for_each_column(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    for path in ("/glin/messages/6", "/glin/conversations/3"):
        browsed.open(path)
        heads = [th.bounding_box() for th in page.locator(".rows-and-columns th:visible").all()]
        cells = [td.bounding_box() for td in page.locator(".rows-and-columns td:visible").all()]
        assert len(heads) == len(cells) >= 15
        assert [round(box["y"]) for box in heads] == [round(box["y"]) for box in cells]
        assert len({round(box["x"]) for box in cells}) == 1


def test_a_narrow_screen_needs_no_sideways_scrolling_to_read(browse: Callable[..., Any]) -> None:
    browsed = browse()
    browsed.page.set_viewport_size({"width": 400, "height": 800})
    for path in ("/glin/messages/6", "/glin/search_messages?q=parser"):
        browsed.open(path)
        cells = browsed.page.locator(".rows-and-columns td:visible").all()
        assert max(c.bounding_box()["width"] for c in cells) <= 400, path
