"""The schema of a glin archive, as one sqlite-utils migration set named ``glin``.

``sqlite-utils migrate glin.db migrations/`` loads this file on its own, without the
package around it, so it imports sqlite_utils and the standard library only.

Rules for a new step: append it, name it ``NNNN_what`` with the next number, never edit
a released one. ``schema_version`` is the number of the newest step that was applied.
A step runs in one transaction with the record that it ran.

The data, from the outside in:

- ``conversations`` 1-n ``messages`` 1-n ``message_refs`` (files, commits and URLs).
- ``tags`` n-n conversations and messages, through two join tables.
- ``messages_fts``: an FTS5 index over ``messages.content`` that stores no text of its own.
- ``attachments`` n-n messages, through ``message_attachments``: files that came with them.
- ``import_files``: what was read from which transcript file, and how far.
- ``deleted_conversations``: what an import leaves out.
- ``activity``, ``usage`` and ``files``: counts of messages, kept by triggers.
"""

from sqlite_utils import Database, Migrations
from sqlite_utils.db import ForeignKey

migrations = Migrations("glin")

# "glin" in ASCII. `file glin.db` and the check for foreign databases read it.
APPLICATION_ID = 0x676C696E


@migrations(name="0001_initial")
def initial(db: Database) -> None:
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    db.table("conversations").create(
        {
            "id": int,
            "source": str,
            "source_id": str,
            "parent_id": int,
            # Kept beside parent_id because a child may be imported before its parent.
            "parent_source_id": str,
            "relation": str,
            "title": str,
            "title_from": str,
            "started_at": str,
            "ended_at": str,
            "client": str,
            "transport": str,
            "model": str,
            "repo_root": str,
            "git_branch": str,
            "notes": str,
        },
        pk="id",
        not_null={"source", "source_id"},
        foreign_keys=[
            ForeignKey("conversations", "parent_id", "conversations", "id", on_delete="CASCADE")
        ],
    )
    conversations = db.table("conversations")
    conversations.create_index(["source", "source_id"], unique=True)
    conversations.create_index(["parent_id"])
    conversations.create_index(["started_at"])
    conversations.create_index(["ended_at"])
    conversations.create_index(["repo_root"])

    db.table("messages").create(
        {
            "id": int,
            "conversation_id": int,
            "position": int,
            "ts": str,
            "role": str,
            "kind": str,
            "model": str,
            "token_in": int,
            "token_out": int,
            "token_cached": int,
            "tool_name": str,
            "tool_call_id": str,
            "is_error": int,
            "source_id": str,
            # Last, so that reading the columns before it never touches the overflow
            # pages that hold long text.
            "content": str,
        },
        pk="id",
        not_null={"conversation_id", "position", "role", "kind", "content"},
        defaults={"content": ""},
        foreign_keys=[
            ForeignKey("messages", "conversation_id", "conversations", "id", on_delete="CASCADE")
        ],
    )
    messages = db.table("messages")
    messages.create_index(["conversation_id", "position"])
    messages.create_index(["ts"])
    # Everything that search filters by, in one narrow index that starts with the rowid:
    # filters on hits read this instead of the pages that hold text.
    messages.create_index(
        ["id", "conversation_id", "ts", "role", "kind"], index_name="idx_messages_narrow"
    )
    # Partial, because messages that a script inserts have no id in their source.
    db.execute(
        "CREATE UNIQUE INDEX idx_messages_source_id ON messages(source_id, conversation_id)"
        " WHERE source_id IS NOT NULL"
    )

    db.table("message_refs").create(
        {"message_id": int, "ref_type": str, "ref_value": str},
        pk=("message_id", "ref_type", "ref_value"),
        foreign_keys=[
            ForeignKey("message_refs", "message_id", "messages", "id", on_delete="CASCADE")
        ],
    )
    db.table("message_refs").create_index(["ref_type", "ref_value", "message_id"])

    db.table("tags").create({"id": int, "name": str}, pk="id", not_null={"name"})
    # "Bug" and "bug" are one tag.
    db.execute("CREATE UNIQUE INDEX idx_tags_name ON tags(name COLLATE NOCASE)")

    for owner in ("conversation", "message"):
        join = db.table(f"{owner}_tags")
        join.create(
            {f"{owner}_id": int, "tag_id": int},
            pk=(f"{owner}_id", "tag_id"),
            foreign_keys=[
                ForeignKey(join.name, f"{owner}_id", f"{owner}s", "id", on_delete="CASCADE"),
                ForeignKey(join.name, "tag_id", "tags", "id", on_delete="CASCADE"),
            ],
        )
        join.create_index(["tag_id", f"{owner}_id"])

    db.table("import_files").create(
        {
            "path": str,
            "format": str,
            "size": int,
            "mtime_ns": int,
            "offset": int,
            "digest": str,
            "state": str,
            "skipped": int,
            "last_error": str,
            "imported_at": str,
        },
        pk="path",
        not_null={"format", "size", "mtime_ns", "offset"},
    )

    # So that an import does not bring back what somebody deleted.
    db.table("deleted_conversations").create(
        {"source": str, "source_id": str, "deleted_at": str},
        pk=("source", "source_id"),
        not_null={"deleted_at"},
    )

    db.create_view(
        "schema_version",
        "select coalesce(max(cast(substr(name, 1, 4) as integer)), 0) as version"
        " from _sqlite_migrations where migration_set = 'glin'",
    )

    if has_fts5(db):
        create_search_index(db)


