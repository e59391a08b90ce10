"""Tokens, with which scripts ask a server: who has one, and what it is good for.

They are kept in one file of the data folder, not in the archive, which is exported, merged and
replicated. Of a token itself only its hash is kept: it is 256 random bits, so that nobody finds
it by trying.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .. import paths
from ..dates import epoch_time, normalise_time, utc_now
from ..errors import GlinError, NotFound, UsageError

__all__ = ["PREFIX", "SCOPES", "Token", "create_token", "find_token", "list_tokens", "revoke_token"]

#: What a token is known by, for people and for programs that look for secrets.
PREFIX = "glin_"
#: What a token may be good for. Reading is part of every other.
SCOPES = ("read", "tag", "backup")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_LONGEST = 200
_MOST_DAYS = 36500
#: Seconds to wait for another process that changes the file.
_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was made; ``sha256`` is all that is known of itself."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: str | None
    sha256: str = dataclasses.field(repr=False)

    @property
    def expired(self) -> bool:
        """Whether its time is over. Times are compared as the text that they are."""
        return self.expires_at is not None and self.expires_at <= utc_now()


def create_token(
    name: str | None = None, scopes: Sequence[str] = (), days: int | None = None
) -> tuple[Token, str]:
    """Make a token, for ever or for some days.

    :param name: what it is called; by default its id
    :returns: what is kept of it, and the token itself, which nobody can tell again
    :raises UsageError: if there is one of that name, or a value makes no sense
    """
    identity = secrets.token_hex(4)
    name = identity if name is None else name
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name[:100]!r} is no name of a token; take at most 64 letters, digits, '.', '_', '-'"
        )
    if unknown := set(scopes) - set(SCOPES):
        raise UsageError(f"a token cannot allow {sorted(unknown)[0]!r}; say {', '.join(SCOPES)}")
    if days is not None and not 0 < days <= _MOST_DAYS:
        raise UsageError(f"a token expires after 1 to {_MOST_DAYS} days, not {days}")
    secret = PREFIX + secrets.token_urlsafe(32)
    expires = epoch_time((datetime.now(UTC) + timedelta(days=days)).timestamp()) if days else None
    token = Token(
        id=identity,
        name=name,
        scopes=tuple(scope for scope in SCOPES if scope == "read" or scope in scopes),
        created_at=utc_now(),
        expires_at=expires,
        sha256=_hash(secret),
    )
    with _changing() as tokens:
        if any(name in (each.name, each.id) for each in tokens):
            raise UsageError(
                f"there is a token named {name}; take another name, or revoke that one first"
            )
        tokens.append(token)
    return token, secret


def list_tokens() -> list[Token]:
    """All tokens that were not revoked, expired ones too, the oldest first.

    :raises GlinError: if the file cannot be read
    """
    path = paths.tokens_path()
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as ex:
        raise GlinError(f"{path}: cannot be read: {getattr(ex, 'strerror', None) or ex}") from None
    try:
        return [_token(each) for each in json.loads(text)["tokens"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise GlinError(
            f"{path}: holds no tokens as this release writes them; delete it, and make new ones "
            "with 'glin-datasette token create'"
        ) from None


def revoke_token(wanted: str) -> Token:
    """Make the token of an id, or of a name, good for nothing from now on.

    :raises NotFound: if there is none
    """
    with _changing() as tokens:
        for token in sorted(tokens, key=lambda each: each.id != wanted):
            if wanted in (token.id, token.name):
                tokens.remove(token)
                return token
        raise NotFound(
            f"no token {wanted[:100]!r}; 'glin-datasette token list' shows those that there are"
        )


def find_token(secret: str) -> Token | None:
    """The token that ``secret`` is, if it is one and its time is not over.

    :raises GlinError: if the file cannot be read
    """
    if not secret.startswith(PREFIX) or len(secret) > _LONGEST:
        return None
    hashed, found = _hash(secret), None
    # All of them, so that the time it takes does not tell which it was.
    for token in list_tokens():
        if hmac.compare_digest(token.sha256, hashed):
            found = token
    return None if found is None or found.expired else found


@contextlib.contextmanager
def _changing() -> Iterator[list[Token]]:
    """The tokens, to be changed; the file is replaced as a whole. One process at a time: the
    new file's name is its lock."""
    path = paths.tokens_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f"{path.name}.new")
    handle = _claimed(new)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            tokens = list_tokens()
            yield tokens
            kept = {"tokens": [dataclasses.asdict(token) for token in tokens]}
            out.write(json.dumps(kept, indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _claimed(new: Path) -> int:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            if time.monotonic() > deadline:
                raise GlinError(
                    f"{new}: another process is changing the tokens; if none is, delete this file"
                ) from None
            time.sleep(0.05)


def _token(kept: dict[str, Any]) -> Token:
    """:raises ValueError: if that is none"""
    expires = kept["expires_at"]
    token = Token(
        id=kept["id"],
        name=kept["name"],
        # A newer release may know more of them.
        scopes=tuple(scope for scope in kept["scopes"] if scope in SCOPES),
        created_at=kept["created_at"],
        expires_at=normalise_time(expires),
        sha256=kept["sha256"],
    )
    # A time that is none must not make one that never ends.
    if (expires is None) is not (token.expires_at is None):
        raise ValueError(expires)
    if not (_NAME.fullmatch(token.id) and _NAME.fullmatch(token.name)):
        raise ValueError(token.name)
    if not (_SHA256.fullmatch(token.sha256) and isinstance(token.created_at, str)):
        raise ValueError(token.id)
    return token


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
