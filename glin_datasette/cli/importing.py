"""``import``."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import paths
from ..errors import UsageError
from ..models import ImportReport
from ..render import one_line
from ..sizes import human_size
from .archive import archive_path, open_archive
from .command import JSON, command
from .file_path import FilePath
from .output import echo_json, plural, table
from .progress import progress_bar

if TYPE_CHECKING:
    from ..ingest import ImportOptions

_MAX_ERRORS = 20


@command(
    "import",
    "glin-datasette import                        # what is found on this machine",
    "glin-datasette import ~/.claude/projects",
    "glin-datasette import chatgpt-export.zip --json",
    "glin-datasette import --list                 # what would be looked at",
    "glin-datasette import --watch --redact       # until Ctrl-C",
    "glin-datasette import --format messages notes.csv",
    statuses="0 done, even if damaged records were skipped; 1 something cannot be read, or a "
    "PATH is of no known format, or the import failed; 2 wrong usage.",
)
@click.argument("files", metavar="[PATH]...", nargs=-1, type=FilePath(any_name=True))
@click.option("--list", "list_", is_flag=True, help="List formats and places, import nothing.")
@click.option("--watch", is_flag=True, help="Import, then whatever changes, until Ctrl-C.")
@click.option("--format", metavar="NAME", help="Read each PATH that is a file as this format.")
@click.option(
    "--redact/--no-redact", default=None,
    help="Replace what looks like a credential. Files stay as they were first imported.",
)  # fmt: skip
@click.option(
    "--attachments", type=click.Choice(["note", "keep"]), default="note", show_default=True,
    help="Note images and documents by type and size, or keep their bytes too.",
)  # fmt: skip
@click.option(
    "--tool-output", type=click.IntRange(100), metavar="N",
    help="Keep the first and last N/2 characters of each tool's output.  [default: all]",
)  # fmt: skip
@click.option("--samples", is_flag=True, help="Import the samples that ship with glin.")
@click.option("--or-samples", is_flag=True, help="Import the samples if no transcripts are found.")
@click.option("--deleted", is_flag=True, help="Import what was deleted from the archive, too.")
@JSON
def import_(
    files: tuple[Path, ...],
    list_: bool,
    watch: bool,
    format: str | None,
    redact: bool | None,
    attachments: str,
    tool_output: int | None,
    samples: bool,
    or_samples: bool,
    deleted: bool,
    as_json: bool,
) -> None:
    """Import transcripts into the archive.

    Each PATH is a transcript file, an export of glin, another archive, or a folder of
    transcripts. Without one the places are searched where the known tools keep theirs.
    What was imported before is not read again.

    Damaged records are skipped and told on stderr.

    With --json: files, unchanged, conversations, messages, skipped, redacted, failed
    (what could not be read at all), unknown
    (record kinds and their number), errors (path, line, error) and seconds; with --watch
    one such line for each import; with --list an array of format, title, path, exists,
    files and bytes.
    """
    from ..ingest import ImportOptions

    if list_:
        _list(as_json)
        return
    if format and not files:
        raise UsageError("--format says how to read a PATH; name one")
    wanted: Sequence[Path] | None = files or None
    if samples:
        wanted = [*files, paths.samples_dir()]
    options = ImportOptions(
        deleted=deleted,
        attachments=attachments == "keep",
        tool_output=tool_output,
        redact=redact,
        format=format,
    )
    if watch:
        _watch(wanted, options, as_json)
        return
    report = _import(wanted, options, or_samples)
    if as_json:
        echo_json(dataclasses.asdict(report))
    else:
        _tell(report)
    if report.failed:
        click.get_current_context().exit(1)


def _import(
    wanted: Sequence[Path] | None, options: ImportOptions, or_samples: bool
) -> ImportReport:
    from ..ingest import import_paths

    db = open_archive()
    with progress_bar("Importing") as show:

        def progress(done: int, total: int, path: Path, messages: int) -> None:
            if show:
                show(done, total, plural(messages, "message"))

        report = import_paths(db, wanted, options, progress=progress)
        if or_samples and wanted is None and not report.files:
            report = import_paths(db, [paths.samples_dir()], options, progress=progress)
    return report


def _watch(wanted: Sequence[Path] | None, options: ImportOptions, as_json: bool) -> None:
    from ..ingest.watch import Watcher
    from ..storage import get_db

    path = archive_path()

    def report(found: ImportReport) -> None:
        if as_json:
            echo_json(dataclasses.asdict(found), compact=True)
        else:
            _tell(found)

    watcher = Watcher(
        lambda: get_db(path),
        wanted,
        options,
        archive=path,
        report=report,
        problem=lambda text: click.echo(one_line(text), err=True),
    )
    # Both are how it is meant to end: Ctrl-C, and whoever started it as a service.
    ends = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: watcher.stop()) for number in ends]
    try:
        # Errors of a wrong --db or a damaged archive end the command before it watches.
        open_archive()
        click.echo("Watching for changes; Ctrl-C stops it", err=True)
        watcher.run()
    finally:
        for number, handler in zip(ends, before, strict=True):
            signal.signal(number, handler)


def _list(as_json: bool) -> None:
    from ..ingest import survey

    places = survey()
    if as_json:
        echo_json([dataclasses.asdict(place) for place in places])
        return
    rows = []
    for place in places:
        if place.path is None:
            found = "where you name it"
        elif not place.exists:
            found = "not there"
        else:
            found = f"{plural(place.files, 'file')}, {human_size(place.bytes)}"
        rows.append((place.format, place.title, found, place.path))
    table(["format", "tool", "found", "place"], rows)


def _tell(report: ImportReport) -> None:
    for problem in report.errors[:_MAX_ERRORS]:
        place = problem.path if problem.line is None else f"{problem.path}:{problem.line}"
        click.echo(one_line(f"{place}: {problem.error}"), err=True)
    if len(report.errors) > _MAX_ERRORS:
        click.echo(f"and {len(report.errors) - _MAX_ERRORS} more", err=True)
    for kind, count in report.unknown.items():
        click.echo(one_line(f"{plural(count, 'record')} of unknown kind {kind}"), err=True)
    skipped = f"; {plural(report.skipped, 'record')} skipped" if report.skipped else ""
    redacted = f"; {plural(report.redacted, 'credential')} redacted" if report.redacted else ""
    click.echo(
        f"Imported {plural(report.conversations, 'conversation')} and "
        f"{plural(report.messages, 'message')} from {plural(report.files, 'file')} "
        f"({report.unchanged:,} unchanged) in {report.seconds:.1f} s{skipped}{redacted}"
    )
