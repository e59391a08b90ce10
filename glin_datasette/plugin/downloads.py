"""Answers that are sent in pieces: documents and files of any size in little memory."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import sqlite_utils
from datasette import Response

from ..storage import get_db
from .guard import Send

#: Characters of a document, and bytes of a file, that are sent at a time.
_CHUNK = 64 * 1024
_FILE_CHUNK = 1024 * 1024

Pieces = Callable[[sqlite_utils.Database], Iterator[str]]


class Download(Response):
    """A document that is made while it is sent, from an archive that is read along.

    It is read in a thread and on a connection of its own, at one moment of the archive.
    """

    def __init__(self, archive: Path, name: str, media_type: str, pieces: Pieces) -> None:
        disposition = f'attachment; filename="{file_name(name)}"'
        super().__init__(
            headers={"content-disposition": disposition},
            content_type=f"{media_type}; charset=utf-8",
        )
        self._archive = archive
        self._pieces = pieces

    async def asgi_send(self, send: Send) -> None:
        """Send it. An archive that cannot be read ends it early: nothing else can be said
        once the status is sent."""
        said = {**self.headers, "content-type": self.content_type}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
        loop = asyncio.get_running_loop()
        # One thread for all of it, as SQLite's connections want it.
        with ThreadPoolExecutor(1, thread_name_prefix="glin-download") as thread:
            chunks = self._chunks()
            chunk = await loop.run_in_executor(thread, next, chunks, None)
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                while chunk is not None:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    chunk = await loop.run_in_executor(thread, next, chunks, None)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                await loop.run_in_executor(thread, chunks.close)

    def _chunks(self) -> Generator[bytes, None, None]:
        with closing(get_db(self._archive, readonly=True)) as db:
            db.conn.execute("begin")
            held: list[str] = []
            size = 0
            for piece in self._pieces(db):
                held.append(piece)
                size += len(piece)
                if size >= _CHUNK:
                    yield "".join(held).encode("utf-8", "replace")
                    held, size = [], 0
            yield "".join(held).encode("utf-8", "replace")


class FileDownload(Response):
    """A file, with its size, so that a browser can tell how far it is."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            headers={
                "content-disposition": f'attachment; filename="{file_name(path.name)}"',
                "content-length": str(path.stat().st_size),
            },
            content_type="application/zstd" if path.suffix == ".zst" else "application/vnd.sqlite3",
        )
        self._path = path

    async def asgi_send(self, send: Send) -> None:
        """Send it."""
        said = {**self.headers, "content-type": self.content_type}
        headers = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
        with self._path.open("rb") as file:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while chunk := await asyncio.to_thread(file.read, _FILE_CHUNK):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def file_name(said: str) -> str:
    """A name for a file that every system takes, made from any text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", said).strip("-.")[:80].strip("-.")
    return name or "conversation"
