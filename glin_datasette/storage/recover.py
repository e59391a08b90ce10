"""Salvaging what can be read of a damaged archive into a new one.

The damaged file is never opened by SQLite, which gives up where it should go on: its pages
are read by :mod:`.pages`. Three sources, the surest first:

1. each table's own pages, from its root down;
2. of tables that were not found whole, the indexes: some hold all of a row, others tell which
   rows are lost;
3. pages that nothing leads to any more: their rows are known by their columns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import sqlite_utils

from ..dates import utc_now
from ..errors import ArchiveError, GlinError, NotAnArchive, NotFound
from ..models import Recovered, RecoveryReport
from .archive import get_db
from .backups.packing import unpacked
from .backups.temporary import remove_abandoned, temporary_file
from .connection import connect, sqlite_errors, timed, transaction
from .health import check_file
from .pages import Pages, Row, Tree, Value
from .parts import complete_parts
from .schema import (
    build,
    drop_search_triggers,
    has_fts5,
    make_search_index,
    newest_version,
)

__all__ = ["recover_db"]

#: Called with pages done and pages in all.
Progress = Callable[[int, int], None]

#: Stands behind a text whose end is lost.
CUT = "\n[The rest of this text was lost; see glin-datasette recover]"

#: The index of each table that tells its rows, and the columns of the table that it holds.
_INDEXES = {
    "conversations": ("idx_conversations_source_source_id", ("source", "source_id")),
    "messages": ("idx_messages_narrow", ("id",)),
    "tags": ("idx_tags_name", ("name",)),
    "message_refs": ("sqlite_autoindex_message_refs_1", ("message_id", "ref_type", "ref_value")),
    "conversation_tags": ("sqlite_autoindex_conversation_tags_1", ("conversation_id", "tag_id")),
    "message_tags": ("sqlite_autoindex_message_tags_1", ("message_id", "tag_id")),
    "import_files": ("sqlite_autoindex_import_files_1", ("path",)),
    "deleted_conversations": ("sqlite_autoindex_deleted_conversations_1", ("source", "source_id")),
    "attachments": ("sqlite_autoindex_attachments_1", ("sha256",)),
    "message_attachments": ("sqlite_autoindex_message_attachments_1", ("message_id", "sha256")),
}
#: Of these a row can be made from what the index holds.
_FROM_INDEX = {
    "conversations",
    "tags",
    "message_refs",
    "conversation_tags",
    "message_tags",
    "deleted_conversations",
    "message_attachments",
}

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")
#: What else is true of the rows of a table, where several have the same columns.
_TRUE_OF: dict[str, Callable[[list[Value]], bool]] = {
    "message_refs": lambda row: not _SHA256.fullmatch(str(row[1])),
    "message_attachments": lambda row: bool(_SHA256.fullmatch(str(row[1]))),
    "deleted_conversations": lambda row: bool(_TIME.match(str(row[2]))),
    "attachments": lambda row: bool(_SHA256.fullmatch(str(row[0]))),
}
#: Two tables that nothing tells apart but what the numbers are numbers of.
_ALIKE = {"conversation_tags", "message_tags"}


@dataclass(slots=True)
class _Table:
    """A table of the new archive, and what is known of it in the damaged file."""

    name: str
    #: As they are in the damaged file.
    columns: list[str]
    types: dict[str, str]
    required: set[str]
    #: The column that is the rowid, which records leave out.
    id: str | None
    root: int = 0
    tree: Tree = field(default_factory=Tree)
    index: int = 0
    salvaged: int = 0
    cut: int = 0
    #: Rows on its pages that cannot be rows of it.
    refused: int = 0

    @property
    def whole(self) -> bool:
        return bool(self.root) and self.tree.whole and not self.refused

    def fits(self, row: Row, strict: bool) -> bool:
        """Whether ``row`` may be one of this table; ``strict`` where nothing else says so."""
        if not len(row.values) <= len(self.columns):
            return False
        if strict and row.whole and len(row.values) < min(len(self.columns), _least(self.name)):
            return False
        for name, value in zip(self.columns, row.values, strict=False):
            if name == self.id:
                if value is not None:
                    return False
            elif value is None:
                if name in self.required:
                    return False
            elif strict and not isinstance(value, _CLASSES[self.types[name]]):
                return False
        told = _TRUE_OF.get(self.name)
        if not strict or told is None:
            return True
        return len(row.values) >= 2 + (self.name == "deleted_conversations") and told(row.values)

    def named(self, row: Row) -> dict[str, Value]:
        """The row by the names of its columns."""
        values = dict(zip(self.columns, row.values, strict=False))
        if self.id:
            values[self.id] = row.rowid
        return values


_CLASSES: dict[str, type | tuple[type, ...]] = {
    "INTEGER": int,
    "TEXT": str,
    "BLOB": (bytes, str),
}


def _least(table: str) -> int:
    """The fewest columns that a release gave a table."""
    # SQLite does not write again the rows that are there when a column is added.
    return 15 if table == "messages" else 100


def recover_db(
    damaged: str | os.PathLike[str],
    to: str | os.PathLike[str] | None = None,
    *,
    progress: Progress | None = None,
) -> RecoveryReport:
    """Salvage what can be read of a damaged archive, or of a backup, into a new archive.

    Reads the file and its WAL and never writes to them. By default the new one is
    ``<name>-recovered.db`` beside it. Messages whose conversation is lost get a placeholder;
    rows that say nothing without others that are lost are left out and counted.

    :raises NotFound: if there is no such file
    :raises NotAnArchive: if nothing of an archive is found in it; nothing is written
    :raises ArchiveError: if it cannot be read, or the new one cannot be written or is there
    """
    source = Path(damaged).expanduser()
    if not source.exists():
        raise NotFound(f"{source}: no such file to recover")
    target = Path(to).expanduser() if to is not None else _beside(source)
    if target.exists():
        raise ArchiveError(f"{target}: is there already; name another file with --to")
    started = time.perf_counter()
    with timed("recover_db") as facts, _errors(source, target):
        with unpacked(source) as database, contextlib.closing(Pages(database)) as pages:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_abandoned(target.parent)
            with temporary_file(target.parent) as temporary:
                salvage = _Salvage(pages, source, progress)
                with (
                    _called(temporary, target),
                    contextlib.closing(get_db(temporary)) as db,
                    sqlite_errors(temporary),
                ):
                    salvage.run(db)
                _sync(temporary)
                # link() fails where the name was taken meanwhile.
                os.link(temporary, target)
        facts["rows"] = sum(table.salvaged for table in salvage.tables.values())
    report = salvage.report(target, time.perf_counter() - started)
    # The check only reads, and leaves an empty WAL that only a writer removes.
    connect(target).close()
    if report.health.status == "fail":
        report = replace(report, complete=False)
    return report


def _beside(source: Path) -> Path:
    stem = source.name.partition(".")[0] or source.name
    return source.with_name(f"{stem}-recovered.db")


@contextlib.contextmanager
def _errors(source: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except GlinError:
        raise
    except OSError as ex:
        # Only opening the damaged file raises; what cannot be read in it is a bad page.
        which = source if ex.filename and str(ex.filename) == str(source) else target
        raise ArchiveError(
            f"{which}: {ex.strerror or ex}; name a file with --to where there is space"
            if which is target
            else f"{which}: cannot be read: {ex.strerror or ex}"
        ) from None


@contextlib.contextmanager
def _called(temporary: Path, target: Path) -> Iterator[None]:
    try:
        yield
    except GlinError as ex:
        raise type(ex)(str(ex).replace(str(temporary), str(target))) from None


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


class _Salvage:
    """One recovery: what was found, and where it goes."""

    def __init__(self, pages: Pages, source: Path, progress: Progress | None) -> None:
        self.pages, self.source, self.progress = pages, source, progress
        self.done = 0
        #: Pages of which it is known what they are.
        self.claimed = bytearray(pages.count + 1)
        self.schema = Tree()
        self.tables = dict(_newest_tables())
        self.columns = {name: table.columns for name, table in self.tables.items()}
        #: Whose tags begin on which page of a new archive, where nothing else tells.
        self._by_page = {
            root: name.removesuffix("_tags") for name, root in _newest_roots() if name in _ALIKE
        }
        self.placeholders = self.unclear = self.dangling = 0
        self.lost: dict[str, tuple[int | None, bool]] = {}
        self.bad: set[int] = set()
        self.notes: list[str] = []

    def run(self, db: sqlite_utils.Database) -> None:
        """Fill ``db``, a new archive, and learn what there is to tell."""
        db.execute("pragma foreign_keys = off")
        # It is nothing until it is whole, and is written out then.
        db.execute("pragma synchronous = off")
        with transaction(db):
            drop_search_triggers(db)
            db.execute("create temp table alike (a, b, page)")
            db.execute("create temp table placeholders (id integer primary key)")
            for name, (_, columns) in _INDEXES.items():
                db.execute(f"create temp table known_{name} ({', '.join(columns)}, row_id)")
            others = self._read_schema()
            roots = [name for name, table in self.tables.items() if table.root]
            if self.schema.whole and not {"conversations", "messages"} & set(roots):
                raise NotAnArchive(f"{self.source}: no archive of glin; nothing was written")
            for table in self.tables.values():
                self._read_table(db, table)
            # One that an older release did not make is not missing.
            damaged = [
                table
                for table in self.tables.values()
                if not table.whole and (table.root or not self.schema.whole)
            ]
            if damaged:
                self._claim(others)
                self._read_loose(db, damaged)
                self._settle_alike(db)
                for table in damaged:
                    self._read_index(db, table)
            for table in self.tables.values():
                self._count_lost(db, table)
            self._settle(db)
            if not roots and not any(db.table(name).count for name in self.tables):
                raise NotAnArchive(f"{self.source}: nothing of an archive of glin was found in it")
            if has_fts5(db):
                make_search_index(db)
        complete_parts(db)
        for table in self.tables.values():
            table.salvaged = db.table(table.name).count
        db.execute("pragma journal_mode = delete")

    def report(self, target: Path, seconds: float) -> RecoveryReport:
        """What was found, with the health of the new archive."""
        tables = []
        for table in self.tables.values():
            lost, estimated = self.lost[table.name]
            tables.append(
                Recovered(
                    table=table.name,
                    salvaged=table.salvaged,
                    lost=lost,
                    estimated=estimated,
                    cut=table.cut,
                )
            )
        self.bad |= self.pages.broken_chains
        self._note()
        return RecoveryReport(
            path=str(target),
            source=str(self.source),
            complete=not self.notes and all(t.lost == 0 and not t.cut for t in tables),
            tables=tuple(tables),
            placeholders=self.placeholders,
            pages=self.pages.count,
            page_size=self.pages.size,
            unreadable=_ranges(self.bad),
            notes=tuple(self.notes),
            health=check_file(target, deep=True),
            seconds=round(seconds, 3),
        )

    def _note(self) -> None:
        if not self.schema.whole:
            self.notes.append(
                "the schema is damaged, so whether all rows of a table were found cannot be told; "
                "text that was deleted may be among them"
            )
        if self.pages.lost_frames:
            self.notes.append(
                f"{self.pages.lost_frames} pages of the WAL are damaged; "
                "older versions of them were taken"
            )
        if self.dangling:
            self.notes.append(
                f"{self.dangling} rows were left out because what they belong to is lost"
            )
        if self.unclear:
            self.notes.append(
                f"{self.unclear} rows were left out because they may be tags of "
                "conversations or of messages"
            )

    def _read_schema(self) -> list[tuple[str, int]]:
        """Find the roots of our tables and indexes; those of all others are returned."""
        found: dict[str, tuple[str, int, str]] = {}
        for page in self.pages.walk(1, self.schema):
            self._claim_page(page)
            for row in self.pages.rows(page, self.schema):
                if told := _told_of(row):
                    found[told[0]] = told[1:]
        self.bad |= self.schema.lost
        if not self.schema.whole:
            # What is left of it is on pages of its own.
            for page in range(1, self.pages.count + 1):
                if b"CREATE " in self.pages.get(page) and self.pages.kind(page) == 0x0D:
                    for row in self.pages.rows(page, Tree()):
                        told = _told_of(row)
                        if told and self.pages.kind(told[2]):
                            found.setdefault(told[0], told[1:])
        for name, table in self.tables.items():
            kind, root, sql = found.pop(name, ("", 0, ""))
            if kind == "table":
                table.root = root
                table.columns = _columns(sql) or table.columns
            index = _INDEXES[name][0]
            kind, root, sql = found.get(index, ("", 0, ""))
            table.index = root if kind == "index" else 0
        return [(kind, root) for kind, root, _ in found.values()]

    def _read_table(self, db: sqlite_utils.Database, table: _Table) -> None:
        if not table.root:
            return
        for page in self.pages.walk(table.root, table.tree):
            self._tell()
            rows = list(self.pages.rows(page, table.tree))
            fitting = [row for row in rows if table.fits(row, strict=False)]
            table.refused += len(rows) - len(fitting)
            if fitting or not rows:
                self._claim_page(page)
            table.refused += self._insert(db, table, fitting)
        self.bad |= table.tree.lost

    def _claim(self, others: list[tuple[str, int]]) -> None:
        """What belongs to something else is nothing of what is missing."""
        for kind, root in others:
            for page in self.pages.walk(root, Tree(), kind):
                self._claim_page(page)
        for page in self.pages.free() or ():
            self._claim_page(page)

    def _claim_page(self, page: int) -> None:
        if page <= self.pages.count:
            self.claimed[page] = 1

    def _read_loose(self, db: sqlite_utils.Database, damaged: list[_Table]) -> None:
        """Read the pages that nothing leads to."""
        for page in range(1, self.pages.count + 1):
            if self.claimed[page]:
                continue
            self._tell()
            kind = self.pages.kind(page)
            if kind == 0x0D:
                self._read_leaf(db, page, damaged)
            elif kind == 0x05:
                for child in self.pages.children(page):
                    if not self.pages.kind(child):
                        self.bad.add(child)
            elif not any(self.pages.get(page)):
                self.bad.add(page)

    def _read_leaf(self, db: sqlite_utils.Database, page: int, damaged: list[_Table]) -> None:
        rows = list(self.pages.rows(page, Tree()))
        if not rows:
            return
        fitting = {
            table.name: found
            for table in damaged
            if (found := [row for row in rows if table.fits(row, strict=True)])
        }
        if set(fitting) == _ALIKE:
            db.conn.executemany(
                "insert into temp.alike values (?, ?, ?)",
                [(*row.values, page) for row in fitting["message_tags"]],
            )
            return
        # A page holds rows of one table.
        if fitting:
            name = max(fitting, key=lambda each: len(fitting[each]))
            self._insert(db, self.tables[name], fitting[name])

    def _settle_alike(self, db: sqlite_utils.Database) -> None:
        """Tell tags of conversations from those of messages by what there is."""
        for (page,) in db.execute("select distinct page from temp.alike").fetchall():
            rows = "from temp.alike where page = ?"
            strange = {
                owner: db.execute(
                    f"select count(*) {rows} and a not in (select id from {owner}s)", [page]
                ).fetchone()[0]
                for owner in ("conversation", "message")
            }
            fewer = min(strange, key=lambda owner: strange[owner])
            if strange["conversation"] == strange["message"]:
                fewer = self._by_page.get(page, "")
            if not fewer:
                self.unclear += db.execute(f"select count(*) {rows}", [page]).fetchone()[0]
                continue
            db.execute(f"insert or ignore into {fewer}_tags select a, b {rows}", [page])

    def _read_index(self, db: sqlite_utils.Database, table: _Table) -> None:
        """What an index tells of rows: those that it holds all of are made from it."""
        if not table.index:
            return
        _, columns = _INDEXES[table.name]
        tree = Tree()
        holes = ", ".join("?" * (len(columns) + 1))
        known = f"temp.known_{table.name}"
        for page in self.pages.walk(table.index, tree, "index"):
            self._claim_page(page)
            db.conn.executemany(
                f"insert into {known} values ({holes})",
                [
                    (*row.values[: len(columns)], row.values[-1])
                    for row in self.pages.rows(page, tree)
                    if row.whole and len(row.values) > len(columns)
                ],
            )
        self.bad |= tree.lost
        if not tree.whole:
            table.index = 0  # It does not tell all.
        if table.name in _FROM_INDEX:
            names, values = list(columns), list(columns)
            if table.id:
                names.append(table.id)
                values.append("row_id")
            if table.name == "deleted_conversations":
                names.append("deleted_at")
                values.append(f"'{utc_now()}'")
            if table.name == "conversations":
                db.execute(
                    "insert or ignore into temp.placeholders"
                    f" select row_id from {known}"
                    " where row_id not in (select id from conversations)"
                )
            db.execute(
                f"insert or ignore into {table.name} ({', '.join(names)})"
                f" select {', '.join(values)} from {known}"
            )

    def _count_lost(self, db: sqlite_utils.Database, table: _Table) -> None:
        """How many rows of a table are lost, as far as that can be told."""
        if table.whole:
            self.lost[table.name] = (0, False)
            return
        if not table.root and not table.index:
            lost = None if not self.schema.whole else 0
            self.lost[table.name] = (lost, False)
            return
        _, columns = _INDEXES[table.name]
        same = " and ".join(f"t.{column} is k.{column}" for column in columns)
        known = db.execute(
            f"select count(*) from temp.known_{table.name} k"
            f" where not exists (select 1 from {table.name} t where {same})"
        ).fetchone()[0]
        if table.name == "conversations":
            # Nothing is left of them but the name.
            known += db.execute("select count(*) from temp.placeholders").fetchone()[0]
        if table.index:
            self.lost[table.name] = (known, False)
            return
        count = db.table(table.name).count
        each = count / table.tree.leaves if table.tree.leaves else 1
        judged = table.tree.cells + table.refused + round(each * len(table.tree.lost))
        self.lost[table.name] = (max(known, judged), True)

    def _settle(self, db: sqlite_utils.Database) -> None:
        """Make rows point somewhere again."""
        db.execute(
            "insert into temp.placeholders select distinct conversation_id from messages"
            " where conversation_id not in (select id from conversations)"
        )
        db.execute(
            "insert or ignore into conversations (id, source, source_id)"
            " select id, 'recovered', id from temp.placeholders"
        )
        db.execute(
            "update conversations set title = 'Recovered conversation ' || id,"
            " (started_at, ended_at) ="
            " (select min(ts), max(ts) from messages where conversation_id = conversations.id)"
            " where id in (select id from temp.placeholders)"
        )
        self.placeholders = db.execute("select count(*) from temp.placeholders").fetchone()[0]
        db.execute(
            "update conversations set parent_id = null"
            " where parent_id not in (select id from conversations)"
        )
        for table in ("message_refs", "conversation_tags", "message_tags", "message_attachments"):
            rows = 'rowid in (select "rowid" from pragma_foreign_key_check(?))'
            self.dangling += db.execute(f"delete from {table} where {rows}", [table]).rowcount

    def _insert(self, db: sqlite_utils.Database, table: _Table, rows: Iterable[Row]) -> int:
        """Write rows that are not there yet; how many of them could not be."""
        names = [name for name in self.columns[table.name] if name in table.columns]
        sql = (
            f"insert or ignore into {table.name} ({', '.join(names)})"
            f" values ({', '.join('?' * len(names))})"
        )
        made = [self._values(table, row) for row in rows]
        before = db.conn.total_changes
        db.conn.executemany(
            sql, [[values.get(name) for name in names] for values in made if values]
        )
        return len(made) - (db.conn.total_changes - before)

    def _values(self, table: _Table, row: Row) -> dict[str, Value] | None:
        values = table.named(row)
        if table.name == "attachments":
            data = values.get("data")
            raw = data.encode() if isinstance(data, str) else data
            if not isinstance(raw, bytes) or (hashlib.sha256(raw).hexdigest() != values["sha256"]):
                return None
        if row.whole:
            return values
        if table.name == "messages":
            # Made again from the content.
            values["parts"] = None
            content = str(values.get("content") or "")
            if len(row.values) > 15 and "\0" not in content and "\ufffd" not in content:
                return values
            values["content"] = content.replace("\0", "") + CUT
        table.cut += 1
        return {
            name: value.replace("\0", "") if isinstance(value, str) else value
            for name, value in values.items()
        }

    def _tell(self) -> None:
        self.done += 1
        if self.progress and self.done % 100 == 0:
            self.progress(min(self.done, self.pages.count), self.pages.count)


def _told_of(row: Row) -> tuple[str, str, int, str] | None:
    """Name, kind, root and SQL that a row of the schema tells; ``None`` if it is none."""
    match row.values:
        case ["table" | "index" as kind, str(name), str(), int(root), *rest] if root > 1:
            sql = rest[0] if rest else None
            if sql is None or (isinstance(sql, str) and sql.startswith("CREATE ")):
                return name, str(kind), root, sql or ""
    return None


def _newest_tables() -> Iterator[tuple[str, _Table]]:
    with contextlib.closing(build(newest_version())) as db:
        for name in _INDEXES:
            columns = db.table(name).columns
            yield (
                name,
                _Table(
                    name=name,
                    columns=[column.name for column in columns],
                    types={column.name: column.type for column in columns},
                    required={column.name for column in columns if column.notnull},
                    id=next((c.name for c in columns if c.is_pk and c.type == "INTEGER"), None)
                    if "id" in {column.name for column in columns}
                    else None,
                ),
            )


def _newest_roots() -> list[tuple[str, int]]:
    with contextlib.closing(build(newest_version())) as db:
        return db.execute("select name, rootpage from sqlite_master").fetchall()


def _columns(sql: str) -> list[str]:
    """The columns that a ``CREATE TABLE`` names; none if it is damaged."""
    try:
        with contextlib.closing(sqlite3.connect(":memory:")) as conn:
            conn.execute(sql)
            (name,) = conn.execute("select name from sqlite_master").fetchone()
            found = conn.execute("select name from pragma_table_info(?)", [name])
            return [column for (column,) in found]
    except (sqlite3.Error, TypeError, ValueError):
        return []


def _ranges(pages: set[int]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for page in sorted(pages):
        if found and page == found[-1][1] + 1:
            found[-1] = (found[-1][0], page)
        else:
            found.append((page, page))
    return tuple(found)
