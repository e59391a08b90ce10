"""The page of a conversation, that of a message, and what can be taken along."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from shown import add_everything

from glin_datasette.export import export_lines
from glin_datasette.models import Attachment, Conversation, Message
from glin_datasette.render import render_html, render_markdown
from glin_datasette.storage import (
    find_conversation,
    get_db,
    insert_conversation,
    insert_message,
    iter_messages,
)


@pytest.fixture
def ids(archive: Path) -> dict[str, int]:
    """The conversations of :mod:`shown`, in the archive."""
    with get_db(archive) as db:
        return add_everything(db)


@pytest.mark.asyncio
async def test_the_page_says_what_the_json_says(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    page = f"/-/glin/conversations/{ids['tides']}"
    said = (await served.get(f"{page}.json")).json()
    conversation = said["conversation"]
    assert said["resume"] == (
        f"cd {conversation['repo_root']} && claude --resume {conversation['source_id']}"
    )
    assert said["facts"]["messages"] == len(said["messages"])
    assert said["facts"]["failed"] >= 1
    assert (said["page"], said["pages"], said["hits"]) == (1, 1, [])
    assert {child["relation"] for child in said["children"]} == {"subagent", "fork"}

    html = (await served.get(page)).text
    assert f"<h1>{conversation['title']}</h1>" in html
    assert "claude --resume" in html
    assert all(f'id="message-{message["id"]}"' in html for message in said["messages"])
    assert all(f'href="#message-{prompt["message_id"]}"' in html for prompt in said["outline"])
    assert all(f'href="/-/glin/conversations/{c["id"]}"' in html for c in said["children"])
    assert all(tag in html for tag in conversation["tags"])

    child = (await served.get(f"/-/glin/conversations/{ids['subagent']}.json")).json()
    assert child["parent"]["id"] == ids["tides"]
    assert child["resume"] == said["resume"], "the run of a subagent goes on in its parent"


@pytest.mark.asyncio
async def test_hits_of_a_search(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    page = f"/-/glin/conversations/{ids['tides']}"
    said = (await served.get(f"{page}.json?q=tide")).json()
    assert len(said["hits"]) > 1
    order = [message["id"] for message in said["messages"]]
    assert said["hits"] == [each for each in order if each in said["hits"]]
    html = (await served.get(f"{page}?q=tide")).text
    assert f"Hit 1 of {len(said['hits'])}" in html
    assert html.count('<p class="t-hit-of"') == len(said["hits"])
    assert f"?at={said['hits'][1]}&amp;q=tide#message-{said['hits'][1]}" in html
    # What only says which conversations are meant finds no message in one of them.
    assert (await served.get(f"{page}.json?q=source:claude-code")).json()["hits"] == []
    assert "No hits for" in (await served.get(f"{page}?q=unheardof")).text


@pytest.mark.asyncio
async def test_a_long_conversation_is_divided(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    page = f"/-/glin/conversations/{ids['long']}"
    whole = (await served.get(f"{page}.json")).json()["messages"]
    parts: list[Any] = []
    for number in (1, 2, 3):
        said = (await served.get(f"{page}.json?size=120&page={number}")).json()
        assert (said["page"], said["pages"]) == (number, 3)
        parts += said["messages"]
    assert parts == whole
    last = whole[-1]["id"]
    assert (await served.get(f"{page}.json?size=120&at={last}")).json()["page"] == 3
    html = (await served.get(f"{page}?size=120&page=2")).text
    assert "Earlier messages" in html and "Later messages" in html
    # Prompts of other pages lead to those.
    first = whole[0]["id"]
    assert f'href="/-/glin/conversations/{ids["long"]}?at={first}#message-{first}"' in html
    assert (await served.get(f"{page}.json?page=99&size=120")).json()["page"] == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("conversations/999", 404),
        ("conversations/99999999999999999999999", 404),
        ("messages/999999", 404),
        ("conversations/1?at=999999", 404),
        ("conversations/1?size=many", 400),
        ("conversations/999.md", 404),
        ("attachments/" + "0" * 64, 404),
    ],
)
async def test_what_is_not_there(
    serve: Callable[..., Any], archive: Path, path: str, status: int
) -> None:
    served = serve(archive)
    response = await served.get(f"/-/glin/{path}")
    assert response.status_code == status
    assert "Traceback" not in response.text


@pytest.mark.asyncio
async def test_downloads_are_what_the_command_line_prints(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    with get_db(archive, readonly=True) as db:
        for name in ("tides", "long", "quiet"):
            conversation = find_conversation(db, str(ids[name]))

            def messages(id: int = ids[name], db: Any = db) -> Any:
                return iter_messages(db, id)

            documents = {
                "md": render_markdown(conversation, messages(), full=True),
                "html": render_html(conversation, messages()),
            }
            for ending, document in documents.items():
                response = await served.get(f"/-/glin/conversations/{ids[name]}.{ending}")
                assert response.text == "".join(document)
                assert re.fullmatch(
                    rf'attachment; filename="[\w.-]+\.{ending}"',
                    response.headers["content-disposition"],
                )
            lines = (await served.get(f"/-/glin/conversations/{ids[name]}.jsonl")).text.splitlines()
            printed = "".join(export_lines(db, [conversation])).splitlines()
            # But for the first line, which has the time.
            assert lines[1:] == printed[1:]


@pytest.mark.asyncio
async def test_a_message_alone(
    serve: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    served = serve(archive)
    said = (await served.get(f"/-/glin/conversations/{ids['tides']}.json")).json()
    long = max(said["messages"], key=lambda message: len(message["content"]))
    assert long["content"].count("\n") > 300
    transcript = (await served.get(f"/-/glin/conversations/{ids['tides']}")).text
    assert f'href="/-/glin/messages/{long["id"]}">Show all' in transcript
    last_line = long["content"].rstrip().splitlines()[-1]
    assert last_line not in transcript
    alone = (await served.get(f"/-/glin/messages/{long['id']}")).text
    assert last_line in alone
    assert f'href="/-/glin/conversations/{ids["tides"]}?at={long["id"]}#message-' in alone
    one = (await served.get(f"/-/glin/messages/{long['id']}.json")).json()
    assert one["message"] == long


@pytest.mark.asyncio
async def test_pictures_are_shown_and_everything_else_is_saved(
    serve: Callable[..., Any], archive: Path
) -> None:
    data = b"<svg onload='window.evil=1'/>"
    sha256 = hashlib.sha256(data).hexdigest()
    with get_db(archive) as db:
        conversation = insert_conversation(db, Conversation(source="s", source_id="pictures"))
        for media_type, body in (("image/svg+xml", data), ("image/png", b"\x89PNG")):
            attached = (Attachment(media_type=media_type, data=body, name="<b>.png"),)
            message = Message(role="user", content="look", attachments=attached)
            insert_message(db, conversation, message)
    served = serve(archive)
    html = (await served.get(f"/-/glin/conversations/{conversation}")).text
    assert re.findall(r'src="/-/glin/attachments/(\w+)"', html) == [
        hashlib.sha256(b"\x89PNG").hexdigest()
    ]
    saved = await served.get(f"/-/glin/attachments/{sha256}")
    assert saved.content == data
    assert saved.headers["content-type"] == "application/octet-stream"
    assert "attachment" in saved.headers["content-disposition"]
    assert saved.headers["x-content-type-options"] == "nosniff"


@pytest.mark.browser
@pytest.mark.parametrize("javascript", [True, False])
def test_reading_a_conversation(
    browse: Callable[..., Any], archive: Path, ids: dict[str, int], javascript: bool
) -> None:
    browsed = browse(archive, javascript=javascript)
    page = browsed.page
    browsed.open(f"/-/glin/conversations/{ids['tides']}?q={quote('tide')}")
    hits = page.locator(".t-hit-of")
    total = hits.count()
    assert total > 1
    page.get_by_role("link", name="Go to the first").click()
    if javascript:
        for number in (2, 1, 2):
            page.keyboard.press("p" if number == 1 else "n")
            page.wait_for_function(
                "n => document.querySelector(':target .t-hit-of')?.dataset.hit === String(n)",
                arg=number,
            )
        assert page.evaluate("CSS.highlights.get('glin-found').size") >= total
        page.keyboard.press("Escape")
    else:
        page.locator(":target .t-hit-of a[rel=next]").first.click()
        page.wait_for_url("**at=*")
        assert page.locator(":target .t-hit-of").first.get_attribute("data-hit") == "2"
    # A folded call is opened by its summary, with or without scripts.
    call = page.locator(".t-tool_call details").first
    opened = call.evaluate("details => details.open")
    call.locator("summary").click()
    assert call.evaluate("details => details.open") is not opened
    page.locator(".t-outline a").nth(1).click()
    page.wait_for_url("**#message-*")
    assert page.locator(".t-turn.t-user :target, .t-turn.t-user:has(:target)").count() >= 1
    assert browsed.wrong == []


@pytest.mark.browser
def test_copying_and_hostile_text(
    browse: Callable[..., Any], archive: Path, ids: dict[str, int]
) -> None:
    browsed = browse(archive)
    page = browsed.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    browsed.open(f"/-/glin/conversations/{ids['tides']}")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#glin-resume").inner_text()
    # The conversation of the fixtures that runs a script wherever it is not escaped.
    for path in ("conversations/3", "messages/6"):
        browsed.open(f"/-/glin/{path}")
        assert page.evaluate("window.evil") is None
        assert page.locator("img[src=x]").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        assert "<script>window.evil=1</script>" in page.locator(".t-transcript").inner_text()
    assert browsed.wrong == []
