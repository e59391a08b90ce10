"""What each filter means in SQL, once for search, the storage API and canned queries.

Every predicate speaks of a row ``m`` of ``messages`` and of one named parameter. The unary
``+`` keeps the planner from turning an ``in`` into one look-up for each of its values:
beside a full-text match that took 100 times as long.
"""

from __future__ import annotations

from ..models import Filters

_TAGGED = (
    "(+m.conversation_id in (select ct.conversation_id from conversation_tags as ct"
    " join tags as t on t.id = ct.tag_id where t.name = {value} collate nocase)"
    " or +m.id in (select mt.message_id from message_tags as mt"
    " join tags as t on t.id = mt.tag_id where t.name = {value} collate nocase))"
)
_SOURCE = "+m.conversation_id in (select id from conversations where source = lower({value}))"
_REPO = (
    "+m.conversation_id in (select id from conversations where repo_root = {value}"
    " or substr(replace(repo_root, '\\', '/'), -length({value}) - 1) = '/' || {value})"
)
#: Which references a filter means, by their type: conditions on ``ref_value``.
REFERENCES = {
    "file": (
        "(ref_value = {value}"
        " or substr(ref_value, 1, length(rtrim({value}, '/')) + 1) = rtrim({value}, '/') || '/'"
        " or substr(ref_value, -length({value}) - 1) = '/' || {value})"
    ),
    # Both sides may be shortened: a full hash finds the message that has 7 digits of it. All
    # stored ones have at least 7, so the first 7 pick the stretch of the index to look at.
    "commit": (
        "ref_value >= substr(lower({value}), 1, 7)"
        " and ref_value < substr(lower({value}), 1, 7) || 'g'"
        " and (substr(ref_value, 1, length({value})) = lower({value})"
        " or substr(lower({value}), 1, length(ref_value)) = ref_value)"
    ),
}


def _refers(ref_type: str) -> str:
    return (
        f"+m.id in (select message_id from message_refs where ref_type = '{ref_type}'"
        f" and {REFERENCES[ref_type]})"
    )


#: Filter -> predicate. ``{value}`` is the parameter.
PREDICATES = {
    "tag": _TAGGED,
    "source": _SOURCE,
    "role": "m.role = lower({value})",
    "kind": "m.kind = lower({value})",
    "model": "m.model = {value}",
    "repo": _REPO,
    "file": _refers("file"),
    "commit": _refers("commit"),
    "since": "m.ts >= {value}",
    # Text order puts "~" behind every digit and letter: a day includes its last moment.
    "until": "m.ts <= {value} || '~'",
}

#: How canned queries take what a person types into a field.
_TYPED = {"since": "glin_since(:{})", "until": "glin_until(:{})"}

#: Filters where a message can meet several values, and must meet all.
_ALL_OF = ("tag", "file", "commit")


def where(filters: Filters) -> tuple[str, dict[str, object]]:
    """The SQL for what ``filters`` says but for its ``text``, and its parameters.

    :returns: ``("", {})`` or text that begins with ``and``, to be put into a query in
        which ``m`` is a row of ``messages``
    """
    params: dict[str, object] = {}
    met = _predicates(filters, "", params)
    if filters.exclude:
        # What has no model, or no time, meets no condition on it: it is not left out.
        unmet = _predicates(filters.exclude, "not_", params)
        met += [f"not coalesce({predicate}, 0)" for predicate in unmet]
    return "".join(f"\n    and {predicate}" for predicate in met), params


def _predicates(filters: Filters, prefix: str, params: dict[str, object]) -> list[str]:
    met = []
    for name, predicate in PREDICATES.items():
        said = getattr(filters, name)
        values = (said,) if isinstance(said, str) else said or ()
        parts = []
        for i, value in enumerate(values):
            parameter = f"{prefix}{name}_{i}"
            params[parameter] = value
            parts.append(predicate.format(value=f":{parameter}"))
        # What is excluded is excluded for any of its values.
        if name in _ALL_OF and not prefix:
            met += parts
        elif parts:
            met.append(f"({' or '.join(parts)})")
    if filters.conversation:
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
