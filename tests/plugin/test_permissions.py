"""Who may do what: every live route and every method, for everybody, from everywhere.

The routes are those that Datasette really has, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from live_routes import METHODS, live

from glin_datasette import paths
from glin_datasette.access.tokens import create_token
from glin_datasette.plugin import views
from glin_datasette.plugin.guard import HEADERS, ROOT, SAFE_METHODS
from glin_datasette.storage import get_db, list_tags

pytestmark = pytest.mark.asyncio

PRIVATE = {"plugins": {"glin-datasette": {"private": True}}}
#: Who comes with a cookie.
PEOPLE = {"alice": {"id": "alice"}, "root": {"id": "root"}}
#: Who comes with a token, and what it was made for besides reading.
TOKENS: dict[str, tuple[str, ...]] = {
    "reader": (),
    "tagger": ("tag",),
    "keeper": ("backup",),
}
#: Who comes with a token that is good for nothing, and is nobody then.
BAD = ("over", "none")
EVERYBODY = ("nobody", *PEOPLE, *TOKENS, *BAD)

#: What is posted where, and the permission that it takes. A route that takes a POST and is
#: not here fails the matrix.
WRITES: dict[str, tuple[dict[str, object], str]] = {
    "/-/glin/tags": ({"action": "add", "tag": "written", "conversations": [1]}, "tag"),
    "/-/glin/conversations/1/notes": ({"notes": "written"}, "tag"),
    "/-/glin/backups": ({}, "backup"),
    "/-/glin/backups/verify": ({"name": "none"}, "backup"),
}
#: Routes that take nothing but a POST.
ONLY_POST = ("/-/glin/conversations/1/notes", "/-/glin/backups/verify")
#: What is read with a permission only.
READ_WITH = {"/-/glin/backups/download": "backup"}


class Asking:
    """Everybody, at one server."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self.secrets = {who: create_token(who, allow)[1] for who, allow in TOKENS.items()}
        self.secrets |= {"over": create_token("over", days=1)[1], "none": "glin_" + "x" * 43}
        file = paths.tokens_path()
        kept = json.loads(file.read_text())
        kept["tokens"][-1]["expires_at"] = "2020-01-01T00:00:00.000Z"
        file.write_text(json.dumps(kept))

    async def __call__(
        self, who: str, method: str, address: str, body: Any = None, **headers: str
    ) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who in self.secrets:
            sent["authorization"] = f"Bearer {self.secrets[who]}"
        return await self.served.ds.client.request(
            method,
            address,
            headers={"content-type": "application/json", **sent},
            cookies=self.served.cookies(PEOPLE.get(who)),
            content=body,
        )


@pytest.fixture
def asking(serve: Callable[..., Any], archive: Path) -> Callable[..., Asking]:
    """A server, asked by everybody: ``asking(what its owner says)``."""
    return lambda says=None: Asking(serve(archive, says=says))


def may(who: str, permission: str | None) -> bool:
    return permission is None or who == "root" or permission in TOKENS.get(who, ())


def ours(ds: Any) -> list[str]:
    return [address for address in live(ds) if address.startswith(ROOT)]


def expected(who: str, method: str, address: str) -> set[int]:
    """The statuses that somebody may get from a page of ours on a server open to all."""
    page = address.removesuffix(".json")
    if method in ("GET", "HEAD"):
        if page in ONLY_POST:
            return {405}
        if not may(who, READ_WITH.get(page)):
            return {403}
        # There is no attachment, and no backup of that name.
        return {404} if "/attachments/" in page or page in READ_WITH else {200}
    if method == "POST" and page in WRITES:
        if not may(who, WRITES[page][1]):
            return {403}
        # The address without .json takes a form, which this is not.
        form = {400, 403, 415} if not address.endswith(".json") else set()
        return {200, 201, 202, 303, 404, 409} | form
    # On 0.65 a page takes nothing without the token of a form.
    return {403, 405} if method not in SAFE_METHODS and not address.endswith(".json") else {405}


