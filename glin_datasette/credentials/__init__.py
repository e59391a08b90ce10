"""Credentials in text: found by the rules of detect-secrets, replaced or reported."""

from __future__ import annotations

from .redactor import Redactor

__all__ = ["Redactor"]
