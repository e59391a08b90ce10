"""``import``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import click

from .. import paths
from ..ingest import ImportOptions, import_paths
from ..models import ImportReport
from ..render import one_line
from .archive import open_archive
from .command import JSON, command
from .file_path import FilePath
from .output import echo_json, plural
from .progress import progress_bar

_MAX_ERRORS = 20


@command(
    "import",
    "glin-datasette import                        # what is found on this machine",
    "glin-datasette import ~/.claude/projects",
    "glin-datasette import session.jsonl --json",
    statuses="0 done, even if damaged records were skipped; 1 something cannot be read, or a "
    "PATH is of no known format, or the import failed; 2 wrong usage.",
)
@click.argument("files", metavar="[PATH]...", nargs=-1, type=FilePath())
@click.option("--samples", is_flag=True, help="Import the samples that ship with glin.")
@click.option("--or-samples", is_flag=True, help="Import the samples if no transcripts are found.")
@click.option("--deleted", is_flag=True, help="Import what was deleted from the archive, too.")
@JSON
def import_(
    files: tuple[Path, ...], samples: bool, or_samples: bool, deleted: bool, as_json: bool
) -> None:
    """Import transcripts into the archive.

    Each PATH is a transcript file, an export of glin, or a folder of such files. Without
    one the places are searched where the known tools keep their transcripts. What was
    imported before is not read again.

    Damaged records are skipped and told on stderr.

    With --json: files, unchanged, conversations, messages, skipped, unknown (record kinds
    and their number), errors (path, line, error) and seconds.
    """
    wanted: Sequence[Path] | None = files or None
    if samples:
        wanted = [*files, paths.samples_dir()]
    db = open_archive()
    with progress_bar("Importing") as show:

        def progress(done: int, total: int, path: Path) -> None:
            if show:
                show(done, total)

        options = ImportOptions(deleted=deleted)
        report = import_paths(db, wanted, options, progress=progress)
        if or_samples and wanted is None and not report.files:
            report = import_paths(db, [paths.samples_dir()], options, progress=progress)
    if as_json:
        echo_json(dataclasses.asdict(report))
    else:
        _tell(report)
    # Damage inside of a file has a line; without one, something could not be read at all.
    if any(problem.line is None for problem in report.errors):
        click.get_current_context().exit(1)


def _tell(report: ImportReport) -> None:
    for problem in report.errors[:_MAX_ERRORS]:
        place = problem.path if problem.line is None else f"{problem.path}:{problem.line}"
        click.echo(one_line(f"{place}: {problem.error}"), err=True)
    if len(report.errors) > _MAX_ERRORS:
        click.echo(f"and {len(report.errors) - _MAX_ERRORS} more", err=True)
    for kind, count in report.unknown.items():
        click.echo(one_line(f"{plural(count, 'record')} of unknown kind {kind}"), err=True)
    skipped = f"; {plural(report.skipped, 'record')} skipped" if report.skipped else ""
    click.echo(
        f"Imported {plural(report.conversations, 'conversation')} and "
        f"{plural(report.messages, 'message')} from {plural(report.files, 'file')} "
        f"({report.unchanged:,} unchanged) in {report.seconds:.1f} s{skipped}"
    )
