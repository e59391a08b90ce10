"""The values that flow through glin: from importers into storage, and out to people.

All are frozen dataclasses. Times are ISO 8601 text in UTC with milliseconds
(``2026-02-11T05:53:33.335Z``), so that text order is time order.

They are loaded when they are first used: making a dataclass takes a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazily

if TYPE_CHECKING:
    from .conversations import (
        KINDS,
        RELATIONS,
        ROLES,
        TITLE_RANK,
        Attachment,
        Conversation,
        Filters,
        Kind,
        Message,
        Prompt,
        Ref,
        RefType,
        Relation,
        Role,
        TagChange,
        TitleFrom,
        TranscriptFacts,
    )
    from .imports import (
        ImportReport,
        Problem,
    )
    from .keeping import (
        BackupReport,
        Check,
        CompactReport,
        HealthReport,
        Recovered,
        RecoveryReport,
        Repaired,
        RepairReport,
        ReplicaStatus,
        RestoreReport,
        SecretFound,
        SecretPlace,
        SecretsReport,
        Status,
    )
    from .references import (
        About,
        CommitSeen,
        FileSeen,
        Made,
        Mention,
        Tagged,
        Touch,
    )
    from .searches import (
        Bucket,
        Hit,
        Loosened,
        SearchFacets,
        SearchResult,
        Step,
        Suggestion,
    )
    from .totals import (
        Overview,
        Recent,
        Stats,
        TagCount,
        Tally,
    )

__all__ = [
    "KINDS",
    "RELATIONS",
    "ROLES",
    "TITLE_RANK",
    "About",
    "Attachment",
    "BackupReport",
    "Bucket",
    "Check",
    "CommitSeen",
    "CompactReport",
    "Conversation",
    "FileSeen",
    "Filters",
    "HealthReport",
    "Hit",
    "ImportReport",
    "Kind",
    "Loosened",
    "Made",
    "Mention",
    "Message",
    "Overview",
    "Problem",
    "Prompt",
    "Recent",
    "Recovered",
    "RecoveryReport",
    "Ref",
    "RefType",
    "Relation",
    "RepairReport",
    "Repaired",
    "ReplicaStatus",
    "RestoreReport",
    "Role",
    "SearchFacets",
    "SearchResult",
    "SecretFound",
    "SecretPlace",
    "SecretsReport",
    "Stats",
    "Status",
    "Step",
    "Suggestion",
    "TagChange",
    "TagCount",
    "Tagged",
    "Tally",
    "TitleFrom",
    "Touch",
    "TranscriptFacts",
]

#: Module -> the public names that are from there.
_HOMES = {
    "conversations": (
        "KINDS RELATIONS ROLES TITLE_RANK Attachment Conversation Filters Kind Message "
        "Prompt Ref RefType Relation Role TagChange TitleFrom TranscriptFacts"
    ),
    "imports": "ImportReport Problem",
    "keeping": (
        "BackupReport Check CompactReport HealthReport Recovered RecoveryReport "
        "RepairReport Repaired ReplicaStatus RestoreReport SecretFound SecretPlace "
        "SecretsReport Status"
    ),
    "references": "About CommitSeen FileSeen Made Mention Tagged Touch",
    "searches": "Bucket Hit Loosened SearchFacets SearchResult Step Suggestion",
    "totals": "Overview Recent Stats TagCount Tally",
}

__getattr__ = lazily(__name__, _HOMES)
