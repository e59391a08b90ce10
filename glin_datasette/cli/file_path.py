"""What every command takes for the name of a file or folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

__all__ = ["FilePath"]


class FilePath(click.Path):
    """A :class:`~pathlib.Path`, there or not: the command itself tells what is wrong with it.

    An empty one is refused. Path("") is the current folder, and nobody who writes
    ``"$UNSET"`` means that. One that is not UTF-8 is refused unless ``any_name`` is true:
    SQLite takes none.
    """

    def __init__(self, *, any_name: bool = False, **settings: Any) -> None:
        self._any_name = any_name
        super().__init__(readable=False, path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty PATH", param, ctx)
        if not self._any_name:
            try:
                os.fspath(value).encode()
            except UnicodeEncodeError:
                self.fail(f"{value!r}: the name is not UTF-8; give it another", param, ctx)
        return super().convert(value, param, ctx)
