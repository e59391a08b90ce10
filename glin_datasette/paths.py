"""Where things are: the archive, its backups, the schema steps and the metadata."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import NotFound

__all__ = [
    "archive_file",
    "backups_dir",
    "data_dir",
    "default_db",
    "expanded",
    "metadata_path",
    "migrations_dir",
    "opens_in_datasette",
    "replica_lock",
    "replica_state",
    "samples_dir",
    "tokens_path",
    "told",
]

_PACKAGE = Path(__file__).resolve().parent


def expanded(path: str | os.PathLike[str]) -> Path:
    """A path with ``~`` for a home folder.

    :raises NotFound: if there is no such home
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        home = Path(path).parts[0]
        raise NotFound(f"{path}: there is no home folder {home}; write the whole path") from None


def told(path: str | os.PathLike[str]) -> str:
    """A path as text that can be stored and told: what is not UTF-8 in it as ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def archive_file(path: str | os.PathLike[str]) -> Path:
    """The file that is meant by the path of an archive: a link is followed, since SQLite puts
    the WAL beside the file itself, and backups belong there too."""
    file = expanded(path)
    return Path(os.path.realpath(file)) if file.is_symlink() else file


def data_dir() -> Path:
    """The folder of the archive: ``$GLIN_DATA_DIR``, else the platform's own for ``glin``."""
    configured = os.environ.get("GLIN_DATA_DIR")
    if configured:
        return expanded(configured).absolute()
    # Where an archive is named, nobody asks for this.
    import platformdirs

    return Path(platformdirs.user_data_dir("glin", appauthor=False))


def default_db() -> Path:
    """The archive where no ``--db`` names another."""
    return archive_file(data_dir() / "glin.db")


def tokens_path() -> Path:
    """The file that keeps the hashes of the tokens with which scripts ask a server. It
    belongs to a person, not to one archive."""
    return data_dir() / "tokens.json"


def backups_dir(db_path: Path) -> Path:
    """The folder that holds the backups of the archive at ``db_path``: beside it, named
    after it. ``work.db`` and ``work.sqlite`` have the same one; what is whose there, the
    manifests of the backups tell."""
    return db_path.parent / f"{db_path.stem}-backups"


def replica_state(db_path: Path) -> Path:
    """The file that remembers where the archive at ``db_path`` is replicated to."""
    return db_path.with_name(f"{db_path.name}-replica.json")


def replica_lock(db_path: Path) -> Path:
    """The file that is locked while the archive at ``db_path`` is being replicated."""
    return db_path.with_name(f"{db_path.name}-replica.lock")


def opens_in_datasette(path: Path) -> bool:
    """Whether Datasette can open a database at ``path``. It puts the path into a URI as it
    is; with one of these characters it would open, or even make, another file."""
    return not set("#?%") & set(str(path))


def migrations_dir() -> Path:
    """The folder with ``migrations.py``: inside the wheel, or at the top of a checkout."""
    return _shipped("migrations")


def metadata_path() -> Path:
    """``metadata.yml``: inside the wheel, or at the top of a checkout."""
    return _shipped("metadata.yml")


def samples_dir() -> Path:
    """The sample transcripts that ship with the package."""
    return _PACKAGE / "samples"


def _shipped(name: str) -> Path:
    inside = _PACKAGE / name
    return inside if inside.exists() else _PACKAGE.parent / name
