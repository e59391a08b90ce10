"""From one message of ChatGPT to its words, the files that came with it, and its links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..text import count, identifier, string

__all__ = ["Asset", "Content", "read_content"]

#: Things of one message that are looked at: files, references, thoughts.
_MOST = 500

#: `cite`, `entity`, … and what they are about, between characters of the private use area.
#: The web page shows a footnote or a name instead.
_MARK = re.compile("\ue200[^\ue200\ue201]{0,5000}\ue201|[\ue200-\ue206]")

_POINTERS = {
    "image_asset_pointer": "image",
    "audio_asset_pointer": "audio",
    "video_container_asset_pointer": "video",
}


@dataclass(slots=True)
class Asset:
    """A file that a message names."""

    id: str
    #: ``image``, ``audio``, … where nothing tells its type.
    kind: str
    name: str | None = None
    media_type: str | None = None
    size: int | None = None


@dataclass(slots=True)
class Content:
    """What a message holds."""

    text: str = ""
    assets: dict[str, Asset] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    is_thought: bool = False
    is_error: bool = False
    #: Kinds that this importer does not know, and can make no text of.
    unknown: list[str] = field(default_factory=list)


def read_content(message: dict[str, Any]) -> Content:
    """What ``message`` holds; empty for what only the client needs."""
    content, metadata = _object(message, "content"), _object(message, "metadata")
    found = Content()
    references = list(_objects(metadata.get("content_references")))
    found.text = _unmarked(_text(content, found), references)
    for facts in _objects(metadata.get("attachments")):
        if asset := _asset(facts.get("id"), "file", found):
            asset.name = string(facts.get("name")) or asset.name
            asset.media_type = string(facts.get("mime_type")) or asset.media_type
            asset.size = count(facts.get("size")) or asset.size
    found.links = list(_links(references, metadata))
    result = _object(metadata, "aggregate_result")
    found.is_error |= (string(result.get("status")) or "").startswith("failed")
    for shown in _objects(result.get("messages")):
        if shown.get("message_type") == "image":
            _asset(shown.get("image_url"), "image", found)
    return found


def _text(content: dict[str, Any], found: Content) -> str:
    kind = string(content.get("content_type")) or "text"
    if kind in ("user_editable_context", "model_editable_context"):
        return ""
    if kind in ("text", "multimodal_text"):
        return "\n".join(filter(None, (_part(part, found) for part in _list(content, "parts"))))
    if kind in ("code", "execution_output"):
        return _joined(content, "text", "parts")
    if kind == "tether_browsing_display":
        return _joined(content, "result", "summary", "parts")
    if kind in ("tether_quote", "sonic_webpage"):
        head = [string(content.get(name)) for name in ("title", "url")]
        return "\n".join(filter(None, [*head, _joined(content, "text", "snippet", "parts")]))
    if kind == "thoughts":
        found.is_thought = True
        return "\n\n".join(_thoughts(content)) or _joined(content, "parts")
    if kind == "reasoning_recap":
        found.is_thought = True
        return _joined(content, "content", "parts")
    if kind == "system_error":
        found.is_error = True
        return ": ".join(filter(None, [string(content.get("name")), _joined(content, "text")]))
    text = _joined(content, "text", "parts", "result", "content")
    if not text:
        found.unknown.append(f"content {kind}")
    return text


def _part(part: object, found: Content) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict):
        return ""
    kind = string(part.get("content_type")) or "(none)"
    if kind in _POINTERS:
        if asset := _asset(part.get("asset_pointer"), _POINTERS[kind], found):
            asset.size = count(part.get("size_bytes")) or asset.size
            if (form := string(part.get("format"))) and form.isalnum():
                asset.media_type = f"{asset.kind}/{form}"
        return ""
    if kind == "real_time_user_audio_video_asset_pointer":
        return _part(_object(part, "audio_asset_pointer"), found)
    if kind == "(none)" and not part:
        return ""
    text = _joined(part, "text", "result", "summary")
    if text and kind in ("tether_quote", "sonic_webpage"):
        head = [string(part.get(name)) for name in ("title", "url")]
        return "\n".join(filter(None, [*head, text]))
    if not text and kind != "audio_transcription":
        found.unknown.append(f"part {kind}")
    return text


def _joined(content: dict[str, Any], *names: str) -> str:
    """The first of these members that holds text."""
    for name in names:
        value = content.get(name)
        parts = value if isinstance(value, list) else [value]
        text = "\n".join(part for part in parts if isinstance(part, str))
        if text.strip():
            return text.strip("\n")
    return ""


def _thoughts(content: dict[str, Any]) -> Iterator[str]:
    for thought in _objects(content.get("thoughts")):
        words = [string(thought.get("summary")), string(thought.get("content"))]
        if text := "\n".join(filter(None, words)):
            yield text


def _asset(pointer: object, kind: str, found: Content) -> Asset | None:
    """The file that a pointer names, as ``file-service://file-x1`` or ``file-x1``."""
    name = identifier(pointer)
    if name is None or len(found.assets) >= _MOST:
        return None
    name = name.rpartition("://")[2].partition("#")[0]
    return found.assets.setdefault(name, Asset(name, kind)) if name else None


def _links(references: list[dict[str, Any]], metadata: dict[str, Any]) -> Iterator[str]:
    """The pages that an answer cites."""
    for reference in references:
        for each in (
            reference,
            *_objects(reference.get("items")),
            *_objects(reference.get("sources")),
        ):
            if url := string(each.get("url")):
                yield url
    for citation in _objects(metadata.get("citations")):
        if url := string(_object(citation, "metadata").get("url")):
            yield url


def _unmarked(text: str, references: list[dict[str, Any]]) -> str:
    """``text`` with what the web page shows in place of its marks."""
    if "\ue200" not in text:
        return text
    shown: dict[str, str] = {}
    for reference in references:
        mark = reference.get("matched_text")
        if isinstance(mark, str):
            alt = reference.get("alt")
            # With the space that it begins with.
            alt = alt if isinstance(alt, str) else None
            shown[mark] = alt or string(reference.get("name")) or ""
    return _MARK.sub(lambda mark: shown.get(mark[0], ""), text)


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    return found if isinstance(found, list) else [found]


def _objects(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (each for each in value[:_MOST] if isinstance(each, dict))
