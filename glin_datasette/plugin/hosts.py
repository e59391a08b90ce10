"""The whole of Datasette answers only to names of this server, see :mod:`..access.hosts`.

It stands in front of everything, Datasette's own pages and other plugins' too: they would all
be read by a site that has its own name lead here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..access.hosts import Hosts, host_in
from ..errors import UsageError
from .compat import PLUGIN
from .guard import HEADERS, App, Receive, Scope, Send

if TYPE_CHECKING:
    from datasette.app import Datasette


def known_hosts(datasette: Datasette) -> Hosts:
    """The names in Datasette's configuration, ``plugins: glin-datasette: hosts:``.

    :raises UsageError: if there is something else
    """
    said: Any = (datasette.plugin_config(PLUGIN) or {}).get("hosts")
    if said is None:
        return Hosts.of(())
    if isinstance(said, str):
        said = [said]
    if not isinstance(said, list):
        raise UsageError(f"plugins: {PLUGIN}: hosts: must be a list of names")
    try:
        return Hosts.of(said)
    except UsageError as ex:
        raise UsageError(f"plugins: {PLUGIN}: hosts: {ex}") from None


def only_known_hosts(datasette: Datasette, app: App) -> App:
    """``app``, for requests that are addressed to this server."""
    hosts: Hosts | None = None

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal hosts
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        if hosts is None:
            try:
                hosts = known_hosts(datasette)
            except UsageError:
                # The start has said so, and went no further if it could help it.
                hosts = Hosts.of(())
        refused = refusal(hosts, scope)
        if refused is None:
            await app(scope, receive, send)
        else:
            await _refuse(send, *refused)

    return answer


def refusal(hosts: Hosts, scope: Scope) -> tuple[int, str] | None:
    """Why a request is for another server, with a status; ``None`` if it is for this one."""
    said = [value for name, value in scope["headers"] if name.lower() == b"host"]
    if len(said) != 1:
        return 400, f"Refused: the request must have one Host header, not {len(said)}"
    host = host_in(said[0].decode("latin-1"))
    if host is None:
        return 400, "Refused: the request's Host header names no host"
    if hosts.allow(host):
        return None
    return 421, (
        f"Refused: this server does not go by the name {host}. If it should, start it with "
        f"'glin-datasette serve --allow-host {host}', or add {host} to plugins: {PLUGIN}: hosts: "
        "in Datasette's configuration"
    )


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = f"{reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        *HEADERS.items(),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
