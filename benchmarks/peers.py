"""Other programs that keep conversations in SQLite, on the same files, in turns with this one.

Each is installed from the package index into an environment of its own, has a home folder of its
own, and runs as its users run it. What cannot be installed or run is told in the table. They
do not do the same: of some the tables tell what they leave out.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench, open_bare
from benchmarks.serving import Client, serving
from benchmarks.starts import PROGRAM
from benchmarks.text import MARKERS
from benchmarks.timing import in_turns, milliseconds, print_table, ratio, say

#: Words that are searched for.
_WORDS = ("walrus", "badger")

#: Outputs of tools that are looked for in each database.
_LONGEST = 10

#: Seconds that a program may take for what it is asked.
_PATIENCE = 3_600

#: Replies that llm logs: it has no import, and takes long for each.
_LOGGED = 1_000

#: Logs conversations as llm's own library does after each reply.
_LLM = """
import sqlite3, sys
import llm, sqlite_utils
from llm.migrations import migrate

archive, log, most = sys.argv[1:]

class Model(llm.Model):
    model_id = "bench"
    can_stream = False

    def execute(self, prompt, stream, response, conversation):
        yield reply

db = sqlite_utils.Database(log)
migrate(db)
model = Model()
sql = "select content from messages where kind = 'text' order by id limit 2 * ?"
texts = [text for (text,) in sqlite3.connect(archive).execute(sql, [most])]
for prompt, reply in zip(texts[::2], texts[1::2]):
    response = model.prompt(prompt)
    response.text()
    response.log_to_db(db)
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program. Commands, paths and settings may name ``{bin}``, ``{home}``, ``{transcripts}``,
    ``{archive}``, ``{port}`` and ``{word}``."""

    name: str
    #: As the package index calls it; its environment has no other packages but those it needs.
    package: str
    importing: str
    database: str
    #: Of the messages that its database holds.
    count: str
    #: Command that serves, and the address of a search; or command that searches.
    serving: str = ""
    address: str = ""
    searching: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    #: Whether it reads the files, or is given what they say.
    reads: bool = True


PEERS = (
    Peer(
        "claude-session-search",
        "claude-session-search",
        "{bin}/claude-session-search --reindex",
        "{home}/.cc-search/index.db",
        "select count(*) from messages",
        serving="{bin}/claude-session-search --no-open --port {port}",
        address="/api/search?limit=20&q={word}",
    ),
    Peer(
        "claude-code-to-sqlite",
        "claude-code-to-sqlite",
        "{bin}/claude-code-to-sqlite sessions {home}/sessions.db {transcripts} --silent",
        "{home}/sessions.db",
        "select count(*) from messages",
        searching="{bin}/sqlite-utils search {home}/sessions.db messages {word} --limit 20",
    ),
    Peer(
        "agentsview",
        "agentsview",
        "{bin}/agentsview sync",
        "{home}/agentsview/sessions.db",
        "select (select count(*) from messages) + (select count(*) from tool_result_events)",
        serving="{bin}/agentsview serve --no-browser --no-sync --no-update-check --port {port}",
        address="/api/v1/search?limit=20&q={word}",
        settings={
            "AGENTSVIEW_DATA_DIR": "{home}/agentsview",
            "AGENTSVIEW_NO_DAEMON": "1",
            "AGENTSVIEW_DISABLE_UPDATE_CHECK": "1",
            "AGENTSVIEW_TELEMETRY_ENABLED": "0",
            "CLAUDE_PROJECTS_DIR": "{transcripts}",
        },
    ),
    Peer(
        f"llm, logging {_LOGGED:,} replies",
        "llm",
        "{bin}/python -c " + shlex.quote(_LLM) + " {archive} {home}/llm/logs.db " + str(_LOGGED),
        "{home}/llm/logs.db",
        "select 2 * ((select count(*) from turns) + (select count(*) from responses))",
        searching="{bin}/llm logs list -n 20 -q {word}",
        settings={"LLM_USER_PATH": "{home}/llm"},
        reads=False,
    ),
)


class Failed(Exception):
    """A program could not be installed or run; why, in a line."""


@dataclass(slots=True)
class Installed:
    """A peer on this machine, with its home and its environment."""

    peer: Peer
    folder: Path
    transcripts: Path
    archive: Path

    def install(self) -> None:
        """:raises Failed: if that does not work"""
        _run([sys.executable, "-m", "venv", str(self.folder / "env")], dict(os.environ))
        pip = [str(self.folder / "env/bin/python"), "-m", "pip", "--quiet"]
        pip += ["--disable-pip-version-check", "install", self.peer.package]
        _run(pip, dict(os.environ))

    def empty(self) -> None:
        """Take away all that it has stored, and give it the transcripts where it looks for
        them."""
        home = self.folder / "home"
        shutil.rmtree(home, ignore_errors=True)
        (home / ".claude").mkdir(parents=True)
        (home / "llm").mkdir()
        (home / ".claude" / "projects").symlink_to(self.transcripts)

    def run(self, command: str, **values: object) -> None:
        """:raises Failed: if it does not end well"""
        _run(self.command(command, **values), self.environment())

    def command(self, command: str, **values: object) -> list[str]:
        # Parted before names are filled in, which may have spaces.
        return [self.named(word, **values) for word in shlex.split(command)]

    def named(self, text: str, **values: object) -> str:
        names: dict[str, object] = {
            "bin": self.folder / "env/bin",
            "home": self.folder / "home",
            "transcripts": self.transcripts,
            "archive": self.archive,
            **values,
        }
        for name, value in names.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def environment(self) -> dict[str, str]:
        """Nothing of whoever measures but where programs are, and no telemetry."""
        kept = {"PATH": os.environ.get("PATH", ""), "DO_NOT_TRACK": "1"}
        settings = {name: self.named(value) for name, value in self.peer.settings.items()}
        return {**kept, "HOME": str(self.folder / "home"), **settings}

    @property
    def database(self) -> Path:
        return Path(self.named(self.peer.database))


def _run(command: Sequence[str], environment: dict[str, str]) -> None:
    try:
        ended = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
        )
    except (OSError, subprocess.TimeoutExpired) as ex:
        raise Failed(str(ex).splitlines()[0]) from None
    if ended.returncode:
        lines = ended.stdout.strip().splitlines() or ["nothing was said"]
        raise Failed(f"exit status {ended.returncode}: {lines[-1][:120]}")


def measure(bench: Bench) -> None:
    """Print the tables."""
    transcripts = bench.transcripts("claude-code") / "projects"
    archive = bench.folder / "ours.db"
    ours = [*PROGRAM, "--db", str(archive), "import", str(transcripts)]
    _run(ours, dict(os.environ))
    there: list[Installed] = []
    failed: list[tuple[object, ...]] = []
    for peer in PEERS:
        one = Installed(peer, bench.folder / "peers" / peer.package, transcripts, archive)
        try:
            one.install()
            there.append(one)
        except Failed as ex:
            failed.append((peer.name, f"cannot be installed: {ex}"))
    say(
        "Importing should be 1.6× as fast as the fastest of them, with nothing cut off. What "
        f"they keep of the {_LONGEST} longest outputs is looked for anywhere in their databases."
    )
    columns = ("program", "seconds", "messages", "messages/s", "longest outputs", "MB", "again s")
    print_table("Other programs: importing", columns, _imports(bench, ours, archive, there))
    timed = tuple(
        f"{what} in {MARKERS[word]:.0%}" for word in _WORDS for what in ("p50 ms", "ours", "ratio")
    )
    print_table(
        "Other programs: searching", ("program", "by", *timed), _searches(bench, archive, there)
    )
    for row in failed:
        say(f"{row[0]} {row[1]}.")


def _imports(
    bench: Bench, ours: list[str], archive: Path, there: list[Installed]
) -> Iterator[tuple[object, ...]]:
    """Each in its turn, ours first, as often as is bearable; and again with nothing new."""
    first: dict[str, list[float]] = {}
    again: dict[str, list[float]] = {}
    wrong: dict[str, str] = {}
    for _ in range(1 if bench.quick or bench.messages > 100_000 else 3):
        _forget(archive)
        for times in (first, again):
            spent = milliseconds(partial(_run, ours, dict(os.environ))) / 1000
            times.setdefault("glin-datasette", []).append(spent)
        for one in list(there):
            one.empty()
            try:
                for times in (first, again) if one.peer.reads else (first,):
                    spent = milliseconds(partial(one.run, one.peer.importing)) / 1000
                    times.setdefault(one.peer.name, []).append(spent)
            except Failed as ex:
                wrong[one.peer.name] = f"fails: {ex}"
                there.remove(one)
    outputs = _longest(archive)
    count = "select count(*) from messages"
    yield _imported("glin-datasette", archive, count, first, again, outputs)
    for one in there:
        name = one.peer.name
        try:
            read = outputs if one.peer.reads else []
            yield _imported(name, one.database, one.peer.count, first, again, read)
        except sqlite3.Error as ex:
            yield name, f"its database is another: {ex}"
    yield from wrong.items()


def _imported(
    name: str,
    database: Path,
    count: str,
    first: dict[str, list[float]],
    again: dict[str, list[float]],
    outputs: list[tuple[str, str]],
) -> tuple[object, ...]:
    with contextlib.closing(open_bare(database)) as bare:
        (messages,) = bare.execute(count).fetchone()
        kept = _kept(bare, outputs) if outputs else None
    files = database.parent.glob(f"{database.name}*")
    return (
        name,
        min(first[name]),
        messages,
        int(messages / min(first[name])),
        kept,
        sum(file.stat().st_size for file in files) / 1e6,
        min(again[name]) if name in again else None,
    )


def _longest(archive: Path) -> list[tuple[str, str]]:
    """The first and the last line of the longest outputs: each stands nowhere else."""
    with contextlib.closing(open_bare(archive)) as bare:
        texts = bare.execute(
            "select content from messages where kind = 'tool_result'"
            " order by length(content) desc limit ?",
            [_LONGEST],
        ).fetchall()
    return [(text.split("\n")[0], text.split("\n")[-1]) for (text,) in texts]


def _kept(bare: sqlite3.Connection, outputs: list[tuple[str, str]]) -> str:
    """How many of these outputs a database holds, in whatever table and column."""
    lines = [line for output in outputs for line in output]
    found = [False] * len(lines)
    holds = ", ".join(f"max(instr(this, ?{n}) > 0)" for n in range(1, len(lines) + 1))
    for (table,) in bare.execute(
        "select name from sqlite_master where type = 'table' and sql not like 'create virtual %'"
        " and name not like '%\\_fts\\_%' escape '\\'"
    ).fetchall():
        for (column,) in bare.execute("select name from pragma_table_info(?)", [table]).fetchall():
            sql = f'select {holds} from (select "{column}" as this from "{table}")'
            here = bare.execute(sql, lines).fetchone()
            found = [one or bool(other) for one, other in zip(found, here, strict=True)]
    whole = sum(found[n] and found[n + 1] for n in range(0, len(found), 2))
    cut = sum(found[::2]) - whole
    return f"{whole} whole" + (f", {cut} cut off" if cut else "")


def _searches(bench: Bench, archive: Path, there: list[Installed]) -> Iterator[tuple[object, ...]]:
    with serving(archive, bench.folder / "serve.log") as address:
        for one in there:
            try:
                if one.peer.searching:
                    yield one.peer.name, "a command", *_by_command(bench, archive, one)
                else:
                    yield one.peer.name, "a server", *_by_server(bench, address, one)
            except (Failed, OSError) as ex:
                yield one.peer.name, f"fails: {ex}"


def _by_command(bench: Bench, archive: Path, one: Installed) -> Iterator[object]:
    for word in _WORDS:
        ours = [*PROGRAM, "--db", str(archive), "search", word]
        theirs, times = in_turns(
            partial(one.run, one.peer.searching, word=word),
            partial(_run, ours, dict(os.environ)),
            rounds=bench.rounds,
            seconds=5,
        )
        yield from (theirs.p50, times.p50, ratio(times.p50, theirs.p50))


def _by_server(bench: Bench, address: str, one: Installed) -> Iterator[object]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = one.command(one.peer.serving, port=port)
    log = one.folder / "serve.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            env=one.environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        for word in _WORDS:
            path = one.named(one.peer.address, word=word)
            _await(server, f"localhost:{port}", path)
            spent: list[list[float]] = [[], []]
            for _ in range(bench.rounds):
                asked = ((f"localhost:{port}", path), (address, f"/-/glin/search.json?q={word}"))
                for times, (where, what) in zip(spent, asked, strict=True):
                    # A connection each: not all of them keep one.
                    times.append(milliseconds(partial(_get, where, what)))
            theirs, ours = map(statistics.median, spent)
            yield from (theirs, ours, ratio(ours, theirs))
    finally:
        server.terminate()
        server.wait()


def _await(server: subprocess.Popen[bytes], address: str, path: str) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError):
            if _get(address, path) == 200:
                return
        time.sleep(0.1)
    raise Failed("it does not answer")


def _get(address: str, path: str) -> int:
    with contextlib.closing(Client(address)) as client:
        return client.get(path)


def _forget(database: Path) -> None:
    for file in database.parent.glob(f"{database.name}*"):
        file.unlink()
