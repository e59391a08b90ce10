"""How values look in tables: linked to each other, and harmless."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from datasette.utils import tilde_encode

from glin_datasette.storage import get_db

pytestmark = pytest.mark.asyncio


class _Cells(HTMLParser):
    """The cells of tables: column -> [(text, [href])], and every tag of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: dict[str, list[tuple[str, list[str]]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._column: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "td":
            classes = (given.get("class") or "").split()
            self._column = next(
                (name.removeprefix("col-") for name in classes if name.startswith("col-")), None
            )
            if self._column:
                self.cells.setdefault(self._column, []).append(("", []))
        elif tag == "a" and self._column:
            self.cells[self._column][-1][1].append(given.get("href") or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._column = None

    def handle_data(self, data: str) -> None:
        if self._column:
            text, links = self.cells[self._column][-1]
            self.cells[self._column][-1] = (text + data, links)


def parsed(html: str) -> _Cells:
    parser = _Cells()
    parser.feed(html)
    return parser


async def cells(served, path: str) -> dict[str, list[tuple[str, list[str]]]]:
    response = await served.get(path)
    assert response.status_code == 200
    return parsed(response.text).cells


async def test_a_conversation_leads_to_its_transcript(serve, archive: Path) -> None:
    served = serve(archive)
    for path in ("/glin/conversations?id=1", "/glin/conversations/1", "/glin/recent?size=2"):
        titles = dict((await cells(served, path))["title"])
        assert titles["Parser"] == ["/-/glin/conversations/1"]
    [(text, [href])] = (await cells(served, "/glin/conversations?id=2"))["title"]
    assert (text, href) == ("(no title)", "/-/glin/conversations/2")
    # The page of a row says so in words.
    [(text, [href])] = (await cells(served, "/glin/conversations/1"))["id"]
    assert (text, href) == ("1 Read the transcript", "/-/glin/conversations/1")


async def test_a_message_leads_to_its_place_in_the_transcript(serve, archive: Path) -> None:
    served = serve(archive)
    place = "/-/glin/conversations/1?at=2#message-2"
    for path in ("/glin/messages?id=2", "/glin/messages/2"):
        [(text, [href])] = (await cells(served, path))["conversation_id"]
        assert href == place
        # Where Datasette knows the title of the other row, it stays.
        assert text.replace("\xa0", " ") in ("Parser 1", "1")
    [(text, links)] = (await cells(served, "/glin/messages/2"))["id"]
    assert (text, links) == ("2 Read it in its transcript", [place])
    # In lists, the id is the way to the page of the row.
    assert (await cells(served, "/glin/messages?id=2"))["id"] == [("2", ["/glin/messages/2"])]
    page = await cells(served, "/glin/search_messages?q=weather")
    assert page["conversation_id"] == [("2", ["/-/glin/conversations/2"])]
    assert page["message_id"] == [("5", ["/-/glin/conversations/2?at=5#message-5"])]
    page = await cells(served, "/glin/search_conversations?q=weather")
    assert page["newest_hit"] == [("5", ["/-/glin/conversations/2?at=5#message-5"])]


async def test_a_subagent_leads_to_its_parent(serve, archive: Path) -> None:
    with get_db(archive) as db:
        db.table("conversations").update(2, {"parent_id": 1})
    served = serve(archive)
    for path in ("/glin/conversations?id=2", "/glin/conversations/2"):
        [(_, links)] = (await cells(served, path))["parent_id"]
        assert links == ["/-/glin/conversations/1"]


async def test_references_lead_to_what_is_said_about_them(serve, archive: Path) -> None:
    served = serve(archive)
    page = await cells(served, "/glin/message_refs")
    # Which conversation the message is in is not in this table.
    assert page["message_id"] == [("6", ["/-/glin/messages/6"])] * 4
    refs = dict(page["ref_value"])
    assert refs["0123abc"] == ["/-/glin/commits?commit=0123abc"]
    file = f"src/{HOSTILE}.py"
    assert [parse_qs(urlsplit(href).query) for href in refs[file]] == [{"file": [file]}]
    assert refs["https://example.com/a?b=1&c=<d>"] == ["https://example.com/a?b=1&c=<d>"]
    for query, column in (
        ("by_file", "file"),
        ("discussed_files", "file"),
        ("by_commit", "commit"),
    ):
        assert dict((await cells(served, f"/glin/{query}"))[column]) == (
            {file: refs[file]} if column == "file" else {"0123abc": refs["0123abc"]}
        )


async def test_in_a_second_archive_addresses_say_so(serve, archive: Path, tmp_path: Path) -> None:
    get_db(tmp_path / "first.db").close()
    served = serve(tmp_path / "first.db", archive)
    [(_, [href])] = (await cells(served, "/glin/conversations?id=1"))["title"]
    assert href == "/-/glin/conversations/1?db=glin"
    [(_, [href])] = (await cells(served, "/glin/messages?id=2"))["conversation_id"]
    assert href == "/-/glin/conversations/1?at=2&db=glin#message-2"


HOSTILE = '<script>window.evil=1</script><img src=x onerror="window.evil=2">\'"&<b>'
HOSTILE_URL = "javascript://example.com/%0Awindow.evil=3"


@pytest.mark.parametrize("path", ["", "?ref_type=url", f"/6,url,{tilde_encode(HOSTILE_URL)}"])
async def test_only_web_addresses_become_links(serve, archive: Path, path: str) -> None:
    html = (await serve(archive).get(f"/glin/message_refs{path}")).text
    page = parsed(html)
    assert (HOSTILE_URL, []) in page.cells["ref_value"]
    hrefs = [given.get("href") or "" for _, given in page.tags]
    assert [href for href in hrefs if href.lower().startswith("javascript:")] == []
    outward = [g for _, g in page.tags if (g.get("href") or "").startswith("https://example.com")]
    assert all("noopener" in (given["rel"] or "") for given in outward)


async def test_tags_lead_to_what_has_them(serve, archive: Path) -> None:
    served = serve(archive)
    for path, column in (("/glin/tags", "name"), ("/glin/tag_counts", "tag")):
        [href] = dict((await cells(served, path))[column])["docs"]
        assert href == "/-/glin/tags?tag=docs"
    [href] = next(hrefs for _, hrefs in (await cells(served, "/glin/tag_counts"))["conversations"])
    assert href.startswith("/glin/conversations?_tag=")
    assert (await served.get(href)).status_code == 200


async def test_sources_and_repositories_lead_to_what_shares_them(serve, archive: Path) -> None:
    served = serve(archive)
    page = await cells(served, "/glin/conversations?id=1")
    for column, value in (("source", "claude-code"), ("repo_root", "/home/dev/app")):
        [(text, [href])] = page[column]
        assert text == value
        rows = await served.rows(href.replace("?", ".json?"))
        assert [row["id"] for row in rows] == [1]


async def test_found_words_are_marked(serve, archive: Path) -> None:
    html = (await serve(archive).get("/glin/search_messages?q=parser")).text
    assert "The <mark>parser</mark> fails" in html
    assert "\x02" not in html
    assert "<mark>parser</mark> &lt;script&gt;" in html


async def test_whitespace_of_messages_is_kept(serve, archive: Path) -> None:
    served = serve(archive)
    for path in ("/glin/messages?id=6", "/glin/messages/6"):
        [(text, _)] = (await cells(served, path))["content"]
        assert text.endswith("\n\n    indented\nlast line")
    assert "glin.css" in (await served.get("/glin/messages")).text
    styles = await served.get("/-/static-plugins/glin-datasette/glin.css")
    assert styles.status_code == 200


PAGES = [
    "/",
    "/glin",
    "/glin/conversations",
    "/glin/conversations/3",
    "/glin/conversations?_facet=client&_facet=notes",
    "/glin/messages",
    "/glin/messages?_labels=on",
    "/glin/messages/6",
    "/glin/message_refs",
    "/glin/conversation_tags",
    "/glin/tags",
    "/glin/tag_counts",
    "/glin/recent",
    "/glin/by_tag",
    "/glin/by_file",
    "/glin/by_commit",
    "/glin/search_messages?q=parser",
    "/glin/search_conversations?q=parser",
    "/glin/tokens_by_model",
    "/glin/discussed_files",
    f"/glin/messages?_tag={quote('<script>window.evil=1</script>')}",
    f"/glin/search_messages?q={quote('<script>window.evil=1</script>')}",
    f"/-/glin/health?db={quote('<script>window.evil=1</script>')}",
    "/-/glin/health",
    "/-/glin/backups",
]


@pytest.mark.parametrize("path", PAGES)
async def test_hostile_text_is_shown_as_text(serve, archive: Path, path: str) -> None:
    html = (await serve(archive).get(path)).text
    page = parsed(html)
    assert [tag for tag, given in page.tags if "onerror" in given or given.get("src") == "x"] == []
    assert "<script>window.evil" not in html
    assert [t for t, g in page.tags if (g.get("href") or "").startswith("javascript:")] == []


async def test_the_hostile_pages_do_hold_hostile_text(serve, archive: Path) -> None:
    served = serve(archive)
    for path in ("/glin/conversations/3", "/glin/messages/6", "/glin/tags", "/glin/recent"):
        assert "<script>window.evil=1</script>" in unescape((await served.get(path)).text)
