"""Salvaging what can be read of a damaged archive."""

from __future__ import annotations

from .recovering import recover_db

__all__ = ["recover_db"]
