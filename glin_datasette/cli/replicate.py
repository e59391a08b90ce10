"""``replicate``."""

from __future__ import annotations

import dataclasses
import signal
import threading
from pathlib import Path

import click

from .. import paths
from ..errors import UsageError
from ..models import ReplicaStatus, RestoreReport
from ..render import one_line
from ..sizes import human_size
from .archive import archive_path, open_archive
from .command import JSON, YES, command
from .file_path import FilePath
from .output import echo_json
from .restored import echo_restored, told

#: Ctrl-C, whoever started it as a service, and the terminal that is closed.
_ENDS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))


@command(
    "replicate",
    "glin-datasette replicate /media/disk/glin",
    "glin-datasette replicate 's3://bucket/glin?region=eu-central-1'",
    "glin-datasette replicate sftp://ada@nas/backups/glin --once",
    "glin-datasette replicate --status",
    "glin-datasette replicate --restore --timestamp yesterday --to old.db",
    statuses="0 stopped with Ctrl-C or done, 1 failed, 2 wrong usage.",
)
@click.argument("target", metavar="[TARGET]", required=False)
@click.option("--once", is_flag=True, help="End as soon as the target has everything.")
@click.option("--status", is_flag=True, help="Tell how far behind the replica is.")
@click.option("--restore", is_flag=True, help="Put the replica in the place of the archive.")
@click.option("--to", metavar="FILE", type=FilePath(dir_okay=False), help="Restore into FILE.")
@click.option("--timestamp", metavar="DATE", help="Restore what the archive held then.")
@click.option("--dry-run", is_flag=True, help="Restore nothing, but verify that it can be done.")
@YES
@JSON
def replicate(
    target: str | None,
    once: bool,
    status: bool,
    restore: bool,
    to: Path | None,
    timestamp: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Replicate the archive to TARGET all the time, with Litestream.

    TARGET is a folder, s3://BUCKET/PATH (?endpoint=URL, region=NAME, path-style=false) or
    sftp://USER@HOST:PORT/PATH (?key=FILE). It is remembered, and holds no password: S3 takes
    AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. What was written is there a second later.

    What --restore brings back is verified first, and what the archive holds is backed up.

    With --status --json: replication, which is null or has target, running, checked_at,
    confirmed_at (when the replica last had everything for certain), behind (the archive has
    changed since), lag_seconds, waiting_bytes, transaction and error. With --restore --json:
    path, restored_from, previous (the backup of what was there), schema_version,
    conversations, messages, in_place (false if what has the archive open must be
    restarted) and seconds.
    """
    if not restore and (to or timestamp or dry_run or yes):
        raise UsageError("--to, --timestamp, --dry-run and --yes go with --restore")
    if status + restore + once > 1:
        raise UsageError("choose one of --once, --status and --restore")
    if status:
        if target:
            raise UsageError("--status tells of the target that is remembered; leave TARGET out")
        _status(as_json)
    elif restore:
        _restore(target, to, timestamp, dry_run, yes, as_json)
    elif as_json:
        raise UsageError("--json goes with --status and --restore")
    else:
        _replicate(target, once)


def _replicate(target: str | None, once: bool) -> None:
    from ..replication import replicate

    open_archive().close()
    stop = threading.Event()

    def end(*_: object) -> None:
        # Who asks a second time does not want to wait for what is still to be sent.
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = [signal.signal(number, end) for number in _ENDS]
    try:
        replicate(
            archive_path(),
            target,
            stop,
            tell=lambda text: click.echo(one_line(text), err=True),
            once=once,
        )
    finally:
        for number, handler in zip(_ENDS, before, strict=True):
            signal.signal(number, handler)


def _status(as_json: bool) -> None:
    from ..storage import replica_status

    found = replica_status(archive_path())
    if as_json:
        echo_json({"replication": dataclasses.asdict(found) if found else None})
    elif found is None:
        click.echo(f"{archive_path()} is not replicated")
    else:
        _tell(found)


def _tell(found: ReplicaStatus) -> None:
    from ..storage import judge_replica

    status, sentence = judge_replica(found)
    click.echo(f"{status:4}  {one_line(sentence)}")
    click.echo(f"{found.target}: {'running' if found.running else 'not running'}")
    if found.error:
        click.echo(f"the last try failed: {one_line(found.error)}")
    if found.waiting_bytes:
        click.echo(
            f"{human_size(found.waiting_bytes)} taken from the archive and not yet confirmed"
        )


def _restore(
    target: str | None,
    to: Path | None,
    timestamp: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from ..replication import restore_replica

    archive = archive_path()
    place = paths.archive_file(to) if to else archive

    def approve(found: RestoreReport) -> None:
        if not yes:
            click.confirm(f"{told(found)}\nPut this in the place of {place}?", abort=True)

    report = restore_replica(
        archive,
        target,
        to=to and place,
        timestamp=timestamp,
        dry_run=dry_run,
        approve=approve,
    )
    echo_restored(report, dry_run=dry_run, as_json=as_json)
