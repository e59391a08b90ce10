"""Reading what the events in a log of the Copilot CLI hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...models import Attachment
from ..session import base64_size
from ..text import count, identifier, one_line, string

__all__ = [
    "mapping",
    "result_failed",
    "result_images",
    "result_text",
    "user_attachments",
    "user_files",
    "user_links",
]


def mapping(value: object) -> dict[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> Iterator[dict[str, Any]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


# --- prompts ---------------------------------------------------------------------------


def user_files(data: dict[str, Any]) -> Iterator[str]:
    """The files that came with a prompt, or a part of them did."""
    for item in _objects(data.get("attachments")):
        path = item.get("path") if item.get("type") == "file" else item.get("filePath")
        if found := string(path):
            yield found


def user_attachments(data: dict[str, Any]) -> Iterator[Attachment]:
    """Images and documents that came with a prompt, bytes and all."""
    for item in _objects(data.get("attachments")):
        if item.get("type") == "blob" and isinstance(bytes_ := item.get("data"), str):
            yield _attachment(item, bytes_, item.get("displayName"))


def user_links(data: dict[str, Any]) -> Iterator[str]:
    """Lines that tell of issues, pull requests and the like that came with a prompt."""
    for item in _objects(data.get("attachments")):
        if url := string(item.get("url")):
            kind = string(item.get("referenceType")) or "link"
            number = count(item.get("number"))
            label = f"{kind} #{number}" if number is not None else kind
            words = [label[:60], one_line(string(item.get("title")) or "") or "", url[:2000]]
            yield f"[{', '.join(filter(None, words))}]"


def _attachment(item: dict[str, Any], data: str, name: object) -> Attachment:
    return Attachment(
        media_type=identifier(item.get("mimeType")) or "application/octet-stream",
        name=string(name),
        size=base64_size(data),
        data=data,
    )


# --- results of tools ------------------------------------------------------------------

_FAILED = frozenset({"denied", "error", "failure", "rejected", "timeout"})


def result_text(data: dict[str, Any]) -> str:
    """What the model was told that a tool returned, or why it returned nothing."""
    result = data.get("result")
    told: list[object] = [result] if isinstance(result, str) else []
    result = mapping(result)
    for key in ("content", "text_result_for_llm", "textResultForLlm"):
        told.append(result.get(key))
    told += ["\n".join(_texts(result.get("contents"))), result.get("detailedContent")]
    error = data.get("error")
    told += [error, mapping(error).get("message")]
    return next((text for text in told if isinstance(text, str) and text.strip()), "")


def _texts(contents: object) -> Iterator[str]:
    for item in _objects(contents):
        text = item.get("text", mapping(item.get("resource")).get("text"))
        if isinstance(text, str):
            yield text
        elif uri := string(item.get("uri")):
            yield f"{string(item.get('title')) or string(item.get('name')) or 'link'}: {uri}"


def result_failed(data: dict[str, Any]) -> bool:
    """Whether a tool failed, or was not allowed to run."""
    result = mapping(data.get("result"))
    kind = result.get("result_type", result.get("resultType"))
    return (
        data.get("success") is False
        or bool(data.get("error"))
        or (isinstance(kind, str) and kind in _FAILED)
    )


def result_images(data: dict[str, Any]) -> Iterator[Attachment]:
    """The images and sounds that a tool returned."""
    for item in _objects(mapping(data.get("result")).get("contents")):
        if item.get("type") in ("image", "audio") and isinstance(raw := item.get("data"), str):
            yield _attachment(item, raw, None)
