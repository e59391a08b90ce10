"""What metadata.yml says is complete, and shown for archives of any name."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
import yaml

from glin_datasette import paths, plugin
from glin_datasette.storage import get_db

pytestmark = pytest.mark.asyncio

SHIPPED = yaml.safe_load(paths.metadata_path().read_text("utf-8"))
TABLES = SHIPPED["databases"]["glin"]["tables"]
STYLES = (Path(plugin.__file__).parent / "static" / "glin.css").read_text("utf-8")


def columns_of(archive: Path) -> dict[str, list[str]]:
    """Table or view -> its columns, without SQLite's and FTS5's own tables."""
    with get_db(archive, readonly=True) as db:
        return {
            name: list(db[name].columns_dict)
            for name in [*db.table_names(), *db.view_names()]
            if not name.startswith(("sqlite_", "_", "messages_fts"))
        }


async def test_every_table_and_column_is_described(archive: Path) -> None:
    described = {
        name: list(table["columns"]) for name, table in TABLES.items() if "columns" in table
    }
    assert described == columns_of(archive)
    texts = [
        text
        for name in described
        for text in (
            TABLES[name]["title"],
            TABLES[name]["description"],
            *TABLES[name]["columns"].values(),
        )
    ]
    assert [text for text in texts if not isinstance(text, str) or not text.strip()] == []


@pytest.mark.parametrize("table", ["messages", "conversations"])
async def test_the_layout_of_a_row_knows_how_many_columns_there_are(
    archive: Path, table: str
) -> None:
    rule = rf"body\.row\.table-{table} table[^}}]*grid-template-rows: repeat\((\d+), auto\)"
    [count] = re.findall(rule, STYLES)
    hidden = set(re.findall(r"\.col-(\w+) \{ display: none; \}", STYLES))
    assert int(count) == len(set(columns_of(archive)[table]) - hidden)


@pytest.mark.parametrize("name", ["glin", "other"])
async def test_pages_say_what_tables_and_columns_are(serve, archive: Path, name: str) -> None:
    served = serve(archive.rename(archive.with_name(f"{name}.db")))
    for table, described in TABLES.items():
        if "columns" not in described:
            continue
        html = unescape((await served.get(f"/{name}/{table}?_nofacet=1")).text)
        assert f"{described['title']}" in html
        for text in described["columns"].values():
            assert text in html
    assert "Conversations with AI assistants" in (await served.get("/")).text


@pytest.mark.parametrize("name", ["glin", "other"])
async def test_sort_order_facets_and_labels(serve, archive: Path, name: str) -> None:
    served = serve(archive.rename(archive.with_name(f"{name}.db")))
    assert [row["id"] for row in await served.rows(f"/{name}/conversations.json")] == [2, 1, 3]
    assert [row["id"] for row in await served.rows(f"/{name}/messages.json")] == [1, 2, 3, 4, 5, 6]
    facets = await served.facets(f"/{name}/conversations.json")
    assert set(facets) == {"source", "repo_root", "model", "git_branch", "tags"}
    facets = await served.facets(f"/{name}/messages.json")
    assert set(facets) == {"role", "kind", "tool_name", "tags"}
    assert facets["kind"] == {"text": 5, "tool_result": 1}
    [first, *_] = await served.rows(f"/{name}/messages.json?_labels=on")
    assert first["conversation_id"] == {"value": 1, "label": "Parser"}
    [first, *_] = await served.rows(f"/{name}/conversation_tags.json?_labels=on")
    assert first["tag_id"]["label"] == "bug"


async def test_the_internals_are_hidden(serve, archive: Path) -> None:
    tables = (await serve(archive).get("/glin.json")).json()["tables"]
    shown = {table["name"] for table in tables if not table["hidden"]}
    assert shown == set(columns_of(archive)) - {"schema_version"}


async def test_what_litestream_keeps_is_hidden(serve, archive: Path) -> None:
    with get_db(archive) as db:
        for name in ("_litestream_lock", "_litestream_seq"):
            db.table(name).create({"id": int})
    tables = (await serve(archive).get("/glin.json")).json()["tables"]
    found = {table["name"]: table["hidden"] for table in tables}
    assert found["_litestream_lock"] and found["_litestream_seq"]


async def test_whoever_runs_datasette_has_the_last_word(serve, archive: Path) -> None:
    table = {"sort": "title", "facets": ["relation"], "title": "My talks"}
    served = serve(archive, metadata={"databases": {"glin": {"tables": {"conversations": table}}}})
    assert [row["id"] for row in await served.rows("/glin/conversations.json")] == [2, 3, 1]
    assert set(await served.facets("/glin/conversations.json")) == {"relation", "tags"}
    html = (await served.get("/glin/conversations")).text
    assert "My talks</h1>" in html
    assert TABLES["conversations"]["description"] in html


async def test_metadata_yml_itself_may_be_given_too(serve, archive: Path) -> None:
    served = serve(archive, metadata=yaml.safe_load(paths.metadata_path().read_text("utf-8")))
    assert [row["id"] for row in await served.rows("/glin/conversations.json")] == [2, 1, 3]
    html = (await served.get("/glin/messages")).text
    assert TABLES["messages"]["description"] in html
