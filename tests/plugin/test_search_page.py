"""The search page: what its histogram and its filters lead to, and results as one types."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest


@pytest.mark.asyncio
async def test_a_query_of_time_is_widened_step_by_step(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive)
    q = "parser since:2026-02-11 until:2026-02-11"
    steps = []
    while q:
        said = (await served.get(f"/-/glin/search.json?q={quote(q)}")).json()
        steps.append((said["q"], said["total"]))
        q = said["histogram"]["wider"]
    assert steps == [
        ("parser since:2026-02-11 until:2026-02-11", 2),
        ("parser since:2026-02-09 until:2026-02-15", 4),
        ("parser since:2026-02 until:2026-02", 4),
        ("parser since:2026 until:2026", 4),
    ]
    assert said["histogram"]["any_time"] == "parser"


@pytest.mark.asyncio
async def test_a_word_may_be_unfinished_only_while_it_is_typed(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive)
    for more, total in (("", 0), ("&typing=1", 4)):
        said = (await served.get(f"/-/glin/search.json?q=pars{more}")).json()
        assert said["total"] == total
    assert said["q"] == "pars*"
    # The results alone, without the frame of a page.
    part = (await served.get("/-/glin/search?q=parser&fragment=1")).text
    whole = (await served.get("/-/glin/search?q=parser")).text
    assert "<html" not in part
    assert part.strip() in whole


@pytest.mark.asyncio
async def test_all_that_is_found_is_offered_for_tagging_only_if_something_was_asked(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive)
    root = {"id": "root"}
    assert "glin-tagging" not in (await served.get("/-/glin/search?q=parser")).text
    asked = (await served.get("/-/glin/search?q=parser", root)).text
    everything = (await served.get("/-/glin/search", root)).text
    offered = re.compile(r'<option value="(messages|conversations)">([^<]+)')
    assert offered.findall(asked) == [
        ("messages", "all 4 messages found"),
        ("conversations", "all 3 conversations found"),
    ]
    assert offered.findall(everything) == []
    # Coming back from tagging is coming back to this very page.
    following = re.search(r'name="next" value="([^"]+)"', asked)
    assert following and unescape(following[1]) == "/-/glin/search?q=parser"


@pytest.mark.browser
def test_bars_and_filters_narrow_and_widen(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    total = page.locator(".glin-total strong")
    browsed.open("/-/glin/search?q=parser+role:user")
    assert total.inner_text() == "3 messages"
    page.get_by_role("link", name="2026-02-11: 1 message").click()
    page.wait_for_url("**since%3A2026-02-11**")
    assert total.inner_text() == "1 message"
    page.locator(".glin-filters").get_by_role("link", name=re.compile("role: user")).click()
    page.wait_for_url(lambda url: "role" not in url)
    assert total.inner_text() == "2 messages"
    page.get_by_role("link", name="Any time").click()
    page.wait_for_url(lambda url: "since" not in url)
    assert total.inner_text() == "4 messages"
    assert browsed.wrong == []


@pytest.mark.browser
def test_an_answer_that_comes_late_is_dropped(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    browsed.open("/-/glin/search")
    held: list[Any] = []
    page.route("**/search?q=weather&fragment=1**", lambda route: held.append(route))
    box = page.locator("#glin-q")
    with page.expect_request("**q=weather&fragment=1**"):
        box.fill("weather")
    box.fill("pars")
    page.wait_for_url("**q=pars")
    held[0].continue_()
    # The word is not whole yet: what begins like that is shown, and told to who cannot see.
    assert page.locator("#glin-said").inner_text() == "4 messages found"
    assert page.locator("mark").first.inner_text().lower() == "parser"
    assert box.input_value() == "pars"
    assert box.evaluate("box => box === document.activeElement && box.selectionStart === 4")
    page.locator("select[name=sort]").select_option("newest")
    page.wait_for_url("**sort=newest")
    assert page.locator(".glin-total").inner_text().startswith("4 messages")
    assert browsed.wrong == []
