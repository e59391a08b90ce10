"""The typed storage API of an archive.

Every function works on a :class:`sqlite_utils.Database`, as :func:`get_db` opens it, so
that a script can mix them with sqlite-utils' own methods. Nothing here knows Datasette or
click. Operations log their duration and rows to ``glin_datasette.storage`` at debug level.

- opening: :func:`get_db`, :func:`init_db`, :func:`migrate_db`, :func:`pending`,
  :func:`version`, :func:`newest_version`, :func:`search_available`
- writing: :func:`insert_conversation`, :func:`insert_message`, :func:`link_message_ref`,
  :func:`tag_conversation`, :func:`untag_conversation`, :func:`tag_message`,
  :func:`untag_message`, :func:`change_tags`, :func:`set_notes`,
  :func:`delete_conversation`, :func:`loading`, :class:`Together`
- reading: :func:`query_conversations`, :func:`query_messages`, :func:`get_conversation`,
  :func:`find_conversation`, :func:`iter_messages`, :func:`children_of`,
  :func:`count_conversations`, :func:`count_messages`, :func:`message_counts`,
  :func:`conversations_by_id`, :func:`list_tags`, :func:`stats`, :func:`overview`,
  :func:`attachment_data`, :func:`attachment_type`
- what is about one thing: :func:`about_file`, :func:`about_commit`, :func:`files_meant`,
  :func:`files_beside`, :func:`discussed_files`, :func:`newest_commits`, :func:`origin_of`,
  :func:`tagged`
- one transcript: :func:`transcript_facts`, :func:`outline`, :func:`messages_between`,
  :func:`place_of`, :func:`get_message`
- by the beginning of a name: :func:`titled`, :func:`tags_named`
- keeping: :func:`backup_db`, :func:`list_backups`, :func:`verify_backup`,
  :func:`restore_db`, :func:`check`, :func:`check_file`, :func:`repair_db`,
  :func:`recover_db`, :func:`compact_db`, :func:`replica_status`, :func:`judge_replica`
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .about import (
        about_commit,
        about_file,
        discussed_files,
        files_beside,
        files_meant,
        newest_commits,
        origin_of,
        tagged,
    )
    from .annotating import change_tags, set_notes
    from .archive import MigrationReport, get_db, init_db, migrate_db
    from .attachments import attachment_data, attachment_type
    from .backups.making import backup_db
    from .backups.restoring import restore_db
    from .backups.retention import Keep
    from .backups.verifying import list_backups, verify_backup
    from .bulk import Together
    from .compacting import compact_db
    from .health import check, check_file
    from .jump import tags_named, titled
    from .load import Loader, loading
    from .query import (
        children_of,
        conversations_by_id,
        count_conversations,
        count_messages,
        find_conversation,
        get_conversation,
        iter_messages,
        list_tags,
        message_counts,
        query_conversations,
        query_messages,
        stats,
    )
    from .recovery import recover_db
    from .repair import repair_db
    from .replica import judge_replica, replica_status
    from .schema import newest_version, pending, search_available, version
    from .totals import overview
    from .transcript import (
        get_message,
        messages_between,
        outline,
        place_of,
        transcript_facts,
    )
    from .write import (
        delete_conversation,
        insert_conversation,
        insert_message,
        link_message_ref,
        tag_conversation,
        tag_message,
        untag_conversation,
        untag_message,
    )

__all__ = [
    "Keep",
    "Loader",
    "MigrationReport",
    "Together",
    "about_commit",
    "about_file",
    "attachment_data",
    "attachment_type",
    "backup_db",
    "change_tags",
    "check",
    "check_file",
    "children_of",
    "compact_db",
    "conversations_by_id",
    "count_conversations",
    "count_messages",
    "delete_conversation",
    "discussed_files",
    "files_beside",
    "files_meant",
    "find_conversation",
    "get_conversation",
    "get_db",
    "get_message",
    "init_db",
    "insert_conversation",
    "insert_message",
    "iter_messages",
    "judge_replica",
    "link_message_ref",
    "list_backups",
    "list_tags",
    "loading",
    "message_counts",
    "messages_between",
    "migrate_db",
    "newest_commits",
    "newest_version",
    "origin_of",
    "outline",
    "overview",
    "pending",
    "place_of",
    "query_conversations",
    "query_messages",
    "recover_db",
    "repair_db",
    "replica_status",
    "restore_db",
    "search_available",
    "set_notes",
    "stats",
    "tag_conversation",
    "tag_message",
    "tagged",
    "tags_named",
    "titled",
    "transcript_facts",
    "untag_conversation",
    "untag_message",
    "verify_backup",
    "version",
]

#: Module -> the public names that are from there.
_HOMES = {
    "about": (
        "about_commit about_file discussed_files files_beside files_meant newest_commits "
        "origin_of tagged"
    ),
    "annotating": "change_tags set_notes",
    "archive": "MigrationReport get_db init_db migrate_db",
    "attachments": "attachment_data attachment_type",
    "backups.making": "backup_db",
    "backups.restoring": "restore_db",
    "backups.retention": "Keep",
    "backups.verifying": "list_backups verify_backup",
    "bulk": "Together",
    "compacting": "compact_db",
    "health": "check check_file",
    "jump": "tags_named titled",
    "load": "Loader loading",
    "totals": "overview",
    "query": (
        "children_of conversations_by_id count_conversations count_messages "
        "find_conversation get_conversation iter_messages list_tags message_counts "
        "query_conversations query_messages stats"
    ),
    "recovery": "recover_db",
    "repair": "repair_db",
    "replica": "judge_replica replica_status",
    "schema": "newest_version pending search_available version",
    "transcript": "get_message messages_between outline place_of transcript_facts",
    "write": (
        "delete_conversation insert_conversation insert_message link_message_ref "
        "tag_conversation tag_message untag_conversation untag_message"
    ),
}

__getattr__ = lazily(__name__, _HOMES)
