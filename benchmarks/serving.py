"""What a browser or a script waits for: a real server in a process of its own.

- A page's *query* is the canned query, or the SQL, that holds the same rows, asked as JSON of the
  same server in turns with the page.
- A canned query's *floor* is its SQL by ``sqlite3`` in this process.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from benchmarks import canned
from benchmarks.bench import Bench
from benchmarks.conversations import COMMIT, TAGS
from benchmarks.starts import PROGRAM
from benchmarks.text import MARKERS
from benchmarks.timing import Times, milliseconds, print_table, ratio, say
from glin_datasette.queries import names
from glin_datasette.queries.functions import register_functions

#: Seconds that a server may take to start, and to answer.
_PATIENCE = 60


def measure(bench: Bench) -> None:
    """Print the tables."""
    say("No page should take more than 200 ms for one client at a million messages.")
    clients = 4 if bench.quick else 16
    with serving(bench.archive, bench.folder / "serve.log") as address:
        timed = ("p50 ms", "p95", f"{clients} clients p50", "p95")
        columns = ("page", *timed, "query p50", "ratio")
        print_table("Pages and their JSON", columns, _pages(bench, address, clients))
        columns = ("query, as JSON", *timed, "floor p50", "ratio")
        print_table("Canned queries", columns, _queries(bench, address, clients))


@contextlib.contextmanager
def serving(archive: Path, log: Path) -> Iterator[str]:
    """A server on an archive: where it listens."""
    command = [*PROGRAM, "--db", str(archive), "serve", "--port", "0"]
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield _address(server, log)
    finally:
        server.terminate()
        server.wait()


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and server.poll() is None:
        told = log.read_text()
        if "Application startup complete" in told and (
            found := re.search(r"running on http://([\w.]+:\d+)", told)
        ):
            return found[1]
        time.sleep(0.05)
    sys.exit(f"the server does not start: {log.read_text()}")


class Client:
    """One that keeps its connection, as browsers do."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=_PATIENCE)

    def get(self, path: str) -> int:
        """Read a page; its status."""
        self._connection.request("GET", path)
        with self._connection.getresponse() as response:
            response.read()
            return response.status

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True, slots=True)
class Page:
    """A page, and what holds the same rows."""

    name: str
    path: str
    query: str


def _pages(bench: Bench, address: str, clients: int) -> Iterator[tuple[object, ...]]:
    for page in _listed(bench):
        # A connection each: a server drops one that is idle for some seconds.
        with contextlib.closing(Client(address)) as client:
            paths = [path for path in (page.path, page.query) if path]
            if wrong := _wrong(client, *paths):
                yield page.name, wrong
                continue
            ours, query = bench.in_turns(*(partial(client.get, path) for path in paths))
        many = _at_once(bench, address, page.path, clients)
        row = (ours.p50, ours.p95, many.p50, many.p95)
        yield page.name, *row, query.p50, ratio(ours.p50, query.p50)


def _wrong(client: Client, *paths: str) -> str | None:
    """What is wrong with pages, if anything is."""
    for path in paths:
        if (status := client.get(path)) != 200:
            return f"{path} has status {status}"
    return None


def _listed(bench: Bench) -> Iterator[Page]:
    database = "/" + bench.archive.stem
    with bench.reading() as (_, bare):
        (longest,) = bare.execute(
            "select conversation_id from messages group by 1 order by count(*) desc limit 1"
        ).fetchone()
        (file,) = bare.execute(
            "select ref_value from message_refs where ref_type = 'file' limit 1"
        ).fetchone()

    def query(name: str, **asked: object) -> str:
        return f"{database}/{name}.json?{urlencode(canned.ASKED.get(name, {}) | asked)}"

    def sql(text: str, **params: object) -> str:
        return f"{database}.json?{urlencode({'sql': text, **params})}"

    yield Page("front door", "/-/glin", query("recent", size=10))
    yield Page("front door, JSON", "/-/glin.json", query("recent", size=10))
    for word, share in MARKERS.items():
        searched = query("search_messages", q=word, size=20)
        name = f"search for a word in {share:.2%}".replace(".00%", "%")
        yield Page(name, f"/-/glin/search?q={word}", searched)
        yield Page(f"{name}, JSON", f"/-/glin/search.json?q={word}", searched)
    newest = query("search_messages", q="badger", size=20, sort="newest")
    yield Page("search, newest", "/-/glin/search?q=badger&sort=newest", newest)
    tagged = query("search_messages", q="badger", size=20, tag=TAGS[0])
    yield Page("search, with a tag", f"/-/glin/search?q=badger+tag:{TAGS[0]}", tagged)
    yield Page("conversations", "/-/glin/conversations", query("recent"))
    thousand = "select * from messages where conversation_id = :id order by position limit 1000"
    for name, conversation in (("the longest transcript", longest), ("a transcript", 1)):
        rows = sql(thousand, id=conversation)
        yield Page(name, f"/-/glin/conversations/{conversation}", rows)
        yield Page(f"{name}, JSON", f"/-/glin/conversations/{conversation}.json", rows)
    yield Page("a file", f"/-/glin/files?{urlencode({'file': file})}", query("by_file", file=file))
    yield Page("files", "/-/glin/files", query("discussed_files"))
    yield Page("a commit", f"/-/glin/commits?commit={COMMIT}", query("by_commit", commit=COMMIT))
    yield Page("a tag", f"/-/glin/tags?tag={TAGS[0]}", query("by_tag"))
    yield Page("tags", "/-/glin/tags", query("tag_counts"))
    found = sql(
        "select * from messages where id in"
        " (select rowid from messages_fts where messages_fts match :q) order by id limit 51",
        q="badger",
    )
    table = f"{database}/messages"
    yield Page("table of messages", table, sql("select * from messages order by id limit 51"))
    yield Page("the same, searched", f"{table}?_search=badger", found)
    yield Page("the same, searched, JSON", f"{table}.json?_search=badger", found)
    yield Page("the same, with a tag", f"{table}?_search=badger&_tag={TAGS[0]}", found)
    conversations = sql("select * from conversations order by ended_at desc limit 51")
    yield Page("table of conversations", f"{database}/conversations", conversations)
    with_tag = f"{database}/conversations?_tag={TAGS[0]}"
    yield Page("the same, with a tag", with_tag, conversations)


def _queries(bench: Bench, address: str, clients: int) -> Iterator[tuple[object, ...]]:
    with bench.reading() as (db, _):
        register_functions(db.conn)
        for name in names():
            asked = urlencode(canned.ASKED.get(name, {}))
            path = f"/{bench.archive.stem}/{name}.json?{asked}"
            with contextlib.closing(Client(address)) as client:
                if wrong := _wrong(client, path):
                    yield name, wrong
                    continue
                ours, floor = bench.in_turns(
                    partial(client.get, path), partial(canned.run, db.conn, name)
                )
            many = _at_once(bench, address, path, clients)
            row = (ours.p50, ours.p95, many.p50, many.p95)
            yield name, *row, floor.p50, ratio(ours.p50, floor.p50)


def _at_once(bench: Bench, address: str, path: str, clients: int) -> Times:
    """Many clients that ask for the same page all the time."""
    spent: list[list[float]] = [[] for _ in range(clients)]
    all_there = threading.Barrier(clients)

    def ask(times: list[float]) -> None:
        with contextlib.closing(Client(address)) as client:
            all_there.wait()
            times += [milliseconds(partial(client.get, path)) for _ in range(requests)]

    requests = 1 if bench.quick else 4
    threads = [threading.Thread(target=ask, args=[times]) for times in spent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Times.of(itertools.chain.from_iterable(spent))
