"""DNS rebinding: the server answers only to its own names, over real HTTP."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from glin_datasette.access.hosts import Hosts, host_in, is_loopback
from glin_datasette.errors import UsageError
from glin_datasette.plugin.guard import HEADERS

#: One page of every kind: ours, Datasette's, a file, and one that is not there.
PAGES = (
    "/",
    "/-/glin",
    "/-/glin/health.json",
    "/glin/messages.json",
    "/glin.db",
    "/-/static/app.css",
    "/-/static-plugins/glin-datasette/glin.css",
    "/-/auth-token",
    "/nothing",
)


def configured(tmp_path: Path, **settings: object) -> list[str]:
    """Arguments for Datasette of either line; 1.0 takes plugins' settings from here too."""
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps({"plugins": {"glin-datasette": settings}}))
    return ["--metadata", str(file)]


def ask(url: str, path: str, *hosts: str, method: str = "GET") -> http.client.HTTPResponse:
    """A request with these ``Host`` headers and no other; the response, read."""
    port = int(url.rpartition(":")[2])
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True)
        for host in hosts:
            connection.putheader("Host", host)
        connection.endheaders()
        response = connection.getresponse()
        response.text = response.read().decode()  # type: ignore[attr-defined]
        return response


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost:8001", "localhost"),
        ("localhost.:8001", "localhost"),
        ("a.b-c.example:1", "a.b-c.example"),
        ("127.0.0.1:8001", "127.0.0.1"),
        ("[::1]:8001", "::1"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        *((header, None) for header in (
            "", ":8001", "[::1", "[evil.example]", "::1", "a b", "user@localhost", "localhost/x",
            "localhost:port", "localhost:1:2", "localhost, evil.example", "a..b", "-a", "é.example",
            "localhost\t.evil.example", "x" * 300, "٣.example",
        )),
    ],
)  # fmt: skip
def test_the_host_is_read_out_of_its_header(header: str, host: str | None) -> None:
    assert host_in(header) == host


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        ((), "localhost", True),
        ((), "glin.localhost", True),
        ((), "192.0.2.7", True),
        ((), "::1", True),
        ((), "evil.example", False),
        ((), "localhost.evil.example", False),
        ((), "127.0.0.1.evil.example", False),
        ((), "notlocalhost", False),
        ((), "2130706433", False),
        ((), "0x7f.1", False),
        (("Archive.Example.org.",), "archive.example.org", True),
        (("archive.example.org",), "a.archive.example.org", False),
        (("*.example.org",), "a.b.example.org", True),
        (("*.example.org",), "example.org", False),
        (("*.example.org",), "evilexample.org", False),
        (("*",), "evil.example", True),
    ],
)
def test_names_are_compared_whole(names: tuple[str, ...], host: str, expected: bool) -> None:
    assert Hosts.of(names).allow(host) is expected


@pytest.mark.parametrize(
    "name", ["", " ", "http://a.example", "a.example:80", "a.*.example", "**", "*.", 7, None, "a b"]
)
def test_what_is_no_name_is_refused(name: object) -> None:
    with pytest.raises(UsageError, match="is no name of a host") as caught:
        Hosts.of([name])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.1.2", False), ("box.example", False),
        ("", False),
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_name_of_somebody_else_gets_nothing_of_the_whole_server(server, archive: Path) -> None:
    running = server("--immutable", archive)
    for path in PAGES:
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            answer = ask(running.url, path, "evil.example:8001", method=method)
            assert answer.status == 421, (method, path)
            for name, value in HEADERS.items():
                assert answer.getheader(name.decode()) == value.decode()
            assert answer.getheader("content-type") == "text/plain; charset=utf-8"
            assert answer.getheader("set-cookie") is None
    text = ask(running.url, "/", "evil.example").text  # type: ignore[attr-defined]
    assert text.count("\n") == 1
    assert "name evil.example." in text
    assert "glin-datasette serve --allow-host evil.example" in text


def test_its_own_names_are_answered(shared_server) -> None:
    hosts = ["localhost", "localhost:9", "glin.localhost", "127.0.0.1", "[::1]:8001", "192.0.2.9"]
    for host in hosts:
        assert ask(shared_server.url, "/-/glin", host).status == 200, host
        assert ask(shared_server.url, "/glin/messages.json", host).status == 200, host


def test_other_headers_make_no_other_host(shared_server) -> None:
    for header in ("x_forwarded_host", "forwarded", "x_host", "x_original_host"):
        sent = {header: "localhost", "host": "evil.example"}
        assert shared_server.request("/-/glin", **sent).status == 421


@pytest.mark.parametrize(
    "hosts", [(), ("localhost", "localhost"), ("localhost", "evil.example"), ("",), ("a b",)]
)
def test_without_one_host_there_is_no_answer(shared_server, hosts: tuple[str, ...]) -> None:
    assert ask(shared_server.url, "/", *hosts).status == 400


def test_a_request_of_http_1_0_without_a_host_is_refused(shared_server) -> None:
    port = int(shared_server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        connection.sendall(b"GET /-/glin HTTP/1.0\r\n\r\n")
        assert b" 400 " in connection.recv(1000).partition(b"\r\n")[0]


@pytest.mark.parametrize("said", ["archive.example.org", ["*.example.org", "other.example"]])
def test_more_names_are_configured(server, archive: Path, tmp_path: Path, said: object) -> None:
    running = server(archive, *configured(tmp_path, hosts=said))
    assert ask(running.url, "/-/glin", "archive.example.org:443").status == 200
    assert ask(running.url, "/-/glin", "localhost").status == 200
    assert ask(running.url, "/-/glin", "archive.example.net").status == 421


def test_any_name_is_configured(server, archive: Path, tmp_path: Path) -> None:
    running = server(archive, *configured(tmp_path, hosts=["*"]))
    assert ask(running.url, "/-/glin", "evil.example").status == 200
    assert ask(running.url, "/-/glin").status == 400


@pytest.mark.parametrize("said", [7, {"a": 1}, ["http://a.example"], [None]])
def test_a_bad_configuration_is_one_line_and_no_server(
    archive: Path, tmp_path: Path, said: object
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datasette", archive, "-p", "0", *configured(tmp_path, hosts=said)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: glin-datasette: plugins: glin-datasette: hosts: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.asyncio
async def test_datasette_asks_itself(serve, archive: Path) -> None:
    served = serve(archive)
    assert (await served.get("/-/glin/health.json")).status_code == 200
    answer = await served.ds.client.get("/", headers={"host": "evil.example"})
    assert answer.status_code == 421
