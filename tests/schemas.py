"""Small archives of each schema version that was ever released, as SQL that is kept.

``python tests/schemas.py`` writes ``fixtures/schemas/vN.sql`` for the versions that have none
yet, and never an older one again: what people have on their disks does not change either.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlite_utils

from glin_datasette.storage.schema import has_fts5, steps

FOLDER = Path(__file__).parent / "fixtures" / "schemas"

#: Behind this line of a fixture is what needs FTS5.
_SEARCH = "-- search\n"
#: Of the bytes of the only attachment.
_SHA256 = hashlib.sha256(b"\x89PN\x00").hexdigest()
_DAY = "2026-02-11T09:0"

#: Rows of every table, by the version that made the table.
_ROWS: dict[int, dict[str, list[dict[str, Any]]]] = {
    1: {
        "conversations": [
            {"id": 1, "source": "claude-code", "source_id": "a1b2", "title_from": "source",
             "title": "Why is the build slow?", "started_at": f"{_DAY}0:00.000Z",
             "ended_at": f"{_DAY}5:00.000Z", "client": "cli", "transport": "file",
             "model": "claude-sonnet-4", "git_branch": "main",
             "repo_root": "/home/me/app", "notes": "worth\nremembering"},
            {"id": 2, "source": "claude-code", "source_id": "a1b2/sub", "parent_id": 1,
             "parent_source_id": "a1b2", "relation": "subagent", "started_at": f"{_DAY}1:00.000Z"},
            {"id": 7, "source": "chatgpt", "source_id": "größe", "title": "数据库 'quoted'",
             "title_from": "prompt", "parent_source_id": "not imported", "relation": "branch"},
        ],
        "messages": [
            {"id": 1, "conversation_id": 1, "position": 0, "ts": f"{_DAY}0:00.000Z", "role": "user",
             "kind": "text", "source_id": "u1", "content": "Why is getUserName so slow? It's odd."},
            {"id": 2, "conversation_id": 1, "position": 1, "ts": f"{_DAY}0:01.000Z",
             "role": "assistant", "kind": "thinking", "model": "claude-sonnet-4", "token_in": 1200,
             "token_out": 34, "token_cached": 1000, "source_id": "u2", "content": "Let me look."},
            {"id": 3, "conversation_id": 1, "position": 2, "ts": f"{_DAY}0:02.000Z",
             "role": "assistant", "kind": "tool_use", "tool_name": "Bash", "tool_call_id": "t1",
             "source_id": "u3", "content": "make -j2\n"},
            {"id": 4, "conversation_id": 1, "position": 3, "ts": f"{_DAY}0:03.000Z", "role": "tool",
             "kind": "tool_result", "tool_name": "Bash", "tool_call_id": "t1", "is_error": 1,
             "source_id": "u4", "content": "error: café\n" + "a long line of output. " * 200},
            {"id": 9, "conversation_id": 2, "position": 0, "role": "user", "kind": "text",
             "content": ""},
            {"id": 12, "conversation_id": 7, "position": 0, "role": "user", "kind": "text",
             "content": "数据库为什么这么慢"},
        ],
        "message_refs": [
            {"message_id": 3, "ref_type": "file", "ref_value": "/home/me/app/Makefile"},
            {"message_id": 4, "ref_type": "commit", "ref_value": "0123abc"},
            {"message_id": 4, "ref_type": "url", "ref_value": "https://example.com/a?b=c"},
        ],
        "tags": [{"id": 1, "name": "Bug"}, {"id": 3, "name": "später"}],
        "conversation_tags": [{"conversation_id": 1, "tag_id": 1},
                              {"conversation_id": 7, "tag_id": 3}],
        "message_tags": [{"message_id": 4, "tag_id": 1}],
        "import_files": [
            {"path": "/home/me/.claude/projects/a1b2.jsonl", "format": "claude-code", "size": 4321,
             "mtime_ns": 1770000000123456789, "offset": 4000, "digest": "ab" * 32,
             "state": '{"line": 7}', "skipped": 2, "last_error": "line 3: no JSON",
             "imported_at": f"{_DAY}6:00.000Z"},
        ],
        "deleted_conversations": [
            {"source": "chatgpt", "source_id": "gone", "deleted_at": f"{_DAY}7:00.000Z"},
        ],
    },
    2: {
        "attachments": [
            {"sha256": _SHA256, "media_type": "image/png", "size": 4, "data": b"\x89PN\x00"},
        ],
        "message_attachments": [
            {"message_id": 1, "sha256": _SHA256, "name": "screen shot.png"},
        ],
    },
    3: {},
    4: {},
}  # fmt: skip

#: What the package fills in by itself; some of it, so that the rest is still due.
_UPDATES = {
    3: [
        "update messages set parts = 'get user name' where id = 1",
        "update messages set parts = '' where id in (2, 3)",
    ]
}


def versions() -> list[int]:
    """The schema versions that there are."""
    return [int(step.name[:4]) for step in steps()._migrations]


def fixture(version: int) -> Path:
    """The archive of ``version`` as SQL."""
    return FOLDER / f"v{version}.sql"


def make(path: Path, version: int, *, search: bool = True) -> Path:
    """Make the archive of ``version`` at ``path`` as its release would have left it, with or
    without a search index."""
    text = fixture(version).read_text("utf-8")
    plain, _, indexed = text.partition(_SEARCH)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("pragma journal_mode = wal")
        conn.executescript(plain)
        if search:
            conn.executescript(indexed)
    return path


def build(version: int) -> sqlite_utils.Database:
    """The same in memory, from the steps that there are now."""
    db = sqlite_utils.Database(memory=True)
    later = [step.name for step in steps()._migrations if int(step.name[:4]) > version]
    steps().apply(db, stop_before=later)
    db.execute("update _sqlite_migrations set applied_at = '2026-02-11 09:00:00.000000+00:00'")
    for made in range(1, version + 1):
        for table, rows in _ROWS[made].items():
            for row in rows:
                names, holes = ", ".join(row), ", ".join("?" * len(row))
                db.execute(f"insert into {table} ({names}) values ({holes})", tuple(row.values()))
    for update in _UPDATES.get(version, []):
        db.execute(update)
    db.conn.commit()
    return db


def dump(db: sqlite_utils.Database) -> str:
    """``db`` as SQL: not the inside of the search index, which is made again."""
    assert has_fts5(db)
    made = list(
        db.execute(
            "select type, name, tbl_name, sql from sqlite_master where sql is not null"
            " and name not like 'sqlite^_%' escape '^' and name not glob 'messages_fts_*'"
            " order by rowid"
        )
    )
    of = {
        kind: [f"{sql};" for each, name, _, sql in made if each == kind and name != "messages_fts"]
        for kind in ("table", "index", "view", "trigger")
    }
    (index,) = (f"{sql};" for _, name, _, sql in made if name == "messages_fts")
    (application_id,) = db.execute("pragma application_id").fetchone()
    lines = [f"pragma application_id = {application_id};", "begin;", *of["table"]]
    for table in sorted(rows(db)):
        names = [row[0] for row in db.execute(f"select name from pragma_table_info('{table}')")]
        quoted = " || ', ' || ".join(f'quote("{name}")' for name in names)
        lines += [
            f"insert into {table} values ({values});"
            for (values,) in db.execute(
                f"select {quoted} from {table} order by {_order(db, table)}"
            )
        ]
    searching = [sql for sql in of["trigger"] if "messages_fts" in sql]
    counting = [sql for sql in of["trigger"] if sql not in searching]
    lines += [*of["index"], *of["view"], *counting, "commit;", _SEARCH + "begin;", index]
    lines += [
        "insert into messages_fts(messages_fts, rank) values ('automerge', 8);",
        "insert into messages_fts(messages_fts) values ('rebuild');",
        *searching,
        "commit;",
    ]
    return "\n".join(lines) + "\n"


def rows(db: sqlite_utils.Database) -> dict[str, list[dict[str, Any]]]:
    """Everything that each table holds, by its columns' names; not the search index."""
    return {
        table: list(db.query(f"select * from {table} order by {_order(db, table)}"))
        for table in db.table_names()
        if not table.startswith(("messages_fts", "sqlite_"))
    }


