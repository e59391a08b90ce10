"""A local, private archive of conversations with AI assistants.

::

    import glin_datasette as glin

    with glin.get_db() as db:
        for conversation in glin.query_conversations(db, glin.Filters(tag=("bug",))):
            print(conversation.title)

What is named here is the public API; it is loaded when it is first used. Searching is
:func:`glin_datasette.search.search`, rendering :mod:`glin_datasette.render`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazily

if TYPE_CHECKING:
    from .credentials import scan_secrets
    from .errors import (
        ArchiveBusy,
        ArchiveError,
        BackupError,
        DamagedArchive,
        ExportFailed,
        FilterError,
        GlinError,
        MigrationError,
        NewerArchive,
        NotAnArchive,
        NotFound,
        ReadOnlyArchive,
        ReplicationError,
        UsageError,
    )
    from .export import export_lines, write_export
    from .ingest import import_paths
    from .models import (
        BackupReport,
        Check,
        Conversation,
        Filters,
        HealthReport,
        Hit,
        ImportReport,
        Message,
        Ref,
        ReplicaStatus,
        RestoreReport,
        SearchResult,
        SecretFound,
        SecretsReport,
        Stats,
        TagCount,
    )
    from .replication import restore_replica
    from .storage import (
        Keep,
        MigrationReport,
        attachment_data,
        backup_db,
        check,
        delete_conversation,
        get_conversation,
        get_db,
        init_db,
        insert_conversation,
        insert_message,
        iter_messages,
        link_message_ref,
        list_backups,
        list_tags,
        migrate_db,
        query_conversations,
        query_messages,
        replica_status,
        restore_db,
        stats,
        tag_conversation,
        tag_message,
        untag_conversation,
        untag_message,
        verify_backup,
    )

__version__ = "0.1.0"

__all__ = [
    "ArchiveBusy",
    "ArchiveError",
    "BackupError",
    "BackupReport",
    "Check",
    "Conversation",
    "DamagedArchive",
    "ExportFailed",
    "FilterError",
    "Filters",
    "GlinError",
    "HealthReport",
    "Hit",
    "ImportReport",
    "Keep",
    "Message",
    "MigrationError",
    "MigrationReport",
    "NewerArchive",
    "NotAnArchive",
    "NotFound",
    "ReadOnlyArchive",
    "Ref",
    "ReplicaStatus",
    "ReplicationError",
    "RestoreReport",
    "SearchResult",
    "SecretFound",
    "SecretsReport",
    "Stats",
    "TagCount",
    "UsageError",
    "__version__",
    "attachment_data",
    "backup_db",
    "check",
    "delete_conversation",
    "export_lines",
    "get_conversation",
    "get_db",
    "import_paths",
    "init_db",
    "insert_conversation",
    "insert_message",
    "iter_messages",
    "link_message_ref",
    "list_backups",
    "list_tags",
    "migrate_db",
    "query_conversations",
    "query_messages",
    "replica_status",
    "restore_db",
    "restore_replica",
    "scan_secrets",
    "stats",
    "tag_conversation",
    "tag_message",
    "untag_conversation",
    "untag_message",
    "verify_backup",
    "write_export",
]

#: Module -> the public names that are from there.
_HOMES = {
    "credentials": "scan_secrets",
    "errors": (
        "ArchiveBusy ArchiveError BackupError DamagedArchive ExportFailed FilterError "
        "GlinError MigrationError NewerArchive NotAnArchive NotFound ReadOnlyArchive "
        "ReplicationError UsageError"
    ),
    "export": "export_lines write_export",
    "ingest": "import_paths",
    "models": (
        "BackupReport Check Conversation Filters HealthReport Hit ImportReport Message "
        "Ref ReplicaStatus RestoreReport SearchResult SecretFound SecretsReport Stats "
        "TagCount"
    ),
    "replication": "restore_replica",
    "storage": (
        "Keep MigrationReport attachment_data backup_db check delete_conversation "
        "get_conversation get_db init_db insert_conversation insert_message iter_messages "
        "link_message_ref list_backups list_tags migrate_db query_conversations "
        "query_messages replica_status restore_db stats tag_conversation tag_message "
        "untag_conversation untag_message verify_backup"
    ),
}

__getattr__ = lazily(__name__, _HOMES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
