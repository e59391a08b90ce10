"""Where a replica goes: a folder, a bucket of S3 or what speaks like it, a folder behind SFTP.

A target never holds a secret. What it does hold is shown, remembered and put into
Litestream's configuration; keys come from the environment, or from a key file.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from .. import paths
from ..errors import ReplicationError, UsageError

#: Names of key files, as ssh itself looks for them.
_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

#: Litestream takes one host key, and asks for these kinds in this order.
_HOST_KEYS = ("ecdsa-sha2-", "ssh-rsa", "ssh-ed25519")

_KNOWN = "write a folder, s3://BUCKET/PATH or sftp://USER@HOST/PATH"


@dataclass(frozen=True, slots=True)
class Target:
    """A target as it is shown and remembered, and what Litestream is told of it."""

    url: str
    settings: dict[str, Any]

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one of this machine."""
        return Path(self.settings["path"]) if self.settings["type"] == "file" else None


def parse_target(text: str) -> Target:
    """Understand ``/media/disk/glin``, ``file:///…``, ``s3://bucket/path?endpoint=…&region=…``
    or ``sftp://user@host:22/path?key=…``.

    :raises UsageError: if it is none of these
    :raises ReplicationError: if the SFTP server's key, or a key for it, is not known
    """
    if "://" not in text:
        if not text.strip():
            raise UsageError(f"an empty target; {_KNOWN}")
        return _folder(paths.expanded(text))
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError:
        # Nothing of the text itself: it may hold a password.
        raise UsageError(f"the target is no address; {_KNOWN}") from None
    if url.password is not None or (url.scheme != "sftp" and url.username is not None):
        raise UsageError(
            "a target holds no password or key, since it is shown and remembered; for S3 set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, for SFTP name a key file with ?key="
        )
    if url.scheme == "file":
        path = unquote(url.path)
        if url.netloc not in ("", "localhost") or not path.startswith("/"):
            raise UsageError(f"{text}: a file address has three slashes: file:///media/disk/glin")
        return _folder(Path(path))
    if url.scheme == "s3":
        return _s3(text, url)
    if url.scheme == "sftp":
        return _sftp(text, url)
    raise UsageError(f"{url.scheme}:// is no target that is known; {_KNOWN}")


def prepare_folder(target: Target, archive: Path) -> None:
    """Make the folder of a target that is one.

    :raises UsageError: if it would get into the archive's way
    :raises ReplicationError: if it cannot be made or written
    """
    folder = target.folder
    if folder is None:
        return
    real, home = folder.resolve(), archive.resolve()
    taken = {home, home.parent, paths.backups_dir(home)}
    if real in taken or home in real.parents or real.name == f".{home.name}-litestream":
        raise UsageError(f"{folder}: that belongs to the archive; name a folder of its own for it")
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(0, "it cannot be written")
    except OSError as ex:
        raise ReplicationError(
            f"{folder}: cannot replicate there: {ex.strerror or ex}; choose another folder"
        ) from None


def _folder(path: Path) -> Target:
    whole = str(path.absolute())
    return Target(whole, {"type": "file", "path": whole})


def _s3(text: str, url: SplitResult) -> Target:
    options = _options(text, url, ("endpoint", "region", "path-style"))
    path = unquote(url.path).strip("/")
    if not url.hostname or not path:
        raise UsageError(f"{text}: name a bucket and a folder in it, as in s3://bucket/glin")
    settings: dict[str, Any] = {"type": "s3", "bucket": url.netloc, "path": path}
    region = options.get("region") or os.environ.get("AWS_REGION")
    if endpoint := options.get("endpoint"):
        if "@" in endpoint:
            raise UsageError("an endpoint holds no password or key; set AWS_ACCESS_KEY_ID")
        settings["endpoint"] = endpoint if "://" in endpoint else f"https://{endpoint}"
        region = region or "us-east-1"
    style = options.get("path-style", "true" if endpoint else "false")
    if style not in ("true", "false"):
        raise UsageError(f"{text}: path-style is true or false")
    settings["force-path-style"] = style == "true"
    if region:
        settings["region"] = region
    return Target(text, settings)


def _sftp(text: str, url: SplitResult) -> Target:
    options = _options(text, url, ("key",))
    path = unquote(url.path)
    if not url.hostname or path in ("", "/"):
        raise UsageError(f"{text}: name a host and a folder, as in sftp://you@host/backups/glin")
    key = paths.expanded(options["key"]).absolute() if "key" in options else _own_key()
    if key is None or not key.is_file():
        raise ReplicationError(
            f"{key or Path('~/.ssh').expanduser()}: no key file there; name one without a "
            "passphrase with ?key=PATH"
        )
    port = url.port or 22
    return Target(
        text,
        {
            "type": "sftp",
            "host": f"[{url.hostname}]:{port}" if ":" in url.hostname else f"{url.hostname}:{port}",
            "user": unquote(url.username) if url.username else getpass.getuser(),
            "path": path,
            "key-path": str(key),
            "host-key": _host_key(url.hostname, port),
        },
    )


def _options(text: str, url: SplitResult, known: tuple[str, ...]) -> dict[str, str]:
    if url.fragment:
        raise UsageError(f"{text}: a target has no #; write %23 for one in a name")
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    for name, value in options.items():
        if name not in known:
            # Without the target: somebody may have tried to give a key so.
            raise UsageError(f"{name} is no part of a target; there are {', '.join(known)}")
        if not value:
            raise UsageError(f"{text}: {name} is empty")
    return options


def _own_key() -> Path | None:
    files = (paths.expanded("~/.ssh") / name for name in _KEYS)
    return next((file for file in files if file.is_file()), None)


def _host_key(host: str, port: int) -> str:
    """The server's key, out of the file where ssh keeps those of known servers.

    Litestream takes any server for the right one unless it is told the key.
    """
    name = host if port == 22 else f"[{host}]:{port}"
    command = shutil.which("ssh-keygen")
    if command is None:
        raise ReplicationError("ssh-keygen is not on PATH; install OpenSSH's client for SFTP")
    keys: list[list[str]] = []
    for file in (paths.expanded("~/.ssh/known_hosts"), Path("/etc/ssh/ssh_known_hosts")):
        done = subprocess.run(
            [command, "-F", name, "-f", str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        # Comments, and keys that were revoked or that sign others.
        lines = (line for line in done.stdout.splitlines() if not line.startswith(("#", "@")))
        keys += [line.split()[1:3] for line in lines]
    for kind in _HOST_KEYS:
        for key in keys:
            if len(key) == 2 and key[0].startswith(kind):
                return " ".join(key)
    raise ReplicationError(
        f"{name}: its key is not among the known ones; connect once with 'ssh' and accept it"
    )
