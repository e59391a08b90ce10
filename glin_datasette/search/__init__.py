"""Searching the archive: from what a person types to typed hits.

:mod:`glin_datasette.language` reads the text; the SQL is that of the canned queries, which
Datasette shows too. The command line, the pages and the JSON call these functions.
"""

from __future__ import annotations

from ..queries.functions import register_functions
from ..queries.text import MARK_END, MARK_START
from .facets import FACETS, facets
from .inside import MOST_HITS, hits_inside
from .looking import MOST
from .loosen import loosen
from .messages import Sort, search
from .spelling import suggest

__all__ = [
    "FACETS",
    "MARK_END",
    "MARK_START",
    "MOST",
    "MOST_HITS",
    "Sort",
    "facets",
    "hits_inside",
    "loosen",
    "register_functions",
    "search",
    "suggest",
]
