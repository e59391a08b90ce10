"""One conversation of llm, and what its two generations have in common."""

from __future__ import annotations

import mimetypes
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ...models import Attachment, Role
from ..base import Item
from ..session import Session
from ..sqlite_file import MAX_VALUE, select
from ..text import count, digest, string
from .tables import Row, Tables, as_json

__all__ = ["Chat", "Usage", "usage_of"]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a reply cost."""

    token_in: int | None = None
    token_out: int | None = None
    token_cached: int | None = None


def usage_of(row: Row) -> Usage:
    """The tokens of a response or a turn, as its provider counts them.

    Anthropic's count of the input leaves out what its cache held; those of others do not.
    """
    token_in = count(row["input_tokens"])
    details = as_json(row["token_details"])
    details = details if isinstance(details, dict) else {}
    cached = count(details.get("cache_read_input_tokens"))
    created = count(details.get("cache_creation_input_tokens"))
    if cached is not None or created is not None:
        token_in = (token_in or 0) + (cached or 0) + (created or 0)
    else:
        cached = count(details.get("cachedContentTokenCount"))
        for name in ("prompt_tokens_details", "input_tokens_details"):
            within = details.get(name)
            if cached is None and isinstance(within, dict):
                cached = count(within.get("cached_tokens"))
    return Usage(token_in, count(row["output_tokens"]), cached)


@dataclass(slots=True)
class Chat:
    """A conversation as it is read: :class:`~..session.Session`, and what was said in it
    that is said only once."""

    session: Session
    tables: Tables
    #: The system prompt that holds at present.
    system: str | None = None
    #: Digests of the fragments that were said.
    fragments: set[str] = field(default_factory=set)
    #: Tokens of the reply that is being read, until a message carries them.
    usage: Usage = field(default_factory=Usage)

    def say_system(self, text: object, *, id: str, ts: str | None) -> Iterator[Item]:
        """A system prompt, if it is another one than before."""
        said = string(text)
        if said and said != self.system:
            self.system = said
            yield from self.session.say("system", "text", said, id=id, ts=ts)

    def say_fragment(self, row: Row, role: Role, ts: str | None) -> Iterator[Item]:
        """Text from elsewhere that a prompt was given, once in a conversation."""
        text = string(row["content"])
        if not text or (key := digest(text)) in self.fragments:
            return
        self.fragments.add(key)
        source = string(row["source"])
        label = f"[fragment, {source[:200]}]" if source else "[fragment]"
        files = [source] if source and "://" not in source and source != "-" else []
        yield from self.session.say(
            role,
            "attachment",
            f"{label}\n{text}",
            id=f"{self.session.id}/fragment-{key}",
            ts=ts,
            files=files,
        )

    def say_reply(self, kind: Any, text: str | None = None, **facts: Any) -> Iterator[Item]:
        """A part of a reply; the first one carries its tokens."""
        usage = self.usage
        for item in self.session.say(
            "assistant",
            kind,
            text,
            token_in=usage.token_in,
            token_out=usage.token_out,
            token_cached=usage.token_cached,
            **facts,
        ):
            self.usage = Usage()
            yield item

    def attachment(self, id: object) -> tuple[Attachment, str | None] | None:
        """A file, and the address where it was instead of among the data."""
        row = self.tables.row("attachments", ("type", "path", "url"), id)
        if row is None:
            return None
        path, url = string(row["path"]), string(row["url"])
        size, data = self._content(id)
        return (
            Attachment(
                media_type=string(row["type"]) or _guess(url or path),
                name=posixpath.basename(path.replace("\\", "/")) if path else None,
                size=size,
                data=data,
            ),
            url or path,
        )

    def say_attachment(
        self, attachment: object, role: Role, *, id: str, ts: str | None
    ) -> Iterator[Item]:
        """A file that came with a prompt."""
        found = self.attachment(attachment)
        if found is None:
            return
        file, where = found
        is_url = where is not None and "://" in where
        yield from self.session.say(
            role,
            "attachment",
            where if is_url else None,
            id=id,
            ts=ts,
            attachments=[file],
            files=[where] if where and not is_url else (),
        )

    def _content(self, id: object) -> tuple[int | None, bytes | None]:
        conn = self.tables.conn
        sizes = select(conn, "select length(content) from attachments where id = ?", [id])
        size = sizes[0][0] if sizes else None
        if type(size) is not int or not 0 < size <= MAX_VALUE:
            return count(size) or None, None
        data = select(conn, "select content from attachments where id = ?", [id])[0][0]
        return (len(data), data) if isinstance(data, bytes) else (None, None)


def _guess(where: str | None) -> str:
    found = mimetypes.guess_type(where)[0] if where else None
    return found or "application/octet-stream"
