"""Credentials in text: found by the rules of detect-secrets, replaced or reported.

- :class:`Redactor` replaces them in a text, :func:`scan_secrets` reports where in an
  archive they are
- the rules for what looks like one, :mod:`.rules`; for what has such a name,
  :mod:`.keywords`; what is none after all, :mod:`.values`
"""

from __future__ import annotations

from .redactor import Redactor
from .scan import scan_secrets

__all__ = ["Redactor", "scan_secrets"]
