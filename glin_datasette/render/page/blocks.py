"""Messages as the blocks of a transcript's page, in pieces, one for each message.

A turn begins where another one speaks. A tool call is one folded line, with what it was
given and what it returned inside; a thought is folded too, and long output is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from ...models import Attachment, Message
from ...tool_input import parse_tool_input
from ..fold import outcome, speaker, summary
from ..plain import count_lines, one_line, visible
from .changes import change_of
from .code import Budget, code_block, language_of
from .rich import plain, rich

__all__ = ["Places", "message_block", "page_blocks"]

#: Of a tool's input and output a transcript shows so much: lines, and characters.
_LINES, _CHARACTERS = 40, 4_000

#: How tools call the path of a file, and all that is to be in it.
_PATHS = ("file_path", "filePath", "path", "notebook_path")
_TEXTS = ("content", "file_text", "contents")

_SPEAKERS = {"user": "You", "assistant": "Assistant", "system": "System"}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the blocks of a page lead to, and what is to be seen in them.

    ``message`` makes the address of one message, whole; ``here`` that of its place in the
    transcript; ``tag`` that of a tag's page; ``image`` that of a stored picture, ``None``
    for a file that is none. ``time`` shows a time. ``hits`` are the ids of the messages
    that a search found, in order; ``hit_of`` makes the address of the place of one.
    """

    message: Callable[[int], str]
    here: Callable[[int], str]
    tag: Callable[[str], str]
    image: Callable[[Attachment], str | None]
    time: Callable[[str | None], Markup]
    hits: Sequence[int] = ()
    hit_of: Callable[[int], str] = str
    numbers: Mapping[int, int] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {message: number for number, message in enumerate(self.hits, 1)}
        object.__setattr__(self, "numbers", numbers)


def page_blocks(messages: Sequence[Message], places: Places) -> Iterator[Markup]:
    """The blocks of one page of a transcript, turn by turn, in pieces of whole elements."""
    budget = Budget()
    results = _results(messages)
    shown_inside = {id(result) for result in results.values()}
    turn: str | None = None
    parts: list[str] = []
    for message in messages:
        if id(message) in shown_inside:
            continue
        if turn != speaker(message):
            if parts:
                yield _turn(parts)
            turn = speaker(message)
            parts = [_heading(message, turn, places)]
        result = results.get(message.tool_call_id or "") if _is_call(message) else None
        parts.append(_block(message, result, places, budget, whole=False))
    if parts:
        yield _turn(parts)


def message_block(message: Message, places: Places) -> Markup:
    """One message, whole and unfolded."""
    return Markup(_block(message, None, places, Budget(), whole=True))


def _turn(parts: list[str]) -> Markup:
    return Markup("".join([*parts, "</section>\n"]))


def _is_call(message: Message) -> bool:
    return message.kind == "tool_call" and message.tool_call_id is not None


def _results(messages: Iterable[Message]) -> dict[str, Message]:
    """The first result of each call, by the call's id. Of two calls with one id, which is
    damaged data, the first gets it."""
    called: set[str] = set()
    found: dict[str, Message] = {}
    for message in messages:
        call = message.tool_call_id
        if call is None:
            continue
        if message.kind == "tool_call":
            called.add(call)
        elif message.kind == "tool_result" and call in called and call not in found:
            found[call] = message
    return found


def _heading(message: Message, turn: str, places: Places) -> str:
    prompt = " data-glin-item" if turn == "user" else ""
    model = f' <span class="t-model">{_line(message.model)}</span>' if message.model else ""
    who = _SPEAKERS.get(turn, turn.capitalize())
    return (
        f'<section class="t-turn t-{escape(turn)}"{prompt}>\n'
        f'<div class="t-head"><h2>{escape(who)}</h2>{model} {places.time(message.ts)}</div>\n'
    )


def _block(
    message: Message, result: Message | None, places: Places, budget: Budget, *, whole: bool
) -> str:
    spoken = message.kind == "text"
    classes = ["t-message", f"t-{message.kind}"]
    failed = message.is_error or (result is not None and result.is_error)
    if failed:
        classes.append("t-failed")
    numbers = [n for m in (message, result) if m and (n := places.numbers.get(m.id or 0))]
    if numbers:
        classes.append("t-hit")
    hit = "".join(_hit(number, places) for number in numbers)
    inside = _inside(message, result, places, budget, whole=whole)
    head = _permalink(message, places)
    anchor = f"message-{message.id}"
    extras = _extras(message, places)
    if spoken or whole:
        return (
            f'<article class="{" ".join(classes)}" id="{anchor}">{hit}{head}\n'
            f"{inside}{extras}</article>\n"
        )
    opened = " open" if numbers else ""
    told = _summary(message, result)
    return (
        f'<article class="{" ".join(classes)}" id="{anchor}">{hit}{head}'
        f"<details{opened}><summary>{told}</summary>\n{inside}{extras}</details></article>\n"
    )


