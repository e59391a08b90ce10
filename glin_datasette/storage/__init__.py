"""The typed storage API of an archive.

Every function works on a :class:`sqlite_utils.Database`, as :func:`get_db` opens it, so
that a script can mix them with sqlite-utils' own methods. Nothing here knows Datasette or
click. Operations log their duration and rows to ``glin_datasette.storage`` at debug level.

- opening: :func:`get_db`, :func:`init_db`, :func:`migrate_db`, :func:`pending`,
  :func:`version`, :func:`newest_version`, :func:`search_available`
- writing: :func:`insert_conversation`, :func:`insert_message`, :func:`link_message_ref`,
  :func:`tag_conversation`, :func:`untag_conversation`, :func:`tag_message`,
  :func:`untag_message`, :func:`delete_conversation`, :func:`loading`
- reading: :func:`query_conversations`, :func:`query_messages`, :func:`get_conversation`,
  :func:`find_conversation`, :func:`iter_messages`, :func:`children_of`,
  :func:`count_messages`, :func:`list_tags`, :func:`stats`, :func:`attachment_data`
- keeping: :func:`backup_db`, :func:`list_backups`, :func:`verify_backup`,
  :func:`restore_db`, :func:`check`, :func:`check_file`
"""

from __future__ import annotations

from ..models import Filters
from .archive import MigrationReport, get_db, init_db, migrate_db
from .attachments import attachment_data
from .backup import backup_db, list_backups, restore_db, verify_backup
from .health import check, check_file
from .load import Loader, loading
from .query import (
    children_of,
    count_messages,
    find_conversation,
    get_conversation,
    iter_messages,
    list_tags,
    query_conversations,
    query_messages,
    stats,
)
from .schema import newest_version, pending, search_available, version
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
    "Filters",
    "Loader",
    "MigrationReport",
    "attachment_data",
    "backup_db",
    "check",
    "check_file",
    "children_of",
    "count_messages",
    "delete_conversation",
    "find_conversation",
    "get_conversation",
    "get_db",
    "init_db",
    "insert_conversation",
    "insert_message",
    "iter_messages",
    "link_message_ref",
    "list_backups",
    "list_tags",
    "loading",
    "migrate_db",
    "newest_version",
    "pending",
    "query_conversations",
    "query_messages",
    "restore_db",
    "search_available",
    "stats",
    "tag_conversation",
    "tag_message",
    "untag_conversation",
    "untag_message",
    "verify_backup",
    "version",
]
