"""Why a file was not imported."""

from __future__ import annotations

__all__ = ["ImporterFailed", "Overtaken"]


class Overtaken(Exception):
    """Another import has read the file since it was looked up."""


class ImporterFailed(Exception):
    """An importer has a bug, or what it yields cannot be stored; none of it was."""
