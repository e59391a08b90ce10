"""A real ``datasette`` process, asked over HTTP."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import without_fts5
from without_fts5 import drop_fts5

from glin_datasette import queries
from glin_datasette.storage import get_db, tag_message, verify_backup
from glin_datasette.storage.schema import drop_search_triggers

BACKUPS = "/-/glin/backups.json"
MAKE = f"{BACKUPS}?wait=1"


def test_root_signs_in_and_makes_a_backup(server, archive: Path) -> None:
    running = server(archive, "--root")
    assert running.request("/-/glin/health.json").status == 200
    assert running.request(BACKUPS, "POST").status == 403
    assert running.request(running.sign_in_path).status == 302
    form = {"content_type": "application/x-www-form-urlencoded"}
    assert running.request(BACKUPS, "POST", b"", **form).status == 403
    cross = {"content_type": "application/json", "origin": "http://evil.example"}
    assert running.request(BACKUPS, "POST", b"{}", **cross).status == 403
    answer = running.request(MAKE, "POST", b"{}", content_type="application/json")
    assert answer.status == 201
    backup = json.loads(answer.text)["task"]["result"]
    assert verify_backup(backup["path"]).conversations == 3
    [listed] = json.loads(running.request(BACKUPS).text)["backups"]
    assert listed["path"] == backup["path"]
    assert answer.headers.get_all("cache-control") == ["no-store"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_backup_is_made_while_somebody_writes(server, archive: Path) -> None:
    running = server(archive, "--root")
    running.request(running.sign_in_path)
    with get_db(archive) as db:
        db.execute("begin immediate")
        db.execute("update conversations set notes = 'not yet'")
        answer = running.request(MAKE, "POST", b"{}", content_type="application/json")
        db.execute("rollback")
    assert answer.status == 201
    with get_db(json.loads(answer.text)["task"]["result"]["path"], readonly=True) as backup:
        notes = backup.execute("select count(*) from conversations where notes = 'not yet'")
        assert notes.fetchone()[0] == 0


def test_what_an_import_adds_is_seen_at_once(server, archive: Path) -> None:
    running = server(archive)
    path = "/glin/messages.json?_tag=new&_shape=array"
    assert json.loads(running.request(path).text) == []
    with get_db(archive) as db:
        tag_message(db, 3, "new")
    assert [row["id"] for row in json.loads(running.request(path).text)] == [3]


def test_datasette_without_a_file_serves_the_default_archive(server, tmp_path: Path) -> None:
    folder = tmp_path / "of its own"
    running = server(env={"GLIN_DATA_DIR": str(folder)})
    body = json.loads(running.request("/-/glin/health.json").text)
    assert (body["database"], body["counts"]["messages"]) == ("glin", 0)
    assert running.request("/glin/conversations").status == 200
    assert (folder / "glin.db").exists()


def test_static_files_and_pages_come_from_this_server_alone(server, archive: Path) -> None:
    running = server(archive)
    styles = running.request("/-/static-plugins/glin-datasette/glin.css")
    assert styles.status == 200
    assert "url(" not in styles.text
    assert "@import" not in styles.text


@pytest.mark.parametrize("path", ["/glin/recent.json", "/-/glin/health.json"])
def test_get_prints_an_answer_without_serving(archive: Path, path: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datasette", str(archive), "--get", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ok"] is True


def test_other_databases_work_as_without_the_plugin(server, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "dogs.db") as conn:
        conn.execute("create table dogs (id integer primary key, name text)")
        conn.execute("insert into dogs values (1, 'Cleo')")
    conn.close()
    running = server(tmp_path / "dogs.db")
    rows = json.loads(running.request("/dogs/dogs.json?_shape=array").text)
    assert rows == [{"id": 1, "name": "Cleo"}]
    assert running.request("/-/glin/health.json").status == 404


def test_datasette_glin_reaches_the_command_line(archive: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datasette", "glin", "list", "--db", str(archive), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Parser" in done.stdout


def test_datasette_starts_without_the_command_line(archive: Path) -> None:
    code = (
        "import sys; import datasette.cli;"
        " print([name for name in sys.modules if name.startswith('glin_datasette.cli')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_without_fts5_every_query_still_answers(server, archive: Path, tmp_path: Path) -> None:
    with sqlite3.connect(":memory:") as conn:
        try:
            drop_fts5(conn)
        except OSError as ex:
            pytest.skip(str(ex))
    conn.close()
    # As it is where it was made without FTS5. (Datasette opens no file with tables of a
    # module that it lacks.)
    with get_db(archive) as db:
        drop_search_triggers(db)
        db.execute("drop table messages_fts")
    # Python runs a module of this name before anything else.
    (tmp_path / "sitecustomize.py").write_text("import without_fts5")
    folders = [str(tmp_path), str(Path(without_fts5.__file__).parent)]
    if "PYTHONPATH" in os.environ:
        folders.append(os.environ["PYTHONPATH"])
    env = {"PYTHONPATH": os.pathsep.join(folders), "GLIN_TEST_WITHOUT_FTS5": "1"}
    running = server(archive, env=env)
    for name in queries.names():
        answer = running.request(f"/glin/{name}.json?q=parser&_shape=array")
        assert answer.status == 200, (name, answer.text)
    [total] = json.loads(running.request("/glin/count_messages.json?q=parser&_shape=array").text)
    found = json.loads(running.request("/glin/search_messages.json?q=parser&_shape=array").text)
    assert len(found) == total["total"] > 0
