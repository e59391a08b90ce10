"""The older generation: a row of ``responses`` is a prompt and the reply to it."""

from __future__ import annotations

from collections.abc import Iterator

from ...models import Attachment, Role
from ..base import Item
from ..sqlite_file import select
from ..text import identifier, normalise_time, string
from .conversation import Chat, usage_of
from .tables import Row, Tables, as_id, as_json

__all__ = ["read_response", "response_marks"]

_COLUMNS = (
    "id", "model", "resolved_model", "prompt", "system", "response", "reasoning", "datetime_utc",
    "input_tokens", "output_tokens", "token_details",
)  # fmt: skip


def response_marks(tables: Tables) -> Iterator[tuple[object, object, str]]:
    """Conversation, response and what differs when the response does, for each; one without
    a conversation is a conversation of its own."""
    if tables.has("responses"):
        # A row that is written anew gets another rowid.
        for owner, id, rowid in select(
            tables.conn, "select coalesce(conversation_id, id), id, rowid from responses"
        ):
            yield owner, id, str(rowid)


def read_response(chat: Chat, id: object) -> Iterator[Item]:
    """What one row has, in the order in which the model saw it.

    :raises Unreadable: if a part of it is damaged or too large
    """
    tables, session = chat.tables, chat.session
    row = tables.row("responses", _COLUMNS, id)
    own = as_id(id)
    if row is None or own is None:
        return
    ts = normalise_time(row["datetime_utc"])
    session.note(model=identifier(row["resolved_model"]) or identifier(row["model"]))
    for table, role in _FRAGMENTS:
        for link in tables.rows(table, ("fragment_id",), "response_id = ?", id, order='"order"'):
            fragment = tables.row("fragments", ("content", "source"), link["fragment_id"])
            if fragment:
                yield from chat.say_fragment(fragment, role, ts)
    yield from chat.say_system(row["system"], id=f"{own}/system", ts=ts)
    yield from _results(chat, id, own, ts)
    yield from session.say("user", "text", string(row["prompt"]), id=f"{own}/prompt", ts=ts)
    for link in tables.rows(
        "prompt_attachments", ("attachment_id",), "response_id = ?", id, order='"order"'
    ):
        file = link["attachment_id"]
        yield from chat.say_attachment(file, "user", id=f"{own}/{as_id(file)}", ts=ts)
    chat.usage = usage_of(row)
    yield from chat.say_reply("thinking", string(row["reasoning"]), id=f"{own}/reasoning", ts=ts)
    yield from chat.say_reply("text", string(row["response"]), id=f"{own}/response", ts=ts)
    yield from _calls(chat, id, own, ts)


_FRAGMENTS: tuple[tuple[str, Role], ...] = (
    ("system_fragments", "system"),
    ("prompt_fragments", "user"),
)


def _calls(chat: Chat, id: object, own: str, ts: str | None) -> Iterator[Item]:
    """The tools that the reply asks for."""
    for call in chat.tables.rows(
        "tool_calls", ("id", "name", "arguments", "tool_call_id"), "response_id = ?", id, order="id"
    ):
        arguments = as_json(call["arguments"])
        yield from chat.say_reply(
            "tool_call",
            id=f"{own}/call-{as_id(call['id'])}",
            ts=ts,
            tool_name=identifier(call["name"]),
            tool_call_id=identifier(call["tool_call_id"]),
            tool_input=arguments if arguments is not None else string(call["arguments"]),
        )


def _results(chat: Chat, id: object, own: str, ts: str | None) -> Iterator[Item]:
    """What the tools gave back that the reply before had asked for."""
    for result in chat.tables.rows(
        "tool_results",
        ("id", "name", "output", "tool_call_id", "exception"),
        "response_id = ?",
        id,
        order="id",
    ):
        yield from chat.session.say(
            "tool",
            "tool_result",
            _output(result),
            id=f"{own}/result-{as_id(result['id'])}",
            ts=ts,
            tool_name=identifier(result["name"]),
            tool_call_id=identifier(result["tool_call_id"]),
            is_error=bool(string(result["exception"])),
            attachments=_files(chat, result),
        )


def _output(result: Row) -> str:
    # llm puts an error into the output as well, for the model to read.
    return string(result["output"]) or string(result["exception"]) or ""


def _files(chat: Chat, result: Row) -> Iterator[Attachment]:
    links = chat.tables.rows(
        "tool_results_attachments",
        ("attachment_id",),
        "tool_result_id = ?",
        result["id"],
        order='"order"',
    )
    for link in links:
        if found := chat.attachment(link["attachment_id"]):
            yield found[0]
