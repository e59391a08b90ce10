"""Scripts with tokens: what they may do, on a private server and on an open one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glin_datasette import paths
from glin_datasette.access.tokens import create_token, revoke_token
from glin_datasette.storage import get_db, list_tags

PRIVATE = {"plugins": {"glin-datasette": {"private": True}}}
TAGS = "/-/glin/tags.json"
BACKUPS = "/-/glin/backups.json?wait=1"
ADD = {"action": "add", "tag": "by-script", "conversations": [1]}
READS = (
    "/",
    "/glin/messages.json",
    "/glin/recent.json",
    "/-/glin",
    "/-/glin/metrics",
    "/glin.json",
)


def tags_of(archive: Path) -> set[str]:
    with get_db(archive, readonly=True) as db:
        return {tag.name for tag in list_tags(db)}


def sent(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def get(served: Any, path: str, token: str) -> int:
    return int((await served.ds.client.get(path, headers=sent(token))).status_code)


async def post(served: Any, path: str, token: str, body: object = None) -> int:
    return int((await served.post(path, None, body or {}, **sent(token))).status_code)


@pytest.mark.asyncio
async def test_a_token_reads_what_is_private(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive, says=PRIVATE)
    _, secret = create_token("ci")
    for path in READS:
        assert (await served.get(path)).status_code == 403, path
        assert await get(served, path, secret) == 200, path
    answer = await served.ds.client.get("/-/actor.json", headers=sent(secret))
    assert answer.json()["actor"]["id"] == "token:ci"
    assert secret not in answer.text


@pytest.mark.asyncio
async def test_the_scheme_is_read_as_http_has_it(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive, says=PRIVATE)
    _, secret = create_token()
    for said, status in (
        (f"bearer {secret}", 200),
        (f"BEARER   {secret} ", 200),
        (f"Basic {secret}", 403),
        (secret, 403),
        (f"Bearer{secret}", 403),
        ("Bearer", 403),
        ("Bearer ", 403),
        (f"Bearer {secret} x", 403),
    ):
        answer = await served.ds.client.get("/-/glin", headers={"authorization": said})
        assert answer.status_code == status, said
    twice = [("authorization", f"Bearer {secret}"), ("authorization", "Bearer glin_x")]
    assert (await served.ds.client.get("/-/glin", headers=twice)).status_code == 403
    assert (await served.get(f"/-/glin?token={secret}")).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("scopes", "tag", "backup"),
    [((), 403, 403), (("read",), 403, 403), (("tag",), 200, 403), (("backup",), 403, 201)],
)
async def test_a_token_may_what_it_is_for(
    serve: Callable[..., Any], archive: Path, scopes: tuple[str, ...], tag: int, backup: int
) -> None:
    served = serve(archive, says=PRIVATE)
    _, secret = create_token("ci", scopes)
    assert await get(served, "/-/glin", secret) == 200
    assert await post(served, TAGS, secret, ADD) == tag
    assert ("by-script" in tags_of(archive)) is (tag == 200)
    assert await post(served, "/-/glin/conversations/1/notes.json", secret, {"notes": "n"}) == tag
    assert await post(served, BACKUPS, secret) == backup
    assert bool(list(archive.parent.glob("glin-backups/*.db"))) is (backup == 201)


@pytest.mark.asyncio
async def test_what_all_who_are_signed_in_may_a_token_may_not(
    serve: Callable[..., Any], archive: Path
) -> None:
    everybody = {"id": "*"}
    config = {"private": True, "allow-tag": everybody, "allow-backup": everybody}
    permissions = dict.fromkeys(
        ("insert-row", "update-row", "delete-row", "drop-table", "permissions-debug"), everybody
    )
    query = {"sql": "delete from tags", "write": True, "params": []}
    says = {
        "plugins": {"glin-datasette": config},
        "permissions": permissions,
        "databases": {"glin": {"queries": {"forget": query}, "permissions": permissions}},
    }
    served = serve(archive, says=says)
    _, secret = create_token("ci")
    assert (await served.post(TAGS, {"id": "alice"}, ADD)).status_code == 200
    before = tags_of(archive)
    assert await post(served, TAGS, secret, {**ADD, "tag": "other"}) == 403
    assert await post(served, BACKUPS, secret) == 403
    for path in (
        "/glin/tags/-/insert",
        "/glin/tags/-/drop",
        "/glin/tags/1/-/delete",
        "/glin/-/create",
        "/glin/-/execute-write",
        "/glin/forget.json",
        "/glin/forget",
    ):
        assert await post(served, path, secret, {"confirm": True, "row": {}}) >= 400, path
    assert tags_of(archive) == before
    for path in ("/-/permissions", "/-/create-token", "/-/actions"):
        assert await get(served, path, secret) in (403, 404), path
    assert await post(served, "/-/create-token", secret, {"actor_id": "x"}) in (403, 404, 405)


@pytest.mark.asyncio
async def test_every_token_is_asked_for_each_time(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive, says=PRIVATE)
    token, secret = create_token("ci", days=1)
    assert await get(served, "/-/glin", secret) == 200
    for wrong in (
        secret[:-1],
        secret + "x",
        "glin_",
        "glin_" + "x" * 5000,
        token.sha256,
        "dstok_x",
    ):
        # Datasette 1.0 says itself what it thinks of tokens of its own.
        assert await get(served, "/-/glin", wrong) in (401, 403), wrong
    file = paths.tokens_path()
    kept = json.loads(file.read_text())
    kept["tokens"][0]["expires_at"] = "2026-01-01T00:00:00.000Z"
    file.write_text(json.dumps(kept))
    assert await get(served, "/-/glin", secret) == 403
    _, other = create_token("other")
    assert await get(served, "/-/glin", other) == 200
    revoke_token("other")
    assert await get(served, "/-/glin", other) == 403


@pytest.mark.asyncio
async def test_a_bad_token_is_nobody_on_an_open_server(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive)
    assert await get(served, "/-/glin", "glin_wrong") == 200
    assert await post(served, TAGS, "glin_wrong", ADD) == 403


@pytest.mark.asyncio
async def test_a_damaged_file_lets_nobody_in_and_is_told_once(
    serve: Callable[..., Any], archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = serve(archive, says=PRIVATE)
    _, secret = create_token()
    paths.tokens_path().write_text("{")
    for _ in range(3):
        assert await get(served, "/-/glin", secret) == 403
    [line] = [each for each in capsys.readouterr().err.splitlines() if "tokens.json" in each]
    assert line.startswith(f"glin-datasette: {paths.tokens_path()}: holds no tokens")


@pytest.mark.asyncio
async def test_the_operators_rules_name_a_token(serve: Callable[..., Any], archive: Path) -> None:
    says = {**PRIVATE, "databases": {"glin": {"allow": {"id": ["alice", "token:ci"]}}}}
    served = serve(archive, says=says)
    assert await get(served, "/-/glin", create_token("ci")[1]) == 200
    assert await get(served, "/-/glin", create_token("other")[1]) == 403


def test_over_http_from_elsewhere_only_a_token_without_a_cookie_passes(
    server, archive: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "metadata.json"
    settings.write_text(json.dumps(PRIVATE))
    running = server(archive, "--metadata", settings, "--root")
    _, secret = create_token("ci", ["tag"])
    elsewhere = {"sec_fetch_site": "cross-site", "origin": "https://evil.example"}
    body = json.dumps(ADD).encode()
    form = b"action=add&tag=by-form&conversation=1"
    as_json = {"content_type": "application/json"}
    as_form = {"content_type": "application/x-www-form-urlencoded"}
    assert running.request(TAGS, "POST", body, **as_json, **sent(secret)).status == 200
    assert running.request(TAGS, "POST", body, **as_json, **sent(secret), **elsewhere).status == 200
    page = TAGS.removesuffix(".json")
    assert running.request(page, "POST", form, **as_form, **sent(secret)).status == 303
    assert tags_of(archive) >= {"by-script", "by-form"}
    # Whatever is called so that we do not know is nobody.
    assert running.request(TAGS, "POST", body, **as_json, **sent("glin_x")).status == 403
    # From here on with the cookie of root, which a browser sends by itself.
    assert running.request(running.sign_in_path).status == 302
    for token in (secret, "glin_x"):
        answer = running.request(TAGS, "POST", body, **as_json, **sent(token), **elsewhere)
        assert answer.status == 403
