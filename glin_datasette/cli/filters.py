"""The options that filter, the same for every command and for the search language:
``--tag x`` is ``tag:x``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import click

from ..language import parse, quote
from ..models import KINDS, ROLES, Filters

__all__ = ["filter_options", "filters_of", "operators"]

F = TypeVar("F", bound=Callable[..., object])

_OPTIONS = (
    ("tag", "TAG", None, "Tagged so; may be given again to require all."),
    ("source", "NAME", None, "From this tool: claude-code, codex, …"),
    ("role", None, click.Choice(ROLES), "Said by."),
    ("kind", None, click.Choice(KINDS), "Of this kind."),
    ("model", "NAME", None, "Written by this model."),
    ("repo", "PATH", None, "In this repository: its path, or the end of it."),
    ("file", "PATH", None, "About this file or folder, or the end of its path."),
    ("commit", "HASH", None, "About this commit."),
)
_DATES = (
    ("since", "Not before: 2026-02-11, 2026-02, today, yesterday, 7d."),
    ("until", "Not after; a day, month or year counts to its end."),
)


def filter_options(command: F) -> F:
    """Add an option for each operator of the search language."""
    for name, text in reversed(_DATES):
        command = click.option(f"--{name}", metavar="DATE", help=text)(command)
    for name, metavar, type_, text in reversed(_OPTIONS):
        command = click.option(f"--{name}", metavar=metavar, type=type_, multiple=True, help=text)(
            command
        )
    return command


def operators(options: Mapping[str, str | Iterable[str] | None]) -> str:
    """What the options of :func:`filter_options` say, in the search language."""
    parts = []
    for name, given in options.items():
        values = [given] if isinstance(given, str) else given or ()
        parts += [f"{name}:{quote(value)}" for value in values]
    return " ".join(parts)


def filters_of(options: Mapping[str, str | Iterable[str] | None]) -> Filters | None:
    """The filters that the options say; ``None`` if they say nothing.

    :raises FilterError: if a date is none
    """
    said = operators(options)
    return parse(said) if said else None
