"""What each filter means in SQL, once for search, the storage API and canned queries.

Every predicate speaks of a row ``m`` of ``messages`` and of one named parameter. The unary
``+`` keeps the planner from turning an ``in`` into one look-up for each of its values:
beside a full-text match that took 100 times as long.
"""

from __future__ import annotations

from collections.abc import Collection

from ..models import Filters
from .references import MEANT

#: Filter -> the ids of the conversations that it means.
CONVERSATIONS = {
    "tag": (
        "select ct.conversation_id as id from conversation_tags as ct"
        " join tags as t on t.id = ct.tag_id where t.name = {value} collate nocase"
    ),
    "source": "select id from conversations where source = lower({value})",
    "repo": (
        "select id from conversations where repo_root = {value}"
        " or substr(replace(repo_root, '\\', '/'), -length({value}) - 1) = '/' || {value}"
    ),
}

#: Filter -> the ids of the messages that it means.
MESSAGES = {
    "tag": (
        "select mt.message_id as id from message_tags as mt"
        " join tags as t on t.id = mt.tag_id where t.name = {value} collate nocase"
    ),
    **{ref_type: f"select message_id as id from ({meant})" for ref_type, meant in MEANT.items()},
}


def _among(name: str) -> str:
    """That a message is one of those that a filter means, or of such a conversation."""
    ways = [f"+m.conversation_id in ({CONVERSATIONS[name]})"] if name in CONVERSATIONS else []
    ways += [f"+m.id in ({MESSAGES[name]})"] if name in MESSAGES else []
    return f"({' or '.join(ways)})"


#: Filter -> predicate. ``{value}`` is the parameter.
PREDICATES = {
    "tag": _among("tag"),
    "source": _among("source"),
    "role": "m.role = lower({value})",
    "kind": "m.kind = lower({value})",
    "model": "m.model = {value}",
    "repo": _among("repo"),
    "file": _among("file"),
    "commit": _among("commit"),
    "since": "m.ts >= {value}",
    # Text order puts "~" behind every digit and letter: a day includes its last moment.
    "until": "m.ts <= {value} || '~'",
}

#: How canned queries take what a person types into a field.
_TYPED = {"since": "glin_since(:{})", "until": "glin_until(:{})"}

#: Filters where a message can meet several values, and must meet all.
ALL_OF = ("tag", "file", "commit")


def where(filters: Filters, settled: Collection[str] = ()) -> tuple[str, dict[str, object]]:
    """The SQL for what ``filters`` says but for its ``text``, and its parameters.

    :param settled: names of filters to leave out, since every message is known to pass them
    :returns: ``("", {})`` or text that begins with ``and``, to be put into a query in
        which ``m`` is a row of ``messages``
    """
    params: dict[str, object] = {}
    met = _predicates(filters, "", params, settled)
    if filters.exclude:
        # What has no model, or no time, meets no condition on it: it is not left out.
        unmet = _predicates(filters.exclude, "not_", params)
        met += [f"not coalesce({predicate}, 0)" for predicate in unmet]
    return "".join(f"\n    and {predicate}" for predicate in met), params


def _predicates(
    filters: Filters, prefix: str, params: dict[str, object], settled: Collection[str] = ()
) -> list[str]:
    met = []
    for name, predicate in PREDICATES.items():
        said = None if name in settled else getattr(filters, name)
        values = (said,) if isinstance(said, str) else said or ()
        parts = []
        for i, value in enumerate(values):
            parameter = f"{prefix}{name}_{i}"
            params[parameter] = value
            parts.append(predicate.format(value=f":{parameter}"))
        # What is excluded is excluded for any of its values.
        if name in ALL_OF and not prefix:
            met += parts
        elif parts:
            met.append(f"({' or '.join(parts)})")
    if filters.conversation and "conversation" not in settled:
        ids = ", ".join(str(int(value)) for value in filters.conversation)
        met.append(f"(+m.conversation_id in ({ids}))")
    return met


def optional() -> str:
    """The SQL for canned queries: every filter is a parameter that may be blank."""
    return "".join(
        f"\n    and (glin_blank(:{name})"
        f" or {predicate.format(value=_TYPED.get(name, 'trim(:{})').format(name))})"
        for name, predicate in PREDICATES.items()
    )