def _summary(message: Message, result: Message | None) -> str:
    name, colon, about = summary(message).partition(": ")
    said = f"<b>{_line(name)}</b>" + (f" <code>{_line(about)}</code>" if colon else "")
    if result is not None:
        failed = " t-said-failed" if result.is_error else ""
        said += f' <span class="t-outcome{failed}">{_line(outcome(result))}</span>'
    return said


def _inside(
    message: Message, result: Message | None, places: Places, budget: Budget, *, whole: bool
) -> str:
    if message.kind == "text":
        text = rich(message.content, breaks=message.role != "assistant", budget=budget)
        return f'<div class="t-rich">{text}</div>\n'
    if message.kind == "thinking":
        return str(plain(message.content))
    if message.kind == "tool_call":
        given = _given(message, places, budget, whole=whole)
        return given + (_returned(result, places) if result is not None else "")
    return _cut(message, places, whole=whole)


def _given(message: Message, places: Places, budget: Budget, *, whole: bool) -> str:
    """What a call was given: a change as a diff, a new file as code, the rest as it is."""
    given = _input(message.content)
    path = next((said for name in _PATHS if isinstance(said := given.get(name), str)), "")
    head = f'<p class="t-path">{_line(path)}</p>\n' if path else ""
    if change := change_of(message.content, given):
        # Markup would escape what is put beside it.
        return head + str(change)
    text = next((said for name in _TEXTS if isinstance(said := given.get(name), str)), "")
    if path and "\n" in text:
        shown = text if whole else _shortened(text)
        more = _more(message, text, places) if shown != text else ""
        return f"{head}{code_block(shown, language_of(path), budget)}{more}"
    return _cut(message, places, whole=whole)


def _input(content: str) -> dict[str, object]:
    try:
        return parse_tool_input(content)
    except (ValueError, RecursionError):
        return {}


def _returned(result: Message, places: Places) -> str:
    label = "Failure" if result.is_error else "Result"
    anchor = f' id="message-{result.id}"'
    return (
        f'<div class="t-result"{anchor}><p class="t-label">{label} '
        f"{_permalink(result, places)}</p>\n{_cut(result, places, whole=False)}"
        f"{_extras(result, places)}</div>\n"
    )


def _cut(message: Message, places: Places, *, whole: bool) -> str:
    text = message.content
    if not text.strip():
        return '<p class="t-nothing">(nothing)</p>\n'
    shown = text if whole else _shortened(text)
    more = _more(message, text, places) if shown != text else ""
    return f'<pre class="t-code"><code>{escape(visible(shown))}</code></pre>\n{more}'


def _shortened(text: str) -> str:
    lines = text[: _CHARACTERS + 1].split("\n")
    if len(text) <= _CHARACTERS and len(lines) <= _LINES:
        return text
    return "\n".join(lines[:_LINES])[:_CHARACTERS]


def _more(message: Message, text: str, places: Places) -> str:
    if message.id is None:
        return ""
    lines = count_lines(text)
    what = f"all {lines:,} lines" if lines > 1 else f"all {len(text):,} characters"
    return f'<p class="t-more"><a href="{escape(places.message(message.id))}">Show {what}</a></p>\n'


def _permalink(message: Message, places: Places) -> str:
    if message.id is None:
        return ""
    return (
        f'<a class="t-anchor" href="{escape(places.here(message.id))}"'
        f' title="Link to this message" aria-label="Link to message {message.id}">#</a>'
    )


def _hit(number: int, places: Places) -> str:
    """Which hit this is, with the ways to the ones before and after it."""
    hits = places.hits
    links = ""
    if number > 1:
        links += f' <a rel="prev" href="{escape(places.hit_of(hits[number - 2]))}">previous</a>'
    if number < len(hits):
        links += f' <a rel="next" href="{escape(places.hit_of(hits[number]))}">next</a>'
    return f'<p class="t-hit-of" data-hit="{number}">Hit {number} of {len(hits)}{links}</p>\n'


def _extras(message: Message, places: Places) -> str:
    parts = []
    for attachment in message.attachments:
        if (address := places.image(attachment)) is not None:
            name = _line(attachment.name or "Attached image")
            parts.append(f'<p><img class="t-image" loading="lazy" src="{escape(address)}"')
            parts.append(f' alt="{name}"></p>\n')
    if message.tags:
        chips = " ".join(
            f'<a class="glin-chip" href="{escape(places.tag(tag))}">{_line(tag)}</a>'
            for tag in message.tags
        )
        parts.append(f'<p class="glin-chips">{chips}</p>\n')
    return "".join(parts)


def _line(text: str | None) -> str:
    return escape(one_line(text or ""))
