"""``serve``: a real server, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

Process = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def server(
    *args: str, prefix: Sequence[str] = (), **env: str
) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A running server: its process, its port, and what it said until it listened."""
    child = subprocess.Popen(
        [*prefix, sys.executable, "-m", "glin_datasette", "serve", "--port", "0", *args],
        env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert child.stdout
    try:
        said = ""
        for line in child.stdout:
            said += line
            if "Uvicorn running" in line:
                break
        found = re.search(r"at http://\S+:(\d+)/", said)
        assert found, said
        yield child, int(found[1]), said
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


def get(
    port: int, path: str, at: str = "127.0.0.1", **headers: str
) -> tuple[int, str, dict[str, str]]:
    with closing(http.client.HTTPConnection(at, port, timeout=30)) as connection:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return (
            response.status,
            response.read().decode(),
            {name.lower(): value for name, value in response.getheaders()},
        )


def test_it_serves_the_archive_until_ctrl_c(archive: Path) -> None:
    with server() as (child, port, said):
        assert f"Serving {archive} at http://127.0.0.1:{port}/-/glin (Ctrl-C stops it)" in said
        assert get(port, "/-/glin")[0] == 200
        status, page, _ = get(port, "/glin/conversations")
        assert status == 200
        assert "Fix the parser" in page
        _, text, _ = get(port, "/glin/search_messages.json?q=tide&_shape=array")
        assert len(json.loads(text)) == 1
        _, text, _ = get(port, "/-/settings.json")
        settings = json.loads(text)
        assert settings["suggest_facets"] is False
        assert (settings["default_page_size"], settings["sql_time_limit_ms"]) == (50, 3000)
        assert settings["facet_time_limit_ms"] == 40
        child.send_signal(signal.SIGINT)
        assert child.stdout
        rest = child.stdout.read()
        assert child.wait() == 0
        assert "Traceback" not in said + rest


def test_it_makes_the_archive(data_dir: Path) -> None:
    with server() as (_, port, _):
        assert get(port, "/glin/messages.json?_shape=array")[1] == "[]"
    assert (data_dir / "glin.db").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_open_signs_the_browser_in_and_leads_to_the_front_door(
    archive: Path, tmp_path: Path, host: str
) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    # A browser that follows the address that it is told to open, as soon as it is told.
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\n"
        "import http.cookiejar, pathlib, sys, urllib.request as r\n"
        "opener = r.build_opener(r.HTTPCookieProcessor(http.cookiejar.CookieJar()))\n"
        "page = opener.open(sys.argv[1], timeout=30)\n"
        "text = page.read().decode()\n"
        f"note = pathlib.Path({str(tmp_path / 'opened')!r})\n"
        "note.with_suffix('.part').write_text(f'{sys.argv[1]} {page.status} {page.url}\\n{text}')\n"
        "note.with_suffix('.part').rename(note)\n"
    )
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with server("--open", "--public", "--host", host, BROWSER=str(browser)) as (_, port, said):
        deadline = time.monotonic() + 30
        while not (tmp_path / "opened").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        told, page = (tmp_path / "opened").read_text().split("\n", 1)
    url, status, landed = told.split()
    here = {"0.0.0.0": "127.0.0.1", "::1": "[::1]"}.get(host, host)
    assert url.startswith(f"http://{here}:{port}/-/auth-token?token=")
    assert url.partition("token=")[2] in said
    assert (status, landed) == ("200", f"http://{here}:{port}/-/glin")
    assert '<div class="actor">' in page


def test_without_a_browser_the_address_is_there_to_open(archive: Path) -> None:
    with server("--open", BROWSER="", PATH="") as (_, port, said):
        assert "There is no browser to open; open the address with the token below" in said
        assert f":{port}/-/auth-token?token=" in said


def test_an_archive_that_may_only_be_read_is_served(archive: Path) -> None:
    # File modes keep nobody out who is root, unless root gives that up.
    humbly = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if os.geteuid() != 0:
        humbly = []
    elif not shutil.which("setpriv") or subprocess.run([*humbly, "true"], check=False).returncode:
        pytest.skip("root cannot give its rights up here")
    with closing(sqlite3.connect(archive)) as conn:
        conn.execute("pragma wal_checkpoint(truncate)")
    before = archive.read_bytes()
    archive.chmod(0o444)
    archive.parent.chmod(0o555)
    try:
        with server(prefix=humbly) as (_, port, _):
            for page in ("", "/search?q=tide", "/conversations", "/conversations/1", "/health"):
                assert get(port, f"/-/glin{page}")[0] == 200, page
            assert get(port, "/glin/conversations/1")[0] == 200
    finally:
        archive.parent.chmod(0o755)
    assert archive.read_bytes() == before
    assert [path.name for path in archive.parent.iterdir()] == ["glin.db"]


