"""A real SQLite connection without FTS5, for tests of how glin does without it.

``sqlite3_drop_modules`` takes the virtual table modules off one connection, as if the
library had been built without them. Python does not offer it, so it is called in the very
library that Python's sqlite3 uses. Importing this module makes every later
``sqlite3.connect`` return such a connection if ``GLIN_TEST_WITHOUT_FTS5`` is set.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import sqlite3
from typing import Any


def drop_fts5(conn: sqlite3.Connection) -> sqlite3.Connection:
    """Take FTS5 off a connection.

    :raises OSError: if this Python's SQLite does not export the function
    """
    library = ctypes.CDLL(_sqlite3.__file__)
    try:
        drop = library.sqlite3_drop_modules
    except AttributeError:
        raise OSError("sqlite3_drop_modules is not exported here") from None
    # The handle is the first member behind the object's header.
    handle = ctypes.c_void_p.from_address(id(conn) + object.__basicsize__)
    names = [row[0].encode() for row in conn.execute("pragma module_list")]
    keep = (ctypes.c_char_p * (len(names) + 1))(*[n for n in names if n != b"fts5"], None)
    drop(handle, keep)
    return conn


class ConnectionWithoutFts5(sqlite3.Connection):
    """A connection that never had FTS5."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        drop_fts5(self)


if os.environ.get("GLIN_TEST_WITHOUT_FTS5"):
    _connect = sqlite3.connect

    def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        found: sqlite3.Connection = _connect(*args, **{**kwargs, "factory": ConnectionWithoutFts5})
        return found

    sqlite3.connect = connect  # type: ignore[assignment]