@migrations(name="0002_attachments")
def attachments(db: Database) -> None:
    db.table("attachments").create(
        {
            # Of the bytes, so that what many messages share is stored once.
            "sha256": str,
            "media_type": str,
            "size": int,
            # Last, as the content of messages is.
            "data": bytes,
        },
        pk="sha256",
        not_null={"media_type", "size", "data"},
    )
    join = db.table("message_attachments")
    join.create(
        {"message_id": int, "sha256": str, "name": str},
        pk=("message_id", "sha256"),
        foreign_keys=[
            ForeignKey(join.name, "message_id", "messages", "id", on_delete="CASCADE"),
            ForeignKey(join.name, "sha256", "attachments", "sha256", on_delete="CASCADE"),
        ],
    )
    join.create_index(["sha256"])


@migrations(name="0003_finding")
def finding(db: Database) -> None:
    # Models and tokens of the whole archive, summed up without reading any text.
    db.execute(
        "CREATE INDEX idx_messages_usage ON messages(model, token_in, token_out, token_cached)"
        " WHERE model IS NOT NULL OR token_in IS NOT NULL OR token_out IS NOT NULL"
    )
    # What FTS5 cannot split by itself, see glin_datasette/queries/parts.py. The package
    # fills it: NULL is what it has not seen yet, and an empty text nothing to add.
    db.table("messages").add_column("parts", str)
    db.execute("CREATE INDEX idx_messages_due ON messages(id) WHERE parts IS NULL")
    if has_fts5(db):
        create_search_index(db)


@migrations(name="0004_counts")
def counts(db: Database) -> None:
    # The time zones of the world lie quarters of an hour apart, so that the messages of a
    # local day, wherever it is looked at, are those of its quarters.
    db.execute(
        "CREATE TABLE activity ("
        " quarter TEXT NOT NULL,"
        " conversation_id INTEGER NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,"
        " messages INTEGER NOT NULL,"
        " PRIMARY KEY (quarter, conversation_id)"
        ") WITHOUT ROWID"
    )
    db.execute("CREATE INDEX idx_activity_conversation ON activity(conversation_id, messages)")
    db.execute(
        "CREATE TABLE usage ("
        " month TEXT NOT NULL,"
        " role TEXT NOT NULL,"
        " kind TEXT NOT NULL,"
        " model TEXT NOT NULL,"
        " messages INTEGER NOT NULL,"
        " token_in INTEGER NOT NULL,"
        " token_cached INTEGER NOT NULL,"
        " token_out INTEGER NOT NULL,"
        " PRIMARY KEY (month, role, kind, model)"
        ") WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE files ("
        " path TEXT NOT NULL,"
        " repo_root TEXT NOT NULL,"
        " messages INTEGER NOT NULL,"
        " PRIMARY KEY (path, repo_root)"
        ") WITHOUT ROWID"
    )
    # What ``usage`` tells was summed up from it.
    db.execute("DROP INDEX idx_messages_usage")
    # Messages are filtered and counted by their model too: without reading their rows.
    db.execute("DROP INDEX idx_messages_narrow")
    db.table("messages").create_index(
        ["id", "conversation_id", "ts", "role", "kind", "model"], index_name="idx_messages_narrow"
    )
    # Each import looks for children whose parents have come, among all conversations.
    db.execute(
        "CREATE INDEX idx_conversations_orphans ON conversations(source, parent_source_id)"
        " WHERE parent_id IS NULL AND parent_source_id IS NOT NULL"
    )
    # A file is asked for by the end of its path: the name behind the last slash is looked up.
    db.execute(NAME_INDEX)
    make_counts(db)