async def test_our_pages(asking: Callable[..., Asking], archive: Path) -> None:
    ask = asking()
    pages = ours(ask.served.ds)
    assert {page.removesuffix(".json") for page in pages} >= {*WRITES, *READ_WITH}
    wrong: list[tuple[object, ...]] = []
    for address, method, who in itertools.product(pages, METHODS, EVERYBODY):
        # What nobody may do with any method is asked of those who may do most and least.
        if method not in ("GET", "POST") and who not in ("nobody", "root"):
            continue
        said = json.dumps(WRITES.get(address.removesuffix(".json"), ({}, None))[0])
        body = None if method in SAFE_METHODS else said
        if body and who in PEOPLE:
            refused = await ask(who, method, address, body, sec_fetch_site="cross-site")
            if refused.status_code != 403:
                wrong.append(("cross-site", who, method, address, refused.status_code))
        response = await ask(who, method, address, body)
        if response.status_code not in expected(who, method, address):
            wrong.append((who, method, address, response.status_code, response.text[:100]))
        if "Traceback" in response.text or (
            str(archive.parent) in response.text and not may(who, "backup")
        ):
            wrong.append(("tells too much", who, method, address))
        missing = [
            name.decode()
            for name, value in HEADERS.items()
            if response.headers.get(name.decode()) != value.decode()
        ]
        if missing:
            wrong.append(("headers", who, method, address, missing))
    assert wrong == []
    with get_db(archive, readonly=True) as db:
        assert [tag.name for tag in list_tags(db) if tag.name == "written"]


async def test_where_it_is_private_no_route_is_open_to_strangers(
    asking: Callable[..., Asking], archive: Path
) -> None:
    ask = asking(PRIVATE)
    before = dump(archive)
    wrong: list[tuple[object, ...]] = []
    for address, method in itertools.product(live(ask.served.ds), METHODS):
        strangers = ("nobody", *BAD) if method in ("GET", "POST") else ("nobody",)
        for who in strangers:
            response = await ask(who, method, address, None if method in SAFE_METHODS else "{}")
            # Datasette's own pages fail on a POST that they do not expect, and say nothing.
            if address.startswith(ROOT) and response.status_code not in (403, 405):
                wrong.append((who, method, address, response.status_code))
            if "/-/static" in address:
                continue
            told = ("parser", str(archive.parent), "Traceback", ", line ")
            if any(text in response.text for text in told):
                wrong.append(("tells too much", who, method, address))
    assert wrong == []
    assert dump(archive) == before


async def test_where_it_is_private_who_is_signed_in_sees_what_all_see_elsewhere(
    serve: Callable[..., Any], archive: Path
) -> None:
    public = Asking(serve(archive))
    there = {
        (address, who): (await public(who, "GET", address)).status_code
        for address, who in itertools.product(live(public.served.ds), ("alice", "reader"))
    }
    public.served = serve(archive, says=PRIVATE)
    here = {
        (address, who): (await public(who, "GET", address)).status_code for address, who in there
    }
    assert {each: (there[each], here[each]) for each in there if there[each] != here[each]} == {}


#: What may say where a request is from, and whether it may write then.
FROM: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"sec-fetch-site": "same-origin"}, True),
    ({"sec-fetch-site": "none"}, True),
    ({"sec-fetch-site": "same-site"}, False),
    ({"sec-fetch-site": "cross-site"}, False),
    ({"sec-fetch-site": ""}, False),
    ({"sec-fetch-site": "Same-Origin"}, False),
    ({"origin": "http://localhost"}, True),
    ({"origin": "http://localhost:8002"}, False),
    ({"origin": "http://evil.example"}, False),
    ({"origin": "http://localhost.evil.example"}, False),
    ({"origin": "http://localhost@evil.example"}, False),
    ({"origin": "null"}, False),
    ({"origin": ""}, False),
    ({"sec-fetch-site": "same-origin", "origin": "http://localhost"}, True),
    ({"sec-fetch-site": "cross-site", "origin": "http://localhost"}, False),
]
TYPES = ("application/json", "text/plain", "application/x-www-form-urlencoded", "")


