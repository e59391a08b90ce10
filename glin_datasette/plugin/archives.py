"""Which of the attached databases are archives."""

from __future__ import annotations

import weakref
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import paths, queries
from ..errors import ArchiveError, GlinError, NotAnArchive
from ..storage import get_db, pending, search_available
from ..storage.connection import connect, sqlite_errors
from .compat import Actor, Metadata, allowed, may_view_tables
from .tasks import Task

if TYPE_CHECKING:
    from datasette.app import Datasette


@dataclass(frozen=True, slots=True)
class Archive:
    """An attached database with our schema. ``metadata`` is what describes it; ``indexed``
    says whether full-text search works, here and now."""

    name: str
    path: Path
    metadata: Metadata
    indexed: bool = True

    def queries(self) -> list[queries.Query]:
        """The canned queries, as this archive can run them."""
        return [queries.load(name, indexed=self.indexed) for name in queries.names()]


@dataclass(slots=True)
class Attached:
    """What one Datasette has attached.

    ``refused`` has the paths of those that cannot be served as the archives that they are.
    """

    archives: dict[str, Archive] = field(default_factory=dict)
    refused: dict[str, Path] = field(default_factory=dict)
    #: Nothing is attached but archives.
    alone: bool = False
    #: What is being done with each archive beside all requests, or was done last.
    tasks: dict[str, Task] = field(default_factory=dict)


#: Whoever may see what is in an archive may see these tables: the pages show of all of them.
_READ_TABLES = (
    "conversations", "messages", "message_refs", "tags", "conversation_tags", "message_tags",
    "attachments", "message_attachments", "import_files", "activity", "usage", "files",
)  # fmt: skip

_attached: weakref.WeakKeyDictionary[Datasette, Attached] = weakref.WeakKeyDictionary()


def attached(datasette: Datasette) -> Attached:
    """What :func:`recognise` found; nothing before startup."""
    return _attached.setdefault(datasette, Attached())


def is_archive(datasette: Datasette, database: str | None) -> bool:
    """Whether the database of this name is an archive."""
    return database in attached(datasette).archives


async def viewable(
    datasette: Datasette, actor: Actor, database: str, *, contents: bool = True
) -> bool:
    """Whether ``actor`` may view an archive, and what is in it unless ``contents`` is false."""
    if not await allowed(datasette, actor, "view-database", database):
        return False
    return not contents or await may_view_tables(datasette, actor, database, _READ_TABLES)


def attach_default(datasette: Datasette) -> None:
    """Attach the default archive, made where there is none, if no file was given."""
    if datasette.files:
        return
    from datasette.database import Database

    path = paths.default_db()
    try:
        if not paths.opens_in_datasette(path):
            raise ArchiveError(
                f"{path}: Datasette cannot open a path that holds #, ? or %; "
                "choose another with GLIN_DATA_DIR"
            )
        get_db(path).close()
    except GlinError as ex:
        _refuse(datasette, path.stem, path, ex)
    else:
        datasette.add_database(Database(datasette, path=str(path), is_mutable=True))


def recognise(datasette: Datasette) -> list[tuple[str, Path, bool]]:
    """Find the archives among the attached databases, and bring older ones up to date.

    An archive that cannot be used as it is gets one line on stderr and is left alone.

    :returns: names, paths, and whether full-text search works
    """
    found = []
    for name, database in datasette.databases.items():
        if not database.path:
            continue
        path = paths.archive_file(database.path).absolute()
        try:
            indexed = _opens_as_archive(path, mutable=database.is_mutable)
            if indexed is not None:
                found.append((name, path, indexed))
        except GlinError as ex:
            _refuse(datasette, name, path, ex)
    files = [database for database in datasette.databases.values() if database.path]
    attached(datasette).alone = len(found) == len(files) > 0
    return found


def _opens_as_archive(path: Path, *, mutable: bool) -> bool | None:
    """Whether full-text search works in the archive at ``path``; ``None`` if it is none."""
    try:
        # Looked at first, because get_db() would fill an empty database.
        with closing(connect(path, readonly=True)) as db, sqlite_errors(path):
            if "conversations" not in db.table_names() or "schema_version" not in db.view_names():
                return None
        with closing(get_db(path, readonly=not mutable)) as db:
            steps, indexed = pending(db), search_available(db)
    except NotAnArchive:
        return None
    if steps:
        raise ArchiveError(
            f"{path}: its schema is older than this release and it may only be read; "
            "serve it as a mutable database once, or run 'glin-datasette migrate'"
        )
    return indexed


def _refuse(datasette: Datasette, name: str, path: Path, reason: GlinError) -> None:
    attached(datasette).refused[name] = path
    click.echo(f"glin-datasette: {reason}", err=True)
