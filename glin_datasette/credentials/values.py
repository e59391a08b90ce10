"""Telling a credential from what stands in its place: a placeholder, a name, a hash."""

from __future__ import annotations

import re
import string
from itertools import pairwise

__all__ = [
    "is_filler",
    "is_hash",
    "is_identifier",
    "is_password",
    "is_random",
    "is_reference",
    "is_url_password",
    "is_uuid",
]

#: Words of a value that nobody means to keep secret.
_FILLER_WORDS = re.compile(
    r"example|changeme|change[_-]me|placeholder|redacted|dummy|sample"
    r"|(?<![A-Za-z0-9])(?:your|my|some|fake|mock)(?:[\W_]|$)|your[_-]"
    r"|replace[_-]?(?:me|with|this)|insert[_-]|xxxx|\.\.\.|…|\*\*\*|<[^>]*>|not[_-]?a?[_-]?real"
    r"|(?:^|[\W_])(?:test|tests|testing|foo|bar|baz|todo|lorem|demo|stub|none|null|undefined)"
    r"(?:[\W_\d]|$)|\b(?:required|optional|nullable|min|max)\b",
    re.IGNORECASE,
)
_SEQUENCES = ("0123456789", "1234567890", "abcdefgh", "abc123", "00000000", "deadbeef")

#: Passwords that every installation of something has, and words that stand for one.
_DEFAULTS = re.compile(
    r"(?:admin|administrator|guest|letmein|minio|minioadmin|mongo|mysql|passw?d?|password|postgres"
    r"|postgresql|pwd?|rabbitmq|redis|root|secret|test|testing|token|user|username|welcome)\d{0,3}"
)

_HEX = re.compile(r"[0-9a-fA-F]+")
#: In YAML: a tag, an anchor, an alias.
_ALIAS = re.compile(r"[!&*][A-Za-z_-]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HASH_LENGTHS = (32, 40, 64, 96, 128)
_DIGEST = re.compile(r"(?:sha\d{1,3}|md5|blake\w{1,6})[-:$]", re.IGNORECASE)
_REFERENCE = re.compile(
    r"[$%]|\{\{|\}\}|\$\{|process\.env|os\.environ|getenv|import\.meta|secrets\.|env\.|vault:"
    r"|arn:|ssm:|secretref:|@|#\{|__",
    re.IGNORECASE,
)
_PATH_PART = re.compile(r"[A-Za-z@][\w.@-]*|\d{1,4}")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: Three letters or more with vowels among them.
_READABLE = re.compile(
    r"(?=.{3})[^aeiouy]{0,3}(?:[aeiouy]{1,3}[^aeiouy]{1,4})*[aeiouy]{0,3}", re.IGNORECASE
)
_TEMPLATE = re.compile(r"^\$|\$\{|[{}]|%\(|%s|^[(\[]")
_ID = re.compile(
    r"(?:toolu|call|msg|req|resp|chatcmpl|run|thread|asst|file|cus|price|prod|evt|ch|pi|sub|in|org"
    r"|user|usr|ses|session|conv)[_-]"
)
_CLASSES = (
    (string.ascii_lowercase, "l"),
    (string.ascii_uppercase, "u"),
    (string.digits, "d"),
)
_CLASS = {character: name for characters, name in _CLASSES for character in characters}


def is_filler(value: str) -> bool:
    """Whether a value only shows where one goes: ``xxxx``, ``your-key``, ``abcdefgh``."""
    low = value.lower()
    if _FILLER_WORDS.search(value) or any(each in low for each in _SEQUENCES):
        return True
    # One character again and again.
    return len(set(low)) < min(6, len(low) // 2 + 1) or bool(re.search(r"(.)\1{6}", low))


def is_hash(value: str) -> bool:
    """Whether a value may as well be a digest or a UUID."""
    if _UUID.fullmatch(value):
        return True
    return len(value) in _HASH_LENGTHS and bool(_HEX.fullmatch(value))


def is_uuid(value: str) -> bool:
    """Whether a value is a UUID: often a token's name, and a key only sometimes."""
    return bool(_UUID.fullmatch(value))


def is_reference(value: str) -> bool:
    """Whether a value says where the credential is: a variable, a file, an address;
    or is a date or the digest of something."""
    if value[0] in "$%{<[(~.#|>" or _ALIAS.fullmatch(value) or value.startswith("--"):
        return True
    if _REFERENCE.match(value) or "${" in value or "{{" in value or "}" in value:
        return True
    if _DIGEST.match(value) or _DATE.match(value):
        return True
    if "://" in value or value[1:3] in (":\\", ":/"):
        return True
    return _is_path(value)


def _is_path(value: str) -> bool:
    parts = [part for part in re.split(r"[/\\]", value) if part]
    if value[0] == "/" and (len(parts) > 1 or "." in value):
        return True
    if "/" not in value and "\\" not in value:
        return False
    names = sum(is_identifier(part) for part in parts if _PATH_PART.fullmatch(part))
    return names >= len(parts) - (len(parts) > 2)


def is_identifier(value: str) -> bool:
    """Whether a value reads like a name that somebody gave: words, and few numbers."""
    if value.isdigit():
        return True
    if len(_NUMBER.findall(value)) > 2 + len(value) // 25:
        return False
    words = _WORD.findall(value)
    letters = sum(map(len, words))
    read = sum(len(word) for word in words if _READABLE.fullmatch(word))
    return letters > 0 and read >= letters * 0.7


def is_random(value: str) -> bool:
    """Whether a value looks like one that a machine made up."""
    # The beginning tells, however long it is.
    value = value[:100]
    if len(value) < 16 or len(set(value)) < 8 or is_filler(value) or is_identifier(value):
        return False
    kinds = [_CLASS.get(character, "o") for character in value]
    if not ({"d", "u"} <= set(kinds) or {"d", "l"} <= set(kinds) or {"l", "u"} <= set(kinds)):
        return False
    changes = sum(a != b for a, b in pairwise(kinds))
    return changes >= len(value) * 0.2


def is_password(value: str) -> bool:
    """Whether a value could be a password that somebody chose."""
    low = value.lower()
    if len(value) < 6 or is_filler(value) or _DEFAULTS.fullmatch(low) or _ID.match(value):
        return False
    has_digit = any(c.isdigit() for c in value)
    has_letter = any(c.isalpha() for c in value)
    has_mark = any(not c.isalnum() and c not in "_-." for c in value)
    if not has_letter or not (has_digit or has_mark):
        return False
    return len(value) >= 8 or (has_digit and has_mark)


def is_url_password(value: str) -> bool:
    """Whether the password in a URL is one, and not the word for it."""
    if is_filler(value) or _DEFAULTS.fullmatch(value.lower()) or _TEMPLATE.search(value):
        return False
    if value.isdigit() and len(value) < 6:
        return False  # A port.
    return len(value) >= 8 or not value.isalpha()
