"""What every command takes for the name of a file or folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["FilePath"]


class FilePath(click.Path):
    """A :class:`~pathlib.Path`, there or not: the command itself tells what is wrong with it.

    An empty one is refused. Path("") is the current folder, and nobody who writes
    ``"$UNSET"`` means that.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(readable=False, path_type=Path, **settings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty PATH", param, ctx)
        return super().convert(value, param, ctx)
