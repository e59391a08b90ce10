"""What the columns of a row say, checked. ``docs/importers.md`` describes each."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from ...models import KINDS, RELATIONS, ROLES, Kind, Ref, Relation, Role
from ..refs import urls
from ..text import clean, count, epoch_time, identifier, normalise_time, string

__all__ = ["COLUMNS", "REQUIRED", "Record", "parse"]

_CHOICES: Mapping[str, tuple[str, ...]] = {"role": ROLES, "kind": KINDS, "relation": RELATIONS}
#: Kinds that may say nothing: a tool may take or give nothing.
_MAY_BE_BLANK = ("tool_call", "tool_result")
#: As text, so long a number is no date without hyphens, but seconds or milliseconds.
_EPOCH = re.compile(r"\d{9,16}(?:\.\d*)?")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_COMMIT = re.compile(r"[0-9a-f]{7,40}")
_MAX_PATH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row. The names of its fields are those of the columns."""

    conversation: str
    role: Role
    content: str
    source: str
    id: str | None
    ts: str | None
    kind: Kind
    title: str | None
    model: str | None
    token_in: int | None
    token_out: int | None
    token_cached: int | None
    tool_name: str | None
    tool_call_id: str | None
    is_error: bool
    repo_root: str | None
    git_branch: str | None
    client: str | None
    transport: str | None
    parent: str | None
    relation: Relation | None
    tags: tuple[str, ...]
    conversation_tags: tuple[str, ...]
    files: tuple[str, ...]
    commits: tuple[Ref, ...]
    urls: tuple[Ref, ...]


COLUMNS = tuple(field.name for field in fields(Record))
REQUIRED = ("conversation", "role", "content")


def parse(values: Mapping[str, Any]) -> Record:
    """The row whose columns have these values: JSON, or the cells of CSV.

    :raises ValueError: if one of them cannot be; the message says which, and what can
    """
    kind = _choice(values, "kind") or "text"
    conversation = _required(values, "conversation", _id(values, "conversation"))
    parent, relation = _id(values, "parent"), _choice(values, "relation")
    if parent == conversation:
        raise ValueError("parent: a conversation cannot be its own")
    if relation and not parent:
        raise ValueError("relation: there is no parent that it could be to")
    return Record(
        conversation=conversation,
        role=_required(values, "role", _choice(values, "role")),  # type: ignore[arg-type]
        content=_content(values, kind),
        source=_text(values, "source") or "messages",
        id=_id(values, "id"),
        ts=_time(values, "ts"),
        kind=kind,  # type: ignore[arg-type]
        title=_text(values, "title"),
        model=_text(values, "model"),
        token_in=_count(values, "token_in"),
        token_out=_count(values, "token_out"),
        token_cached=_count(values, "token_cached"),
        tool_name=_text(values, "tool_name"),
        tool_call_id=_id(values, "tool_call_id"),
        is_error=_boolean(values, "is_error"),
        repo_root=_text(values, "repo_root"),
        git_branch=_text(values, "git_branch"),
        client=_text(values, "client"),
        transport=_text(values, "transport"),
        parent=parent,
        relation=relation,  # type: ignore[arg-type]
        tags=_list(values, "tags"),
        conversation_tags=_list(values, "conversation_tags"),
        files=_files(values),
        commits=tuple(_commit(each) for each in _list(values, "commits")),
        urls=tuple(_url(each) for each in _list(values, "urls")),
    )


def _required(values: Mapping[str, Any], name: str, found: str | None) -> str:
    if found is None:
        raise ValueError(f"{name}: missing")
    return found


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name}: not a text")
    return string(value)


def _id(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if type(value) is int:
        value = str(value)
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"{name}: neither a text nor a whole number")
    return identifier(value)


def _choice(values: Mapping[str, Any], name: str) -> str | None:
    value = _text(values, name)
    if value is not None and value not in _CHOICES[name]:
        raise ValueError(f"{name}: {value[:40]!r} is none of {', '.join(_CHOICES[name])}")
    return value


def _content(values: Mapping[str, Any], kind: str) -> str:
    value = values.get("content")
    if value is None and kind in _MAY_BE_BLANK:
        return ""
    if value is None:
        raise ValueError("content: missing")
    if not isinstance(value, str):
        raise ValueError("content: not a text")
    if kind not in _MAY_BE_BLANK and not clean(value).strip():
        raise ValueError(f"content: blank, which only {' and '.join(_MAY_BE_BLANK)} may be")
    return value


def _time(values: Mapping[str, Any], name: str) -> str | None:
    value = values.get(name)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if _EPOCH.fullmatch(value):
            value = float(value)
    if value is None:
        return None
    moment = normalise_time(value) if isinstance(value, str) else epoch_time(value)
    if moment is None:
        raise ValueError(
            f"{name}: {_shown(value)} is no time; write 2026-02-11T05:53:33Z, or seconds or "
            "milliseconds since 1970"
        )
    return moment


def _count(values: Mapping[str, Any], name: str) -> int | None:
    value = values.get(name)
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if value.isascii() and value.isdigit() and len(value) <= 20:
            value = int(value)
    if value is None:
        return None
    found = count(value)
    if found is None:
        raise ValueError(f"{name}: {_shown(value)} is no number of tokens")
    return found


def _boolean(values: Mapping[str, Any], name: str) -> bool:
    value = values.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    said = str(value).strip().casefold() if isinstance(value, str | int) else None
    if said == "":
        return False
    if said not in _BOOLEANS:
        raise ValueError(f"{name}: {_shown(value)} is none of {', '.join(_BOOLEANS)}")
    return _BOOLEANS[said]


def _list(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts, or a text: a list as JSON, else what semicolons separate."""
    value = values.get(name)
    if value is None:
        return ()
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                raise ValueError(f"{name}: begins with '[' but is no JSON list") from None
        else:
            value = value.split(";")
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise ValueError(f"{name}: neither a list of texts nor texts with ';' between them")
    return tuple(dict.fromkeys(found for each in value if (found := string(each))))


def _files(values: Mapping[str, Any]) -> tuple[str, ...]:
    found = _list(values, "files")
    for path in found:
        if len(path) > _MAX_PATH or "\n" in path:
            raise ValueError(f"files: {_shown(path)} is no path")
    return found


def _commit(value: str) -> Ref:
    if not _COMMIT.fullmatch(value.lower()):
        raise ValueError(f"commits: {_shown(value)} is no hash of 7 to 40 digits")
    return Ref("commit", value.lower())


def _url(value: str) -> Ref:
    found = list(urls(value))
    if len(found) != 1 or not value.lower().startswith(("http://", "https://")):
        raise ValueError(f"urls: {_shown(value)} is no http:// or https:// address")
    return found[0]


def _shown(value: object) -> str:
    if isinstance(value, str):
        return repr(value[:40])
    return str(value)[:40] if isinstance(value, int | float) else f"a {type(value).__name__}"
