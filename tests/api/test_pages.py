"""The status page."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker_assets.api import pages  # noqa: F401 (filters of the templates)
from broker_assets.api.templating import templates
from broker_assets.monitoring.status import Status
from broker_assets.monitoring.telemetry.overview import Overview
from broker_assets.provenance.stale_groups import StaleGroup
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


def test_the_page_shows_the_ledger_and_loads_nothing_from_elsewhere(site: Any) -> None:
    answer = site.client.get("/status/")
    assert answer.status_code == 200
    assert f"<b>{len(site.alerts) + 3:,}</b>" in answer.text
    assert "http://" not in answer.text.replace(site.url, "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    fragment = site.client.get("/fragment").text
    assert "Quarantine" in fragment
    assert "<script" not in fragment
    # Kafka is unavailable in these tests, and the page says so.
    assert "Something does not work" in fragment
    assert "<code>broker-assets quarantine list</code>" in fragment


def test_without_a_database_the_page_says_so(
    tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    with serve(Settings(home=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert client.get("/ready").status_code == 503
        assert client.get("/health").status_code == 503
        page = client.get("/status/")
        assert page.status_code == 200
        assert "no database is configured" in page.text
        assert client.get("/api/objects/1/lightcurve").status_code == 503


def test_open_alerts_are_on_the_page_with_their_pages(site_with_alerts: Any) -> None:
    fragment = site_with_alerts.get("/fragment").text
    assert "Open alerts" in fragment
    assert "sources of 2024-05-01: ledger_balances: 2 are missing" in fragment
    assert '<a href="http://dagster.example/assets/sources">page</a>' in fragment
    assert "Something does not work" in fragment


def test_what_is_stale_is_shown_also_where_automation_has_no_note() -> None:
    group = StaleGroup(asset="deliveries", reason="code version 1 became 2", count=3, partitions=("a", "b"))
    status = Status(at=datetime.datetime.now(datetime.UTC), stale_groups=[group], automation={})
    text = templates.get_template("fragment.html").render(
        status=status, telemetry=Overview(at=status.at), misses=[], operates=False
    )  # fmt: skip
    assert "<td>deliveries</td>" in text
    assert "code version 1 became 2" in text
