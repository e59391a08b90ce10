"""Every page of ours, as its route says: WCAG 2.1 AA in axe-core, and nothing broken in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shown

from glin_datasette.plugin.guard import ROOT
from glin_datasette.plugin.views import routes
from glin_datasette.storage import backup_db, get_db

pytestmark = pytest.mark.browser

STANDARD = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
#: What of the standard is about colours; dark and light differ in nothing else.
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}

#: Parts of the routes that show no page: files, and what is only written to.
NO_PAGES = ("/notes", "/verify", "/download", "/attachments/", "/metrics", "(?P<format>")

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 800}


def axe(page: Any, rules: dict[str, Any]) -> list[str]:
    """What is wrong with a page: the rule, where, and the element."""
    axe_playwright = pytest.importorskip("axe_playwright_python.sync_playwright")
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = axe_playwright.Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['html'][:200]}"
        f" {node['any'][0]['message'] if node['any'] else ''}"
        for rule in found
        for node in rule["nodes"]
    ]


def test_every_route_has_pages_to_look_at() -> None:
    paths = [address.partition("?")[0] for address in shown.pages(dict.fromkeys(shown.NAMES, 1))]
    for pattern, _ in routes():
        if any(part in pattern for part in NO_PAGES):
            continue
        assert any(re.match(pattern, path) for path in paths), f"shown.pages() lacks {pattern}"


# Colours do not change with the width of the window.
@pytest.mark.parametrize(
    ("scheme", "rules", "sizes"),
    [("light", STANDARD, (DESKTOP, PHONE)), ("dark", COLOURS, (DESKTOP,))],
)
def test_every_page_keeps_the_guidelines(
    browse: Callable[..., Any],
    archive: Path,
    scheme: str,
    rules: dict[str, Any],
    sizes: tuple[dict[str, int], ...],
) -> None:
    # What is hostile, and everything that there is to show.
    with get_db(archive) as db:
        ids = shown.add_everything(db)
        backup_db(db)
    browsed = browse(archive, "--root")
    page = browsed.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    browsed.open(browsed.server.sign_in_path)
    wrong = []
    for address in shown.pages(ids):
        assert browsed.open(address).status == 200, address
        for size in sizes:
            page.set_viewport_size(size)
            wrong += [f"{address} at {size['width']}: {each}" for each in axe(page, rules)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{address} is wider than a phone")
    wrong += browsed.wrong
    # What is said when something is wrong, and the keys.
    for address in ("search?size=much", "conversations/999999"):
        assert browsed.open(f"{ROOT}/{address}").status in (400, 404)
        wrong += [f"{address}: {each}" for each in axe(page, rules)]
    page.keyboard.press("?")
    wrong += [f"the keys: {each}" for each in axe(page, rules)]
    assert not wrong, "\n".join(wrong)
