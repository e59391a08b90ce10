"""The archive that a command works on: ``--db``, and opening it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from .. import paths
from .file_path import FilePath

if TYPE_CHECKING:
    import sqlite_utils

__all__ = ["archive_options", "archive_path", "open_archive", "verbose_option"]

_DB = "glin_datasette.db"

F = TypeVar("F", bound=Callable[..., object])


def archive_options(command: F) -> F:
    """Add ``--db``, which may stand before the command's name or behind it."""
    return click.option(
        "--db",
        type=FilePath(dir_okay=False),
        metavar="PATH",
        expose_value=False,
        callback=_remember,
        help="The archive.",
    )(command)


def verbose_option(*names: str) -> Callable[[F], F]:
    """Add ``--verbose``, under further ``names`` too."""
    return click.option(
        *names,
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_log,
        help="Tell on stderr what is done and how long it takes.",
    )


def archive_path() -> Path:
    """The file that ``--db`` names, or the default one."""
    named: Path | None = click.get_current_context().meta.get(_DB)
    return paths.archive_file(named) if named is not None else paths.default_db()


def open_archive(*, create: bool = True) -> sqlite_utils.Database:
    """Open the archive until the command ends; make (with ``create``) or migrate it first where
    needed.

    :raises GlinError: if it cannot be used
    """
    # The group itself imports this module, and its help needs no database.
    from ..storage import get_db

    ctx = click.get_current_context()
    db = get_db(archive_path(), create=create, on_backup=_tell_backup)
    ctx.call_on_close(db.close)
    return db


def _tell_backup(backup: Path) -> None:
    click.echo(f"Backup made before the schema changes: {backup}", err=True)


def _remember(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.meta[_DB] = value


def _log(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value:
        return
    import logging

    logger = logging.getLogger("glin_datasette")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    ctx.call_on_close(lambda: logger.removeHandler(handler))
