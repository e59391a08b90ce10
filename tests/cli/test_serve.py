"""``serve``: a real server, asked over HTTP."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

Process = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def server(*args: str, **env: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A running server: its process, its port, and what it said until it listened."""
    child = subprocess.Popen(
        [sys.executable, "-m", "glin_datasette", "serve", "--port", "0", *args],
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


def get(port: int, path: str) -> tuple[int, str, dict[str, str]]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())


def test_it_serves_the_archive_until_ctrl_c(archive: Path) -> None:
    with server() as (child, port, said):
        assert f"Serving {archive} at http://127.0.0.1:{port}/ (Ctrl-C stops it)" in said
        status, page, _ = get(port, "/glin/conversations")
        assert status == 200
        assert "Fix the parser" in page
        _, text, _ = get(port, "/glin/search_messages.json?q=tide&_shape=array")
        assert len(json.loads(text)) == 1
        _, text, _ = get(port, "/-/settings.json")
        settings = json.loads(text)
        assert settings["suggest_facets"] is False
        assert (settings["default_page_size"], settings["sql_time_limit_ms"]) == (50, 3000)
        assert settings["facet_time_limit_ms"] == 1000
        child.send_signal(signal.SIGINT)
        assert child.stdout
        rest = child.stdout.read()
        assert child.wait() == 0
        assert "Traceback" not in said + rest


def test_it_makes_the_archive(data_dir: Path) -> None:
    with server() as (_, port, _):
        assert get(port, "/glin/messages.json?_shape=array")[1] == "[]"
    assert (data_dir / "glin.db").exists()


def test_open_signs_the_browser_in(archive: Path, tmp_path: Path) -> None:
    # A browser that only notes which page it was told to open.
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > "{tmp_path}/opened"\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    with server("--open", BROWSER=str(browser)) as (_, port, said):
        url = (tmp_path / "opened").read_text()
        assert url in said
        assert url.startswith(f"http://127.0.0.1:{port}/-/auth-token?token=")
        status, _, headers = get(port, url.partition(str(port))[2])
        assert status == 302
        assert "ds_actor=" in headers["set-cookie"]


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
    error = process("serve", "--host", host, "--port", 0, status=1).stderr
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