def test_a_port_in_use_is_one_line(process: Process, archive: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = process("serve", "--port", port, status=1)
    assert done.stdout == ""
    assert re.fullmatch(
        rf"Error: cannot listen on 127\.0\.0\.1 port {port}: .*; choose another .*\n", done.stderr
    )


@pytest.mark.parametrize("name", ["c#.db", "what?.db", "50%25.db"])
def test_a_path_that_datasette_would_take_for_another_is_refused(
    process: Process, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "own"
    error = process("serve", "--port", 0, "--db", folder / name, status=1).stderr
    assert "Datasette cannot open a path" in error
    assert error.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.1"])
def test_an_address_that_is_not_ours_is_one_line(
    process: Process, archive: Path, host: str
) -> None:
    error = process("serve", "--public", "--host", host, "--port", 0, status=1).stderr
    assert error.startswith(f"Error: cannot listen on {host}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "damage",
    [
        "pragma writable_schema = on;"
        "update sqlite_master set rootpage = 9999 where name = 'messages'",
        "drop table message_refs",
    ],
)
def test_a_damaged_archive_is_refused(process: Process, archive: Path, damage: str) -> None:
    with closing(sqlite3.connect(archive)) as conn, conn:
        conn.executescript(damage)
    done = process("serve", "--port", 0, status=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: {archive}: ")
    assert "glin-datasette check" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_answers_only_to_the_names_that_it_is_told(archive: Path) -> None:
    with server("--allow-host", "Archive.example", "--allow-host", "*.example.org") as (_, port, _):
        for host in ("localhost", "archive.example:80", "a.b.example.org", f"127.0.0.1:{port}"):
            assert get(port, "/-/glin", host=host)[0] == 200, host
            assert get(port, "/glin/messages.json", host=host)[0] == 200, host
        for host in ("evil.example", "example.org"):
            status, text, _ = get(port, "/glin/messages.json", host=host)
            assert (status, text.count("\n")) == (421, 1)
            assert f"--allow-host {host}'" in text


def test_the_metadata_is_there_and_leaves_nothing_behind(archive: Path, tmp_path: Path) -> None:
    with server(TMPDIR=str(tmp_path)) as (child, port, _):
        assert "Conversations with AI assistants" in get(port, "/")[1]
        child.send_signal(signal.SIGINT)
        assert child.stdout
        child.stdout.read()
        assert child.wait() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_none_is_wrong_usage(process: Process, archive: Path) -> None:
    error = process("serve", "--allow-host", "http://a.example", status=2).stderr
    assert error.startswith("Error: 'http://a.example' is no name of a host")
    assert error.count("\n") == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "box.example"])
def test_where_others_may_come_it_must_be_said_who_reads(
    process: Process, data_dir: Path, host: str
) -> None:
    done = process("serve", "--host", host, "--port", 0, status=2)
    assert done.stdout == ""
    assert done.stderr.startswith(f"Error: other machines may reach {host}, and read every")
    assert "--private" in done.stderr
    assert "--public" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not data_dir.exists()


def test_private_and_public_is_wrong_usage(process: Process, archive: Path) -> None:
    assert "take one" in process("serve", "--private", "--public", status=2).stderr


def test_public_lets_all_read_and_nobody_write(archive: Path) -> None:
    with server("--public", "--host", "0.0.0.0") as (_, port, said):
        assert get(port, "/-/glin")[0] == 200
        assert get(port, "/-/glin/backups/download?name=x")[0] == 403
        assert "token=" not in said


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_private_is_read_by_who_opens_the_link(archive: Path, host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    at = "::1" if host == "::" else "127.0.0.1"
    with server("--private", "--host", host) as (_, port, said):
        assert "Only who is signed in can read it. This link signs in, once" in said
        assert (f", at http://[::1]:{port}:" in said) is (host == "::")
        for path in ("/-/glin", "/glin/messages.json", "/glin.db", "/", "/-/databases.json"):
            assert get(port, path, at)[0] == 403, path
        found = re.search(r"/-/auth-token\?token=\w+", said)
        assert found
        status, _, headers = get(port, found[0], at)
        assert (status, headers["location"]) == (302, "/-/glin")
        cookie = headers["set-cookie"].partition(";")[0]
        assert get(port, "/-/glin", at, cookie=cookie)[0] == 200
        assert "Fix the parser" in get(port, "/glin/conversations", at, cookie=cookie)[1]
        assert get(port, found[0], at)[0] == 403
        assert get(port, "/-/glin", at, cookie="ds_actor=forged")[0] == 403
