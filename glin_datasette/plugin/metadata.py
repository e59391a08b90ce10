"""What metadata.yml says, for archives of any name.

metadata.yml describes a database called ``glin``. The same holds for every archive.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from datasette.utils import parse_metadata

from .. import paths
from .compat import Metadata

#: Both say how a table is sorted, and Datasette refuses to hear both.
_SORTS = {"sort", "sort_desc"}


def for_instance() -> Metadata:
    """Title and description of a Datasette that serves archives only."""
    return {key: value for key, value in _shipped().items() if key != "databases"}


def for_archive(own: Mapping[str, Any]) -> Metadata:
    """The metadata of one archive, a new copy that may be changed.

    :param own: the settings of tables that whoever runs Datasette has chosen
    """
    metadata = copied(_shipped()["databases"]["glin"])
    for table, described in metadata["tables"].items():
        if _SORTS & (own.get(table) or {}).keys():
            for key in _SORTS:
                described.pop(key, None)
    return metadata


def copied(metadata: Metadata) -> Metadata:
    """A copy of nested dicts. Datasette asks often, and deepcopy takes ten times as long."""
    return {key: copied(v) if isinstance(v, dict) else v for key, v in metadata.items()}


@functools.cache
def _shipped() -> Metadata:
    metadata: Metadata = parse_metadata(paths.metadata_path().read_text("utf-8"))
    return metadata
