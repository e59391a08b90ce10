"""Credentials that are known by the name they are given: ``API_KEY=…``, ``password: "…"``.

The names are those of detect-secrets, and a few more. Its expressions are not used: they
are made for a line of a file whose language is known, take any value for a credential, and
leave it to its file scanner to sort out the many that are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from detect_secrets.plugins.keyword import DENYLIST

from .values import is_hash, is_identifier, is_password, is_random, is_reference, is_uuid

__all__ = ["assignments"]

#: What every name holds that counts. Looked for in lower case.
_STEMS = ("key", "pass", "pwd", "secret", "token", "contrase", "credential")

_MORE_NAMES = (
    "access_?key",
    "access_?token",
    "encryption_?key",
    "master_?key",
    "pass(?:phrase|code)",
    "secret_?key",
    "subscription_?key",
    "app_?key",
    "token",
    "credential",
)
_NAME = re.compile(rf"(?:(?P<tail>{'|'.join([*DENYLIST, *_MORE_NAMES])})|(?:^|_)pass)$")

#: What may come behind it in a name.
_SUFFIX = re.compile(
    r"\d+|b64|base64|default|dev|development|live|new|old|plain|plaintext|prod|production|raw"
    r"|staging|str|string|value"
)

#: A token, key or secret of these is none.
_OTHERS = re.compile(
    r"(?:^|_)(?:bos|cache|cancel|cancellation|column|continuation|csrf|cursor|design|eos|foreign"
    r"|idempotency|index|lookup|mask|max|min|next|object|page|pad|pagination|partition|prev"
    r"|previous|primary|public|sort|stop|sync|total|type|unk|unique)_"
)

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|ñ")
#: So much of a value tells what it is.
_ENOUGH = 150

_PARAMETER = re.compile("[&#]")
_RESOURCE = re.compile(r"[\w:*]:\Z")
_HEAD = re.compile(r"[\w.-]{0,60}\Z")

#: From the stem of a name to its value: the rest of the name, what closes it, and what
#: assigns. JSON within JSON has its quotes escaped.
_ASSIGNED = re.compile(
    r"(?P<rest>[\w-]{0,40})"
    r"(?P<close>\\{0,3}[\"'`]?\]?)"
    r"(?P<space>[ \t]{0,8})"
    r"(?P<sign>:=|=>|={1,3}|!={1,2}|:[ \t]{0,4}&?[A-Za-z_][\w\[\]|., ?]{0,30}=(?!=)|::?)"
    r"[ \t]{0,8}@?"
    r"(?:(?:\\?\n[ \t]{0,20})?(?P<quote>\\{0,3}[\"'`])(?P<quoted>[^\s\"'`\\]{6,4000})(?P=quote)"
    r"|(?P<bare>[^\s\"'`\\,;\[\](){}<>|]{6,400}))"
    r"(?P<after>.?)"
)

#: The rest of a value without quotes.
_BARE = re.compile(r"[^\s\"'`\\,;\[\](){}<>|]{0,20000}")

#: An option of a command and what it is given.
_FLAG = re.compile(r"(?P<rest>[\w-]{0,30})[ \t]{1,4}[\"']?(?P<value>[^\s\"'`\\<>|;()]{6,400})")


def assignments(text: str, folded: str) -> Iterator[tuple[str, int, int]]:
    """(kind, start, end) of each value; ``folded`` is ``text`` in lower case."""
    for stem in _STEMS:
        at = folded.find(stem)
        while at >= 0:
            end = at + len(stem)
            found = _ASSIGNED.match(text, end)
            if found:
                before = _before(text, at)
                start, stop, is_all = _value(text, at - len(before), found)
                value = text[start : min(stop, start + _ENOUGH)]
                if kind := _assigned(text, before, at, value, found):
                    yield kind, start, stop if is_all else _bare_end(text, stop)
            elif folded.find("--", max(0, at - 40), at) >= 0:
                found = _FLAG.match(text, end)
                if found and (kind := _given(text, at, end, found)):
                    yield kind, found.start("value"), _bare_end(text, found.end("value"))
            at = folded.find(stem, end)


def _bare_end(text: str, at: int) -> int:
    """Where a value ends that was only looked at in part."""
    rest = _BARE.match(text, at)
    return rest.end() if rest else at


def _value(text: str, name: int, found: re.Match[str]) -> tuple[int, int, bool]:
    """Where the value is that belongs to the name at ``name``, and whether that is all of
    it. Most are none, and none of these is worth going to its end."""
    if found["quote"]:
        return *found.span("quoted"), True
    start, end = found.span("bare")
    if text[name - 1 : name] in ("?", "&") and (next_one := _PARAMETER.search(text, start, end)):
        return start, next_one.start(), True
    return start, end, False


def _assigned(text: str, before: str, at: int, value: str, found: re.Match[str]) -> str | None:
    """What is assigned, if it is a credential. The beginning of the value tells."""
    name = at - len(before)
    kind = _kind(before + text[at : found.end("rest")])
    if kind is None or not value or is_reference(value):
        return None
    # A resource's type or its number in a cloud: AWS::IAM::AccessKey, arn:…:secret:name.
    if _RESOURCE.search(text, max(0, name - 2), name):
        return None
    if is_hash(value):
        return _of_hash(kind, value)
    if found["quote"]:
        loose = kind in ("password", "secret") and is_password(value)
        return kind if loose or is_random(value) else None
    if found["after"] in ("(", "[", "{", "<") or _kind(value[-60:]) or _is_dotted(value):
        return None
    if is_random(value):
        return kind
    if kind != "password" or not is_password(value):
        return None
    # Bare words are often English or code. A password has no space around it, as in
    # settings for a shell, or a line of its own and something that no word has.
    tight = text[found.end("rest")] == "=" and not text[found.start("bare") - 1].isspace()
    marked = any(not c.isalnum() for c in value) and _has_its_line(text, name, found)
    return kind if tight or before.startswith("--") or marked else None


def _of_hash(kind: str, value: str) -> str | None:
    """Hashes have keys, and UUIDs are tokens that only say which of many is meant."""
    return None if kind == "key" or (kind == "token" and is_uuid(value)) else kind


def _is_dotted(value: str) -> bool:
    """Whether a value is the name of something in code: ``settings.admin_password``."""
    return "." in value and is_identifier(value)


def _given(text: str, at: int, end: int, found: re.Match[str]) -> str | None:
    """What an option of a command is given, if it is a credential."""
    before, value = _before(text, at), found["value"]
    kind = _kind(before + text[at:end] + found["rest"]) if before.startswith("--") else None
    if kind is None or is_reference(value):
        return None
    if is_hash(value):
        return _of_hash(kind, value)
    if is_random(value):
        return kind
    return kind if kind == "password" and is_password(value) else None


def _before(text: str, at: int) -> str:
    """What a name has in front of its stem."""
    head = _HEAD.search(text, max(0, at - 60), at)
    before = head[0] if head else ""
    # The letter of an escaped line end is no part of it.
    escaped = (
        before[:1] in ("n", "r", "t") and text[at - len(before) - 1 : at - len(before)] == "\\"
    )
    return before[1:] if escaped else before


def _has_its_line(text: str, start: int, found: re.Match[str]) -> bool:
    """Whether nothing else stands on the line, as in YAML."""
    in_front = text[max(0, start - 40) : start].rpartition("\n")[2]
    return not in_front.strip("\"' \t-+>") and found["after"] in ("", "\r", "\\")


def _kind(name: str) -> str | None:
    """What a name says that its value is: ``GITHUB_TOKEN`` is a token."""
    words = [word.lower() for word in _WORDS.findall(name)]
    while words and _SUFFIX.fullmatch(words[-1]):
        words.pop()
    joined = "_".join(words)
    matched = _NAME.search(joined)
    if not matched or _OTHERS.search(joined):
        return None
    tail = matched["tail"] or "pass"
    if tail.startswith(("pass", "pwd", "contrase")) or tail.endswith(
        ("pass", "password", "passwd")
    ):
        return "password"
    for kind in ("token", "secret", "credential"):
        if kind in tail:
            return "secret" if kind == "credential" else kind
    return "API key" if tail.startswith(("api", "access", "app")) else "key"
