"""Which databases are served as archives, and which are left alone."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlite_utils
from datasette.plugins import pm

from glin_datasette import plugin, queries
from glin_datasette.storage import get_db

pytestmark = pytest.mark.asyncio


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_datasette_finds_the_plugin_by_its_entry_point() -> None:
    assert ("glin", plugin) in pm.list_name_plugin()


async def test_no_hook_is_misspelled() -> None:
    pm.check_pending()


async def test_an_archive_of_any_name(serve, archive: Path) -> None:
    other = archive.rename(archive.with_name("my talks.db"))
    served = serve(other)
    assert [row["title"] for row in await served.rows("/my~20talks/recent.json")][1] == "Parser"
    assert "docs" in (await served.facets("/my~20talks/messages.json"))["tags"]
    assert (await served.get("/-/glin/health.json")).json()["database"] == "my talks"
    html = (await served.get("/my~20talks/recent")).text
    assert 'href="/-/glin/conversations/1"' in html


async def test_two_archives_at_once(serve, archive: Path, tmp_path: Path) -> None:
    get_db(tmp_path / "second.db").close()
    served = serve(archive, tmp_path / "second.db")
    assert len(await served.rows("/glin/recent.json")) == 3
    assert await served.rows("/second/recent.json") == []
    for name, count in (("glin", 3), ("second", 0)):
        body = (await served.get(f"/-/glin/health.json?db={name}")).json()
        assert (body["database"], body["counts"]["conversations"]) == (name, count)
    assert (await served.get("/-/glin/health.json")).json()["database"] == "glin"
    html = (await served.get("/-/glin/health")).text
    assert 'href="/-/glin?db=second"' in html


async def test_an_empty_archive(serve, tmp_path: Path) -> None:
    get_db(tmp_path / "empty.db").close()
    served = serve(tmp_path / "empty.db")
    for path in ("", "/conversations", "/messages", "/tags", "/recent", "/search_messages?q=x"):
        response = await served.get(f"/empty{path}")
        assert response.status_code == 200, path
    assert (await served.get("/-/glin/health")).status_code == 200


async def test_a_database_that_is_not_ours_is_left_alone(
    serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs.db"
    with sqlite_utils.Database(theirs) as db:
        db.table("messages").insert(
            {"id": 1, "conversation_id": 7, "title": "T", "content": "x", "tag": "y"}, pk="id"
        )
        db.table("conversations").insert({"id": 7, "title": "Theirs"}, pk="id")
        db.table("tags").insert({"id": 1, "name": "t"}, pk="id")
        db.create_view("schema_version", "select 5 as version")
    before = digest(theirs)
    served = serve(theirs)
    assert (await served.get("/theirs/recent.json")).status_code == 404
    assert "tags" not in await served.facets("/theirs/messages.json?_tag=x")
    html = (await served.get("/theirs/messages")).text
    assert "glin.css" not in html
    assert "/theirs/conversations" not in html
    assert (await served.get("/-/glin/health.json")).status_code == 404
    assert (await served.get("/-/glin/health.json?db=theirs")).status_code == 404
    assert "Conversations with AI" not in (await served.get("/")).text
    assert digest(theirs) == before
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.db"]
    assert "glin" not in capsys.readouterr().err


async def test_an_archive_beside_a_database_that_is_not_ours(
    serve, archive: Path, tmp_path: Path
) -> None:
    with sqlite_utils.Database(tmp_path / "theirs.db") as db:
        db.table("dogs").insert({"id": 1, "name": "Cleo"}, pk="id")
    served = serve(tmp_path / "theirs.db", archive)
    assert (await served.get("/-/glin/health.json")).json()["database"] == "glin"
    assert (await served.get("/theirs/recent.json")).status_code == 404
    assert len(await served.rows("/theirs/dogs.json")) == 1
    # The title of the whole is theirs to choose.
    assert "Conversations with AI" not in (await served.get("/")).text


async def test_an_empty_database_stays_empty(serve, tmp_path: Path) -> None:
    blank = tmp_path / "blank.db"
    sqlite3.connect(blank).close()
    blank.touch()
    assert (await serve(blank).get("/-/glin/health.json")).status_code == 404
    assert blank.stat().st_size == 0


async def test_without_a_file_the_default_archive_is_made_and_served(serve, data_dir: Path) -> None:
    served = serve()
    body = (await served.get("/-/glin/health.json")).json()
    assert (body["database"], body["counts"]["messages"]) == ("glin", 0)
    assert await served.rows("/glin/recent.json") == []
    assert stat.S_IMODE((data_dir / "glin.db").stat().st_mode) == 0o600


async def test_with_a_file_no_default_archive_is_made(serve, archive: Path, data_dir: Path) -> None:
    assert (await serve(archive).get("/")).status_code == 200
    assert not data_dir.exists()


async def test_an_immutable_archive(serve, archive: Path) -> None:
    before = digest(archive)
    served = serve(immutables=[str(archive)])
    assert len(await served.rows("/glin/recent.json")) == 3
    assert "docs" in (await served.facets("/glin/messages.json"))["tags"]
    assert (await served.get("/-/glin/health.json")).status_code == 200
    assert digest(archive) == before


@pytest.mark.parametrize("default", [True, False])
async def test_an_archive_of_a_newer_release_is_refused_in_one_line(
    serve, tmp_path: Path, data_dir: Path, capsys: pytest.CaptureFixture[str], default: bool
) -> None:
    newer = data_dir / "glin.db" if default else tmp_path / "newer.db"
    with get_db(newer) as db:
        db["_sqlite_migrations"].insert(
            {"migration_set": "glin", "name": "9999_future", "applied_at": "2099-01-01"}
        )
        db.execute("pragma journal_mode = delete")
    before = digest(newer)
    served = serve(*([] if default else [newer]))
    assert (await served.get("/glin/recent.json")).status_code == 404
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert str(newer) in said[0]
    assert "newer release" in said[0]
    response = await served.get(f"/-/glin/health.json?db={newer.stem}")
    assert response.status_code == 503
    assert "newer release" in response.text
    assert str(newer.parent) not in response.text
    for query in ("", f"?db={newer.stem}"):
        response = await served.get(f"/-/glin.json{query}")
        assert (response.status_code, response.json()["ok"]) == (503, False)
        assert "/-/glin/health" in response.json()["error"]
    assert digest(newer) == before


async def test_every_query_answers_with_nothing_filled_in(serve, archive: Path) -> None:
    served = serve(archive)
    for name in queries.names():
        empty = "&".join(f"{param.name}=" for param in queries.load(name).params)
        for path in (f"/glin/{name}.json", f"/glin/{name}.json?{empty}"):
            body = (await served.get(path)).json()
            assert (body["ok"], body.get("error")) == (True, None), path
            assert isinstance(body["rows"], list)
        html = (await served.get(f"/glin/{name}?{empty}")).text
        assert queries.load(name).title in html
        assert "message-error" not in html


async def test_a_query_shows_what_its_parameters_are(serve, archive: Path) -> None:
    html = (await serve(archive).get("/glin/search_messages")).text
    for param in queries.load("search_messages").params:
        assert f"<dt>{param.name}</dt>" in html
        assert f'name="{param.name}"' in html


async def test_no_query_has_the_name_of_a_table(serve, archive: Path) -> None:
    with get_db(archive, readonly=True) as db:
        assert set(queries.names()) & {*db.table_names(), *db.view_names()} == set()


@pytest.mark.parametrize("text", ['"', "a-b", "'", "NEAR(", "* OR", "tag:", "ä\x00b", "parser*"])
async def test_any_text_may_be_searched_for(serve, archive: Path, text: str) -> None:
    served = serve(archive)
    for name in ("search_messages", "search_conversations"):
        body = (await served.get(f"/glin/{name}.json?q={quote(text)}")).json()
        assert (body["ok"], body.get("error")) == (True, None)


async def test_queries_need_no_permission_to_run_sql(serve, archive: Path) -> None:
    served = serve(archive, settings={"default_allow_sql": False})
    rows = (await served.get("/glin/search_messages.json?q=weather&_shape=objects")).json()["rows"]
    assert [row["message_id"] for row in rows] == [5]
    assert (await served.get("/glin.json?sql=select+1&_shape=array")).status_code != 200


async def test_an_archive_that_is_damaged_while_it_is_served(serve, archive: Path) -> None:
    with get_db(archive) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        db.execute("pragma journal_mode = delete")
    served = serve(archive)
    assert (await served.get("/-/glin.json")).status_code == 200
    size = archive.stat().st_size
    with archive.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (size - 100))
    for page in ("", "/search?q=parser", "/conversations", "/conversations/1", "/messages/1",
                 "/files", "/commits", "/tags", "/health", "/backups"):  # fmt: skip
        response = await served.get(f"/-/glin{page}")
        assert response.status_code in (200, 503), page
        assert "Traceback" not in response.text
        assert str(archive.parent) not in response.text


@pytest.mark.parametrize("table", ["attachments", "message_attachments", "conversation_tags"])
async def test_no_page_shows_what_is_in_a_table_that_somebody_may_not_see(
    serve, archive: Path, table: str
) -> None:
    closed = {"databases": {"glin": {"tables": {table: {"allow": {"id": "alice"}}}}}}
    served = serve(archive, says=closed)
    for page in ("/-/glin", "/-/glin/conversations/1", f"/-/glin/attachments/{'0' * 64}"):
        assert (await served.get(page)).status_code == 403
        assert (await served.get(page, {"id": "alice"})).status_code in (200, 404)
