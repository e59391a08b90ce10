"""Requests and searches made at random: nothing but answers, and refusals in one line.

150 of each; ``GLIN_TORTURE=N`` makes it 10,000 times N.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote

import pytest
from damage import FACTOR, filled, torture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_routes import METHODS, live

# Fixtures of the plugin's tests.
from plugin.conftest import fill, serve  # noqa: F401

from glin_datasette import queries
from glin_datasette.errors import GlinError
from glin_datasette.models import SearchResult
from glin_datasette.plugin.guard import ROOT
from glin_datasette.search import facets, hits_inside, loosen, search, suggest
from glin_datasette.storage import backup_db, get_db

COUNT = 10_000 * FACTOR or 150
# Datasette 0.65 asks SQLite what it can do on connections that it never closes.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")

at_random = settings(
    max_examples=COUNT,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

#: Arguments that some page or query reads, and words that mean something to one.
NAMES = (
    "q", "db", "page", "size", "skip", "sort", "order", "tag", "file", "repo", "name", "commit",
    "at", "wait", "typing", "fragment", "next", "token", "_search", "_sort", "_where", "_facet",
    "_size", "_next", "_tag", "_shape", "_extra", "_col", "_nocol", "_labels", "_json", "_trace",
    "_timelimit", "_ttl", "_searchmode", "_facet_size", "_facet_date", "role", "since", "until",
    "source", "limit", "offset", "conversation", "content__contains", "ts__gt", "id__in",
)  # fmt: skip
WORDS = (
    "1", "-1", "0", "9" * 18, "9" * 400, "1e999", "NaN", "\0", "../../../etc/passwd", "/etc/passwd",
    "%2e%2e/", "..\\..", "file:///etc/passwd", "' or 1=1 --", '"; drop table messages; --',
    "%s{0.__class__}", "repo:\"", "since:9999999", "until:0000", "a NEAR/ (", "* ^ :", "(" * 300,
    "<script>", "\r\nSet-Cookie: a=b", "x" * 5000, "parser", "tag:bug", "-parser", "glin",
    "ts", "role:user", "潮汐", "é", "\ud800", "newest", "array", "objects", "count,columns",
)  # fmt: skip
#: What finds and leaves out, in any order.
PIECES = st.sampled_from(
    [
        *('"', "'", "(", ")", "*", "-", ":", "^", "+", " ", "\\", "\0", "{", "}", ",", "AND", "OR"),
        *("NOT", "NEAR(a b, 3)", "role:", "tag:", "repo:", "since:", "until:", "is:error", "file:"),
        *("source:", "model:", "tool:", "has:", "parser", "lighthouse", "number7", "数据", "2026"),
        *("2026-02-30", "7d", "yesterday", "content:", "title:", "-role:user", "kind:text", "''"),
    ]
)
TEXTS = (
    st.sampled_from(WORDS)
    | st.text(st.characters(exclude_categories=()), max_size=30)
    | st.lists(PIECES | st.text(max_size=5), max_size=8).map("".join)
    | st.lists(PIECES | st.text(max_size=5), max_size=8).map(" ".join)
)
RAW = TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=30)


class Server:
    """A Datasette that is asked as a web server asks it: any bytes, nothing tidied up."""

    def __init__(self, served: Any, runner: asyncio.Runner) -> None:
        self.served = served
        self._run = runner.run
        self._run(served.ds.invoke_startup())
        self._app = served.ds.app()
        self.cookie = f"ds_actor={served.cookies({'id': 'root'})['ds_actor']}".encode()
        self.pages = [page for page in live(served.ds) if page.startswith(ROOT)]
        self.queries = [f"/glin/{name}.json" for name in queries.names()]

    def ask(
        self, method: str, path: bytes, query: bytes = b"", body: bytes = b"", root: bool = True
    ) -> tuple[int, dict[bytes, bytes], bytes]:
        return self._run(self._ask(method, path, query, body, root))  # type: ignore[no-any-return]

    async def _ask(self, method: str, path: bytes, query: bytes, body: bytes, root: bool) -> Any:
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers += [(b"cookie", self.cookie)] if root else []
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": unquote(path.decode("ascii")), "raw_path": path,
            "query_string": query, "headers": headers, "root_path": "",
            "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8001),
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        start = sent[0]
        said = b"".join(each.get("body", b"") for each in sent[1:])
        return start["status"], dict(start["headers"]), said


@pytest.fixture
def server(serve: Callable[..., Any], tmp_path: Path) -> Iterator[Server]:  # noqa: F811
    path = fill(tmp_path / "glin.db")
    with get_db(path) as db:
        backup_db(db)
    with asyncio.Runner() as runner:
        yield Server(serve(path), runner)


def fine(asked: object, answer: tuple[int, dict[bytes, bytes], bytes]) -> None:
    status, headers, said = answer
    assert status < 500, (asked, status, said[:500])
    assert b"Traceback" not in said, asked
    assert b"root:x:" not in said, asked
    assert not any(b"\n" in value or b"\r" in value for value in headers.values()), asked


def encoded(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return "&".join(
        f"{quote_from_bytes(name)}={quote_from_bytes(value)}" for name, value in pairs
    ).encode()


PAIRS = st.tuples(st.sampled_from(NAMES).map(str.encode) | RAW, RAW)
#: Unescaped too, as far as a web server lets it through.
QUERIES = st.lists(PAIRS, max_size=5).map(encoded) | st.text(
    st.characters(min_codepoint=33, max_codepoint=126)
).map(str.encode)
#: What begins with an underscore is Datasette's own, and 0.65 fails on some values of it.
OUR_QUERIES = st.lists(PAIRS.filter(lambda pair: not pair[0].startswith(b"_")), max_size=5).map(
    encoded
)


@torture
def test_any_request(server: Server) -> None:
    statuses: dict[int, int] = {}

    @at_random
    @given(st.data())
    def run(data: Any) -> None:
        page = data.draw(st.sampled_from(server.pages + server.queries)).encode()
        change = data.draw(st.sampled_from(["none", "none", "none", "end", "middle", "part"]))
        # Of Datasette's pages, what is ours is what the queries take.
        if not page.startswith(ROOT.encode()):
            change = "none"
        piece = quote_from_bytes(data.draw(RAW), safe="/.%;~+").encode()
        if change == "end":
            page += piece
        elif change == "middle":
            at = data.draw(st.integers(1, len(page)))
            page = page[:at] + piece + page[at:]
        elif change == "part":
            page = page.replace(b"/1", b"/" + str(data.draw(st.integers(0, 10**25))).encode())
        method = data.draw(st.sampled_from(["GET", "GET", "GET", *METHODS]))
        ours = page.startswith(ROOT.encode())
        query = data.draw(QUERIES if ours else OUR_QUERIES)
        # Datasette 0.65 answers a POST to a query that only reads with 500.
        if not page.startswith(ROOT.encode()):
            method = "GET"
        body = data.draw(RAW) if method not in ("GET", "HEAD") else b""
        answer = server.ask(method, page, query, body, data.draw(st.booleans()))
        fine((method, page, query, body), answer)
        statuses[answer[0]] = statuses.get(answer[0], 0) + 1

    run()
    assert statuses[200] > COUNT / 10, statuses
    # Which of these a few requests meet is chance.
    assert statuses.keys() & {403, 404, 405}, statuses


@torture
def test_the_name_of_a_backup_is_never_a_path(server: Server, tmp_path: Path) -> None:
    [backup] = [p for p in (tmp_path / "glin-backups").iterdir() if p.suffix != ".json"]
    near = st.sampled_from(
        [
            *("..", "/", "\\", "\0", "%2e%2e", "%00", ".", "~", "glin.db", str(tmp_path), "*"),
            *("glin-backups", backup.name, backup.name[:-1], "file:", "?", "C:", "\uff0e\uff0e"),
            "a" * 5000,
        ]
    )
    names = st.lists(near, min_size=1, max_size=6).map("".join) | TEXTS
    whole = backup.read_bytes()

    @at_random
    @given(names)
    def run(name: str) -> None:
        raw = encoded([(b"name", name.encode("utf-8", "surrogatepass"))])
        status, headers, said = server.ask("GET", f"{ROOT}/backups/download".encode(), raw)
        if name.strip() == backup.name:
            assert (status, said) == (200, whole)
        else:
            assert status == 404, (name, status, headers)
            fine(name, (status, headers, said))

    run()


@torture
def test_any_search(tmp_path: Path) -> None:
    path = filled(tmp_path / "glin.db", messages=60)
    seen = {"results": 0, "refused": 0}
    with get_db(path, readonly=True) as db:

        @at_random
        @given(TEXTS, st.sampled_from(["rank", "rank", "newest", "none"]), st.integers(0, 100))
        def run(text: str, sort: Any, limit: int) -> None:
            for ask in (
                lambda: search(db, text, sort=sort, limit=limit),
                lambda: facets(db, text),
                lambda: loosen(db, text),
                lambda: suggest(db, text),
                lambda: hits_inside(db, text, 1),
            ):
                try:
                    found = ask()
                except GlinError as ex:
                    assert "\n" not in str(ex), text
                    seen["refused"] += 1
                else:
                    seen["results"] += isinstance(found, SearchResult)

        run()
    assert min(seen.values()) > COUNT / 50, seen
