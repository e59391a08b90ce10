"""Packages whose names are loaded when they are first used, so that a command that needs one of
their modules does not wait for all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module

__all__ = ["lazily"]


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """A package's ``__getattr__``.

    What it gives stands below ``if TYPE_CHECKING`` too, where type checkers find it;
    ``tests/test_layers.py`` compares the two.

    :param package: its ``__name__``
    :param homes: a module of it -> the names that are from there, with spaces between them
    """
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> object:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(f".{home_of[name]}", package), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
