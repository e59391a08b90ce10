"""Scripts sign in with ``Authorization: Bearer glin_…``, see :mod:`..access.tokens`.

A token is an actor that may read, and do what its scopes say, and nothing else: not even what
somebody allows everybody who is signed in.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import click

from ..access.tokens import PREFIX, find_token
from ..errors import GlinError
from .compat import BACKUP, PLUGIN, TAG, Actor
from .guard import SAFE_METHODS, Scope, bearer, is_ours

if TYPE_CHECKING:
    from datasette.app import Datasette

#: What a scope allows.
_READ = (
    "view-instance",
    "view-database",
    "view-database-download",
    "view-table",
    "view-query",
    "execute-sql",
)
_ALLOWS = {"read": _READ, "tag": (TAG,), "backup": (BACKUP,)}

#: Why tokens could not be looked up, told once for each Datasette.
_told: weakref.WeakKeyDictionary[Datasette, str] = weakref.WeakKeyDictionary()


def actor_of(datasette: Datasette, scope: Scope) -> dict[str, Any] | None:
    """Who sends a request, if it is somebody with a token."""
    secret = bearer(scope)
    if secret is None or not secret.startswith(PREFIX):
        return None
    # Whoever may see a query of Datasette's may also run it, and there are some that write.
    if scope["method"] not in SAFE_METHODS and not is_ours(datasette, scope):
        return None
    try:
        token = find_token(secret)
    except GlinError as ex:
        if _told.get(datasette) != str(ex):
            _told[datasette] = str(ex)
            click.echo(f"{PLUGIN}: {ex}", err=True)
        return None
    if token is None:
        return None
    return {
        "id": f"token:{token.name}",
        # Datasette 1.0 makes no tokens of its own for whoever came with one.
        "token": "glin",
        "glin_token": {"id": token.id, "scopes": list(token.scopes)},
    }


def grants(actor: Actor, action: str) -> bool:
    """Whether ``actor`` has a token that is good for ``action``."""
    return is_token(actor) and any(action in _ALLOWS[scope] for scope in _scopes(actor))


def refuses(actor: Actor, action: str) -> bool:
    """Whether ``actor`` has a token that is not good for ``action``."""
    return is_token(actor) and not grants(actor, action)


def is_token(actor: Actor) -> bool:
    """Whether ``actor`` came with a token of ours."""
    return bool(actor) and actor is not None and "glin_token" in actor


def _scopes(actor: Actor) -> list[str]:
    said = actor["glin_token"] if actor else None
    scopes = said.get("scopes") if isinstance(said, dict) else None
    return [scope for scope in scopes or () if scope in _ALLOWS]
