"""``init``."""

from __future__ import annotations

import click

from ..storage import version
from .archive import archive_path, open_archive
from .command import command


@command("init", "glin-datasette init", "glin-datasette init --db ~/work.db")
def init() -> None:
    """Make the archive, or bring it up to date.

    Other commands do this by themselves when they need the archive.
    """
    path = archive_path()
    made = not path.exists()
    db = open_archive()
    state = "made" if made else "is there and up to date"
    click.echo(f"{path}: {state}, schema version {version(db)}")
