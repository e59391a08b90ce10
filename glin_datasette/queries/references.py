"""Which references a name means, each way by an index: what :data:`.filters.REFERENCES` says
of one reference, as a query for all of them."""

from __future__ import annotations

from .filters import REFERENCES

__all__ = ["MEANT"]

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
