"""Loading whole transcripts: thousands of messages at once, see :mod:`.bulk`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

import sqlite_utils

from ..models import TITLE_RANK, Attachment, Conversation, Message, Ref
from ..queries.parts import parts_of
from .attachments import attach, drop_unused, store_attachment
from .bulk import Bulk, Together, bulk
from .connection import timed
from .counts import count_loaded
from .generated_ids import store_generated_ids
from .join import join_conversation, join_message
from .settling import note_fork, reorder, set_summary, settle_moved
from .write import (
    MESSAGE_COLUMNS,
    follow_message,
    link_parents,
    message_values,
    next_position,
    store_conversation,
    tag_message,
    update_message,
    was_deleted,
)

#: Messages, and characters of text, that wait to be written.
_BATCH = 500
_BATCH_TEXT = 1_000_000


_COLUMNS = ("id", "conversation_id", "position", *MESSAGE_COLUMNS, "parts")
_INSERT = f"insert into messages ({', '.join(_COLUMNS)}) values ({', '.join('?' * len(_COLUMNS))})"


@dataclass(slots=True)
class _Target:
    """A conversation that this load writes to."""

    conversation: Conversation
    id: int | None = None
    next_position: int = 0
    first_ts: str | None = None
    last_ts: str | None = None
    model: str | None = None
    #: The largest time so far; a message before it is out of order.
    latest: str = ""
    disordered: bool = False
    #: Conversation that owns records which this one repeats.
    copied_from: int | None = None
    #: Somebody deleted it; what is said in it is left out.
    deleted: bool = False


@dataclass(slots=True)
class _Pending:
    target: _Target
    message: Message


@dataclass(slots=True)
class Loader:
    """Takes what an importer yields and writes it. Made by :func:`loading`; its methods
    may be called only inside that block."""

    bulk: Bulk
    #: ``None``: each conversation names its own source.
    source: str | None
    #: A copy of an archive: see :func:`loading`.
    exact: bool = False
    #: Whether to bring back conversations that somebody deleted.
    bring_back: bool = False
    #: Another archive: what both know of a conversation or message is joined.
    join: bool = False
    conversations: int = 0
    messages: int = 0
    #: (source, source_id) -> conversation
    _targets: dict[tuple[str, str], _Target] = field(default_factory=dict)
    #: source_id -> the conversation that was declared last under it
    _declared: dict[str, _Target] = field(default_factory=dict)
    _batch: list[_Pending] = field(default_factory=list)
    _batch_text: int = 0
    #: (id() of the conversation, source_id) -> place in the batch
    _in_batch: dict[tuple[int, str], int] = field(default_factory=dict)
    db: sqlite_utils.Database = field(init=False)
    #: The first row of this load.
    _began: int = field(init=False)
    #: Messages that were moved, and the conversations that they were moved out of or into.
    _moved: set[int] = field(default_factory=set)
    _left: set[int] = field(default_factory=set)
    #: Times to order by that differ from the time that is stored: message id -> time.
    _sort_ts: dict[int, str] = field(default_factory=dict)
    #: Whether files were stored before the messages that have them.
    _files: bool = False

    def __post_init__(self) -> None:
        self.db = self.bulk.db
        self._began = self.bulk.next_id

    def conversation(self, conversation: Conversation) -> None:
        """Declare a conversation, or say more about one. It is stored when its first
        message is, so that a transcript without messages leaves nothing behind; an exact
        copy has those too."""
        key = conversation.source, conversation.source_id
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = _Target(conversation)
            found = self.db.execute(
                "select id, ended_at from conversations where source = ? and source_id = ?", key
            ).fetchone()
            if found:
                target.id, target.latest = found[0], found[1] or ""
                target.next_position = next_position(self.db, found[0])
                if self.join:
                    join_conversation(self.db, found[0], conversation)
                else:
                    store_conversation(self.db, conversation)
                if self.exact:
                    store_generated_ids(self.db, found[0])
            elif not self.bring_back and was_deleted(self.db, conversation):
                target.deleted = True
            elif self.exact:
                self._store(target)
        elif target.id is None:
            target.conversation = _merged(target.conversation, conversation)
        else:
            store_conversation(self.db, conversation)
        self._declared[conversation.source_id] = target

    def message(self, conversation: str, message: Message) -> None:
        """Add a message, or update the one that has its ``source_id``."""
        target = self._declared[conversation]
        if target.deleted:
            return
        if message.source_id is not None:
            key = id(target), message.source_id
            place = self._in_batch.get(key)
            if place is not None:
                self._batch[place].message = message
                return
            self._in_batch[key] = len(self._batch)
        self._batch.append(_Pending(target, message))
        self._batch_text += len(message.content)
        if message.attachments:
            self._batch_text += sum(len(each.data or "") for each in message.attachments)
        if len(self._batch) >= _BATCH or self._batch_text >= _BATCH_TEXT:
            self._flush()

    def usage(
        self,
        conversation: str,
        source_id: str,
        token_in: int | None,
        token_out: int | None,
        token_cached: int | None,
    ) -> None:
        """Correct the token counts of a message, here or from an earlier load. Counts
        with fewer output tokens than are stored change nothing."""
        target = self._declared.get(conversation)
        place = self._in_batch.get((id(target), source_id))
        if place is not None:
            waiting = self._batch[place]
            if (token_out or 0) >= (waiting.message.token_out or 0):
                waiting.message = replace(
                    waiting.message,
                    token_in=token_in,
                    token_out=token_out,
                    token_cached=token_cached,
                )
            return
        if target and target.id is not None:
            self.db.execute(
                "update messages set token_in = ?, token_out = ?, token_cached = ?"
                " where source_id = ? and conversation_id = ?"
                " and coalesce(token_out, 0) <= coalesce(?, 0)",
                [token_in, token_out, token_cached, source_id, target.id, token_out],
            )

    def moved(self, conversation: str, source_ids: Sequence[str]) -> None:
        """Put messages of this source behind those of ``conversation``, whichever one holds
        them. A conversation that this leaves without any is removed."""
        self._flush()
        target = self._declared[conversation]
        # After a merge two conversations may hold a record. Where this one does, the other
        # keeps what it has.
        held = self._owners(list(source_ids))
        found = [
            owners[0]
            for source_id in source_ids
            if (owners := held.get(source_id)) and all(owner != target.id for owner, _ in owners)
        ]
        if target.deleted or not found:
            return
        new_owner = self._store(target)
        for owner, message_id in found:
            self.db.execute(
                "update messages set conversation_id = ?, position = ? where id = ?",
                [new_owner, target.next_position, message_id],
            )
            target.next_position += 1
            self._moved.add(message_id)
            self._left.add(owner)
        self._left.add(new_owner)
        target.disordered = True

    def file(self, attachment: Attachment) -> None:
        """Store the bytes of an attachment that messages to come name by its digest."""
        store_attachment(self.db, attachment)
        self._files = True

    def unlink(self, refs: Iterable[Ref]) -> None:
        """Take references off the messages of the conversations of this load."""
        self._flush()
        for ref in refs:
            for target in self._targets.values():
                self.db.execute(
                    "delete from message_refs where ref_type = ? and ref_value = ? and message_id"
                    " in (select id from messages where conversation_id = ?)",
                    [ref.type, ref.value, target.id],
                )

    def summary(self, leaf: str, title: str) -> bool:
        """Give ``title`` to the conversation of this source that holds the record ``leaf``.

        :returns: whether there is one
        """
        self._flush()
        return self.source is not None and set_summary(self.db, self.source, leaf, title)

    def _close(self) -> None:
        self._flush()
        if self._files and any(target.deleted for target in self._targets.values()):
            drop_unused(self.db)
        for target in self._targets.values():
            if target.id is None:
                continue
            follow_message(self.db, target.id, target.first_ts, target.last_ts, target.model)
            if target.disordered:
                self._reorder(target.id)
            if target.copied_from is not None and target.copied_from != target.id:
                link_parents(self.db)  # It asks who descends from whom.
                note_fork(self.db, target.id, target.copied_from)
        for owner in self._left:
            self._reorder(owner)
            settle_moved(self.db, owner)

    def _reorder(self, conversation_id: int) -> None:
        began, moved = self._began, self._moved
        reorder(
            self.db,
            conversation_id,
            self._sort_ts,
            in_order=lambda message: message < began and message not in moved,
        )

    def _flush(self) -> None:
        """Write the batch: what is new is inserted, what is there is updated, and what
        another conversation of the source already holds is left to that one."""
        if not self._batch:
            return
        owners = self._owners(
            [p.message.source_id for p in self._batch if p.message.source_id is not None]
        )
        rows: list[tuple[object, ...]] = []
        refs: list[tuple[int, str, str]] = []
        tagged: list[tuple[int, str]] = []
        attached: list[tuple[int, Attachment]] = []
        changed: list[tuple[int, Message]] = []
        for waiting in self._batch:
            target, message = waiting.target, waiting.message
            row_id, others = None, None
            for owner, found in owners.get(message.source_id or "", ()):
                if owner == target.id:
                    row_id = found
                else:
                    others = owner
            if row_id is None and others is not None and self.source is not None:
                target.copied_from = target.copied_from or others
                continue
            self._note(target, message)
            if row_id is None:
                row_id = self.bulk.next_id
                self.bulk.next_id += 1
                owner = self._store(target)
                parts = parts_of(message.content)
                place = target.next_position
                rows.append((row_id, owner, place, *message_values(message), parts))
                target.next_position += 1
                if message.source_id is not None:
                    # A record twice in one file under two conversations stays with the first.
                    owners.setdefault(message.source_id, []).append((owner, row_id))
                if message.sort_ts and message.sort_ts != message.ts:
                    self._sort_ts[row_id] = message.sort_ts
            else:
                changed.append((row_id, message))
            for ref in message.refs:
                refs.append((row_id, ref.type, ref.value))
            for tag in message.tags:
                tagged.append((row_id, tag))
            for each in message.attachments:
                attached.append((row_id, each))
        self.db.conn.executemany(_INSERT, rows)
        # At once, since whatever changes them from now on changes their counts.
        count_loaded(self.db, self.bulk.next_id - len(rows), self.bulk.next_id)
        if any(row_id >= self.bulk.first_id for row_id, _ in changed):
            self.bulk.index()  # The update trigger needs the old text to be in the index.
        for row_id, message in changed:
            if self.join:
                join_message(self.db, row_id, message)
            else:
                update_message(self.db, row_id, message)
        self.db.conn.executemany("insert or ignore into message_refs values (?, ?, ?)", refs)
        for message_id, tag in tagged:
            tag_message(self.db, message_id, tag)
        for message_id, attachment in attached:
            attach(self.db, message_id, attachment)
        self.messages += len(rows)
        self._batch.clear()
        self._batch_text = 0
        self._in_batch.clear()

    def _owners(self, wanted: list[str]) -> dict[str, list[tuple[int, int]]]:
        """Who holds records already: source_id -> [(conversation, message)]."""
        owners: dict[str, list[tuple[int, int]]] = {}
        for source_id, conversation_id, message_id in self.db.execute(
            "select m.source_id, m.conversation_id, m.id from json_each(?) as wanted"
            " cross join messages as m indexed by idx_messages_source_id"
            " on m.source_id = wanted.value"
            " join conversations as c on c.id = m.conversation_id"
            " and c.source = coalesce(?, c.source)",
            [json.dumps(wanted), self.source],
        ):
            owners.setdefault(source_id, []).append((conversation_id, message_id))
        return owners

    def _store(self, target: _Target) -> int:
        if target.id is None:
            target.id = store_conversation(self.db, target.conversation)
            self.conversations += 1
        return target.id

    def _note(self, target: _Target, message: Message) -> None:
        # A copy takes the conversation's model from the conversation itself.
        if message.model is not None and not self.exact:
            target.model = message.model
        ts = message.ts
        if ts is not None:
            if target.first_ts is None or ts < target.first_ts:
                target.first_ts = ts
            if target.last_ts is None or ts > target.last_ts:
                target.last_ts = ts
        moment = message.sort_ts or message.ts
        if moment is not None:
            if moment < target.latest:
                target.disordered = True
            else:
                target.latest = moment


@contextlib.contextmanager
def loading(
    db: sqlite_utils.Database,
    source: str | None,
    *,
    exact: bool = False,
    bring_back: bool = False,
    join: bool = False,
    together: Together | None = None,
) -> Iterator[Loader]:
    """Load one transcript: all of it is stored, or nothing. It is a transaction of its own,
    or a part of those ``together``.

    ``source`` is that of its conversations; ``None``: each names its own, and a record
    stays in each conversation that has it. ``exact`` makes a copy of an archive: those
    without messages are stored too, and each keeps its own model. Conversations that
    somebody deleted are left out, unless ``bring_back`` is set. ``join``: a conversation or
    message that is there already is not simply replaced; see :mod:`.join`.
    """
    running = together.part() if together else bulk(db)
    with timed(f"load {source or 'several sources'}") as facts, running as shared:
        loader = Loader(shared, source, exact, bring_back, join)
        yield loader
        loader._close()
        facts["rows"] = loader.messages


def _merged(old: Conversation, new: Conversation) -> Conversation:
    """``old`` with what ``new`` says; both are about the same conversation."""
    said = {
        f.name: getattr(new, f.name) for f in fields(new) if getattr(new, f.name) not in (None, ())
    }
    said["tags"] = (*old.tags, *new.tags)
    if TITLE_RANK[new.title_from] < TITLE_RANK[old.title_from]:
        said.pop("title", None)
        said.pop("title_from", None)
    return replace(old, **said)
