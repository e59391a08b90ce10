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
