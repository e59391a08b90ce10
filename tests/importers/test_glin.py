"""The project's own format: messages stand in the order of the lines."""

from __future__ import annotations

import json
from pathlib import Path

import sqlite_utils

from glin_datasette.importers.base import Checkpoint, Said
from glin_datasette.importers.glin import GlinImporter
from glin_datasette.ingest import import_paths
from glin_datasette.storage import iter_messages, query_conversations

#: Not the order of the lines.
TIMES = ("05", "01", "03", None, "02")


def message(owner: str, n: int, second: str | None) -> dict[str, object]:
    return {
        "type": "message",
        "conversation": ["test", owner],
        "role": "user",
        "kind": "text",
        "content": f"{owner}{n}",
        "source_id": f"{owner}{n}",
        "ts": f"2026-02-11T09:00:{second}.000Z" if second else None,
    }


def export(path: Path, owners: int) -> Path:
    """An export in which the conversations take turns."""
    names = [f"c{n}-" for n in range(owners)]
    lines: list[dict[str, object]] = [{"type": "glin-export", "version": 1}]
    lines += [{"type": "conversation", "source": "test", "source_id": name} for name in names]
    lines += [message(name, n, ts) for n, ts in enumerate(TIMES) for name in names]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_interleaved_conversations_keep_the_order_of_the_lines(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    import_paths(db, [export(tmp_path / "a.jsonl", 3)])
    found = query_conversations(db)
    assert len(found) == 3
    for each in found:
        assert each.id is not None
        order = [m.source_id for m in iter_messages(db, each.id)]
        assert order == [f"{each.source_id}{n}" for n in range(len(TIMES))]


def test_what_is_remembered_goes_on_and_is_little(tmp_path: Path) -> None:
    path = export(tmp_path / "a.jsonl", 1000)
    size = path.stat().st_size
    *_, end = GlinImporter().read(path, Checkpoint())
    assert isinstance(end, Checkpoint)
    state = json.loads(json.dumps(end.state))
    assert len(json.dumps(state)) < 20_000
    with path.open("a") as file:
        file.write(json.dumps(message("c900-", 5, "00")) + "\n")
    items = GlinImporter().read(path, Checkpoint(size, end.line, state))
    (said,) = [item for item in items if isinstance(item, Said)]
    assert said.message.sort_ts is not None
    assert said.message.sort_ts > str(said.message.ts)
