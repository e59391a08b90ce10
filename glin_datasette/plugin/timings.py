"""How long requests for this plugin's pages take, for ``/-/glin/metrics``."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasette.app import Datasette
    from prometheus_client import CollectorRegistry, Histogram

__all__ = ["Timings", "timings"]

#: Seconds. A page takes some 10 ms; what takes longer than the last has been waiting.
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Timings:
    """The requests that one Datasette has answered since it was started."""

    def __init__(self) -> None:
        # Slow to load, and of no use to a Datasette that answers no request of ours.
        from prometheus_client import CollectorRegistry, Histogram

        self.registry: CollectorRegistry = CollectorRegistry()
        self._seconds: Histogram = Histogram(
            "glin_request_seconds",
            "Time until the answer to a request begins, by page and status of HTTP.",
            ["page", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def add(self, page: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._seconds.labels(page, str(status)).observe(seconds)


_timings: weakref.WeakKeyDictionary[Datasette, Timings] = weakref.WeakKeyDictionary()


def timings(datasette: Datasette) -> Timings:
    """Those of a Datasette."""
    if datasette not in _timings:
        _timings[datasette] = Timings()
    return _timings[datasette]
