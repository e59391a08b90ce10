"""Finding what a message points at: files, commits and URLs.

A wrong reference costs more than a missing one, since people follow them; so a run of
hexadecimal digits is a commit only where git printed it or the words before it say so.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from ..models import Ref
from .text import clean

__all__ = [
    "MAX_REFS",
    "command_commits",
    "file_ref",
    "git_subcommands",
    "mentioned_files",
    "output_commits",
    "patch_files",
    "shell_command",
    "text_commits",
    "tool_files",
    "unique",
    "urls",
]

#: References of one type that one message may have.
MAX_REFS = 50

#: Characters. Long output holds its links and commits near its beginning, or not at all.
_SCAN = 256 * 1024
_MAX_URL = 2000
_MAX_PATH = 1000

# Not part of a uuid, a colour, a path, a version or a longer digest; but of a range "a..b".
_HASH = r"(?<![0-9A-Za-z/_#-])(?<![0-9A-Za-z]\.)[0-9a-f]{7,40}(?![0-9A-Za-z_-])"


def unique(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """``refs`` in order, each once, at most :data:`MAX_REFS` of a type."""
    kept: dict[Ref, None] = {}
    counts = {"file": 0, "commit": 0, "url": 0}
    for ref in refs:
        if ref not in kept and counts[ref.type] < MAX_REFS:
            kept[ref] = None
            counts[ref.type] += 1
    return tuple(kept)


# --- files -----------------------------------------------------------------------------

#: What tools call the file that they work on. A bare `path` may be a folder.
_FILE_KEYS = (
    "file_path",
    "filePath",
    "absolute_path",
    "notebook_path",
    "target_file",
    "relative_workspace_path",
)
#: Tools whose ``path`` is a file; elsewhere it is a folder to look in.
_PATH_TOOLS = frozenset(
    {"read", "edit", "write", "multiedit", "notebookread", "notebookedit"}
    | {"read_file", "write_file", "edit_file", "read_text_file", "str_replace_based_edit_tool"}
    | {"create", "create_file", "replace", "search_replace", "str_replace", "view"}
)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_MENTION = re.compile(
    r"(?<![\w@/.`])@((?:[\w.~+-]*/)+[\w.+-]*\.[A-Za-z]\w{0,9}"
    r"|[\w.+-]+\.(?:md|py|js|jsx|ts|tsx|go|rs|json|toml|ya?ml|txt|html|css|sql|sh))(?![\w/@(])"
)


def tool_files(tool: str, arguments: object, cwd: str | None, root: str | None) -> Iterator[Ref]:
    """The files that a tool's input names."""
    if not isinstance(arguments, dict):
        return
    keys = list(_FILE_KEYS)
    if tool.rpartition("__")[2].casefold() in _PATH_TOOLS:
        keys.append("path")
    for key in keys:
        value = arguments.get(key)
        if isinstance(value, str) and (ref := file_ref(value, cwd, root)):
            yield ref


_PATCHED = re.compile(r"^\*\*\* (?:(?:Add|Update|Delete) File|Move to): (.+)$", re.MULTILINE)
#: Arguments that may hold a patch in the form that `apply_patch` takes.
_PATCH_KEYS = ("patch", "input", "patchText")


def patch_files(arguments: object, cwd: str | None, root: str | None) -> Iterator[Ref]:
    """The files that a patch names, which is ``arguments`` or one of them."""
    candidates = [arguments]
    if isinstance(arguments, dict):
        candidates = [arguments.get(key) for key in _PATCH_KEYS]
        command = arguments.get("command")
        candidates += command if isinstance(command, list) else [command]
    for text in candidates:
        if isinstance(text, str) and "*** " in text:
            for match in _PATCHED.finditer(text[:_SCAN]):
                if ref := file_ref(match[1], cwd, root):
                    yield ref


def mentioned_files(text: str, cwd: str | None, root: str | None) -> Iterator[Ref]:
    """The files that a prompt mentions as ``@path/name.ext``."""
    for match in _MENTION.finditer(text[:_SCAN]) if "@" in text else ():
        if ref := file_ref(match[1].rstrip("."), cwd, root):
            yield ref


