"""Litestream at the moments that are over too fast to be met: while it starts, and while we
are killed. A program in its place takes one step whenever it is told to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from glin_datasette.replication.litestream import write_config
from glin_datasette.replication.process import WHILE_WE_LIVE, Litestream, working_folder
from glin_datasette.replication.target import parse_target

#: Binds its socket, listens, and runs what watches us, as Litestream does.
PROGRAM = f"""#!{sys.executable}
import json, pathlib, socket, subprocess, sys, time
config = json.loads(pathlib.Path(sys.argv[sys.argv.index("-config") + 1]).read_text())
steps = pathlib.Path(__file__).with_name("steps")
def told(step):
    give_up = time.monotonic() + 60
    while not (steps / step).exists():
        assert time.monotonic() < give_up, step
        time.sleep(0.01)
with socket.socket(socket.AF_UNIX) as listener:
    listener.bind(config["socket"]["path"])
    (steps / "bound").touch()
    told("listen")
    listener.listen()
    told("watch")
    subprocess.run(config["exec"], check=True)
(steps / "ended").touch()
"""

#: A command that is killed as soon as it has started Litestream.
KILLED = """
import os, sys
from pathlib import Path
from glin_datasette.replication.process import Litestream
program, config, folder, archive = sys.argv[1:]
lock = os.open(config, os.O_RDONLY)
Litestream(program, Path(config), Path(folder), Path(archive), lock)
os._exit(0)
"""


@dataclass
class Stepwise:
    """The program, and what it is started with."""

    program: str
    folder: Path
    steps: Path

    @property
    def config(self) -> Path:
        return self.folder / "litestream.yml"

    def take(self, *steps: str) -> None:
        for step in steps:
            (self.steps / step).touch()

    def took(self, step: str) -> bool:
        return (self.steps / step).exists()


@pytest.fixture
def stepwise(tmp_path: Path) -> Iterator[Stepwise]:
    program = tmp_path / "litestream"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "steps").mkdir()
    with working_folder() as folder:
        made = Stepwise(str(program), folder, tmp_path / "steps")
        write_config(
            made.config,
            tmp_path / "glin.db",
            parse_target(str(tmp_path / "replica")),
            exec=["sh", "-c", WHILE_WE_LIVE, str(folder)],
            socket={"path": str(folder / "socket")},
        )
        yield made
        made.take("listen", "watch")


def until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_socket_that_nobody_listens_on_yet_is_waited_for(
    stepwise: Stepwise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep, attempts = time.sleep, []

    def between_attempts(seconds: float) -> None:
        # The second one that is between two attempts since then had the first one refused.
        if stepwise.took("bound"):
            attempts.append(seconds)
        if len(attempts) == 2:
            stepwise.take("listen")
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", between_attempts)
    with (
        stepwise.config.open() as lock,
        Litestream(
            stepwise.program, stepwise.config, stepwise.folder, tmp_path / "glin.db", lock.fileno()
        ) as running,
    ):
        assert stepwise.took("listen")
        running.require()
        stepwise.take("watch")
    # By itself: what watches us ended.
    assert stepwise.took("ended")


def test_one_that_watches_us_when_we_are_gone_ends_too(stepwise: Stepwise, tmp_path: Path) -> None:
    arguments = [stepwise.program, stepwise.config, stepwise.folder, tmp_path / "glin.db"]
    subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], check=True)
    stepwise.take("listen", "watch")
    until(lambda: stepwise.took("ended"))
    assert not stepwise.folder.exists()
