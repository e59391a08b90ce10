"""The tables of counts, ``activity``, ``usage`` and ``files``, which triggers keep right.

What they count is said once, in ``migrations/migrations.py``: there it fills them and makes
their triggers, and here it proves them, and stands in for them where there are none.
"""

from __future__ import annotations

import sqlite_utils

from .schema import shipped

__all__ = [
    "COUNTS",
    "count_loaded",
    "counts_agree",
    "create_count_triggers",
    "drop_count_triggers",
    "has_counts",
    "make_counts",
    "missing_count_triggers",
    "of_counts",
    "totals_agree",
    "view_counts",
]

#: The tables of counts.
COUNTS = ("activity", "usage", "files")


def has_counts(db: sqlite_utils.Database) -> bool:
    """Whether there are tables of counts: an archive of an older schema has none."""
    return set(COUNTS) <= set(db.table_names())


def missing_count_triggers(db: sqlite_utils.Database) -> tuple[str, ...]:
    """The triggers that keep the counts right and are missing."""
    there = db.triggers_dict
    return tuple(name for name in shipped()["COUNT_TRIGGERS"] if name not in there)


def of_counts(name: str) -> bool:
    """Whether a table, column or trigger of this name is of the counts."""
    return name.partition(".")[0] in (*COUNTS, *shipped()["COUNT_TRIGGERS"])


def drop_count_triggers(db: sqlite_utils.Database, *names: str) -> None:
    """Stop the counts from following ``messages``; all triggers, or those named."""
    for name in names or shipped()["COUNT_TRIGGERS"]:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")


def make_counts(db: sqlite_utils.Database) -> None:
    """Count every message anew, and make the triggers that keep the counts right."""
    shipped()["make_counts"](db)


def create_count_triggers(db: sqlite_utils.Database) -> None:
    """Make the counts follow ``messages`` again. Counts nothing by itself."""
    shipped()["create_count_triggers"](db)


def count_loaded(db: sqlite_utils.Database, first: int, behind: int) -> None:
    """Count the messages with ids from ``first`` to below ``behind``, which no trigger has
    seen."""
    shipped()["count_messages"](db, f"m.id >= {first:d} AND m.id < {behind:d}")


def totals_agree(db: sqlite_utils.Database) -> bool:
    """Whether the counts add up to the numbers of messages and of references to files. Reads
    none of them."""
    messages = db.table("messages").count
    (files,) = db.execute("select count(*) from message_refs where ref_type = 'file'").fetchone()
    totals = {"activity": messages, "usage": messages, "files": files}
    return all(_total(db, table) == total for table, total in totals.items())


def _total(db: sqlite_utils.Database, table: str) -> int:
    return int(db.execute(f"select coalesce(sum(messages), 0) from {table}").fetchone()[0])


def counts_agree(db: sqlite_utils.Database) -> bool:
    """Whether every count is what counting gives. Reads every message."""
    return not any(_differ(db, table) for table in COUNTS)


def _differ(db: sqlite_utils.Database, table: str) -> bool:
    sql = (
        f"with kept as (select * from {table}),"
        f" counted as materialized ({shipped()['counted'](table)})"
        " select 1 from (select * from kept except select * from counted)"
        " union all select 1 from (select * from counted except select * from kept) limit 1"
    )
    return db.execute(sql).fetchone() is not None


def view_counts(db: sqlite_utils.Database) -> None:
    """Count whenever it is asked, on this connection: for an archive of an older schema that
    may only be read. Likewise its references get the index that it lacks."""
    for table in COUNTS:
        db.execute(f"create temp view {table} as {shipped()['counted'](table)}")
    db.execute("create temp table message_refs as select * from main.message_refs")
    db.execute("create index temp.refs_by_message on message_refs(message_id)")
    db.execute("create index temp.refs_by_value on message_refs(ref_type, ref_value, message_id)")
    db.execute(shipped()["NAME_INDEX"].replace("INDEX ", "INDEX temp.", 1))
