"""``serve``: Datasette on the archive, in this process."""

from __future__ import annotations

import contextlib
import os
import socket

import click

from .. import paths
from ..errors import ArchiveError, GlinError
from ..storage import check_file
from .archive import archive_path, open_archive
from .command import command

#: Datasette's settings for an archive that one person browses: counting the facets that
#: it might suggest takes several times as long as the page itself.
_SETTINGS = {
    "suggest_facets": "off",
    "default_page_size": "50",
    "sql_time_limit_ms": "3000",
    "facet_time_limit_ms": "1000",
}


@command(
    "serve",
    "glin-datasette serve --open",
    "glin-datasette serve --port 8002",
    statuses="0 stopped with Ctrl-C, 1 failed, 2 wrong usage.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8001, show_default=True,
    help="0 takes a free one.",
)  # fmt: skip
@click.option("--open", "open_browser", is_flag=True, help="Open the browser, signed in as root.")
def serve(host: str, port: int, open_browser: bool) -> None:
    """Browse the archive in Datasette.

    It is for this machine only, unless --host says otherwise: whoever can reach the
    address can read the archive. Ctrl-C stops it.
    """
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
    arguments += ["--metadata", str(paths.metadata_path())]
    for name, value in _SETTINGS.items():
        arguments += ["--setting", name, value]
    if open_browser:
        arguments += ["--root", "--open"]
    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {path} at http://{shown}:{port}/ (Ctrl-C stops it)")
    _run(arguments)


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
