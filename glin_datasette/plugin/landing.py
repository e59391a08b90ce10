"""Where root arrives after signing in: at the front door, if Datasette serves archives only.

``datasette --root`` prints an address that signs in whoever opens it, and Datasette sends
them on to its list of databases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .archives import attached
from .guard import App, Message, Receive, Scope, Send
from .urls import Urls

if TYPE_CHECKING:
    from datasette.app import Datasette

_SIGN_IN = "/-/auth-token"


def landing(datasette: Datasette, app: App) -> App:
    """``app``, with its sign-in leading to the first archive's front door."""

    async def landed(scope: Scope, receive: Receive, send: Send) -> None:
        known = attached(datasette)
        if scope["type"] != "http" or not scope["path"].endswith(_SIGN_IN) or not known.alone:
            await app(scope, receive, send)
            return
        index = str(datasette.urls.instance()).encode()
        door = Urls(datasette, next(iter(known.archives))).front().encode()

        async def send_there(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 302:
                headers = [
                    (name, door if name.lower() == b"location" and value == index else value)
                    for name, value in message.get("headers", [])
                ]
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, send_there)

    return landed
