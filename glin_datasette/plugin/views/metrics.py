"""``/-/glin/metrics``: health as numbers, in the text form of Prometheus."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from datasette import Response

from ...errors import GlinError
from ...models import HealthReport
from ...storage import check_file
from ..archives import attached, viewable
from ..page import Asked
from ..timings import timings

if TYPE_CHECKING:
    from prometheus_client import Metric

_LEVELS = {"ok": 0, "warn": 1, "fail": 2}


async def metrics(asked: Asked) -> Response:
    """Show what is measured of every archive that whoever asks may see, or of the one that
    ``?db=`` names; and how long requests took."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    known = attached(asked.datasette)
    paths = {name: archive.path for name, archive in known.archives.items()} | known.refused
    names = [asked.database] if asked.argument("db") else list(paths)
    reports: dict[str, HealthReport | None] = {}
    for name in names:
        if await viewable(asked.datasette, asked.request.actor, name, contents=False):
            try:
                reports[name] = await asyncio.to_thread(check_file, paths[name])
            except GlinError:
                reports[name] = None
    text = generate_latest(_Scrape(reports)) + generate_latest(timings(asked.datasette).registry)
    return Response(text, status=200, content_type=CONTENT_TYPE_LATEST)


class _Scrape:
    """What is measured at the moment of the request, as the library collects it."""

    def __init__(self, reports: dict[str, HealthReport | None]) -> None:
        self._reports = reports

    def collect(self) -> Iterator[Metric]:
        """The families of metrics."""
        from prometheus_client.core import GaugeMetricFamily

        def gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"glin_{name}", told, labels=["database", *labels])

        status = gauge("status", "The worst of an archive's checks: 0 ok, 1 warn, 2 fail.")
        checks = gauge("check_status", "Each check of an archive: 0 ok, 1 warn, 2 fail.", "check")
        schema = gauge("schema_version", "The version of an archive's schema.")
        rows = gauge("rows", "Rows of an archive's tables.", "table")
        sizes = gauge("size_bytes", "Sizes that check --json tells.", "what")
        ages = gauge(
            "age_seconds",
            "Time since the newest backup or import; for how long the replica may lack something.",
            "what",
        )
        for name, report in self._reports.items():
            status.add_metric([name], _LEVELS[report.status if report else "fail"])
            if report is None:
                continue
            for each in report.checks:
                checks.add_metric([name, each.name], _LEVELS[each.status])
            if report.schema_version is not None:
                schema.add_metric([name], report.schema_version)
            for table, count in report.counts.items():
                rows.add_metric([name, table], count)
            for what, size in report.sizes.items():
                sizes.add_metric([name, what], size)
            for what, age in (
                ("backup", report.last_backup_age),
                ("import", report.last_import_age),
                ("replica", report.replication.lag_seconds if report.replication else None),
            ):
                if age is not None:
                    ages.add_metric([name, what], age)
        build = GaugeMetricFamily(
            "glin_build",
            "Always 1; what runs.",
            labels=["release", "datasette", "sqlite", "python"],
        )
        build.add_metric(
            [
                version("glin-datasette"),
                version("datasette"),
                sqlite3.sqlite_version,
                platform.python_version(),
            ],
            1,
        )
        yield from (status, checks, schema, rows, sizes, ages, build)