def has_fts5(db: Database) -> bool:
    """Whether the SQLite library behind this connection was built with FTS5."""
    sql = "select 1 from pragma_module_list where name = 'fts5'"
    return db.execute(sql).fetchone() is not None


def create_search_index(db: Database) -> None:
    """Make ``messages_fts`` with its triggers, and index what is already there.

    Also run by ``glin_datasette.storage`` when an archive that was made without FTS5 is
    opened where it is available.
    """
    messages, index, wanted = db.table("messages"), db.table("messages_fts"), _indexed(db)
    if index.exists() and [column.name for column in index.columns] != wanted:
        # Of an older step; also where FTS5 was missing when the newer one was applied.
        for name in SEARCH_TRIGGERS:
            db.execute(f"DROP TRIGGER IF EXISTS {name}")
        index.drop()
    if not index.exists():
        messages.enable_fts(wanted, tokenize="unicode61 remove_diacritics 2")
        # Merge more eagerly than the default of 16: short appends stay short.
        db.execute("INSERT INTO messages_fts(messages_fts, rank) VALUES('automerge', 8)")
    else:
        db.execute("INSERT INTO messages_fts(messages_fts) VALUES('rebuild')")
    create_search_triggers(db)


SEARCH_TRIGGERS = ("messages_ai", "messages_ad", "messages_au", "messages_au_outdated")


def create_search_triggers(db: Database) -> None:
    """Make the triggers that keep ``messages_fts`` equal to what it indexes."""
    names = _indexed(db)
    columns = ", ".join(names)
    new, old = (", ".join(f"{row}.{name}" for name in names) for row in ("new", "old"))
    add = f"INSERT INTO messages_fts(rowid, {columns}) VALUES (new.id, {new});"
    remove = (
        f"INSERT INTO messages_fts(messages_fts, rowid, {columns})"
        f" VALUES ('delete', old.id, {old});"
    )
    # sqlite-utils' own update trigger fires for every column. Moving or retagging a message
    # must not index its text again, so ours fires for the text alone.
    updated = f"UPDATE OF id, {columns} ON messages"
    bodies = {
        "messages_ai": f"INSERT ON messages BEGIN {add} END",
        "messages_ad": f"DELETE ON messages BEGIN {remove} END",
        "messages_au": f"{updated} BEGIN {remove} {add} END",
    }
    if "parts" in names:
        # Whoever changes a text alone leaves the parts of the old one behind. Two triggers,
        # of which the second sets off the first: with one it would depend on the connection
        # whether it sets off itself.
        outdated = (
            "(new.content IS NOT old.content AND new.parts IS old.parts AND new.parts IS NOT NULL)"
        )
        bodies["messages_au"] = f"{updated} WHEN NOT {outdated} BEGIN {remove} {add} END"
        bodies["messages_au_outdated"] = (
            f"{updated} WHEN {outdated} BEGIN {remove} {add}"
            " UPDATE messages SET parts = NULL WHERE id = new.id; END"
        )
    for name in SEARCH_TRIGGERS:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    for name, body in bodies.items():
        db.execute(f"CREATE TRIGGER {name} AFTER {body}")


def _indexed(db: Database) -> list[str]:
    """The columns that the index holds: ``parts`` from step 3 on."""
    there = db.table("messages").columns_dict
    return [name for name in ("content", "parts") if name in there]


# --- counts ----------------------------------------------------------------------------
#
# A key takes no NULL: where a message has no time, model or repository, an empty text stands
# for it.

