"""``recover``."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import click

from ..models import Recovered, RecoveryReport
from ..render import one_line
from ..storage import recover_db
from ..storage.backups.files import is_backup
from .archive import archive_path
from .command import JSON, command
from .file_path import FilePath
from .output import echo_json, plural, table
from .progress import progress_bar

#: So many ranges of unreadable pages are told.
_RANGES = 10


@command(
    "recover",
    "glin-datasette recover glin.db",
    "glin-datasette recover glin.db --to /media/stick/saved.db --json",
    statuses="0 everything was salvaged; 1 something was lost (what was found is written), or "
    "nothing was found; 2 wrong usage.",
)
@click.argument("file", metavar="FILE", type=FilePath(dir_okay=False))
@click.option(
    "--to", "new", metavar="NEW", type=FilePath(dir_okay=False),
    help="The new archive; by default FILE's name with -recovered, beside it.",
)  # fmt: skip
@JSON
def recover(file: Path, new: Path | None, as_json: bool) -> None:
    """Salvage what can be read of a damaged archive into a new one.

    FILE is an archive or a backup. It and the WAL beside it are only read, page by page,
    even where the header or the schema is destroyed. Let nothing write to it meanwhile.

    With --json: path (of the new archive), source, complete, tables (table, salvaged, lost,
    estimated, cut), placeholders, pages, page_size, unreadable (ranges of pages), notes,
    health (as check has it) and seconds. lost is null where it cannot be told.
    """
    with progress_bar("Reading pages") as progress:
        report = recover_db(file, new, progress=progress)
    if as_json:
        echo_json(dataclasses.asdict(report))
    else:
        _tell(report)
    if not report.complete:
        click.get_current_context().exit(1)


def _tell(report: RecoveryReport) -> None:
    table(
        ("SALVAGED", "LOST", "CUT", "TABLE"),
        [(f"{t.salvaged:,}", _lost(t), f"{t.cut:,}", t.table) for t in report.tables],
        numeric=3,
    )
    if report.placeholders:
        click.echo(f"{plural(report.placeholders, 'conversation')} got a placeholder.")
    if report.unreadable:
        shown = [f"{a}-{b}" if a != b else f"{a}" for a, b in report.unreadable[:_RANGES]]
        more = " …" if len(report.unreadable) > _RANGES else ""
        click.echo(f"Unreadable of {plural(report.pages, 'page')}: {', '.join(shown)}{more}")
    for note in report.notes:
        click.echo(one_line(note[:1].upper() + note[1:]))
    found = "everything was salvaged" if report.complete else "not everything was salvaged"
    click.echo(f"{report.path}: {found}; its health: {report.health.status}")
    new = shlex.quote(report.path)
    click.echo("What to do next:")
    click.echo(f"  glin-datasette check --deep --db {new}")
    # A backup is no archive to be restored into.
    archive = archive_path() if is_backup(Path(report.source)) else report.source
    click.echo(f"  glin-datasette restore {new} --db {shlex.quote(str(archive))}")
    if not report.complete:
        click.echo("  glin-datasette import    # what is still in the tools' own files")


def _lost(found: Recovered) -> str:
    if found.lost is None:
        return "?"
    return f"about {found.lost:,}" if found.estimated and found.lost else f"{found.lost:,}"
