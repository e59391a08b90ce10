"""Which references a name means: as conditions on one, and as a query for all of them that goes
each way by an index."""

from __future__ import annotations

__all__ = ["MEANT", "REFERENCES"]

#: Type of a reference -> which of them ``{value}`` means: conditions on ``ref_value``.
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

_FILES = "select ref_value, message_id from message_refs{index} where ref_type = 'file'"
_FOLDER = "ref_value >= rtrim({value}, '/') || '/' and ref_value < rtrim({value}, '/') || '0'"
# As idx_message_refs_name has it.
_NAME = "substr({path}, length(rtrim({path}, replace({path}, '/', ''))) + 1)"

#: Type of a reference -> ``ref_value`` and ``message_id`` of those that ``{value}`` means, once
#: each. A file: by its whole path, by a range, and by the name behind the last slash.
MEANT = {
    "file": (
        f"{_FILES.format(index='')} and ref_value = {{value}}"
        f" union all {_FILES.format(index='')} and {_FOLDER} and ref_value <> {{value}}"
        f" union all {_FILES.format(index=' indexed by idx_message_refs_name')}"
        f" and {_NAME.format(path='ref_value')} = {_NAME.format(path='{value}')}"
        f" and substr(ref_value, -length({{value}}) - 1) = '/' || {{value}} and not ({_FOLDER})"
    ),
    "commit": (
        "select ref_value, message_id from message_refs where ref_type = 'commit'"
        f" and {REFERENCES['commit']}"
    ),
}