_QUARTER = (
    "coalesce(strftime('%Y-%m-%dT%H:', {m}.ts)"
    " || printf('%02dZ', strftime('%M', {m}.ts) / 15 * 15), '')"
)
#: Table of counts -> the columns that tell what is counted, as expressions on a message.
_KEYS = {
    "activity": {"quarter": _QUARTER, "conversation_id": "{m}.conversation_id"},
    "usage": {
        "month": "coalesce(substr({m}.ts, 1, 7), '')",
        "role": "{m}.role",
        "kind": "{m}.kind",
        "model": "coalesce({m}.model, '')",
    },
}
#: Table of counts -> the columns of messages that are added up, beside their number.
_SUMS = {"activity": (), "usage": ("token_in", "token_cached", "token_out")}
#: Table of counts -> the columns of messages that it depends on.
_DEPENDS = {
    "activity": ("conversation_id", "ts"),
    "usage": ("ts", "role", "kind", "model", *_SUMS["usage"]),
}

#: By the name of a file, which is behind the last slash of its path.
NAME_INDEX = (
    "CREATE INDEX idx_message_refs_name ON message_refs("
    "substr(ref_value, length(rtrim(ref_value, replace(ref_value, '/', ''))) + 1)"
    ") WHERE ref_type = 'file'"
)

COUNTS = (*_KEYS, "files")

COUNT_TRIGGERS = (
    "messages_count_insert",
    "messages_count_delete",
    "messages_count_activity",
    "messages_count_usage",
    "messages_count_files_delete",
    "messages_count_files_move",
    "message_refs_count_insert",
    "message_refs_count_delete",
    "message_refs_count_update",
    "conversations_count_delete",
    "conversations_count_update",
)


def counted(table: str, where: str = "true") -> str:
    """What a table of counts has to say of the messages ``m`` that ``where`` picks, as a
    query with its columns in their order."""
    if table == "files":
        return (
            "SELECT r.ref_value AS path, coalesce(c.repo_root, '') AS repo_root,"
            " count(*) AS messages FROM message_refs AS r"
            " CROSS JOIN messages AS m ON m.id = r.message_id"
            " CROSS JOIN conversations AS c ON c.id = m.conversation_id"
            f" WHERE r.ref_type = 'file' AND {where} GROUP BY 1, 2"
        )
    keys = [f"{key.format(m='m')} AS {name}" for name, key in _KEYS[table].items()]
    # A sum that grows out of 64 bits must not stop an import, as it does in sum().
    sums = [f"CAST(total(CAST(m.{name} AS INTEGER)) AS INTEGER) AS {name}" for name in _SUMS[table]]
    groups = ", ".join(str(number + 1) for number in range(len(keys)))
    return (
        f"SELECT {', '.join([*keys, 'count(*) AS messages', *sums])}"
        f" FROM messages AS m WHERE {where} GROUP BY {groups}"
    )


def count_messages(db: Database, where: str = "true") -> None:
    """Add the messages ``m`` that ``where`` picks to ``activity`` and ``usage``."""
    for table in _KEYS:
        db.execute(f"INSERT INTO {table} {counted(table, where)} {_adding(table)}")


def make_counts(db: Database) -> None:
    """Count everything anew, and make the triggers that keep the counts right."""
    for table in COUNTS:
        db.execute(f"DELETE FROM {table}")
        db.execute(f"INSERT INTO {table} {counted(table)}")
    create_count_triggers(db)


def create_count_triggers(db: Database) -> None:
    """Make the triggers that keep the counts equal to what counting would give."""
    add = " ".join(_add(table, "new") for table in _KEYS)
    remove = " ".join(_remove(table, "old") for table in _KEYS)
    bodies = {
        "messages_count_insert": f"AFTER INSERT ON messages BEGIN {add} END",
        "messages_count_delete": f"AFTER DELETE ON messages BEGIN {remove} END",
    }
    for table, columns in _DEPENDS.items():
        differs = " OR ".join(f"new.{name} IS NOT old.{name}" for name in columns)
        bodies[f"messages_count_{table}"] = (
            f"AFTER UPDATE OF {', '.join(columns)} ON messages WHEN {differs}"
            f" BEGIN {_remove(table, 'old')} {_add(table, 'new')} END"
        )
    bodies |= _file_triggers()
    for name in COUNT_TRIGGERS:
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
        db.execute(f"CREATE TRIGGER {name} {bodies[name]}")


def _add(table: str, row: str) -> str:
    keys = [key.format(m=row) for key in _KEYS[table].values()]
    sums = [f"CAST(coalesce({row}.{name}, 0) AS INTEGER)" for name in _SUMS[table]]
    return f"INSERT INTO {table} VALUES ({', '.join([*keys, '1', *sums])}) {_adding(table)};"


