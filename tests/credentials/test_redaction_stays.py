"""What was taken out stays out, wherever it comes from and whoever writes at the same time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlite_utils
from credential_samples import provider_tokens

from glin_datasette.credentials import scan_secrets
from glin_datasette.ingest import ImportOptions, import_paths, loading
from glin_datasette.storage import get_db

TOKEN = provider_tokens()["GitHub token"][0]
TEXTS = (f"Why is {TOKEN} refused?", f"see https://example.org/?t={TOKEN} and https://example.com/")


def write(path: Path, *texts: str) -> Path:
    lines = []
    for n, text in enumerate(texts):
        record = {"type": "user", "uuid": f"u{n}", "sessionId": "s1", "message": {"content": text}}
        lines.append(json.dumps(record) + "\n")
    path.write_text("".join(lines))
    return path


def test_a_file_that_was_moved_is_still_redacted(db: sqlite_utils.Database, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *TEXTS)
    import_paths(db, [file], ImportOptions(redact=True))
    (tmp_path / "archived").mkdir()
    moved = file.rename(tmp_path / "archived" / "a.jsonl")
    import_paths(db, [moved])
    assert scan_secrets(db).total == 0
    import_paths(db, [moved], ImportOptions(redact=False))
    assert scan_secrets(db).total > 0


def test_merging_takes_them_out_and_does_not_bring_them_back(
    db: sqlite_utils.Database, tmp_path: Path
) -> None:
    with get_db(tmp_path / "other.db") as other:
        import_paths(other, [write(tmp_path / "a.jsonl", *TEXTS)])
    import_paths(db, [tmp_path / "other.db"])
    assert scan_secrets(db).total > 0
    import_paths(db, [tmp_path / "other.db"], ImportOptions(redact=True))
    assert scan_secrets(db).total == 0
    copy = (tmp_path / "copy.db").write_bytes((tmp_path / "other.db").read_bytes())
    assert copy
    import_paths(db, [tmp_path / "copy.db"])
    assert scan_secrets(db).total == 0


def test_an_import_that_was_overtaken_looks_again(
    db: sqlite_utils.Database, archive_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another import redacts the file between our look and our turn to write."""
    file = write(tmp_path / "a.jsonl", TEXTS[0])
    import_paths(db, [file])
    write(file, *TEXTS)
    real = loading._resume
    turns: list[int] = []

    def resume(*args: object) -> object:
        if not turns:
            turns.append(1)
            with get_db(archive_path) as second:
                import_paths(second, [file], ImportOptions(redact=True))
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "_resume", resume)
    import_paths(db, [file])
    assert turns == [1]
    assert scan_secrets(db).total == 0
    assert import_paths(db, [file]).unchanged == 1
