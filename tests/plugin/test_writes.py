"""What is written through the pages: tags and notes, by whom, and from where."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shown import add_everything

from glin_datasette.plugin.guard import ROOT
from glin_datasette.plugin.views import routes
from glin_datasette.storage import get_conversation, get_db, list_tags, query_messages

ADMIN = {"id": "root"}
ALICE = {"id": "alice"}
TAGS = "/-/glin/tags.json"
NOTES = "/-/glin/conversations/1/notes.json"


def tags_of(archive: Path) -> dict[str, tuple[int, int]]:
    with get_db(archive, readonly=True) as db:
        return {tag.name: (tag.conversations, tag.messages) for tag in list_tags(db)}


def notes_of(archive: Path) -> str | None:
    with get_db(archive, readonly=True) as db:
        return get_conversation(db, 1).notes


@pytest.mark.asyncio
async def test_tags_are_added_and_removed(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive)
    asked = {"action": "add", "tag": "new", "conversations": [1, 2], "messages": [6]}
    answer = (await served.post(TAGS, ADMIN, asked)).json()
    assert answer["changed"] == {"conversations": 2, "messages": 1}
    assert tags_of(archive)["new"] == (2, 1)
    assert (await served.post(TAGS, ADMIN, asked)).json()["changed"] == {
        "conversations": 0,
        "messages": 0,
    }
    asked |= {"action": "remove", "tag": "NEW"}
    assert (await served.post(TAGS, ADMIN, asked)).json()["changed"]["conversations"] == 2
    assert "new" not in tags_of(archive)


@pytest.mark.asyncio
async def test_all_that_a_query_finds_is_tagged(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive)
    asked = {"action": "add", "tag": "p", "q": "parser", "scope": "messages"}
    answer = (await served.post(TAGS, ADMIN, asked)).json()
    assert answer["found"] == {"conversations": 0, "messages": 4}
    with get_db(archive, readonly=True) as db:
        tagged = [m.id or 0 for m in query_messages(db) if "p" in m.tags]
    assert sorted(tagged) == [1, 2, 4, 6]
    asked = {"action": "add", "tag": "q", "q": "parser -tag:docs", "scope": "conversations"}
    assert (await served.post(TAGS, ADMIN, asked)).json()["found"]["conversations"] == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"action": "add", "tag": "x", "conversations": [1, 999]}, 404),
        ({"action": "add", "tag": "x", "messages": [999]}, 404),
        ({"action": "add", "tag": " ", "conversations": [1]}, 400),
        ({"action": "add", "tag": "\ud800", "conversations": [1]}, 400),
        ({"action": "burn", "tag": "x", "conversations": [1]}, 400),
        ({"action": "add", "tag": "x"}, 400),
        ({"action": "add", "tag": "x", "conversations": ["one"]}, 400),
        ({"action": "add", "tag": "x", "conversations": [True]}, 400),
        ({"action": "add", "tag": "x", "conversations": [-1]}, 400),
        ({"action": "add", "tag": "x", "conversations": [10**30]}, 400),
        ({"action": "add", "tag": 7, "conversations": [1]}, 400),
        ({"action": "add", "tag": "x", "scope": "messages"}, 400),
        ({"action": "add", "tag": "x", "q": "parser", "scope": "files"}, 400),
        ([], 400),
    ],
)
async def test_what_cannot_be_done_changes_nothing(
    serve: Callable[..., Any], archive: Path, asked: Any, status: int
) -> None:
    before = tags_of(archive)
    response = await serve(archive).post(TAGS, ADMIN, asked)
    assert (response.status_code, response.json()["ok"]) == (status, False)
    assert "\n" not in response.json()["error"]
    assert tags_of(archive) == before


@pytest.mark.asyncio
async def test_notes_are_replaced(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive)
    text = "Read <b>this</b>\n\nagain"
    assert (await served.post(NOTES, ADMIN, {"notes": text})).json()["changed"] is True
    assert notes_of(archive) == text
    html = (await served.get("/-/glin/conversations/1", ADMIN)).text
    assert "Read &lt;b&gt;this&lt;/b&gt;\n\nagain" in html
    assert (await served.post(NOTES, ADMIN, {"notes": " "})).json()["changed"] is True
    assert notes_of(archive) is None
    missing = await served.post(NOTES.replace("/1/", "/999/"), ADMIN, {"notes": "x"})
    assert missing.status_code == 404
    assert (await served.get(NOTES, ADMIN)).status_code == 405
    long = await served.post(NOTES, ADMIN, {"notes": "x" * 100_001})
    assert long.status_code == 400
    assert (await served.post(NOTES, ADMIN, {"notes": "x" * 3_000_000})).status_code == 413


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("/-/glin/search?q=a&page=2", "/-/glin/search?q=a&page=2"),
        ("/-/glin", "/-/glin"),
        *((there, "/-/glin/tags?tag=t") for there in (
            "", "https://evil.example/", "//evil.example/-/glin", "///-/glin", "/-/glinx", "/",
            "/glin/messages", "/\\evil.example", "javascript:alert(1)", "/-/glin/\r\nx: y",
            "http:/-/glin", "http://[",
        )),
    ],
)  # fmt: skip
async def test_a_form_comes_back_to_a_page_of_ours(
    serve: Callable[..., Any], archive: Path, there: str, back: str
) -> None:
    served = serve(archive)
    form = {"action": "add", "tag": "t", "conversation": "1", "next": there}
    cookies = served.cookies(ADMIN)
    got = await served.ds.client.get("/-/glin/conversations/1", cookies=cookies)
    found = re.search(r'name="csrftoken" value="([^"]*)"', got.text)
    form["csrftoken"] = found[1] if found else ""
    cookies |= {name: value for name, value in got.cookies.items() if name == "ds_csrftoken"}
    response = await served.ds.client.post(
        "/-/glin/tags", data=form, cookies=cookies, headers={"sec-fetch-site": "same-origin"}
    )
    assert (response.status_code, response.headers["location"]) == (303, back)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "wrong",
    [{"tag": "x" * 201}, {"tag": "a\0b"}, {"tag": "\ud800"}, {"q": "\ud800", "scope": "messages"}],
)
async def test_what_no_tag_or_query_may_be(
    serve: Callable[..., Any], archive: Path, wrong: dict[str, str]
) -> None:
    before = tags_of(archive)
    asked = {"action": "add", "tag": "new", "conversations": [1], **wrong}
    answer = await serve(archive).post(TAGS, ADMIN, asked)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert tags_of(archive) == before


#: Every route that writes, and what is sent to it. New ones fail the test below.
WRITES = {
    "tags": (TAGS, {"action": "add", "tag": "written", "conversations": [1]}),
    "conversations/(?P<id>\\d+)/notes": (NOTES, {"notes": "written"}),
    "backups": ("/-/glin/backups.json?wait=1", {}),
    "backups/verify": ("/-/glin/backups/verify.json", {"name": "x"}),
}


def written(archive: Path) -> bool:
    backups = list(archive.parent.glob("glin-backups/*"))
    return "written" in tags_of(archive) or notes_of(archive) == "written" or bool(backups)


@pytest.mark.asyncio
async def test_every_route_that_writes_is_known(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive)
    for pattern, _ in routes():
        path = pattern.removeprefix(ROOT).lstrip("/").replace("(?:\\.json)?$", "").rstrip("$")
        example = f"{ROOT}/{path}".rstrip("/").replace("(?P<id>\\d+)", "1")
        example += ".json" if pattern.endswith("(?:\\.json)?$") else ""
        example = re.sub(r"\\\.\(\?P<format>.*", ".md", example)
        example = example.replace("(?P<sha256>[0-9a-f]{64})", "0" * 64)
        response = await served.post(example, ADMIN, sec_fetch_site="same-origin")
        # What takes no POST says so; what takes one does not.
        assert (response.status_code not in (403, 405)) == (path in WRITES), path


@pytest.mark.asyncio
@pytest.mark.parametrize("name", WRITES)
async def test_who_may_write_and_from_where(
    serve: Callable[..., Any], archive: Path, name: str
) -> None:
    path, asked = WRITES[name]
    served = serve(archive)
    for actor in (None, ALICE):
        for headers in ({}, {"sec_fetch_site": "same-origin"}, {"origin": "http://localhost"}):
            assert (await served.post(path, actor, asked, **headers)).status_code == 403
    for headers in (
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://localhost"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:8002"},
        {"origin": "null"},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
    ):
        refused = await served.post(path, ADMIN, asked, **headers)
        assert refused.status_code == 403, headers
        assert refused.json()["error"].startswith("Refused")
    assert (await served.get(path, ADMIN)).status_code in (200, 405)
    assert not written(archive)
    allowed = await served.post(path, ADMIN, asked, sec_fetch_site="same-origin")
    assert allowed.status_code in (200, 201, 404)
    assert written(archive) == (name != "backups/verify")


@pytest.mark.asyncio
async def test_the_configuration_lets_others_write(
    serve: Callable[..., Any], archive: Path
) -> None:
    says = {"plugins": {"glin-datasette": {"allow-tag": {"id": "alice"}}}}
    served = serve(archive, says=says)
    asked = {"action": "add", "tag": "hers", "conversations": [1]}
    assert (await served.post(TAGS, ALICE, asked)).status_code == 200
    assert (await served.post(TAGS, {"id": "bob"}, asked)).status_code == 403
    # One permission is not the other.
    assert (await served.post("/-/glin/backups.json", ALICE)).status_code == 403


@pytest.mark.asyncio
async def test_an_archive_that_is_only_read_takes_nothing(
    serve: Callable[..., Any], archive: Path
) -> None:
    with get_db(archive) as db:
        db.execute("pragma journal_mode = delete")
    served = serve(immutables=[str(archive)])
    asked = {"action": "add", "tag": "x", "conversations": [1]}
    response = await served.post(TAGS, ADMIN, asked)
    assert (response.status_code, response.json()["error"]) == (409, "glin is served read-only")
    for page in ("", "/search?q=parser", "/conversations/1", "/tags", "/health", "/backups"):
        assert (await served.get(f"/-/glin{page}", ADMIN)).status_code == 200, page


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True, False])
def test_tags_and_notes_by_hand(
    browse: Callable[..., Any], archive: Path, javascript: bool
) -> None:
    with get_db(archive) as db:
        ids = add_everything(db)
    browsed = browse(archive, "--root", javascript=javascript)
    page = browsed.page
    conversation = f"/-/glin/conversations/{ids['patch']}"
    browsed.open(conversation)
    assert page.get_by_text("Add a tag").count() == 0
    browsed.open(browsed.server.sign_in_path)
    browsed.open(conversation)
    page.get_by_text("Add a tag").click()
    page.get_by_label("Tag", exact=True).fill("moons <b>")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Added moons <b> to 1 conversation").wait_for()
    page.get_by_role("button", name="Remove the tag bug").click()
    page.get_by_text("Removed bug from 1 conversation").wait_for()
    page.get_by_text("Write notes").click()
    page.get_by_label("Notes on this conversation").fill("one\ntwo")
    page.get_by_role("button", name="Save the notes").click()
    page.get_by_text("The notes were saved").wait_for()
    assert page.locator(".glin-notes").text_content().strip().endswith("one\ntwo")
    with get_db(archive, readonly=True) as db:
        stored = get_conversation(db, ids["patch"])
    assert (stored.tags, stored.notes) == (("moons <b>",), "one\ntwo")

    # In bulk, from a search: what is ticked, and all that was found.
    browsed.open("/-/glin/search?q=sorted")
    page.locator("input[name=message]").first.check()
    page.get_by_text("Tag what was found").click()
    page.locator("#glin-tagging input[name=tag]").fill("ticked")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("Added ticked to 1 message").wait_for()
    assert "q=sorted" in page.url
    page.get_by_text("Tag what was found").click()
    page.locator("#glin-tagging input[name=tag]").fill("found")
    page.locator("select[name=scope]").select_option("messages")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text(re.compile(r"Added found to \d+ messages")).wait_for()
    assert tags_of(archive)["ticked"] == (0, 1)
    assert tags_of(archive)["found"][1] > 1
    assert browsed.wrong == []
