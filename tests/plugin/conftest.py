"""Fixtures for the plugin: archives to look at, and Datasette to look at them with.

The same tests run with Datasette 0.65 and 1.0. What differs between the two in what they
answer, not in what we do, is evened out here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from json import dumps
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
import pytest
from datasette import hookimpl, hookspecs
from datasette.app import Datasette
from datasette.plugins import pm
from jinja2.bccache import Bucket

from glin_datasette.models import Conversation, Message, Ref
from glin_datasette.storage import (
    get_db,
    insert_conversation,
    insert_message,
    tag_conversation,
    tag_message,
)

IS_1_0 = hasattr(hookspecs, "register_actions")

#: Text that runs a script if it is not escaped where it is shown.
HOSTILE = '<script>window.evil=1</script><img src=x onerror="window.evil=2">\'"&<b>'
#: A URL that runs a script if it becomes a link. It has a host, as an address should.
HOSTILE_URL = "javascript://example.com/%0Awindow.evil=3"


def fill(path: Path) -> Path:
    """Make an archive with three conversations and six messages.

    =============  ==========  ===================  ===========================
    conversation   its tags    messages             tags of messages
    =============  ==========  ===================  ===========================
    1 Parser       bug, docs   1 2 3                1: bug, 2: idea
    2 (no title)   docs        4 5                  5: bug
    3 Hostile      hostile     6
    =============  ==========  ===================  ===========================

    Messages 1, 2, 4 and 6 hold the word "parser".
    """
    with get_db(path) as db:
        parser = insert_conversation(
            db,
            Conversation(
                source="claude-code",
                source_id="s1",
                title="Parser",
                repo_root="/home/dev/app",
                git_branch="main",
                model="m-1",
            ),
        )
        said = [
            Message(role="user", content="The parser fails", source_id="m1"),
            Message(role="assistant", content="I fixed the parser", source_id="m2"),
            Message(role="tool", kind="tool_result", content="ok", tool_name="Bash"),
        ]
        for minute, message in enumerate(said):
            insert_message(db, parser, at(message, f"2026-02-11T05:{minute:02}:00.000Z"))
        untitled = insert_conversation(
            db, Conversation(source="codex", source_id="s2", repo_root="/home/dev/other")
        )
        for minute, content in enumerate(["Another parser", "The weather"]):
            message = Message(role="user", content=content, source_id=f"w{minute}")
            insert_message(db, untitled, at(message, f"2026-02-12T05:{minute:02}:00.000Z"))
        hostile = insert_conversation(
            db,
            Conversation(
                source=f"tool {HOSTILE}",
                source_id="s3",
                title=f"Hostile {HOSTILE}",
                repo_root=f"/repo/{HOSTILE}",
                git_branch=HOSTILE,
                model=HOSTILE,
                client=HOSTILE,
                notes=HOSTILE,
            ),
        )
        refs = (
            Ref("url", HOSTILE_URL),
            Ref("url", "https://example.com/a?b=1&c=<d>"),
            Ref("file", f"src/{HOSTILE}.py"),
            Ref("commit", "0123abc"),
        )
        content = f"parser {HOSTILE}\n\n    indented\nlast line"
        message = Message(role="user", content=content, tool_name=HOSTILE, refs=refs)
        insert_message(db, hostile, at(message, "2026-02-10T05:00:00.000Z"))
        for conversation, tag in ((parser, "bug"), (parser, "docs"), (untitled, "docs")):
            tag_conversation(db, conversation, tag)
        tag_conversation(db, hostile, f"hostile {HOSTILE}")
        tag_message(db, 1, "bug")
        tag_message(db, 2, "idea")
        tag_message(db, 5, "bug")
    return path


def at(message: Message, ts: str) -> Message:
    """``message`` at a time."""
    return dataclasses.replace(message, ts=ts)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """0.65 asks SQLite what it can do on connections that it never closes."""
    if not IS_1_0:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(
                    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
                )


@pytest.fixture(scope="session")
def filled_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that :func:`fill` describes, to be copied."""
    return fill(tmp_path_factory.mktemp("templates") / "filled.db")


@pytest.fixture
def archive(filled_archive: Path, tmp_path: Path) -> Path:
    """The archive that :func:`fill` describes, as glin.db."""
    return Path(shutil.copy(filled_archive, tmp_path / "glin.db"))


class _Connections:
    """Datasette 0.65 does not close what it opens; this knows it all."""

    __name__ = "test-connections"

    def __init__(self) -> None:
        self.opened: list[sqlite3.Connection] = []

    @hookimpl
    def prepare_connection(self, conn: sqlite3.Connection) -> None:
        self.opened.append(conn)


