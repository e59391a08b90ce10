"""Files that came with messages: once by their bytes, as long as a message has them."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
import sqlite_utils
from click.testing import CliRunner

import glin_datasette
from glin_datasette.cli import main
from glin_datasette.models import Attachment, Conversation, Filters, Message
from glin_datasette.storage import (
    attachment_data,
    delete_conversation,
    insert_conversation,
    insert_message,
    iter_messages,
    loading,
    query_messages,
)
from glin_datasette.storage.attachments import MAX_ATTACHMENT

PNG = b"\x89PNG\r\n\x1a\n"
DIGEST = hashlib.sha256(PNG).hexdigest()
IMAGE = Attachment(media_type="image/png", name="chart.png", data=PNG)
KEPT = Attachment(media_type="image/png", name="chart.png", size=len(PNG), sha256=DIGEST)


@pytest.fixture
def row(db: sqlite_utils.Database) -> int:
    return insert_conversation(db, Conversation(source="x", source_id="1"))


def say(
    db: sqlite_utils.Database, row: int, *attachments: Attachment, id: str | None = None
) -> int:
    message = Message(role="user", content="see", source_id=id, attachments=attachments)
    return insert_message(db, row, message)


def counts(db: sqlite_utils.Database) -> tuple[int, int]:
    return db.table("attachments").count, db.table("message_attachments").count


def test_the_bytes_are_stored_and_read_back(db: sqlite_utils.Database, row: int) -> None:
    say(db, row, IMAGE)
    (found,) = query_messages(db)
    assert found.attachments == (KEPT,)
    assert attachment_data(db, DIGEST) == PNG
    assert glin_datasette.attachment_data is attachment_data
    assert attachment_data(db, "0" * 64) == b""


def test_the_same_bytes_are_stored_once(db: sqlite_utils.Database, row: int) -> None:
    encoded = Attachment(media_type="image/png", data=base64.b64encode(PNG).decode())
    say(db, row, IMAGE)
    say(db, row, encoded)
    say(db, row, Attachment(media_type="image/png", name="again", sha256=DIGEST))
    assert counts(db) == (1, 3)
    names = [each.attachments[0].name for each in iter_messages(db, row)]
    assert names == ["chart.png", None, "again"]


def test_a_message_stored_again_has_its_files_once(db: sqlite_utils.Database, row: int) -> None:
    more = Attachment(media_type="text/plain", data=b"words")
    first = say(db, row, IMAGE, id="m")
    assert say(db, row, IMAGE, more, id="m") == first
    assert counts(db) == (2, 2)
    # In the order in which they came.
    assert [each.media_type for each in query_messages(db)[0].attachments] == [
        "image/png", "text/plain",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "attachment",
    [
        Attachment(media_type="image/png"),
        Attachment(media_type="image/png", size=8, sha256="0" * 64),
        Attachment(media_type="image/png", data=b""),
        Attachment(media_type="image/png", data=""),
        Attachment(media_type="image/png", data="no base64!"),
        Attachment(media_type="image/png", data="eA="),
        Attachment(media_type="image/png", data="ä"),
        Attachment(media_type="image/png", data=bytes(MAX_ATTACHMENT + 1)),
    ],
    ids=["no data", "unknown", "no bytes", "no text", "words", "cut", "no ascii", "too large"],
)
def test_without_bytes_there_is_nothing_to_keep(
    db: sqlite_utils.Database, row: int, attachment: Attachment
) -> None:
    say(db, row, attachment)
    assert counts(db) == (0, 0)
    assert query_messages(db)[0].attachments == ()


def test_the_largest_one_is_kept(db: sqlite_utils.Database, row: int) -> None:
    say(db, row, Attachment(media_type="a/b", data=bytes(MAX_ATTACHMENT)))
    assert query_messages(db)[0].attachments[0].size == MAX_ATTACHMENT


def test_a_file_goes_with_the_last_message_that_has_it(db: sqlite_utils.Database, row: int) -> None:
    second = insert_conversation(db, Conversation(source="x", source_id="2"))
    say(db, row, IMAGE)
    say(db, second, IMAGE)
    delete_conversation(db, row)
    assert counts(db) == (1, 1)
    delete_conversation(db, second)
    assert counts(db) == (0, 0)


def test_links_go_with_their_message_and_with_their_file(
    db: sqlite_utils.Database, row: int
) -> None:
    say(db, row, IMAGE)
    say(db, row, IMAGE)
    db.execute("delete from messages where id = 1")
    assert counts(db) == (1, 1)
    db.execute("delete from attachments")
    assert counts(db) == (0, 0)


def test_a_load_stores_them_too(db: sqlite_utils.Database) -> None:
    with loading(db, "x") as loader:
        loader.conversation(Conversation(source="x", source_id="1"))
        for n in range(1200):
            message = Message(role="user", content=str(n), source_id=str(n), attachments=(IMAGE,))
            loader.message("1", message)
    assert counts(db) == (1, 1200)
    assert all(each.attachments == (KEPT,) for each in iter_messages(db, 1))


def test_a_load_takes_bytes_before_the_messages_that_name_them(db: sqlite_utils.Database) -> None:
    with loading(db, None) as loader:
        loader.file(IMAGE)
        loader.conversation(Conversation(source="x", source_id="1"))
        named = Attachment(media_type="image/png", name="chart.png", sha256=DIGEST)
        loader.message("1", Message(role="user", source_id="m", attachments=(named,)))
    assert query_messages(db)[0].attachments == (KEPT,)


def test_a_load_that_fails_stores_none(db: sqlite_utils.Database) -> None:
    with pytest.raises(RuntimeError), loading(db, "x") as loader:
        loader.file(IMAGE)
        raise RuntimeError
    assert counts(db) == (0, 0)


def test_files_of_what_was_deleted_are_not_kept(db: sqlite_utils.Database, row: int) -> None:
    delete_conversation(db, row)
    with loading(db, "x") as loader:
        loader.file(IMAGE)
        loader.conversation(Conversation(source="x", source_id="1"))
        loader.message("1", Message(role="user", source_id="m", attachments=(KEPT,)))
    assert counts(db) == (0, 0)


def test_filters_find_messages_with_their_files(db: sqlite_utils.Database, row: int) -> None:
    say(db, row, IMAGE)
    assert query_messages(db, Filters(text="see"))[0].attachments == (KEPT,)


def test_show_names_them(db: sqlite_utils.Database, row: int, archive_path: Path) -> None:
    say(db, row, IMAGE)
    result = CliRunner().invoke(main, ["--db", str(archive_path), "show", str(row), "--json"])
    assert result.exit_code == 0, result.output
    (message,) = json.loads(result.output)["messages"]
    assert message["attachments"] == [
        {"sha256": DIGEST, "media_type": "image/png", "size": len(PNG), "name": "chart.png"}
    ]
