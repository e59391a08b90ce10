"""The fixtures of every format, and what importers make of them, for all tests of importers.

``tests/fixtures/<format>/`` holds transcripts as the tools lay them out on disk, written by
us, and in ``golden/`` what each yields. Two kinds of files stand for what git cannot show:

- ``NAME.sql`` is built into the SQLite database ``NAME``,
- the folder ``NAME.zip.d`` is packed into ``NAME.zip``.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from glin_datasette.importers import importers
from glin_datasette.importers.base import Checkpoint, File, Importer, Item, Said
from glin_datasette.models import Message

FIXTURES = Path(__file__).resolve().parent / "fixtures"
_NOT_TRANSCRIPTS = {".meta.json"}
#: Formats that no file tells: all files in their folder are of them.
_TOLD = {"messages"}


def lay_out(format_name: str, folder: Path) -> Path:
    """Copy the fixtures of a format into ``folder``, built as the tools have them."""
    target = folder / format_name
    shutil.copytree(
        FIXTURES / format_name, target, ignore=lambda place, _: ["golden"], dirs_exist_ok=True
    )
    for script in sorted(target.rglob("*.sql")):
        with closing(sqlite3.connect(script.with_suffix(""))) as conn:
            conn.executescript(script.read_text("utf-8"))
        script.unlink()
    for packed in sorted(target.rglob("*.zip.d")):
        with zipfile.ZipFile(packed.with_suffix(""), "w", zipfile.ZIP_DEFLATED) as out:
            for file in sorted(p for p in packed.rglob("*") if p.is_file()):
                out.write(file, file.relative_to(packed).as_posix())
        shutil.rmtree(packed)
    return target


def transcripts(importer: Importer, folder: Path) -> list[Path]:
    """The files below ``folder`` that ``importer`` says are its own."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if any(path.name.endswith(ending) for ending in _NOT_TRANSCRIPTS):
            continue
        if importer.name in _TOLD and importer.name == folder.name:
            found.append(path)
            continue
        with path.open("rb") as file:
            if importer.identify(path, file.read(64 * 1024)):
                found.append(path)
    return found


def named(format_name: str) -> Importer:
    return next(each for each in importers() if each.name == format_name)


def read(importer: Importer, path: Path, start: Checkpoint | None = None) -> list[Item]:
    return list(importer.read(path, start or Checkpoint()))


def messages(items: Iterable[Item]) -> list[Message]:
    return [item.message for item in items if isinstance(item, Said)]


def as_json(items: Iterable[Item]) -> Iterator[dict[str, Any]]:
    """Items without the fields that say nothing, and without the importer's own state."""
    for item in items:
        facts = {"item": type(item).__name__, **asdict(item)}
        facts.pop("state", None)
        if isinstance(item, Said):
            facts["message"] = _told(facts["message"])
            if item.message.attachments:
                facts["message"]["attachments"] = [
                    _told({**asdict(each), "data": None}) for each in item.message.attachments
                ]
        if isinstance(item, File):
            facts["attachment"]["data"] = None
        yield json.loads(json.dumps(_told(facts)))


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in facts.items() if v not in (None, (), False)}
