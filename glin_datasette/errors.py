"""What can go wrong, as one tree of exceptions.

::

    GlinError                  shown to people as one line; never a traceback
    ├── UsageError             the call itself is wrong (exit status 2)
    │   └── FilterError        a filter or query option has a value that it cannot have
    ├── ArchiveError           the archive cannot be used as it is
    │   ├── DamagedArchive     what is in the file cannot be right
    │   ├── NotAnArchive       a file that is not SQLite, or somebody else's database
    │   ├── NewerArchive       written by a newer release than this one
    │   ├── ArchiveBusy        another process holds the write lock for too long
    │   ├── ReadOnlyArchive    a write to an archive that may only be read
    │   └── MigrationError     a schema step failed; it was rolled back
    ├── NotFound               no such conversation, message, tag, query or backup
    ├── ExportFailed           an export that cannot be written where it was asked for
    ├── BackupError            a backup that cannot be made, verified or restored
    └── ReplicationError       a replica that cannot be written, read or restored
"""

from __future__ import annotations

__all__ = [
    "ArchiveBusy",
    "ArchiveError",
    "BackupError",
    "DamagedArchive",
    "ExportFailed",
    "FilterError",
    "GlinError",
    "MigrationError",
    "NewerArchive",
    "NotAnArchive",
    "NotFound",
    "ReadOnlyArchive",
    "ReplicationError",
    "UsageError",
]


class GlinError(Exception):
    """Base of every error that this package raises on purpose.

    The message is one line that names what is wrong, where, and what to do about it.
    """


class UsageError(GlinError):
    """The caller asked for something that makes no sense."""


class FilterError(UsageError):
    """A filter has a value that it cannot have, such as a date that is none."""


class ArchiveError(GlinError):
    """The archive cannot be opened, read or written as it is."""


class DamagedArchive(ArchiveError):
    """An archive or a backup of one holds what cannot be right, or lacks some of it."""


class NotAnArchive(ArchiveError):
    """The file is not an SQLite database, or holds somebody else's tables."""


class NewerArchive(ArchiveError):
    """The archive was written by a newer release; it was left untouched."""


class ArchiveBusy(ArchiveError):
    """Another process held the write lock for longer than the busy timeout."""


class ReadOnlyArchive(ArchiveError):
    """A write was asked of an archive that may only be read."""


class MigrationError(ArchiveError):
    """A schema step failed and was rolled back."""


class NotFound(GlinError):
    """What was asked for is not in the archive."""


class ExportFailed(GlinError):
    """An export cannot be written where it was asked for."""


class BackupError(GlinError):
    """A backup cannot be made, verified or restored."""


class ReplicationError(GlinError):
    """A replica cannot be written, read or restored."""
