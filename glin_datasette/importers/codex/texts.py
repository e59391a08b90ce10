"""Content, and what a user's text is: a prompt, or something that the client put there.

Codex tells the model of its surroundings in the user's name, mostly between tags::

    <environment_context> … </environment_context>
    # AGENTS.md instructions for /src/tide <INSTRUCTIONS> … </INSTRUCTIONS>
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ...models import Attachment
from ..session import base64_size
from ..text import one_line, string

__all__ = ["Content", "data_url", "is_context", "prompt_title", "read_content", "shell_input"]
__all__ += ["reasoning", "told_cwd"]

_IMAGE_TAG = re.compile(r"</?(?:image|local_image)(?: name=[^<>]{0,300})?>")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[\w=.+-]+){0,4}),", re.ASCII)

_WHOLE_TAG = re.compile(r"<([A-Za-z][A-Za-z _-]{0,40}?)(?: [^<>]{0,300})?>")
#: Tags without an underscore, which all others of the client have.
_TAGS = frozenset({"INSTRUCTIONS", "permissions instructions", "skill", "skills", "subagents"})
#: Those that old versions wrote as if they had been typed.
_ALWAYS = ("<environment_context>", "<user_instructions>", "# AGENTS.md instructions")
_IDE_REQUEST = re.compile(r"^#+ My request for Codex:[ \t]*$", re.MULTILINE)

_CWD = re.compile(r"<cwd>([^<>\n]{1,1000})</cwd>|^Current working directory: (.{1,1000})$", re.M)
_SHELL = re.compile(
    r"\s*<user_shell_command>\s*<command>\s*(.*?)\s*</command>\s*(?:<result>\s*(.*?)\s*</result>)?"
    r"\s*</user_shell_command>\s*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Content:
    """The text of a message or result, and the files in it. ``strange``: kinds of parts
    that this importer does not know."""

    text: str
    attachments: tuple[Attachment, ...] = ()
    strange: tuple[str, ...] = ()


def read_content(content: object) -> Content:
    """What ``content`` says: a text, or a list of parts."""
    texts: list[str] = []
    files: list[Attachment] = []
    strange: list[str] = []
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        if not isinstance(part, dict):
            continue
        kind = string(part.get("type")) or "(none)"
        if isinstance(text := part.get("text"), str):
            if not _IMAGE_TAG.fullmatch(text.strip()):
                texts.append(text)
        elif kind in ("input_image", "image", "local_image"):
            for url in (part.get("image_url"), part.get("url"), part.get("path")):
                if isinstance(url, str):
                    file = data_url(url)
                    files += [file] if file else []
                    texts += [] if file else [f"[image, {url[:2000]}]"]
        elif kind not in ("encrypted_content", "input_audio", "mention", "skill"):
            strange.append(f"content {kind[:50]}")
    return Content("\n".join(texts), tuple(files), tuple(strange))


def data_url(url: str) -> Attachment | None:
    """The file that is written down in a ``data:`` URL."""
    match = _DATA_URL.match(url)
    if not match or not match[2].endswith(";base64"):
        return None
    data = url[match.end() :]
    return Attachment(media_type=match[1].lower(), size=base64_size(data), data=data)


def is_context(text: str, *, typed: bool = False) -> bool:
    """Whether the client wrote ``text`` in the user's place. ``typed``: it says itself
    that it did not."""
    text = text.strip()
    if text.startswith(_ALWAYS):
        return True
    match = _WHOLE_TAG.match(text)
    if typed or not match or not text.endswith(f"</{match[1]}>"):
        return False
    return "_" in match[1] or match[1] in _TAGS


def prompt_title(text: str) -> str | None:
    """What a prompt would name the conversation: not what an editor wrote before it."""
    request = _IDE_REQUEST.search(text)
    return one_line(text[request.end() :] if request else text)


def told_cwd(text: str) -> str | None:
    """The working directory that a client's text tells."""
    match = _CWD.search(text[:4000])
    return string(match[1] or match[2]) if match else None


def shell_input(text: str) -> str | None:
    """A command that the user ran by ``!``, with what it printed."""
    match = _SHELL.fullmatch(text) if text.lstrip().startswith("<user_shell_command>") else None
    if not match:
        return None
    return f"! {match[1]}" + (f"\n\n{match[2]}" if match[2] else "")


def reasoning(payload: dict[str, object]) -> Iterator[str]:
    """The words of a reasoning item that people may read."""
    for name in ("summary", "content"):
        parts = payload.get(name)
        found = [
            text
            for part in (parts if isinstance(parts, list) else [parts])
            if (text := string(part.get("text") if isinstance(part, dict) else part))
        ]
        if found:
            yield from found
            return
