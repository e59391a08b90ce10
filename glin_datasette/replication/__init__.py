"""Continuous replication: Litestream, run with a configuration that is right for an archive.

- :func:`replicate` runs it until it is told to stop, and writes down how far it is
- :func:`restore_replica` brings an archive back from a replica
- :func:`parse_target` says what a TARGET means
"""

from __future__ import annotations

from .restoring import restore_replica
from .running import replicate
from .target import Target, parse_target

__all__ = ["Target", "parse_target", "replicate", "restore_replica"]
