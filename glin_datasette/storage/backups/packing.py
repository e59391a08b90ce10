"""Compressed backups: Zstandard, which the ``zstd`` program reads and writes too."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import zstandard

from ...errors import BackupError, DamagedArchive
from .files import PACKED
from .temporary import remove_abandoned, temporary_file

__all__ = ["pack", "unpack", "unpacked"]

# Higher levels take several times as long for a few percent.
_LEVEL = 3
_CHUNK = 1024 * 1024
#: The most that the head of a frame has, in bytes, and what it says without a size.
_HEADER, _UNKNOWN = 18, -1


def pack(source: Path, target: Path) -> None:
    """Compress ``source`` into ``target``.

    :raises OSError: if that cannot be written
    """
    packer = zstandard.ZstdCompressor(level=_LEVEL, threads=-1, write_checksum=True)
    with source.open("rb") as reading, target.open("wb") as writing:
        packer.copy_stream(
            reading, writing, source.stat().st_size, read_size=_CHUNK, write_size=_CHUNK
        )


def unpack(source: Path, target: Path) -> None:
    """Write what is compressed in ``source`` into ``target``.

    :raises DamagedArchive: if it cannot be read
    :raises OSError: if ``target`` cannot be written
    """
    try:
        with source.open("rb") as reading, target.open("wb") as writing:
            wanted = zstandard.frame_content_size(reading.read(_HEADER))
            reading.seek(0)
            unpacker = zstandard.ZstdDecompressor()
            _, found = unpacker.copy_stream(reading, writing, _CHUNK, _CHUNK)
        # A file that ends early is no error to the library.
        if wanted not in (found, _UNKNOWN):
            raise zstandard.ZstdError(f"it holds {found:,} of {wanted:,} bytes")
    except zstandard.ZstdError as ex:
        told = " ".join(str(ex).split())
        raise DamagedArchive(f"{source}: damaged: {told}; use another backup") from None


@contextlib.contextmanager
def unpacked(backup: Path) -> Iterator[Path]:
    """The database in ``backup``: itself, or what is in it, in a temporary file.

    :raises DamagedArchive: if it was compressed and cannot be read
    :raises BackupError: if there is no space for it
    """
    if backup.suffix != PACKED:
        yield backup
        return
    # Where the backups are there is place for one; but they may be on a medium that is
    # only read.
    beside = os.access(backup.parent, os.W_OK)
    folder = backup.parent if beside else Path(tempfile.gettempdir())
    with contextlib.ExitStack() as stack:
        try:
            remove_abandoned(folder)
            temporary = stack.enter_context(temporary_file(folder))
            unpack(backup, temporary)
        except OSError as ex:
            raise BackupError(
                f"{backup}: cannot be unpacked in {folder}: {ex.strerror or ex}; free some space "
                "there" + ("" if beside else " or name another folder with TMPDIR")
            ) from None
        yield temporary
