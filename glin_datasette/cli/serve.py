"""``serve``: Datasette on the archive, in this process."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from .. import paths
from ..access.hosts import Hosts, is_loopback
from ..errors import ArchiveError, GlinError, UsageError
from ..storage import check_file
from .archive import archive_path, open_archive
from .command import command

#: Datasette's settings for an archive that one person browses. Counting the facets that it
#: might suggest takes several times as long as the page itself; and in an archive so large
#: that a facet takes longer than this, its page is worth more without.
_SETTINGS = {
    "suggest_facets": "off",
    "default_page_size": "50",
    "sql_time_limit_ms": "3000",
    "facet_time_limit_ms": "40",
    "cache_size_kb": "32768",
}

#: Seconds that the browser is kept waiting for the server.
_PATIENCE = 60


@command(
    "serve",
    "glin-datasette serve --open",
    "glin-datasette serve --port 8002",
    "glin-datasette serve --private --host 0.0.0.0 --allow-host archive.example.org",
    statuses="0 stopped with Ctrl-C, 1 failed, 2 wrong usage.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8001, show_default=True,
    help="0 takes a free one.",
)  # fmt: skip
@click.option(
    "--allow-host",
    "names",
    metavar="NAME",
    multiple=True,
    help="Also answer to NAME, or to '*.NAME'; '*' is any name. By default only to localhost, "
    "IP addresses and --host.",
)
@click.option(
    "--private",
    is_flag=True,
    help="Show nothing to those who are not signed in, and print a link that signs in once.",
)
@click.option(
    "--public",
    is_flag=True,
    help="Let all who can reach an address of this machine read without signing in.",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the browser, signed in as root.")
def serve(
    host: str,
    port: int,
    names: tuple[str, ...],
    private: bool,
    public: bool,
    open_browser: bool,
) -> None:
    """Browse the archive in Datasette.

    It is for this machine only, unless --host says otherwise; then say --private or
    --public, which is who can read the archive. Ctrl-C stops it.
    """
    hosts = Hosts.of(names)
    _said_who_reads(host, private=private, public=public)
    path = archive_path()
    if not paths.opens_in_datasette(path.absolute()):
        raise ArchiveError(
            f"{path}: Datasette cannot open a path that holds #, ? or %; move the archive"
        )
    open_archive().close()
    report = check_file(path)
    if report.status == "fail":
        failed = next(each for each in report.checks if each.status == "fail")
        raise ArchiveError(
            f"{path}: {failed.detail}; run 'glin-datasette check', and 'glin-datasette restore' "
            "with a backup"
        )
    port = _free_port(host, port)
    # Datasette cannot use a WAL in a folder that it may not write; nobody else writes there.
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    arguments = [str(path)] if writable else ["--immutable", str(path)]
    arguments += ["--host", host, "--port", str(port)]
    for name, value in _SETTINGS.items():
        arguments += ["--setting", name, value]
    if open_browser or private:
        arguments.append("--root")
    if open_browser:
        if _open_once_it_answers(_address(host, port)):
            arguments.append("--open")
        else:
            click.echo("There is no browser to open; open the address with the token below")
    shown = _address(host, port, bound=True)
    click.echo(f"Serving {path} at {shown}/-/glin (Ctrl-C stops it)")
    if private:
        # Datasette prints the link, without the brackets that an IPv6 address needs.
        where = f", at {_address(host, port)}" if ":" in host else ""
        click.echo(f"Only who is signed in can read it. This link signs in, once{where}:")
    # What --host names was looked up to listen on it.
    plugin = {
        "hosts": sorted(hosts.names | {host.strip("[]").lower().removesuffix(".")}),
        "private": private,
    }
    with _metadata(plugin) as metadata:
        _run([*arguments, "--metadata", str(metadata)])


@contextlib.contextmanager
def _metadata(plugin: dict[str, Any]) -> Iterator[Path]:
    """A file with our metadata and the configuration of our plugin, which Datasette 0.65
    takes from nowhere else."""
    shipped = paths.metadata_path().read_text("utf-8")
    # JSON is YAML.
    text = f"{shipped}\nplugins: {json.dumps({'glin-datasette': plugin})}\n"
    with tempfile.TemporaryDirectory(prefix="glin-serve-") as folder:
        file = Path(folder, "metadata.yml")
        file.write_text(text, "utf-8")
        yield file


def _said_who_reads(host: str, *, private: bool, public: bool) -> None:
    """:raises UsageError: if others could reach the server, and nobody said what they may see"""
    if private and public:
        raise UsageError("--private and --public are two ways to say who can read; take one")
    if not (private or public or is_loopback(host)):
        raise UsageError(
            f"other machines may reach {host}, and read every conversation: say --private to "
            "let in only who is signed in, or --public if all may read"
        )


def _address(host: str, port: int, *, bound: bool = False) -> str:
    """Where the server is, for a browser on this machine; as it was asked for if ``bound``."""
    if not bound:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _open_once_it_answers(address: str) -> bool:
    """Make whoever opens a page at ``address`` wait until there is a server: Datasette opens
    the browser before it listens.

    :returns: whether there is a browser
    """
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False

    class Patient(webbrowser.BaseBrowser):
        def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
            # Datasette's own address is wrong where the host is an IPv6 address.
            page = address + urlsplit(url)._replace(scheme="", netloc="").geturl()
            threading.Thread(target=self._open, args=(page, new, autoraise), daemon=True).start()
            return True

        def _open(self, url: str, new: int, autoraise: bool) -> None:
            parts = urlsplit(url)
            for _ in range(_PATIENCE * 10):
                with contextlib.suppress(OSError):
                    socket.create_connection((parts.hostname, parts.port), 1).close()
                    browser.open(url, new, autoraise)
                    return
                time.sleep(0.1)

    webbrowser.register("glin-datasette", None, Patient(), preferred=True)
    return True


def _free_port(host: str, port: int) -> int:
    """``port`` if it is free, or any free one for 0.

    :raises GlinError: if it is taken, or there is no such address on this machine
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as listening:
            return int(listening.getsockname()[1])
    except OSError as ex:
        raise GlinError(
            f"cannot listen on {host} port {port}: {ex.strerror or ex}; "
            "choose another with --host or --port"
        ) from None


def _run(arguments: list[str]) -> None:
    # Slow to load, and of no use before everything else is known to be right.
    from datasette.cli import serve as datasette

    # Ctrl-C is how it is meant to end; click calls it Abort.
    with contextlib.suppress(KeyboardInterrupt, click.Abort):
        datasette.main(args=arguments, standalone_mode=False)
