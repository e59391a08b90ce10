"""Fixtures that every test may use.

No test ever sees the archive or the transcripts of whoever runs it: the home folder and
the data folder of each test are empty folders of its own.
"""

from __future__ import annotations

import gc
import importlib
import itertools
import os
import signal
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import sqlite_utils
from quick_db import quick_db

# How long an example takes says more about what else the machine does.
hypothesis.settings.register_profile("glin", deadline=None, max_examples=40)
hypothesis.settings.load_profile("glin")

#: The checkout, or the copy of its tests and docs that is run against an installed wheel.
ROOT = Path(__file__).resolve().parents[1]


# A shell starts what it runs in the background with Ctrl-C ignored, and commands that the
# tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Datasette 0.65 leaves a connection open when it is imported. The garbage collector of
# Python 3.13 complains of that in whichever test happens to be running.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ResourceWarning)
    importlib.import_module("datasette.app")
    gc.collect()


def pytest_collection_finish() -> None:
    """Keep what was imported out of the garbage collector: 190,000 objects that stay to the
    end, and that each collection would look through."""
    gc.collect()
    gc.freeze()


#: Variables that say where the tools of whoever runs the tests keep their data.
_OF_THE_USER = (
    "APPDATA",
    "CLAUDE_CONFIG_DIR",
    "CODEX_HOME",
    "GEMINI_CLI_HOME",
    "COLUMNS",
    "COPILOT_HOME",
    "LLM_USER_PATH",
    "LOCALAPPDATA",
    "PI_CODING_AGENT_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)


_HOMES = itertools.count()


@pytest.fixture(autouse=True)
def data_dir(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``$GLIN_DATA_DIR``, where the default archive of this test will be."""
    # Not mktemp(): that looks through all that is there for the next number.
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_HOMES))
    home.mkdir(parents=True)
    for name in _OF_THE_USER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    folder = home / "glin"
    monkeypatch.setenv("GLIN_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def root() -> Path:
    """The checkout that these tests belong to."""
    return ROOT


@pytest.fixture
def archive_path(tmp_path: Path) -> Path:
    """Where :func:`db` is."""
    return tmp_path / "glin.db"


@pytest.fixture
def db(archive_path: Path) -> Iterator[sqlite_utils.Database]:
    """A new, empty archive on disk."""
    with quick_db(archive_path) as database:
        yield database


@pytest.fixture
def real_transcripts() -> Path:
    """The folder of real transcripts that ``$GLIN_TEST_TRANSCRIPTS`` names."""
    folder = os.environ.get("GLIN_TEST_TRANSCRIPTS")
    if not folder:
        pytest.skip("GLIN_TEST_TRANSCRIPTS names no folder of real transcripts")
    return Path(folder)
