"""What every importer promises, tried on every one that is registered, with its fixtures.

A format that is added needs no test here: its fixtures in ``tests/fixtures/<name>/`` are
cut, grown, damaged and blown up by their kind: files of lines, one JSON document, an SQLite
database, or bytes.
"""

from __future__ import annotations

import functools
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st
from odd import changed
from quick_db import quick_db
from transcripts import lay_out, messages, read, transcripts

from glin_datasette.importers import importers
from glin_datasette.importers.base import Checkpoint, Importer, Item, Moved, Said, Skipped
from glin_datasette.ingest import ImportOptions, import_paths
from glin_datasette.models import KINDS, RELATIONS, ROLES, Conversation
from glin_datasette.storage import check

ALL = pytest.mark.parametrize("importer", importers(), ids=lambda each: each.name)
LINES = {".jsonl", ".csv", ".md"}


@functools.cache
def laid_out() -> Path:
    """The fixtures of every format, as they lie on disk. They are copied before they are
    changed."""
    folder = Path(tempfile.mkdtemp(prefix="glin-fixtures-"))
    for importer in importers():
        lay_out(importer.name, folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _removed() -> Iterator[None]:
    yield
    shutil.rmtree(laid_out())
    laid_out.cache_clear()


def files(importer: Importer) -> list[Path]:
    found = transcripts(importer, laid_out() / importer.name)
    assert found, f"no fixture of {importer.name}"
    return found


def copied(importer: Importer, path: Path, folder: Path) -> Path:
    """The same file in a copy of all the fixtures of its format: what it is called and what
    lies beside it may matter."""
    target = folder / importer.name
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(laid_out() / importer.name, target)
    return target / path.relative_to(laid_out() / importer.name)


def is_database(path: Path) -> bool:
    return path.read_bytes()[:6] == b"SQLite"


# --- identify --------------------------------------------------------------------------


@ALL
def test_identify_claims_its_own_and_no_other(importer: Importer) -> None:
    for other in importers():
        for path in files(other):
            raw = path.read_bytes()[: 64 * 1024]
            for size in (len(raw), len(raw) // 2, 2000, 700, 300, 100, 10, 1, 0):
                claimed = importer.identify(path, raw[:size])
                if other.name != importer.name:
                    assert not claimed, f"{importer.name} claims {path} at {size} bytes"


@ALL
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_identify_never_raises(importer: Importer, data: Any) -> None:
    raw = data.draw(
        st.binary(max_size=400)
        | st.sampled_from([b"[" * 70_000, b'{"a":' * 20_000, b"\0" * 65536, b"PK\x03\x04" * 9])
        | st.sampled_from(importers()).flatmap(
            lambda other: st.sampled_from(files(other)).map(lambda p: p.read_bytes()[:5000])
        )
    )
    cut = data.draw(st.integers(0, len(raw)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, data.draw(st.sampled_from(["a.jsonl", "a.json", "a.zip", "a.db"])))
        path.write_bytes(raw[:cut])
        assert importer.identify(path, raw[:cut]) in (True, False)
        path.unlink()
        assert importer.identify(path, raw[:cut]) in (True, False)


@ALL
def test_a_damaged_first_line_hides_nothing(importer: Importer, tmp_path: Path) -> None:
    for original in files(importer):
        if original.suffix != ".jsonl" or importer.restores:
            continue  # An export of glin is known by its header alone.
        if not importer.identify(original, original.read_bytes()[: 64 * 1024]):
            continue  # A format that is only read where somebody names it.
        lines = original.read_bytes().splitlines(keepends=True)
        if len(lines) < 3:
            continue
        path = copied(importer, original, tmp_path)
        path.write_bytes(b'{"cut off": "in the mid\n' + b"".join(lines))
        assert importer.identify(path, path.read_bytes()[: 64 * 1024]), path.name


def test_every_format_has_a_name_and_a_title_of_its_own() -> None:
    names = [each.name for each in importers()]
    assert len(set(names)) == len(names)
    assert len({each.title for each in importers()}) == len(names)
    assert all(name == name.lower() and " " not in name for name in names)


# --- what is yielded -------------------------------------------------------------------


def sound(importer: Importer, items: list[Item]) -> None:
    """What every stream of items holds to."""
    told: set[str] = set()
    for item in items[:-1]:
        assert not isinstance(item, Checkpoint)
        if isinstance(item, Conversation):
            told.add(item.source_id)
            assert item.relation in (None, *RELATIONS)
            assert item.relation is None or item.parent_source_id != item.source_id
            texts = [item.source, item.source_id, item.title, item.client, item.transport]
            texts += [item.repo_root, item.git_branch, item.parent_source_id]
        elif isinstance(item, Said):
            said = item.message
            assert item.conversation in told
            assert said.role in ROLES
            assert said.kind in KINDS
            assert said.source_id or importer.exact
            assert said.ts is None or (len(said.ts) == 24 and said.ts.endswith("Z")), said.ts
            for number in (said.token_in, said.token_out, said.token_cached):
                # A copy of an archive has what was in the archive.
                assert importer.exact or number is None or 0 <= number < 2**60
            assert len(set(said.refs)) == len(said.refs)
            texts = [said.content, said.source_id, said.model, said.tool_name, said.tool_call_id]
            texts += [ref.value for ref in said.refs]
            texts += [each.media_type for each in said.attachments]
        elif isinstance(item, Moved):
            assert item.conversation in told
            continue
        else:
            continue
        for text in texts:
            if text is not None:
                assert isinstance(text, str)
                assert not {"\0", "\x02", "\x03"} & set(text)
                text.encode()
    end = items[-1]
    assert isinstance(end, Checkpoint)
    json.dumps(end.state)


@ALL
def test_fixtures_are_sound_and_show_what_a_format_can_do(importer: Importer) -> None:
    roles, kinds = set(), set()
    for path in files(importer):
        items = read(importer, path)
        sound(importer, items)
        roles |= {each.role for each in messages(items)}
        kinds |= {each.kind for each in messages(items)}
    assert {"user", "assistant"} <= roles
    assert "text" in kinds


@ALL
def test_reading_is_the_same_each_time(importer: Importer) -> None:
    for path in files(importer):
        assert read(importer, path) == read(importer, path)


@ALL
def test_nobody_writes_beside_a_transcript(importer: Importer, tmp_path: Path) -> None:
    for original in files(importer):
        path = copied(importer, original, tmp_path)
        before = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
        read(importer, path)
        after = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file()}
        assert after == before


# --- in the archive --------------------------------------------------------------------


def contents(db: sqlite_utils.Database, *, order: bool = True) -> dict[str, Any]:
    """What an archive holds, without its own numbers."""
    place = "m.position" if order else "null"
    found: dict[str, Any] = {
        "conversations": db.execute(
            "select source, source_id, parent_source_id, relation, title, title_from, started_at,"
            " ended_at, client, transport, model, repo_root, git_branch, notes"
            " from conversations order by 1, 2"
        ).fetchall(),
        "messages": db.execute(
            f"select c.source, c.source_id, {place}, m.source_id, m.ts, m.role, m.kind, m.model,"
            " m.token_in, m.token_out, m.token_cached, m.tool_name, m.tool_call_id, m.is_error,"
            " m.content from messages m join conversations c on c.id = m.conversation_id"
            " order by 1, 2, m.position, 4"
        ).fetchall(),
        "refs": db.execute(
            "select c.source, c.source_id, m.source_id, r.ref_type, r.ref_value"
            " from message_refs r join messages m on m.id = r.message_id"
            " join conversations c on c.id = m.conversation_id order by 1, 2, 3, 4, 5"
        ).fetchall(),
    }
    return found


def import_into(folder: Path, importer: Importer, *paths: Path) -> dict[str, Any]:
    with quick_db(folder / "glin.db") as db:
        import_paths(db, paths, ImportOptions(format=importer.name))
        return contents(db)


@ALL
def test_importing_twice_changes_nothing(
    importer: Importer, db: sqlite_utils.Database, tmp_path: Path
) -> None:
    copied(importer, files(importer)[0], tmp_path)
    paths = transcripts(importer, tmp_path / importer.name)
    options = ImportOptions(format=importer.name)
    first = import_paths(db, paths, options)
    assert first.messages > 0
    before, held = list(db.conn.iterdump()), contents(db)
    again = import_paths(db, paths, options)
    assert (again.messages, again.conversations) == (0, 0)
    assert list(db.conn.iterdump()) == before or importer.restores
    # Read again from the beginning, the same records are the same rows.
    db.execute("update import_files set size = 0, digest = ''")
    again = import_paths(db, paths, options)
    assert (again.messages, again.conversations, again.unchanged) == (0, 0, 0)
    assert contents(db) == held
    assert check(db, deep=True).status != "fail"


@ALL
def test_positions_and_times_are_in_order(
    importer: Importer, db: sqlite_utils.Database, tmp_path: Path
) -> None:
    import_paths(db, files(importer), ImportOptions(format=importer.name))
    for row in db.query("select id, started_at, ended_at from conversations"):
        found = db.execute(
            "select position, ts from messages where conversation_id = ? order by position",
            [row["id"]],
        ).fetchall()
        assert len({position for position, _ in found}) == len(found)
        times = [ts for _, ts in found if ts]
        if times and not importer.exact:
            assert (row["started_at"], row["ended_at"]) == (min(times), max(times))


def earlier(path: Path, share: float) -> Callable[[], None] | None:
    """Cuts a file back to what it was before it grew. ``None``: no file of its kind grows
    by having records added."""
    raw = path.read_bytes()
    if path.suffix in LINES:
        lines = raw.splitlines(keepends=True)
        kept = b"".join(lines[: int(len(lines) * share)])
        return lambda: bytes_to(path, kept)
    if path.suffix == ".json":
        document = json.loads(raw)
        grown = grown_list(document)
        if grown is not None:
            del grown[int(len(grown) * share) :]
            cut = json.dumps(document).encode()
            return lambda: bytes_to(path, cut)
    return None


def bytes_to(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


def grown_list(document: Any) -> list[Any] | None:
    """The list that records are added to: the document itself, or its longest member."""
    if isinstance(document, list):
        return document
    lists = [value for value in document.values() if isinstance(value, list) and value]
    return max(lists, key=len) if lists else None


@ALL
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_grown_file_equals_the_whole_one(
    importer: Importer, tmp_path: Path, share: float
) -> None:
    for number, original in enumerate(files(importer)):
        here = tmp_path / str(number)
        path = copied(importer, original, here)
        raw = path.read_bytes()
        cut = earlier(path, share)
        if cut is None:
            continue
        whole = import_into(here / "whole", importer, path)
        cut()
        import_into(here / "grown", importer, path)
        path.write_bytes(raw)
        assert import_into(here / "grown", importer, path) == whole, path.name


# --- damage ----------------------------------------------------------------------------

BAD_LINES = [
    b"not JSON at all",
    b'{"cut": "off',
    b"[]",
    b'"text"',
    b"null",
    b"1e400",
    b"{}",
    b"\xff\xfe\x00\xd8",
    b"\0" * 200,
    b'{"type": "\xc3\x28"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
]


def said_ids(items: list[Item]) -> list[tuple[str, str | None, str]]:
    return [
        (item.conversation, item.message.source_id, item.message.content)
        for item in items
        if isinstance(item, Said)
    ]


@ALL
@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda bad: repr(bad[:12]))
def test_a_bad_record_costs_only_itself(importer: Importer, bad: bytes, tmp_path: Path) -> None:
    for original in files(importer):
        path = copied(importer, original, tmp_path)
        whole = said_ids(read(importer, path))
        for damaged, counts in with_bad_record(path, bad):
            path.write_bytes(damaged)
            items = read(importer, path)
            sound(importer, items)
            assert said_ids(items) == whole, path.name
            if counts:
                assert any(isinstance(item, Skipped) for item in items), path.name


def with_bad_record(path: Path, bad: bytes) -> Iterator[tuple[bytes, bool]]:
    """The file with a damaged record among its others, and whether that must be told."""
    raw = path.read_bytes()
    if path.suffix == ".jsonl":
        lines = raw.splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            lines[-1] += b"\n"
        for at in sorted({1, len(lines) // 2, len(lines)}):
            if at:  # What tells the format stays first.
                damaged = b"".join([*lines[:at], bad, b"\n", *lines[at:]])
                yield damaged, bad != b"{}"
    elif path.suffix == ".json" and bad.count(b"[") < 1000 and bad.count(b"{") < 1000:
        document = json.loads(raw)
        grown = grown_list(document)
        # A document with half a record in it has no end; that is truncation.
        if grown is not None and bad not in (b'{"cut": "off', b"not JSON at all"):
            mark = "the place of the bad record"
            for at in sorted({0, len(grown) // 2, len(grown)}):
                grown.insert(at, mark)
                text = json.dumps(document).encode()
                del grown[at]
                if bad.isascii() and b"\0" not in bad:
                    yield text.replace(json.dumps(mark).encode(), bad), bad not in (b"{}", b"null")


@ALL
def test_a_very_long_record_is_passed_over(importer: Importer, tmp_path: Path) -> None:
    for original in files(importer)[:1]:
        path = copied(importer, original, tmp_path)
        whole = said_ids(read(importer, path))
        long = json.dumps({"type": "user", "text": "x" * 50_000_000}).encode()
        for damaged, _ in list(with_bad_record(path, b'"long"'))[-1:]:
            path.write_bytes(damaged.replace(b'"long"', long))
            items = read(importer, path)
            assert said_ids(items) == whole
            assert any(isinstance(i, Skipped) and "longer than" in i.error for i in items)


@ALL
def test_an_empty_file_holds_nothing(importer: Importer, tmp_path: Path) -> None:
    for original in files(importer):
        path = copied(importer, original, tmp_path)
        for raw in (b"", b"\n", b" \n\n", b"[]", b"{}", b"null"):
            path.write_bytes(raw)
            items = read(importer, path)
            sound(importer, items)
            assert messages(items) == [], raw


@ALL
def test_a_truncated_file_keeps_what_is_whole(importer: Importer, tmp_path: Path) -> None:
    for original in files(importer):
        path = copied(importer, original, tmp_path)
        raw = path.read_bytes()
        known = {i for _, i, _ in said_ids(read(importer, path))}
        for share in (0.999, 0.9, 0.7, 0.5, 0.3, 0.1, 0.01):
            path.write_bytes(raw[: int(len(raw) * share)])
            items = read(importer, path)
            sound(importer, items)
            if path.suffix == ".jsonl":
                assert {i for _, i, _ in said_ids(items)} <= known


# --- any value in any place, any byte --------------------------------------------------


def mutate(data: Any, path: Path) -> None:
    """Put odd values into a file where it has others."""
    if is_database(path):
        mutate_database(data, path)
        return
    text = path.read_text("utf-8", "replace")
    if path.suffix == ".jsonl":
        lines = [line for line in text.splitlines() if line.strip()]
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, len(lines) - 1))
            try:
                lines[at] = json.dumps(changed(data.draw, json.loads(lines[at])))
            except ValueError:
                lines[at] = ""
        path.write_text("\n".join(lines) + "\n", "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(changed(data.draw, json.loads(text))), "utf-8")


def mutate_database(data: Any, path: Path) -> None:
    with closing(sqlite3.connect(path)) as conn, conn:
        tables = [r[0] for r in conn.execute("select name from sqlite_master where type = 'table'")]
        table = data.draw(st.sampled_from(sorted(t for t in tables if not t.startswith("sqlite_"))))
        rows = conn.execute(f"select rowid, * from [{table}]").fetchall()
        names = [r[1] for r in conn.execute(f"pragma table_info([{table}])")]
        if not rows:
            return
        row = data.draw(st.sampled_from(rows))
        column = data.draw(st.integers(0, len(names) - 1))
        value = row[column + 1]
        new: object = data.draw(st.sampled_from([None, -1, 1.5, b"\xff\xfe", "", "x", 2**62]))
        if data.draw(st.booleans()):
            with suppress(TypeError, ValueError):
                new = json.dumps(changed(data.draw, json.loads(value)))
        change = f"update [{table}] set [{names[column]}] = ? where rowid = ?"
        with suppress(sqlite3.Error):  # A constraint keeps such a value out of any database.
            conn.execute(change, [new, row[0]])


@ALL
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_value_in_any_place(importer: Importer, data: Any) -> None:
    original = data.draw(st.sampled_from(files(importer)))
    with tempfile.TemporaryDirectory() as folder:
        path = copied(importer, original, Path(folder))
        mutate(data, path)
        sound(importer, read(importer, path))


@ALL
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_in_any_place(importer: Importer, data: Any) -> None:
    original = data.draw(st.sampled_from(files(importer)))
    with tempfile.TemporaryDirectory() as folder:
        path = copied(importer, original, Path(folder))
        raw = bytearray(path.read_bytes())
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, len(raw)))
            to = data.draw(st.integers(at, min(at + 200, len(raw))))
            raw[at:to] = data.draw(
                st.binary(max_size=8)
                | st.sampled_from([b"", b"\0" * 64, b"\n", b"\xff", b'"', b"[" * 5000, b"\\ud800"])
            )
        path.write_bytes(raw)
        importer.identify(path, bytes(raw[:4096]))
        sound(importer, read(importer, path))


# --- memory ----------------------------------------------------------------------------

#: Prints the messages and the largest resident size in kB. (getrusage() would tell that of
#: the process that started this one, if it is larger.)
PEAK = (
    "import re, sys; from pathlib import Path;"
    "from glin_datasette.importers import importer_named;"
    "from glin_datasette.importers.base import Checkpoint, Said;"
    "items = importer_named(sys.argv[1]).read(Path(sys.argv[2]), Checkpoint());"
    "count = sum(isinstance(item, Said) for item in items);"
    "status = Path('/proc/self/status').read_text();"
    "print(count, re.search(r'VmHWM:\\s+(\\d+)', status)[1])"
)

#: Bytes of the file, and of the memory that reading it may take. A reader that holds the
#: file, as bytes or as objects, takes more.
LARGE = 8_000_000
MOST = 64_000_000


@ALL
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it there")
def test_memory_does_not_grow_with_the_file(importer: Importer, tmp_path: Path) -> None:
    original = max(files(importer), key=lambda path: path.stat().st_size)
    path = copied(importer, original, tmp_path)
    if not enlarge(path):
        pytest.skip("a test of this format enlarges its own")
    assert path.stat().st_size >= LARGE
    done = subprocess.run(
        [sys.executable, "-c", PEAK, importer.name, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    count, kilobytes = map(int, done.stdout.split())
    assert count > 0
    assert kilobytes * 1024 < MOST


def enlarge(path: Path) -> bool:
    """Make a large file of a small one: its records again and again, each with ids of its
    own. Whether its kind can be enlarged so."""
    raw = path.read_bytes()
    if path.suffix in LINES:
        lines = raw.splitlines(keepends=True)
        head, rest = b"".join(lines[:1]), b"".join(lines[1:])
        with path.open("wb") as out:
            out.write(head)
            while out.tell() < LARGE:
                out.write(rest)
        return True
    if path.suffix == ".json":
        document = json.loads(raw)
        grown = grown_list(document)
        if grown is None:
            return False
        mark = "the place of the list"
        whole = json.dumps(grown).encode()[1:-1]
        if isinstance(document, list):
            before, after = b"[", b"]"
        else:
            name = next(key for key, value in document.items() if value is grown)
            text = json.dumps({**document, name: mark}).encode()
            before, after = text.split(json.dumps(mark).encode())
            before, after = before + b"[", b"]" + after
        with path.open("wb") as out:
            out.write(before + whole)
            while out.tell() < LARGE:
                out.write(b"," + whole)
            out.write(after)
        return True
    return False


# --- real transcripts ------------------------------------------------------------------


def test_every_real_transcript_imports_cleanly(
    real_transcripts: Path, db: sqlite_utils.Database
) -> None:
    report = import_paths(db, [real_transcripts])
    assert (report.skipped, report.errors, report.unknown) == (0, (), {})
    assert report.files >= len([p for p in real_transcripts.rglob("*.json*") if p.is_file()])
    sources = {row["source"] for row in db.query("select distinct source from conversations")}
    formats = {path.name for path in real_transcripts.iterdir() if path.is_dir()}
    assert {name.removesuffix("-cli").removesuffix("-vscode") for name in formats} <= sources
    untitled = db.execute("select source_id from conversations where title is null").fetchall()
    assert untitled == []
    before = contents(db)
    db.execute("update import_files set size = 0, digest = ''")
    assert import_paths(db, [real_transcripts]).messages == 0
    assert contents(db) == before
    assert check(db, deep=True).status != "fail"
