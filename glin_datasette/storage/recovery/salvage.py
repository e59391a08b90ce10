"""One recovery: what is found in a damaged file, and where it goes.

Three sources, the surest first:

1. each table's own pages, from its root down;
2. of tables that were not found whole, the indexes: some hold all of a row, others tell which
   rows are lost;
3. pages that nothing leads to any more: their rows are known by their columns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import sqlite_utils

from ...dates import utc_now
from ...errors import NotAnArchive
from ...models import Recovered, RecoveryReport
from ..connection import transaction
from ..counts import drop_count_triggers, make_counts
from ..health import check_file
from ..parts import complete_parts
from ..schema import drop_search_triggers, has_fts5, make_search_index
from .pages import Pages, Row, Tree, Value
from .tables import ALIKE, FROM_INDEX, INDEXES, Table, columns_of, newest_roots, newest_tables

__all__ = ["Progress", "Salvage"]

#: Called with pages done and pages in all.
Progress = Callable[[int, int], None]

#: Stands behind a text whose end is lost.
CUT = "\n[The rest of this text was lost; see glin-datasette recover]"


class Salvage:
    """One recovery: what was found, and where it goes."""

    def __init__(self, pages: Pages, source: Path, progress: Progress | None) -> None:
        self.pages, self.source, self.progress = pages, source, progress
        self.done = 0
        #: Pages of which it is known what they are.
        self.claimed = bytearray(pages.count + 1)
        self.schema = Tree()
        self.tables = dict(newest_tables())
        self.columns = {name: table.columns for name, table in self.tables.items()}
        #: Whose tags begin on which page of a new archive, where nothing else tells.
        self._by_page = {
            root: name.removesuffix("_tags") for name, root in newest_roots() if name in ALIKE
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
            drop_count_triggers(db)
            db.execute("create temp table alike (a, b, page)")
            db.execute("create temp table placeholders (id integer primary key)")
            for name, (_, columns) in INDEXES.items():
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
            make_counts(db)
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
                table.columns = columns_of(sql) or table.columns
            index = INDEXES[name][0]
            kind, root, sql = found.get(index, ("", 0, ""))
            table.index = root if kind == "index" else 0
        return [(kind, root) for kind, root, _ in found.values()]

    def _read_table(self, db: sqlite_utils.Database, table: Table) -> None:
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

    def _read_loose(self, db: sqlite_utils.Database, damaged: list[Table]) -> None:
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

    def _read_leaf(self, db: sqlite_utils.Database, page: int, damaged: list[Table]) -> None:
        rows = list(self.pages.rows(page, Tree()))
        if not rows:
            return
        fitting = {
            table.name: found
            for table in damaged
            if (found := [row for row in rows if table.fits(row, strict=True)])
        }
        if set(fitting) == ALIKE:
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

    def _read_index(self, db: sqlite_utils.Database, table: Table) -> None:
        """What an index tells of rows: those that it holds all of are made from it."""
        if not table.index:
            return
        _, columns = INDEXES[table.name]
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
        if table.name in FROM_INDEX:
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

    def _count_lost(self, db: sqlite_utils.Database, table: Table) -> None:
        """How many rows of a table are lost, as far as that can be told."""
        if table.whole:
            self.lost[table.name] = (0, False)
            return
        if not table.root and not table.index:
            lost = None if not self.schema.whole else 0
            self.lost[table.name] = (lost, False)
            return
        _, columns = INDEXES[table.name]
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

    def _insert(self, db: sqlite_utils.Database, table: Table, rows: Iterable[Row]) -> int:
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

    def _values(self, table: Table, row: Row) -> dict[str, Value] | None:
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


def _ranges(pages: set[int]) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for page in sorted(pages):
        if found and page == found[-1][1] + 1:
            found[-1] = (found[-1][0], page)
        else:
            found.append((page, page))
    return tuple(found)