def file_ref(path: str, cwd: str | None, root: str | None) -> Ref | None:
    """A path as references hold it: relative to ``root`` inside it, else absolute.

    A relative path starts at ``cwd``. A path of Windows gets forward slashes.
    """
    path = path.strip()
    if not path or len(path) > _MAX_PATH or "\n" in path or "\0" in path:
        return None
    path = _forward(path)
    if not _absolute(path) and cwd:
        path = posixpath.join(_forward(cwd), path)
    path = posixpath.normpath(path)
    if root:
        top = posixpath.normpath(_forward(root))
        if path == top:
            return None
        if path.startswith(top.rstrip("/") + "/"):
            path = path[len(top.rstrip("/")) + 1 :]
    # The folder that it starts at may hold what no text in the archive may.
    path = clean(path)
    return None if path in ("", ".", "/") else Ref("file", path)


def _forward(path: str) -> str:
    return path.replace("\\", "/") if _WINDOWS.match(path) or "/" not in path else path


def _absolute(path: str) -> bool:
    return path.startswith(("/", "~")) or _WINDOWS.match(path) is not None


# --- commits ---------------------------------------------------------------------------

_GIT = re.compile(
    r"(?<![\w./-])git(?:[ \t]+(?:-[Cc][ \t]+\S+|--?[\w-]+(?:=\S+)?)){0,8}[ \t]+([a-z][a-z-]+)"
)
#: Subcommands that print commits; others print hashes of blobs and trees as well.
_PRINTS_COMMITS = frozenset(
    {"branch", "checkout", "cherry", "cherry-pick", "commit", "fetch", "log", "merge", "pull"}
    | {"push", "rebase", "reflog", "reset", "rev-list", "rev-parse", "revert", "show", "switch"}
)
_PRINTS_ONELINE = frozenset({"cherry", "log", "reflog", "rev-list"})

_BRACKET = re.compile(r"^\[[^\]\n]{1,200}? ([0-9a-f]{7,40})\] ", re.MULTILINE)
_FULL = re.compile(r"^(?:[*|\\/ ]*)commit ([0-9a-f]{40})\b", re.MULTILINE)
_HEAD = re.compile(r"^HEAD is now at ([0-9a-f]{7,40}) ", re.MULTILINE)
_RANGE = re.compile(r"^[ +*]*(?:Updating )?[0-9a-f]{7,40}\.{2,3}([0-9a-f]{7,40})\b", re.MULTILINE)
_ONELINE = re.compile(r"^[*|\\/+\- ]{0,40}([0-9a-f]{7,40}) +\S", re.MULTILINE)
_BRANCH = re.compile(r"^[*+ ] [\w./-]{1,100} +([0-9a-f]{7,40}) +\S", re.MULTILINE)
_ALONE = re.compile(r"^([0-9a-f]{7,40})$", re.MULTILINE)

_SPOKEN = re.compile(
    r"\b(?:commits?|committed(?: as)?|commit hash|revision|cherry-pick(?:ed)?|revert(?:ed|s)?"
    r"|(?:added|done|fixed|introduced|landed|merged) (?:as|by|in))"
    rf"(?: (?:is|was|at|in))?:?\s{{1,3}}[`'\"(\[*]{{0,3}}({_HASH})"
    rf"((?:[`'\")\]*]{{0,3}}(?:,| and|, and| or)\s[`'\"(\[*]{{0,3}}{_HASH}){{0,20}})",
    re.IGNORECASE,
)
#: One of these stands in whatever that finds.
_SPOKEN_OF = (
    "commit", "revision", "cherry-pick", "revert",
    "added ", "done ", "fixed ", "introduced ", "landed ", "merged ",
)  # fmt: skip
# As _HASH, in either case; begins with what it finds, which is then searched for faster.
_MORE = re.compile(
    r"[0-9A-Fa-f](?<![0-9A-Za-z/_#-].)(?<![0-9A-Za-z]\..)[0-9A-Fa-f]{6,39}(?![0-9A-Za-z_-])"
)
_COMMIT_URL = re.compile(r"/commits?/([0-9a-f]{7,40})(?![0-9A-Za-z])")
_COMMAND = re.compile(
    r"(?<![\w./-])git[ \t]+(?:show|cherry-pick|revert|checkout|reset|diff|log|branch|merge)\b"
    r"([^\n;&|]{0,300})"
)