def _order(db: sqlite_utils.Database, table: str) -> str:
    """A table WITHOUT ROWID is in the order of its key."""
    keyed = db.table(table).schema.endswith("WITHOUT ROWID")
    return ", ".join(db.table(table).pks) if keyed else "rowid"


def shape(db: sqlite_utils.Database) -> list[tuple[Any, ...]]:
    """The schema of ``db``, whatever way it is written down."""
    return sorted(_shape(db), key=repr)


def _shape(db: sqlite_utils.Database) -> Iterator[tuple[Any, ...]]:
    for kind, name, table, sql in db.execute("select type, name, tbl_name, sql from sqlite_master"):
        if name.startswith("sqlite_stat"):
            continue
        yield (kind, name, table)
        if kind == "table":
            if not name.startswith("messages_fts_"):
                yield (name, "columns", *_pragma(db, "table_xinfo", name))
            yield (name, "foreign keys", *_pragma(db, "foreign_key_list", name))
            if "virtual" in sql.lower():
                yield (name, _written(sql))
        elif kind == "index":
            yield (name, "columns", *_pragma(db, "index_xinfo", name))
            yield (name, "where", _written(sql or "").partition(" where ")[2])
        else:
            yield (name, _written(sql))


def _pragma(db: sqlite_utils.Database, name: str, of: str) -> list[tuple[Any, ...]]:
    return list(db.execute(f"select * from pragma_{name}(?)", [of]))


def _written(sql: str) -> str:
    """SQL in lower case, without quotes around names, with single spaces."""
    return " ".join(re.sub(r'["\[\]`]', "", sql).split()).lower()


def main() -> None:
    """Write the fixtures that are missing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for version in versions():
        if not fixture(version).exists():
            with closing(build(version)) as db:
                fixture(version).write_text(dump(db), "utf-8")
            sys.stdout.write(f"{fixture(version)}\n")


if __name__ == "__main__":
    main()
