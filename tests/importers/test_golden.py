"""What each fixture of each format yields, item by item.

The fixtures are written by hand. Look at the difference before you keep a new one::

    make golden && git diff tests/fixtures
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transcripts import FIXTURES, as_json, lay_out, read, transcripts

from glin_datasette.importers import importers
from glin_datasette.importers.base import Importer

WRITE = bool(os.environ.get("GLIN_WRITE_GOLDEN"))


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Some formats have local times."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize("importer", importers(), ids=lambda each: each.name)
def test_golden(importer: Importer, tmp_path: Path) -> None:
    folder = lay_out(importer.name, tmp_path)
    goldens = FIXTURES / importer.name / "golden"
    files = transcripts(importer, folder)
    assert files, f"no fixture of {importer.name}"
    written = set()
    for path in files:
        golden = goldens / path.relative_to(folder).with_name(f"{path.name}.json")
        items = list(as_json(read(importer, path)))
        # Where the fixtures were laid out is nobody's business.
        found = json.loads(json.dumps(items).replace(str(tmp_path), ""))
        if WRITE:
            golden.parent.mkdir(parents=True, exist_ok=True)
            golden.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        assert found == json.loads(golden.read_text("utf-8"))
        written.add(golden)
    assert set(goldens.rglob("*.json")) == written, "goldens without a fixture"
