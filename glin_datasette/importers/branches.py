"""Conversations that are kept as a tree: a prompt that was edited, or an answer that was
asked for again, stands beside what it replaced.

Only the way up from a message is trusted. Exports name the messages below one too, but not
in every version.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from .base import Item, Moved, Said
from .session import Session

__all__ = ["paths", "tell_paths"]


def tell_paths(
    main: Session,
    ways: Sequence[Sequence[str]],
    say: Callable[[Session, str], Iterator[Item]],
) -> Iterator[Item]:
    """The conversation ``main``, which is the first way, and a branch of it for each of the
    others, called after its first message. ``say`` yields what a message is.

    What an earlier reading of the file put elsewhere goes where it belongs now.
    """
    held: list[tuple[str, list[str]]] = []
    for way in ways:
        session = main
        if held:
            session = main.child(f"{main.id}/branch-{way[0]}", "branch")
            if main.title and main.title_from:
                session.entitle(main.title, main.title_from)
        said: list[str] = []
        for name in way:
            for item in say(session, name):
                if isinstance(item, Said) and item.message.source_id is not None:
                    said.append(item.message.source_id)
                yield item
        yield from session.finish()
        held.append((session.id, said))
    if len(held) > 1:
        yield from (Moved(name, tuple(said)) for name, said in held if said)


def paths(
    parents: Mapping[str, str | None], times: Mapping[str, str | None], leaf: str | None
) -> list[list[str]]:
    """The ways down through a tree, each message in one of them.

    The first is the conversation as it is shown: it ends at ``leaf``, or where that is not
    there at the newest message. Each of the others begins where it leaves one before it,
    and goes on to the newest message that it leads to. What has no time is as old as what
    it answers, and of equal times the later one in ``parents`` is newer. A message whose
    parent is not there, or is itself below it, begins a tree of its own.
    """
    above = _without_cycles(parents)
    below: dict[str | None, list[str]] = {}
    for name, parent in above.items():
        below.setdefault(parent, []).append(name)
    newest = _newest(above, below, times)
    if leaf not in above:
        leaf = newest[None]
    if leaf is None:
        return []
    found: list[list[str]] = []
    used: set[str] = set()
    waiting: deque[tuple[str | None, str]] = deque([(None, leaf)])
    while waiting:
        start, end = waiting.popleft()
        way = [end]
        while way[-1] != start and (parent := above[way[-1]]) is not None:
            way.append(parent)
        way.reverse()
        found.append(way)
        used.update(way)
        for here in (*([] if start else [None]), *way):
            beside = (each for each in below.get(here, ()) if each not in used)
            waiting += ((each, newest[each] or each) for each in beside)
    return found


def _without_cycles(parents: Mapping[str, str | None]) -> dict[str, str | None]:
    """The parents that there are, and that do not lead back to where they start."""
    above: dict[str, str | None] = {}
    for name in parents:
        walk: dict[str, None] = {}
        here: str | None = name
        while here is not None and here not in above and here not in walk:
            walk[here] = None
            parent = parents[here]
            here = parent if parent in parents else None
        for each in walk:
            parent = parents[each]
            above[each] = parent if parent in parents else None
        if here is not None and here in walk:
            above[here] = None
    return {name: above[name] for name in parents}


def _newest(
    above: Mapping[str, str | None],
    below: Mapping[str | None, list[str]],
    times: Mapping[str, str | None],
) -> dict[str | None, str | None]:
    """For each message, and for all of them, the newest one without an answer below it."""
    order: list[str | None] = [None]
    moments: dict[str | None, str] = {None: ""}
    for name in order:  # It grows while it is gone through.
        for each in below.get(name, ()):
            moments[each] = times.get(each) or moments[name]
            order.append(each)
    places = {name: place for place, name in enumerate(above)}
    newest: dict[str | None, str | None] = {}
    for name in reversed(order):
        leaves = [leaf for each in below.get(name, ()) if (leaf := newest[each]) is not None]
        newest[name] = max(leaves, key=lambda leaf: (moments[leaf], places[leaf]), default=name)
    return newest
