"""The content of a message: a text, or a list of parts as the service has them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ...models import Attachment
from ..session import base64_size
from ..text import clean, one_line, string

__all__ = ["Content", "as_text", "read_parts"]

#: Parts that repeat what stands in ``toolCalls``, or that only the service can read.
_QUIET = frozenset(
    {"functionCall", "functionResponse", "thoughtSignature", "toolCall", "toolResponse"}
)


@dataclass(slots=True)
class Content:
    """What parts say. ``strange``: the keys of those that this importer does not know."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of the text."""
        return "\n".join(self.texts)


def read_parts(value: object) -> Content:
    """What a text, a part or a list of parts says."""
    content = Content()
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, str):
            content.texts.append(part)
        elif isinstance(part, dict):
            _part(part, content)
    return content


def _part(part: dict[str, Any], content: Content) -> None:
    text = part.get("text")
    code, ran = part.get("executableCode"), part.get("codeExecutionResult")
    if isinstance(text, str):
        (content.thoughts if part.get("thought") is True else content.texts).append(text)
    elif (file := _inline(part.get("inlineData"))) or (file := _named(part.get("fileData"))):
        content.attachments.append(file)
    elif isinstance(code, dict) and isinstance(code.get("code"), str):
        content.texts.append(code["code"])
    elif isinstance(ran, dict) and isinstance(ran.get("output"), str):
        content.texts.append(ran["output"])
    elif part.keys() and not part.keys() & _QUIET:
        content.strange.append(f"part {clean(next(iter(part)))[:50]}")


def _inline(value: object) -> Attachment | None:
    if not isinstance(value, dict) or not isinstance(data := value.get("data"), str):
        return None
    return Attachment(
        media_type=_media_type(value),
        name=_name(value.get("displayName")),
        size=base64_size(data),
        data=data,
    )


def _named(value: object) -> Attachment | None:
    if not isinstance(value, dict) or not (uri := string(value.get("fileUri"))):
        return None
    return Attachment(media_type=_media_type(value), name=_name(uri))


def _media_type(value: dict[str, Any]) -> str:
    found = string(value.get("mimeType"))
    return found.lower()[:100] if found else "application/octet-stream"


def _name(value: object) -> str | None:
    return one_line(found, 200) if (found := string(value)) else None


def as_text(value: object) -> str:
    """A result that is no content."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "… (nested too deeply)"
