"""``private: true``: nothing of the whole server for those who are not signed in."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from live_routes import live

from glin_datasette import queries

ALICE = {"id": "alice"}
PRIVATE = {"plugins": {"glin-datasette": {"private": True}}}

#: What the archive, its name, its file or its schema would be known by.
TELLING = re.compile(r"parser|weather|Bash|source_id|conversations\b.*\bmessages|0123abc", re.I)

#: What stays open; nothing of an archive is in it.
OPEN = ("/-/static/app.css", "/-/static-plugins/glin-datasette/glin.css", "/-/logout")

#: Pages that show what is in an archive, by the ways that there are.
CLOSED = (
    "/",
    "/.json",
    "/glin",
    "/glin.json",
    "/glin.db",
    "/glin/messages",
    "/glin/messages.json",
    "/glin/messages.csv",
    "/glin/messages.csv?_stream=1",
    "/glin/messages/1",
    "/glin/messages/1.json",
    "/glin/messages_fts.json",
    "/glin/schema_version.json",
    "/glin.json?sql=select+1",
    "/glin/-/query.json?sql=select+1",
    "/_memory.json?sql=select+1",
    "/-/databases.json",
    "/-/plugins.json",
    "/-/settings.json",
    "/-/versions.json",
    "/-/glin",
    "/-/glin.json",
    "/-/glin/search?q=parser",
    "/-/glin/search.json?q=parser",
    "/-/glin/conversations.json",
    "/-/glin/conversations/1",
    "/-/glin/conversations/1.json",
    "/-/glin/conversations/1.md",
    "/-/glin/conversations/1.jsonl",
    "/-/glin/conversations/999",
    "/-/glin/messages/1.json",
    "/-/glin/files.json",
    "/-/glin/commits.json",
    "/-/glin/tags.json",
    "/-/glin/health.json",
    "/-/glin/metrics",
    "/-/glin/backups.json",
    "/-/glin/backups/download?name=x",
    f"/-/glin/attachments/{'0' * 64}",
    *(f"/glin/{name}.json?q=parser" for name in queries.names()),
)


@pytest.mark.asyncio
async def test_nobody_reads_anything_without_signing_in(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive, says=PRIVATE, memory=True)
    wrong = []
    for path in CLOSED:
        answer = await served.get(path)
        # 1.0 sends the old address of SQL on to the new one.
        if answer.status_code != 403 and not (answer.status_code == 302 and "sql=" in path):
            wrong.append((answer.status_code, path))
        assert not TELLING.search(answer.text.replace("q=parser", "")), path
    assert wrong == []


@pytest.mark.asyncio
async def test_who_is_signed_in_reads_as_ever(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive, says=PRIVATE)
    for path in ("/", "/glin/messages.json", "/glin/messages/1.json", "/-/glin", "/-/glin/metrics"):
        assert (await served.get(path, ALICE)).status_code == 200, path
    assert (await served.get("/glin/recent.json", ALICE)).status_code == 200
    post = await served.post("/-/glin/tags.json", ALICE, {"action": "add", "tag": "x"})
    assert post.status_code == 403


@pytest.mark.asyncio
async def test_no_route_tells_anything_of_an_archive(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive, says=PRIVATE)
    paths = set(live(served.ds))
    assert {"/-/glin/metrics", "/glin/messages.json", "/-/databases.json"} <= paths
    opened = []
    for path in sorted(paths):
        answer = await served.get(path)
        if "static" in path or path == "/favicon.ico":
            continue
        assert not TELLING.search(answer.text.replace(path, "")), path
        assert answer.status_code < 500, path
        if answer.status_code == 200:
            opened.append(path)
        if path.startswith("/-/glin"):
            assert answer.status_code == 403, path
    # Datasette's own that take no permission, or list what you may see: nothing.
    empty = ("/-/actor", "/-/allow-debug", "/-/jump", "/-/queries", "/-/schema", "/glin/-/queries")
    assert [path for path in opened if re.sub(r"\.(json|md)$", "", path) not in empty] == []


@pytest.mark.asyncio
async def test_the_way_in_stays_open(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive, says=PRIVATE)
    for path in OPEN:
        assert (await served.get(path)).status_code in (200, 302), path
    answer = await served.get(f"/-/auth-token?token={served.ds._root_token}")
    assert (answer.status_code, answer.headers["location"]) == (302, "/-/glin")
    cookies = {"ds_actor": answer.cookies["ds_actor"]}
    assert (await served.ds.client.get("/-/glin", cookies=cookies)).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("allow", [True, {"unauthenticated": True}, {"id": "*"}])
async def test_no_other_rule_opens_what_is_private(
    serve: Callable[..., Any], archive: Path, allow: Any
) -> None:
    table = {"allow": allow}
    database = {"allow": allow, "allow_sql": allow, "tables": {"messages": table}}
    says = {**PRIVATE, "allow": allow, "databases": {"glin": database}}
    served = serve(archive, says=says)
    for path in ("/", "/glin.json", "/glin/messages.json", "/-/glin", "/glin/recent.json"):
        assert (await served.get(path)).status_code == 403, path


@pytest.mark.asyncio
async def test_other_databases_are_closed_too(
    serve: Callable[..., Any], archive: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "dogs.db")) as conn:
        conn.execute("create table dogs (name text)")
    served = serve(archive, tmp_path / "dogs.db", says=PRIVATE)
    assert (await served.get("/dogs/dogs.json")).status_code == 403
    assert (await served.get("/dogs/dogs.json", ALICE)).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("says", [None, {"plugins": {"glin-datasette": {"private": False}}}])
async def test_without_it_everybody_reads(
    serve: Callable[..., Any], archive: Path, says: Any
) -> None:
    assert (await serve(archive, says=says).get("/-/glin")).status_code == 200


def test_over_http_the_raw_file_is_closed_too(server, archive: Path, tmp_path: Path) -> None:
    settings = tmp_path / "metadata.json"
    settings.write_text(json.dumps(PRIVATE))
    running = server("--immutable", archive, "--metadata", settings, "--root")
    assert running.request("/glin.db").status == 403
    assert running.request("/glin/messages.csv").status == 403
    assert running.request(running.sign_in_path).status == 302
    assert running.request("/glin/messages.csv").status == 200


@pytest.mark.parametrize("said", ["yes please", 1, [True], {}])
def test_a_bad_configuration_is_one_line_and_no_server(
    archive: Path, tmp_path: Path, said: object
) -> None:
    settings = tmp_path / "metadata.json"
    settings.write_text(json.dumps({"plugins": {"glin-datasette": {"private": said}}}))
    done = subprocess.run(
        [sys.executable, "-m", "datasette", archive, "-p", "0", "--metadata", settings],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "private: must be true or false" in done.stderr
