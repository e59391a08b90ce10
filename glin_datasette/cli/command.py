"""What all commands have in common: their options, and how their help ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from .archive import archive_options, verbose_option

__all__ = ["JSON", "YES", "command"]


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")

STATUSES = "0 done, 1 failed, 2 wrong usage."


def command(
    name: str,
    *examples: str,
    statuses: str = STATUSES,
    cls: type[click.Command] = click.Command,
    **settings: Any,
) -> Callable[[Callable[..., object]], click.Command]:
    """Make a function a command that has ``--db`` and ``--verbose``, and whose help ends
    in ``examples`` and exit ``statuses``."""
    shown = "\n".join(f"  {example}" for example in examples)
    epilog = f"\b\nExamples:\n{shown}\n\nExit status: {statuses}"

    def decorate(function: Callable[..., object]) -> click.Command:
        with_options = archive_options(verbose_option()(function))
        return click.command(name, cls=cls, epilog=epilog, **settings)(with_options)

    return decorate
