"""How the pages show values: times, counts, sizes, and the words that a search found.

Templates call these by name. Whatever comes out of a transcript is text here, which
Jinja escapes; only :func:`snippet` makes markup, out of escaped text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from ..render import one_line, shorten, visible
from ..search import MARK_END, MARK_START
from ..sizes import human_size

_PATH_END = re.compile(r"[^/\\]+(?=[/\\]*$)")


def count(number: int, noun: str = "", plural: str = "") -> str:
    """``1 message``, ``2,345 messages``; without a noun the number alone."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def short(number: int) -> str:
    """A count in little room: ``847``, ``12.3k``, ``4.1M``."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            amount = number / size
            return f"{amount:.1f}{unit}" if amount < 100 else f"{amount:.0f}{unit}"
    return str(number)


def local(ts: str | None) -> datetime | None:
    """A time of the archive in the time zone of this machine; ``None`` if it is none."""
    try:
        return datetime.fromisoformat(ts).astimezone() if ts else None
    except (ValueError, OverflowError, OSError):
        return None


def time(ts: str | None, *, clock: bool = True) -> Markup:
    """A ``<time>``: the day, and the minute unless ``clock`` is false, of this machine."""
    moment = local(ts)
    if moment is None or ts is None:
        return Markup("")
    said = moment.strftime("%Y-%m-%d %H:%M" if clock else "%Y-%m-%d")
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(ts, said)


def day(ts: str | None) -> str:
    """The day of this machine that a time is in: ``2026-02-11``."""
    moment = local(ts)
    return moment.strftime("%Y-%m-%d") if moment else ""


def age(seconds: float) -> str:
    """An age for people, in the largest unit that there is at least one of."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number = int(seconds // length)
        if number:
            return count(number, unit)
    return "less than a minute"


def title(text: str | None) -> str:
    """A conversation's title on one line."""
    return one_line(text or "") or "Untitled conversation"


def last_part(path: str | None) -> str:
    """The name at the end of a path: that of a repository or a file."""
    found = _PATH_END.search(path or "")
    return found[0] if found else (path or "")


def outward(url: str) -> Markup:
    """A URL as a link out of here, if it leads to the web; anything else stays text."""
    if not is_web(url):
        return Markup(escape(visible(url)))
    link = Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>')
    return link.format(url, visible(url))


def is_web(url: str) -> bool:
    """Whether a URL is one of http or https, and so runs nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def snippet(text: str) -> Markup:
    """Text with what was found between the search's marks, as ``<mark>``."""
    marked = str(escape(visible_marked(text)))
    return Markup(marked.replace(MARK_START, "<mark>").replace(MARK_END, "</mark>"))


def visible_marked(text: str) -> str:
    """``text`` without acting characters, but with the search's marks."""
    parts = re.split(f"([{MARK_START}{MARK_END}])", text)
    return "".join(part if part in (MARK_START, MARK_END) else visible(part) for part in parts)


#: What templates can call.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "age": age,
    "count": count,
    "day": day,
    "file_name": lambda path: Path(path).name,
    "last_part": last_part,
    "line": one_line,
    "outward": outward,
    "short": short,
    "shorten": shorten,
    "size": human_size,
    "snippet": snippet,
    "time": time,
    "titled": title,
    "visible": visible,
}
