"""What stands in front of this plugin's own pages: no cross-site writes, strict headers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from datasette.app import Datasette

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Where this plugin's pages are.
ROOT = "/-/glin"

#: What changes nothing.
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

#: Sent with every answer of ours.
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    # Datasette's base template has inline scripts and styles.
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; "
        b"style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    b"cache-control": b"no-store",
}


def guard(datasette: Datasette, app: App) -> App:
    """``app``, with this plugin's own pages guarded."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_ours(datasette, scope):
            await app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in HEADERS]
                message = {**message, "headers": [*kept, *HEADERS.items()]}
            await send(message)

        reason = refusal(scope)
        if reason:
            await _forbid(send_with_headers, reason)
        else:
            await app(scope, receive, send_with_headers)

    return guarded


def is_ours(datasette: Datasette, scope: Scope) -> bool:
    """Whether a request is for one of this plugin's pages."""
    base: str = datasette.setting("base_url")
    path: str = scope["path"]
    path = path.removeprefix(base.rstrip("/"))
    return path.startswith(ROOT) and path[len(ROOT) : len(ROOT) + 1] in ("", "/", ".")


def refusal(scope: Scope) -> str | None:
    """Why a request may have been sent by another site on behalf of whoever is signed in.

    ``None`` if it was not: it only reads, or it comes from a page of this server, or from
    something that is no browser. Browsers say where a request comes from, in
    ``Sec-Fetch-Site`` or at least in ``Origin``. A JSON request that says neither must
    have the content type of JSON, which no form can send: not only where it has a cookie,
    since a server may know people by something else, or let everybody write.
    """
    if scope["method"] in SAFE_METHODS:
        return None
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
    if bearer(scope) is not None and "cookie" not in headers:
        # No browser sends this by itself: who sends it knows the token.
        return None
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        if site in ("same-origin", "none"):
            return None
        return f"Refused: the request comes from another site (Sec-Fetch-Site: {site})"
    if origin is not None:
        if _is_here(origin, scope, headers.get("host", "")):
            return None
        return f"Refused: the request comes from another site (Origin: {origin})"
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_json(scope) and content_type != "application/json":
        return "Refused: send Content-Type: application/json"
    return None


def bearer(scope: Scope) -> str | None:
    """The token that a request was sent with, ours or not; ``None`` without exactly one."""
    said = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    if len(said) != 1:
        return None
    scheme, _, token = said[0].decode("latin-1").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def is_json(scope: Scope) -> bool:
    """Whether a request wants JSON."""
    return str(scope["path"]).endswith(".json")


def _is_here(origin: str, scope: Scope, host: str) -> bool:
    """Whether an origin is this server. One that is reached by HTTPS may be a proxy's, which
    talks to this server without; the other way round it is somebody on the wire."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    schemes = ("https",) if scope.get("scheme") == "https" else ("http", "https")
    return bool(host) and parts.scheme in schemes and parts.netloc.lower() == host.lower()


async def _forbid(send: Send, reason: str) -> None:
    body = json.dumps({"ok": False, "error": reason, "status": 403}).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