class _Compiled(jinja2.BytecodeCache):
    """Templates are the same for every Datasette of a run; each would compile them again,
    which takes longer than most pages."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key, bucket.checksum] = bucket.code


_compiled = _Compiled()


@dataclass
class Served:
    """A Datasette in this process, and how to ask it things."""

    ds: Datasette

    def cookies(self, actor: Mapping[str, Any] | None) -> dict[str, str]:
        """Cookies of somebody who is signed in."""
        return {"ds_actor": self.ds.sign({"a": actor}, "actor")} if actor else {}

    async def get(self, path: str, actor: Mapping[str, Any] | None = None) -> Any:
        """The response to a GET, redirects not followed."""
        return await self.ds.client.get(path, cookies=self.cookies(actor))

    async def post(
        self, path: str, actor: Mapping[str, Any] | None = None, json: Any = None, **headers: str
    ) -> Any:
        """The response to a POST of JSON; ``headers`` with _ for -."""
        sent = {"content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        body = None if json is None else dumps(json).encode()
        cookies = self.cookies(actor)
        return await self.ds.client.post(path, cookies=cookies, headers=sent, content=body)

    async def rows(self, path: str, actor: Mapping[str, Any] | None = None) -> Any:
        """The rows of a table or query, as dicts."""
        return (await self._table(path, actor, ""))["rows"]

    async def facets(self, path: str, actor: Mapping[str, Any] | None = None) -> Any:
        """Facet -> value -> count."""
        found = (await self.facet_results(path, actor)).items()
        return {name: {v["value"]: v["count"] for v in f["results"]} for name, f in found}

    async def facet_results(self, path: str, actor: Mapping[str, Any] | None = None) -> Any:
        """The facets as Datasette's JSON has them, in the shape of 0.65."""
        body = await self._table(path, actor, "&_extra=facet_results" if IS_1_0 else "")
        found = body["facet_results"]
        return found["results"] if "timed_out" in found else found

    async def _table(self, path: str, actor: Mapping[str, Any] | None, more: str) -> Any:
        path = path.removeprefix("http://localhost")
        path += ("&" if "?" in path else "?") + "_shape=objects" + more
        response = await self.get(path, actor)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Start Datasette with files: ``serve(path, …, **arguments of Datasette)``.

    ``says`` is what the operator says in a configuration file.
    """
    started: list[Datasette] = []
    connections = _Connections()
    pm.register(connections, name=connections.__name__)

    def start(
        *files: Path, says: dict[str, Any] | None = None, root: bool = True, **arguments: Any
    ) -> Served:
        if says is not None:
            arguments["config" if IS_1_0 else "metadata"] = says
        ds = Datasette([str(file) for file in files], **arguments)
        if IS_1_0:
            ds.root_enabled = root
        (ds._jinja_env if IS_1_0 else ds.jinja_env).bytecode_cache = _compiled
        started.append(ds)
        return Served(ds)

    yield start
    for ds in started:
        _close(ds)
    pm.unregister(connections)
    for connection in connections.opened:
        # A database in memory may be closed by its own thread only, which has ended.
        with contextlib.suppress(sqlite3.ProgrammingError):
            connection.close()
    connections.opened.clear()
    gc.collect()


def _close(ds: Datasette) -> None:
    if IS_1_0:
        ds.close()
        return
    for database in ds.databases.values():
        database.close()
    ds.executor.shutdown()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        return None


@dataclass
class Answer:
    """A response over HTTP."""

    status: int
    headers: Any
    text: str


class Server:
    """A real ``datasette`` in a process of its own."""

    def __init__(self, *arguments: str | Path, env: Mapping[str, str] | None = None) -> None:
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(CookieJar()), _NoRedirect()
        )
        self._process = subprocess.Popen(
            [sys.executable, "-m", "datasette", *map(str, arguments), "-p", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self.output = ""
        assert self._process.stdout
        # uvicorn says when it listens; a process that ends closes the pipe.
        for line in self._process.stdout:
            self.output += line
            if found := re.search(r"Uvicorn running on (http://[\d.:]+)", line):
                self.url = found[1]
                return
        raise AssertionError(f"datasette did not start:\n{self.output}")

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Answer:
        """Ask over HTTP; ``headers`` with _ for -. Cookies are kept."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, body, sent, method=method)
        try:
            with self.opener.open(request, timeout=60) as response:
                return Answer(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as ex:
            with ex:
                return Answer(ex.code, ex.headers, ex.read().decode())

    @property
    def sign_in_path(self) -> str:
        """Where ``--root`` lets root in, once."""
        return "/-/auth-token" + self.output.partition("/-/auth-token")[2].split()[0]

    def stop(self) -> str:
        """End the process; what it wrote since it listens."""
        self._process.terminate()
        output, _ = self._process.communicate(timeout=60)
        return output


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    """Start ``datasette`` with command line arguments."""
    started: list[Server] = []

    def start(*arguments: str | Path, **more: Any) -> Server:
        started.append(Server(*arguments, **more))
        return started[-1]

    yield start
    for one in started:
        output = one.stop()
        assert "Traceback" not in output, output


@pytest.fixture(scope="module")
def shared_server(
    filled_archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A ``datasette`` for those tests of a module that only read :func:`archive`."""
    folder = tmp_path_factory.mktemp("shared")
    path = shutil.copy(filled_archive, folder / "glin.db")
    started = Server(path, env={"HOME": str(folder), "GLIN_DATA_DIR": str(folder)})
    yield started
    output = started.stop()
    assert "Traceback" not in output, output


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real browser.

    No longer than a module: while it is there an event loop runs in this thread, and
    asynchronous tests need one of their own.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if not program:
        pytest.skip("Chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()


@dataclass
class Browsed:
    """A page of a browser at a server, with everything that went wrong in it."""

    page: Any
    server: Any
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Go to a page; the response."""
        return self.page.goto(self.server.url + path)


@pytest.fixture
def browse(
    chromium: Any, server: Any, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Browsed]]:
    """Open a browser at a server: ``browse(path, …, arguments of datasette)``, or at one that
    the tests of a module share and only read, ``browse()``."""
    contexts = []

    def start(*arguments: str | Path, javascript: bool = True) -> Browsed:
        context = chromium.new_context(java_script_enabled=javascript)
        contexts.append(context)
        started = server(*arguments) if arguments else request.getfixturevalue("shared_server")
        browsed = Browsed(context.new_page(), started)
        page, wrong = browsed.page, browsed.wrong

        def on_request(request: Any) -> None:
            if not request.url.startswith((browsed.server.url, "data:")):
                wrong.append(f"request to {request.url}")

        page.on("request", on_request)
        page.on("pageerror", lambda error: wrong.append(f"error {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
        page.on(
            "console",
            lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None,
        )
        return browsed

    yield start
    for context in contexts:
        context.close()