async def test_where_a_write_comes_from(asking: Callable[..., Asking], archive: Path) -> None:
    ask = asking()
    wrong: list[tuple[object, ...]] = []
    cases = itertools.product(FROM, TYPES, ("", "root", "alice"), ("", "reader", "tagger"))
    for number, ((headers, near), kind, cookie, token) in enumerate(cases):
        tag = f"t{number}"
        sent = dict(headers)
        sent |= {"content-type": kind} if kind else {}
        sent |= {"authorization": f"Bearer {ask.secrets[token]}"} if token else {}
        response = await ask.served.ds.client.post(
            "/-/glin/tags.json",
            headers=sent,
            cookies=ask.served.cookies(PEOPLE.get(cookie)),
            content=json.dumps({"action": "add", "tag": tag, "conversations": [1]}),
        )
        # No browser sends a token by itself. Without a word of where it comes from, only a
        # type that no form can send tells.
        near = near and (bool(headers) or kind == "application/json")
        near = near or bool(token and not cookie)
        with get_db(archive, readonly=True) as db:
            written = tag in {each.name for each in list_tags(db)}
        # Of who shows both, one is asked: which one is Datasette's to say.
        someone = [may(each, "tag") for each in (token, cookie) if each] or [False]
        told = (headers, kind, cookie, token, response.status_code, written)
        if (
            response.status_code >= 500
            or written != (response.status_code == 200)
            or (written and not (near and any(someone)))
            or (near and all(someone) and kind == "application/json" and not written)
        ):
            wrong.append(told)
    assert wrong == []


#: What somebody may send who means no good.
HOSTILE = (
    "../../../../etc/passwd", "/etc/passwd\0.db", "..\\..\\x", "file:///etc/passwd", "~root",
    "' or 1=1 --", '"; drop table messages; --', "messages union select sql from sqlite_master",
    "{{ 7 * 7 }}", "%s%n{0.__class__}", "\0", b"\xff\xfe", "-1", "1e999", "9" * 400, "NaN", "tag:",
    'repo:"', "since:9999999", "a NEAR/ (", "* ^ :", "-", "(" * 500, "<script>x</script>",
    "\r\nSet-Cookie: a=b", "x" * 5000,
)  # fmt: skip
#: Every argument that a page reads; a new one fails the test.
NAMES = [
    "q", "db", "page", "size", "sort", "order", "tag", "file", "repo", "name", "commit", "at",
    "wait", "typing", "fragment", "scope", "action", "conversation", "conversations", "message",
    "messages", "notes", "next", "token", "compress", "skip",
]  # fmt: skip
SOURCES = "".join(p.read_text("utf-8") for p in Path(views.__file__).parent.rglob("*.py"))


async def test_nothing_that_is_sent_reaches_files_sql_or_tracebacks(
    asking: Callable[..., Asking], archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = asking()
    read = set(re.findall(r"(?:argument|number)\(\s*\"(\w+)\"", SOURCES))
    assert read - set(NAMES) == set()
    before = dump(archive)
    wrong: list[tuple[object, ...]] = []
    # Each address gets a third of the values, and each value a third of the addresses.
    cases = list(itertools.product(ours(ask.served.ds), HOSTILE))
    for address, value in cases[:: 3 if len(HOSTILE) % 3 else 4]:
        # An address of all names with a long value would be longer than is ever sent.
        names = ("q",) if len(value) > 1000 else [name for name in NAMES if name != "db"]
        answers = [await ask("root", "GET", f"{address}?{urlencode(dict.fromkeys(names, value))}")]
        if address.endswith(".json"):
            answers.append(await ask("root", "GET", f"{address}?{urlencode({'db': value})}"))
        posts = address.endswith(".json") and not address.startswith("/-/glin/backups.json")
        if posts and isinstance(value, str):
            asked = {name: value for name in NAMES if name != "db"}
            answers.append(await ask("root", "POST", address, json.dumps(asked)))
            answers.append(await ask("root", "POST", address, value.encode("utf-8", "replace")))
        for response in answers:
            said = response.text
            bad = [t for t in ("Traceback", "sqlite3", "OperationalError", "root:x") if t in said]
            if (
                response.status_code >= 500
                or bad
                or "a=b" in response.headers.get("set-cookie", "")
            ):
                wrong.append((address, value, response.status_code, bad, said[:200]))
    assert wrong == []
    # A note may be anything.
    await ask("root", "POST", "/-/glin/conversations/1/notes.json", '{"notes": ""}')
    assert dump(archive) == before
    assert "Traceback" not in capsys.readouterr().err


def dump(archive: Path) -> list[str]:
    with get_db(archive, readonly=True) as db:
        return list(db.conn.iterdump())
