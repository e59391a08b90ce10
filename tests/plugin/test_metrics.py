"""``/-/glin/metrics``: what a Prometheus would read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from glin_datasette.storage import backup_db, check_file, get_db

METRICS = "/-/glin/metrics"
LABELS = ("database", "check", "table", "what", "page", "status")
ADMIN = {"id": "admin"}


async def scraped(served: Any, path: str = METRICS) -> dict[tuple[str, ...], float]:
    response = await served.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *(sample.labels[label] for label in LABELS if label in sample.labels)): (
            sample.value
        )
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.mark.asyncio
async def test_it_says_what_the_check_says(serve: Callable[..., Any], archive: Path) -> None:
    served = serve(archive)
    before = await scraped(served)
    assert before["glin_status", "glin"] == 1
    assert before["glin_check_status", "glin", "backup"] == 1
    assert ("glin_age_seconds", "glin", "backup") not in before
    with get_db(archive) as db:
        backup_db(db)
    after = await scraped(served)
    report = check_file(archive)
    assert after["glin_status", "glin"] == 0
    for check in report.checks:
        assert after["glin_check_status", "glin", check.name] == 0
    assert after["glin_schema_version", "glin"] == report.schema_version
    for table, count in report.counts.items():
        assert after["glin_rows", "glin", table] == count
    assert after["glin_size_bytes", "glin", "database"] == report.sizes["database"]
    assert 0 <= after["glin_age_seconds", "glin", "backup"] < 60


@pytest.mark.asyncio
async def test_requests_are_timed_by_page_and_status(
    serve: Callable[..., Any], archive: Path
) -> None:
    served = serve(archive)
    for path in ("search?q=parser", "search.json?q=parser", "conversations/1", "conversations/99"):
        await served.get(f"/-/glin/{path}")
    await served.post("/-/glin/backups.json")
    found = await scraped(served)
    count = "glin_request_seconds_count"
    assert found[count, "search", "200"] == 2
    assert found[count, "transcript", "200"] == found[count, "transcript", "404"] == 1
    assert found[count, "backups", "403"] == 1
    assert 0 < found["glin_request_seconds_sum", "search", "200"] < 60


@pytest.mark.asyncio
async def test_an_archive_that_cannot_be_used_is_told_of(
    serve: Callable[..., Any], archive: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    get_db(other).close()
    served = serve(archive, other)
    await served.get("/-/glin")
    other.unlink()
    found = await scraped(served)
    assert (found["glin_status", "glin"], found["glin_status", "other"]) == (1, 2)
    only = await scraped(served, f"{METRICS}?db=glin")
    assert not [key for key in only if "other" in key]


@pytest.mark.asyncio
async def test_nobody_learns_of_what_they_may_not_view(
    serve: Callable[..., Any], archive: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    get_db(other).close()
    served = serve(archive, other, says={"databases": {"other": {"allow": {"id": "admin"}}}})
    assert not [key for key in await scraped(served) if "other" in key]
    assert (await served.get(f"{METRICS}?db=other")).status_code == 403
    assert "other" in (await served.get(METRICS, ADMIN)).text
