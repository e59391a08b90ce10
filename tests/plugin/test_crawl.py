"""Every link of every page of ours leads somewhere, within the archive that it is about."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import shown

from glin_datasette.storage import backup_db, get_db

pytestmark = pytest.mark.asyncio

ROOT = {"id": "root"}
HOST = "http://localhost"
#: Links that differ in nothing but numbers and values are of one kind; so many are followed.
OF_A_KIND = 3


class _Page(HTMLParser):
    """What a page leads to, and what its forms would send along."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.forms: list[tuple[str, str, dict[str, str]]] = []
        self.unsafe: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "form":
            action = urljoin(self.address, given.get("action") or self.address)
            self.forms.append((given.get("method", "get").lower(), action, {}))
        if tag in ("input", "button") and self.forms and "name" in given:
            self.forms[-1][2].setdefault(given["name"], given.get("value", ""))
        for name in ("href", "src"):
            if name in given:
                link = urljoin(self.address, given[name])
                if link.startswith(HOST):
                    self.links.append(link)
                # Datasette's footer links to its own site.
                elif not (
                    link.startswith(("data:", "https://datasette.io"))
                    or "noopener" in given.get("rel", "")
                ):
                    self.unsafe.append(link)


def kind(link: str) -> str:
    """What a link is, without what it is about."""
    parts = urlsplit(link)
    return re.sub(r"\d+", "N", parts.path) + "?" + "&".join(sorted(parse_qs(parts.query)))


async def test_every_link_leads_somewhere(serve, archive: Path, tmp_path: Path) -> None:
    with get_db(archive) as db:
        ids = shown.add_everything(db)
        backup_db(db)
    get_db(tmp_path / "first.db").close()
    served = serve(tmp_path / "first.db", archive, settings={"base_url": "/talks/"})
    prefix = f"{HOST}/talks/"
    waiting = [
        f"{HOST}/talks{page}{'&' if '?' in page else '?'}db=glin" for page in shown.pages(ids)
    ]
    expected = set(waiting)
    seen: set[str] = set()
    followed: Counter[str] = Counter()
    wrong: list[str] = []
    while waiting:
        link = waiting.pop(0)
        address, _, fragment = link.partition("#")
        if address in seen or (address not in expected and followed[kind(address)] >= OF_A_KIND):
            continue
        seen.add(address)
        followed[kind(address)] += 1
        response = await served.get("/" + address.removeprefix(prefix), ROOT)
        if response.status_code != 200:
            wrong.append(f"{address} answers {response.status_code}")
        ours = address.startswith(f"{prefix}-/glin") and "db=glin" in address
        if not ours or "text/html" not in response.headers["content-type"]:
            continue
        if "attachment" in response.headers.get("content-disposition", ""):
            continue
        page = _Page(address)
        page.feed(response.text)
        wrong += [f"{address} leads out to {each}" for each in page.unsafe]
        if fragment and fragment not in page.ids:
            wrong.append(f"{link} has nothing called that")
        for each in page.links:
            if not each.startswith(prefix):
                wrong.append(f"{address} leads to {each}")
            # The list of archives leads to the other one, which is the first.
            elif (
                each.startswith(f"{prefix}-/glin")
                and each != f"{prefix}-/glin"
                and "db=glin" not in each
            ):
                wrong.append(f"{address} leads into another archive: {each}")
            else:
                waiting.append(each)
        for method, action, fields in page.forms:
            if action.startswith(f"{prefix}-/glin"):
                named = fields.get("db") == "glin" or (method == "post" and "db=glin" in action)
                if not named:
                    wrong.append(f"{address} has a form into another archive: {action}")
    assert not wrong, "\n".join(wrong)
    assert expected <= seen


async def test_an_immutable_archive_shows_every_page(serve, archive: Path) -> None:
    with get_db(archive) as db:
        ids = shown.add_everything(db)
    before = archive.read_bytes()
    served = serve(immutables=[str(archive)])
    for address in shown.pages(ids):
        response = await served.get(address, ROOT)
        assert response.status_code == 200, address
    assert archive.read_bytes() == before