def _adding(table: str) -> str:
    sums = ", ".join(f"{name} = {name} + excluded.{name}" for name in ("messages", *_SUMS[table]))
    return f"ON CONFLICT ({', '.join(_KEYS[table])}) DO UPDATE SET {sums}"


def _remove(table: str, row: str) -> str:
    """No count falls below 1: a row that would is removed."""
    sums = [
        f"{name} = {name} - CAST(coalesce({row}.{name}, 0) AS INTEGER)" for name in _SUMS[table]
    ]
    where = " AND ".join(f"{name} = {key.format(m=row)}" for name, key in _KEYS[table].items())
    return (
        f"UPDATE {table} SET {', '.join(['messages = messages - 1', *sums])} WHERE {where};"
        f" DELETE FROM {table} WHERE {where} AND messages < 1;"
    )


def _file_triggers() -> dict[str, str]:
    """What a reference counts for is told by its message and its conversation, and these are
    gone when it goes with them. So each of the three takes off what hangs on it before it
    goes, and finds nothing to take off what went before."""
    repo_of_message = (
        "(SELECT coalesce(c.repo_root, '') FROM messages AS m"
        " JOIN conversations AS c ON c.id = m.conversation_id WHERE m.id = {row}.message_id)"
    )
    repo_of_conversation = (
        "(SELECT coalesce(repo_root, '') FROM conversations WHERE id = {row}.conversation_id)"
    )
    of_reference = "SELECT {row}.ref_value AS path, 1 AS messages WHERE {row}.ref_type = 'file'"
    of_message = (
        "SELECT ref_value AS path, 1 AS messages FROM message_refs"
        " WHERE message_id = {row}.id AND ref_type = 'file'"
    )
    of_conversation = (
        "SELECT r.ref_value AS path, count(*) AS messages FROM messages AS m"
        " JOIN message_refs AS r ON r.message_id = m.id AND r.ref_type = 'file'"
        " WHERE m.conversation_id = {row}.id GROUP BY 1"
    )
    repo = "coalesce({row}.repo_root, '')"

    def add(what: str, where: str) -> str:
        return (
            f"INSERT INTO files SELECT path, {where}, messages FROM ({what})"
            f" WHERE {where} IS NOT NULL"
            " ON CONFLICT (path, repo_root) DO UPDATE SET messages = messages + excluded.messages;"
        ).format(row="new")

    def remove(what: str, where: str) -> str:
        return (
            f"UPDATE files SET messages = files.messages - gone.messages FROM ({what}) AS gone"
            f" WHERE files.path = gone.path AND files.repo_root = {where};"
            f" DELETE FROM files WHERE path IN (SELECT path FROM ({what}))"
            f" AND repo_root = {where} AND messages < 1;"
        ).format(row="old")

    return {
        "message_refs_count_insert": (
            f"AFTER INSERT ON message_refs BEGIN {add(of_reference, repo_of_message)} END"
        ),
        "message_refs_count_delete": (
            f"AFTER DELETE ON message_refs BEGIN {remove(of_reference, repo_of_message)} END"
        ),
        "message_refs_count_update": (
            "AFTER UPDATE ON message_refs BEGIN"
            f" {remove(of_reference, repo_of_message)} {add(of_reference, repo_of_message)} END"
        ),
        "messages_count_files_delete": (
            f"BEFORE DELETE ON messages BEGIN {remove(of_message, repo_of_conversation)} END"
        ),
        "messages_count_files_move": (
            "AFTER UPDATE OF conversation_id ON messages"
            " WHEN new.conversation_id IS NOT old.conversation_id BEGIN"
            f" {remove(of_message, repo_of_conversation)}"
            f" {add(of_message, repo_of_conversation)} END"
        ),
        "conversations_count_delete": (
            f"BEFORE DELETE ON conversations BEGIN {remove(of_conversation, repo)} END"
        ),
        "conversations_count_update": (
            "AFTER UPDATE OF repo_root ON conversations"
            " WHEN new.repo_root IS NOT old.repo_root BEGIN"
            f" {remove(of_conversation, repo)} {add(of_conversation, repo)} END"
        ),
    }