def shell_command(arguments: object) -> str | None:
    """The shell command in a tool's input: a text, or a list such as
    ``["bash", "-lc", "git log"]``."""
    if isinstance(arguments, dict):
        arguments = next(
            (found for key in ("command", "cmd", "commandLine") if (found := arguments.get(key))),
            None,
        )
    if isinstance(arguments, list):
        return " ".join(part for part in arguments if isinstance(part, str))
    return arguments if isinstance(arguments, str) else None


def git_subcommands(command: object) -> list[str]:
    """The git subcommands in a shell command whose output names commits."""
    if not isinstance(command, str) or "git" not in command:
        return []
    found = {match[1] for match in _GIT.finditer(command[:_SCAN])}
    return sorted(found & _PRINTS_COMMITS)


def output_commits(output: str, subcommands: Iterable[str]) -> Iterator[Ref]:
    """The commits in what git printed for ``subcommands`` (see :func:`git_subcommands`)."""
    ran = frozenset(subcommands)
    if not ran:
        return
    text = output[:_SCAN]
    patterns = [_BRACKET, _FULL, _HEAD]
    if ran & {"push", "pull", "fetch", "merge"}:
        patterns.append(_RANGE)
    for pattern in patterns:
        for match in pattern.finditer(text):
            yield Ref("commit", match[1])
    if "rev-parse" in ran or "rev-list" in ran:
        yield from _hashes(match[1] for match in _ALONE.finditer(text))
    if ran & _PRINTS_ONELINE:
        yield from _hashes(match[1] for match in _ONELINE.finditer(text))
    if "branch" in ran:
        yield from _hashes(match[1] for match in _BRANCH.finditer(text))


def text_commits(text: str) -> Iterator[Ref]:
    """The commits that text speaks of: ``commit abc1234``, or by the URL of one."""
    text = text[:_SCAN]
    # Most text holds none of the words, or no hash at all: both are cheaper to look for than
    # one beside the other.
    lower = text.lower()
    if any(map(lower.__contains__, _SPOKEN_OF)) and _MORE.search(text):
        for match in _SPOKEN.finditer(text):
            yield from _hashes([match[1], *_MORE.findall(match[2])])
    if "/commit" in text:
        for match in _COMMIT_URL.finditer(text):
            yield from _hashes([match[1]])


def command_commits(command: object) -> Iterator[Ref]:
    """The commits that a shell command gives to git: ``git show abc1234``."""
    if isinstance(command, str) and "git" in command:
        for match in _COMMAND.finditer(command[:_SCAN]):
            yield from _hashes(_MORE.findall(match[1]))


def _hashes(found: Iterable[str]) -> Iterator[Ref]:
    """Those that mix digits and letters: a number is no commit, and neither is "defaced"."""
    for value in found:
        lower = value.lower()
        if any(c.isdigit() for c in lower) and any(c.isalpha() for c in lower):
            yield Ref("commit", lower)


# --- URLs ------------------------------------------------------------------------------

# Stops at what no URL holds, and at the punctuation and brackets of Chinese and Japanese.
_URL = re.compile(
    r"(?<![A-Za-z0-9+.-])https?://[^\s<>\"'`\\^{}|\x00-\x1f\u3000-\u303f\uff01-\uff5e\u2018-\u201d]+",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?*_~…"
_PAIRS = {")": "(", "]": "["}


def urls(text: str) -> Iterator[Ref]:
    """The web addresses in a text, without the punctuation and markup around them.

    A user name and password in one are left out.
    """
    text = text[:_SCAN] if "://" in text else ""
    at = 0
    while match := _URL.search(text, at):
        url = _trimmed(match[0])
        # Another address may follow without a space, as in `[a](https://…)[b](https://…)`.
        at = match.start() + max(len(url), len("http://"))
        if len(url) > _MAX_URL:
            continue
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            continue
        if not host or not (host[0].isalnum() or ":" in host):
            continue
        if "@" in parts.netloc:
            url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        yield Ref("url", url)


def _trimmed(url: str) -> str:
    # `[text](https://a.example)](…`: what follows a bracket that was never opened is not
    # part of the address.
    depth = {"(": 0, "[": 0}
    for place, character in enumerate(url):
        if character in depth:
            depth[character] += 1
        elif character in _PAIRS:
            depth[_PAIRS[character]] -= 1
            if depth[_PAIRS[character]] < 0:
                url = url[:place]
                break
    return url.rstrip(_TRAILING)
