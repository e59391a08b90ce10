"""The keyboard on our pages, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from datasette import hookspecs

pytestmark = pytest.mark.browser

IS_1_0 = hasattr(hookspecs, "jump_items_sql")

#: What is focused: its tag, and where it leads or what it is called.
FOCUSED = """() => {
    const it = document.activeElement;
    return it.matches("input[data-glin-search]") ? "search" : it.getAttribute("href") || it.tagName;
}"""
CURRENT = "[...document.querySelectorAll('.glin-current')].length"


def test_a_page_is_used_with_the_keyboard_alone(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page, press = browsed.page, browsed.page.keyboard.press
    browsed.open("/-/glin/conversations")
    items = [
        item.locator("a[data-glin-open], a[href]").first.get_attribute("href")
        for item in page.locator("[data-glin-item]").all()
    ]
    assert len(items) == 3

    def focused() -> str:
        return str(page.evaluate(FOCUSED))

    for key, expected in (("j", 0), ("j", 1), ("k", 0), ("k", 0), ("j", 1), ("j", 2), ("j", 2)):
        press(key)
        assert focused() == items[expected], key
        assert page.evaluate(CURRENT) == 1
    # Focus is visible.
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    # With a modifier a key means something else, and in a field it is a letter.
    for key in ("Control+k", "Alt+k", "Meta+k"):
        press(key)
        assert focused() == items[2], key
    press("/")
    assert focused() == "search"
    page.keyboard.type("jk?/ parser")
    assert page.evaluate("document.activeElement.value") == "jk?/ parser"
    assert page.locator("dialog[open]").count() == 0
    press("Escape")
    assert focused() == "BODY"
    # Whoever goes on with Tab goes on from there.
    page.locator("[data-glin-item] a").first.focus()
    press("j")
    assert focused() == items[1]
    press("Enter")
    page.wait_for_url("**" + items[1])
    assert browsed.wrong == []


def test_the_keys_are_shown_and_can_be_switched_off(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page, press = browsed.page, browsed.page.keyboard.press
    browsed.open("/-/glin/conversations")
    press("?")
    shown = page.locator("#glin-help")
    assert shown.locator("dt").all_inner_texts()[:4] == ["/", "j", "k", "Enter"]
    press("j")
    assert page.evaluate(CURRENT) == 0
    press("Escape")
    assert page.locator("dialog[open]").count() == 0
    page.get_by_role("button", name="Keys").click()
    assert shown.is_visible()
    shown.get_by_role("checkbox").uncheck()
    shown.get_by_role("button", name="Close").click()
    for key in ("j", "?", "/"):
        press(key)
    assert page.evaluate(CURRENT) == 0
    # It is remembered, and the button is the way back.
    browsed.open("/-/glin/health")
    press("?")
    assert page.locator("dialog[open]").count() == 0
    page.get_by_role("button", name="Keys").click()
    # Without anything to walk along, the keys for that are not told.
    assert shown.locator("dt").all_inner_texts() == ["/", "?"]
    shown.get_by_role("checkbox").check()
    press("Escape")
    press("/")
    assert page.evaluate(FOCUSED) == "search"
    assert browsed.wrong == []


def test_without_javascript_nothing_promises_keys(browse: Callable[..., Any]) -> None:
    browsed = browse(javascript=False)
    browsed.open("/-/glin/conversations")
    assert browsed.page.get_by_role("button", name="Keys").count() == 0
    browsed.page.locator("input[type=search]").first.fill("parser")
    browsed.page.locator("input[type=search]").first.press("Enter")
    browsed.page.wait_for_url(re.compile("q=parser"))


@pytest.mark.skipif(not IS_1_0, reason="Datasette 0.65 has no jump menu")
def test_slash_is_ours_and_the_jump_menu_is_in_the_menu(browse: Callable[..., Any]) -> None:
    browsed = browse()
    page = browsed.page
    page.emulate_media(color_scheme="dark")
    browsed.open("/-/glin/health")
    page.keyboard.press("/")
    assert page.evaluate(FOCUSED) == "search"
    assert page.locator("navigation-search dialog[open]").count() == 0
    page.locator(".nav-menu summary").click()
    page.get_by_role("button", name="Jump to").click()
    page.locator("navigation-search input").fill("pars")
    option = page.get_by_role("option", name="Parser")
    option.wait_for()
    # Our keys are letters there.
    page.keyboard.type("jk?")
    assert page.locator("navigation-search input").input_value() == "parsjk?"
    page.locator("navigation-search input").fill("parser")
    with page.expect_navigation():
        page.get_by_role("option", name="Parser").first.click()
    assert page.url.endswith("/-/glin/conversations/1")
    # On Datasette's own pages it is the jump menu's.
    browsed.open("/glin")
    page.keyboard.press("/")
    page.locator("navigation-search dialog[open]").wait_for()
    assert browsed.wrong == []
