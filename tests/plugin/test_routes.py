"""The pages for health and backups, and who may do what with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasette import hookspecs

from glin_datasette import paths
from glin_datasette.models import BackupReport, HealthReport
from glin_datasette.plugin.archives import attached
from glin_datasette.plugin.tasks import Task
from glin_datasette.storage import get_db, verify_backup

pytestmark = pytest.mark.asyncio

IS_1_0 = hasattr(hookspecs, "register_actions")

ROOT = {"id": "root"}
ALICE = {"id": "alice"}
HEALTH = "/-/glin/health.json"
BACKUPS = "/-/glin/backups.json"
#: Makes one, and answers when it is made.
MAKE = f"{BACKUPS}?wait=1"
PAGES = ["/-/glin/health", "/-/glin/backups"]


def backups_of(archive: Path) -> list[Path]:
    found = archive.parent.glob(f"{archive.stem}-backups/*")
    return sorted(file for file in found if file.suffix != ".json")


def damage(archive: Path) -> None:
    """Write over the page that the table of messages begins on."""
    with get_db(archive) as db:
        db.execute("pragma wal_checkpoint(truncate)")
        db.execute("pragma journal_mode = delete")
        root = db.execute("select rootpage from sqlite_master where name = 'messages'")
        page, size = root.fetchone()[0], db.execute("pragma page_size").fetchone()[0]
    with archive.open("r+b") as f:
        f.seek((page - 1) * size)
        f.write(b"\xff" * size)


async def test_health_says_how_the_archive_is(serve, archive: Path) -> None:
    response = await serve(archive).get(HEALTH)
    assert response.status_code == 200
    body = response.json()
    assert set(body) == {"ok", "database", *HealthReport.__dataclass_fields__}
    # No backup yet.
    assert (body["ok"], body["status"], body["schema_version"]) == (True, "warn", 4)
    assert body["counts"]["messages"] == 6
    assert {check["name"] for check in body["checks"]} >= {"schema", "integrity", "search"}
    assert all(isinstance(check["ms"], float) for check in body["checks"])
    assert body["last_backup_age"] is None


async def test_health_tells_the_lag_to_all_and_the_target_to_few(serve, archive: Path) -> None:
    state = {"target": "/media/disk/replica", "confirmed_at": "2026-01-01T10:00:00.000Z"}
    paths.replica_state(archive).write_text(json.dumps({**state, "error": "/media/disk is gone"}))
    served = serve(archive)
    everybody = await served.get(HEALTH)
    found = {check["name"]: check for check in everybody.json()["checks"]}["replication"]
    assert (found["status"], "since 2026-01-01 10:00Z" in found["detail"]) == ("warn", True)
    assert found["ms"] < 100
    assert everybody.json()["replication"] is None
    assert "/media" not in everybody.text
    root = (await served.get(HEALTH, ROOT)).json()["replication"]
    assert (root["target"], root["behind"], root["running"]) == (state["target"], True, False)


async def test_the_health_page_says_the_same(serve, archive: Path) -> None:
    served = serve(archive)
    body = (await served.get(HEALTH)).json()
    response = await served.get("/-/glin/health")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    for check in body["checks"]:
        assert check["name"] in response.text
    assert ">warn</span>" in response.text
    assert 'href="/-/glin/health.json"' in response.text


async def test_a_damaged_archive_fails_without_a_traceback(
    serve, archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(archive)
    served = serve(archive)
    response = await served.get(HEALTH)
    assert response.status_code == 503
    body = response.json()
    assert (body["ok"], body["status"]) == (False, "fail")
    failed = [check["detail"] for check in body["checks"] if check["status"] == "fail"]
    assert any("malformed" in detail or "damaged" in detail for detail in failed)
    page = await served.get("/-/glin/health")
    assert page.status_code == 503
    assert ">fail</span>" in page.text
    response = await served.post(MAKE, ROOT)
    assert response.status_code == 500
    assert "\n" not in response.json()["error"]
    assert backups_of(archive) == []
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("becomes", ["garbage", "nothing"])
async def test_a_file_that_is_lost_while_it_is_served(serve, archive: Path, becomes: str) -> None:
    served = serve(archive)
    assert (await served.get(HEALTH)).status_code == 200
    if becomes == "garbage":
        archive.write_bytes(b"no database" * 1000)
    else:
        archive.unlink()
    for path in (HEALTH, "/-/glin/health"):
        response = await served.get(path)
        assert response.status_code == 503
        assert str(archive.parent) not in response.text
    assert (await served.get(HEALTH)).json()["status"] == "fail"
    response = await served.post(MAKE, ROOT)
    assert (response.status_code, response.json()["ok"]) == (500, False)


async def test_root_makes_a_backup_that_is_listed_and_whole(serve, archive: Path) -> None:
    served = serve(archive)
    assert (await served.get(BACKUPS)).json()["backups"] == []
    response = await served.post(MAKE, ROOT)
    assert response.status_code == 201
    body = response.json()
    assert (body["ok"], body["database"]) == (True, "glin")
    assert (body["task"]["kind"], body["task"]["state"]) == ("backup", "done")
    made = body["task"]["result"]
    assert set(made) == set(BackupReport.__dataclass_fields__)
    assert [Path(made["path"])] == backups_of(archive)
    assert verify_backup(made["path"]).messages == 6
    [listed] = (await served.get(BACKUPS, ROOT)).json()["backups"]
    assert (listed["path"], listed["messages"]) == (made["path"], 6)
    html = (await served.get("/-/glin/backups")).text
    assert Path(made["path"]).name in html
    assert (await served.get(HEALTH)).json()["last_backup_age"] >= 0


@pytest.mark.parametrize("actor", [None, ALICE])
async def test_others_may_look_and_make_none(
    serve, archive: Path, actor: dict[str, str] | None
) -> None:
    served = serve(archive)
    response = await served.post(MAKE, actor)
    assert response.status_code == 403
    body = response.json()
    assert (body["ok"], body["status"]) == (False, 403)
    assert "glin-backup" in body["error"]
    assert (await served.ds.client.post("/-/glin/backups")).status_code == 403
    assert backups_of(archive) == []
    assert (await served.get(BACKUPS, actor)).json()["may_back_up"] is False
    html = (await served.get("/-/glin/backups")).text
    assert 'method="post"' not in html and "Download" not in html


async def test_the_button_is_there_for_those_who_may_use_it(serve, archive: Path) -> None:
    served = serve(archive)
    html = (await served.get("/-/glin/backups", ROOT)).text
    assert '<form action="/-/glin/backups" method="post">' in html


async def test_the_configuration_lets_others_make_backups(serve, archive: Path) -> None:
    says = {"plugins": {"glin-datasette": {"allow-backup": {"id": "alice"}}}}
    served = serve(archive, says=says)
    assert (await served.post(MAKE, ALICE)).status_code == 201
    assert (await served.post(MAKE, ROOT)).status_code == 201
    assert (await served.post(MAKE, {"id": "bob"})).status_code == 403
    assert (await served.post(MAKE)).status_code == 403
    assert len(backups_of(archive)) == 2


@pytest.mark.skipif(not IS_1_0, reason="0.65 reads no permissions of plugins")
async def test_permissions_of_datasette_1_let_others_make_backups(serve, archive: Path) -> None:
    served = serve(archive, says={"permissions": {"glin-backup": {"id": "alice"}}})
    assert (await served.post(MAKE, ALICE)).status_code == 201
    assert (await served.post(MAKE, {"id": "bob"})).status_code == 403


@pytest.mark.skipif(not IS_1_0, reason="0.65 has no --root that could be left out")
async def test_root_is_nobody_without_the_option_root(serve, archive: Path) -> None:
    served = serve(archive, root=False)
    assert (await served.post(MAKE, ROOT)).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://localhost"},
        {"origin": "http://evil.example"},
        {"origin": "http://localhost:8002"},
        {"origin": "null"},
        {"origin": "http://["},
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
    ],
)
async def test_other_sites_may_not_use_the_cookie_of_root(
    serve, archive: Path, headers: dict[str, str]
) -> None:
    response = await serve(archive).post(MAKE, ROOT, **headers)
    assert response.status_code == 403
    assert response.json()["ok"] is False
    assert response.json()["error"].startswith("Refused")
    assert backups_of(archive) == []


@pytest.mark.skipif(IS_1_0, reason="1.0 has no tokens in forms")
async def test_a_form_without_its_token_is_refused(serve, archive: Path) -> None:
    form = {"content_type": "application/x-www-form-urlencoded"}
    response = await serve(archive).post("/-/glin/backups", ROOT, **form)
    assert response.status_code == 403
    assert backups_of(archive) == []


@pytest.mark.parametrize(
    "headers", [{"sec_fetch_site": "same-origin"}, {"origin": "http://localhost"}]
)
async def test_pages_of_this_server_may(serve, archive: Path, headers: dict[str, str]) -> None:
    response = await serve(archive).post(MAKE, ROOT, content_type="text/plain", **headers)
    assert response.status_code == 201


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", [BACKUPS, HEALTH, *PAGES])
async def test_other_methods_are_refused(serve, archive: Path, path: str, method: str) -> None:
    served = serve(archive)
    json = {"content-type": "application/json"}
    response = await served.ds.client.request(method, path, headers=json)
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    if path.endswith(".json"):
        assert response.json()["ok"] is False


async def test_health_takes_no_post(serve, archive: Path) -> None:
    response = await serve(archive).post(HEALTH, ROOT)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("page", [HEALTH, BACKUPS, *PAGES])
async def test_an_unknown_database_is_not_found(serve, archive: Path, page: str) -> None:
    response = await serve(archive).get(f"{page}?db=nowhere")
    assert response.status_code == 404
    assert "No archive named nowhere is attached" in response.text
    if page.endswith(".json"):
        assert response.json()["ok"] is False


@pytest.mark.parametrize("page", [HEALTH, BACKUPS, *PAGES])
async def test_who_may_not_view_the_database_sees_neither_page(
    serve, archive: Path, page: str
) -> None:
    says = {"databases": {"glin": {"allow": {"id": "alice"}}}}
    served = serve(archive, says=says)
    for query in ("", "?db=glin"):
        response = await served.get(page + query)
        assert response.status_code == 403
        assert "conversations" not in response.text
        assert (await served.get(page + query, ALICE)).status_code == 200
    assert "/-/glin/" not in (await served.get("/")).text
    assert "/-/glin/" in (await served.get("/", ALICE)).text


async def test_the_first_archive_that_one_may_view_is_shown(
    serve, archive: Path, tmp_path: Path
) -> None:
    get_db(tmp_path / "second.db").close()
    says = {"databases": {"glin": {"allow": {"id": "alice"}}}}
    served = serve(archive, tmp_path / "second.db", says=says)
    assert (await served.get(HEALTH)).json()["database"] == "second"
    assert "db=glin" not in (await served.get("/-/glin/health")).text


async def test_only_those_who_may_back_up_learn_where_the_archive_is(
    serve, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = archive.parent / "link"
    elsewhere.mkdir()
    (elsewhere / "other.db").symlink_to(archive)
    monkeypatch.chdir(archive.parent)
    for file in (archive, Path("glin.db"), elsewhere / "other.db"):
        served = serve(file)
        await served.post(MAKE, ROOT)
        for page in (HEALTH, BACKUPS, *PAGES):
            assert str(archive.parent) not in (await served.get(page)).text
        shown = (await served.get(HEALTH, ROOT)).json()["path"]
        assert Path(shown).samefile(archive)


async def test_one_backup_at_a_time(serve, archive: Path) -> None:
    served = serve(archive)
    await served.get("/")
    tasks = attached(served.ds).tasks
    tasks["glin"] = Task("backup", total=10, done=3)
    response = await served.post(MAKE, ROOT)
    assert (response.status_code, response.json()["ok"]) == (409, False)
    html = (await served.get("/-/glin/backups", ROOT)).text
    assert 'value="3" max="10"' in html and "Make a backup now" not in html
    tasks.clear()
    assert (await served.post(MAKE, ROOT)).status_code == 201
    assert (await served.post(MAKE, ROOT)).status_code == 201


async def test_a_backup_is_made_behind_the_request(serve, archive: Path) -> None:
    served = serve(archive)
    response = await served.post(BACKUPS, ROOT)
    assert response.status_code in (201, 202)
    assert response.json()["task"]["kind"] == "backup"
    task = attached(served.ds).tasks["glin"]
    assert task.future is not None
    task.future.result(timeout=60)
    told = (await served.get(BACKUPS, ROOT)).json()["task"]
    assert (told["state"], told["result"]["messages"], told["error"]) == ("done", 6, None)
    assert told["done"] == told["total"] > 0


async def test_a_backup_is_read_back_and_downloaded(serve, archive: Path) -> None:
    served = serve(archive)
    path = Path((await served.post(MAKE, ROOT)).json()["task"]["result"]["path"])

    async def verify(name: str) -> Any:
        return await served.post("/-/glin/backups/verify.json?wait=1", ROOT, json={"name": name})

    response = await verify(path.name)
    assert response.status_code == 201
    assert response.json()["task"]["result"]["verified"] is True
    assert "✓ whole" in (await served.get("/-/glin/backups", ROOT)).text

    saved = await served.get(f"/-/glin/backups/download?name={path.name}", ROOT)
    assert saved.content == path.read_bytes()
    assert int(saved.headers["content-length"]) == path.stat().st_size
    assert saved.headers["content-disposition"] == f'attachment; filename="{path.name}"'
    for actor in (None, ALICE):
        refused = await served.get(f"/-/glin/backups/download?name={path.name}", actor)
        assert refused.status_code == 403
    assert (await served.get("/-/glin/backups/verify.json", ROOT)).status_code == 405

    packed = (await served.post(MAKE, ROOT, json={"compress": True})).json()["task"]["result"]
    assert packed["compressed"] and packed["path"].endswith(".db.zst")
    name = Path(packed["path"]).name
    assert (await verify(name)).json()["task"]["result"]["sha256"] == packed["sha256"]
    saved = await served.get(f"/-/glin/backups/download?name={name}", ROOT)
    assert saved.headers["content-type"] == "application/zstd"
    assert saved.content == Path(packed["path"]).read_bytes()
    assert (await served.post(MAKE, ROOT, json={"compress": "much"})).status_code == 400

    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 4096)
    response = await verify(path.name)
    assert (response.status_code, response.json()["ok"]) == (500, False)
    assert "is not whole" in (await served.get("/-/glin/backups", ROOT)).text


@pytest.mark.parametrize(
    "name",
    ["", "../glin.db", "glin.db", "/etc/passwd", "glin-20260101T000000Z.db", "%00", "..%2Fglin.db"],
)
async def test_the_name_of_a_backup_is_no_path(serve, archive: Path, name: str) -> None:
    served = serve(archive)
    await served.post(MAKE, ROOT)
    (archive.parent / "glin-20260101T000000Z.db").write_bytes(archive.read_bytes())
    (archive.parent / "glin-backups" / "link.db").symlink_to(archive)
    response = await served.get(f"/-/glin/backups/download?name={name}", ROOT)
    assert response.status_code == 404
    response = await served.post("/-/glin/backups/verify.json", ROOT, json={"name": name})
    assert response.status_code == 404


async def test_a_folder_that_cannot_be_written_is_told_in_one_line(serve, archive: Path) -> None:
    (archive.parent / "glin-backups").write_text("in the way")
    served = serve(archive)
    for _ in range(2):
        response = await served.post(MAKE, ROOT)
        assert response.status_code == 500
        body = response.json()
        assert body["ok"] is False
        assert "glin-backups" in body["error"]
        assert "\n" not in body["error"]


@pytest.mark.parametrize("page", [HEALTH, BACKUPS, *PAGES, "/-/glin/health?db=nowhere"])
@pytest.mark.parametrize("actor", [None, ROOT])
async def test_every_answer_has_strict_headers(serve, archive: Path, page: str, actor: Any) -> None:
    headers = (await serve(archive).get(page, actor)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'self'" in headers["content-security-policy"]


async def test_other_pages_keep_their_headers(serve, archive: Path) -> None:
    headers = (await serve(archive).get("/glin/messages")).headers
    assert "content-security-policy" not in headers


async def test_a_prefix_in_front_of_every_address(serve, archive: Path) -> None:
    served = serve(archive, settings={"base_url": "/talks/"})
    html = (await served.get("/-/glin/backups", ROOT)).text
    assert 'action="/talks/-/glin/backups"' in html
    assert 'href="/talks/-/glin/health"' in html
    response = await served.post(MAKE, ROOT, origin="http://evil.example")
    assert response.status_code == 403
    assert (await served.post(MAKE, ROOT)).status_code == 201
