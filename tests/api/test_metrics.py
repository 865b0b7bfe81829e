"""Metrics as the parsers of Prometheus read them."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from broker_assets.api.disclosure import without_private
from broker_assets.api.metrics import StatusCollector
from broker_assets.monitoring.alerts import OpenAlert
from broker_assets.monitoring.status import Status
from broker_assets.settings import Settings

pytestmark = pytest.mark.database

LABELS = {
    "broker_healthy": set(),
    "broker_service_up": {"service"},
    "broker_batches_total": set(),
    "broker_received_total": set(),
    "broker_stored_total": set(),
    "broker_duplicate_total": set(),
    "broker_quarantined_total": set(),
    "broker_lost_total": set(),
    "broker_quarantine_waiting": {"topic"},
    "broker_stale_artefacts": set(),
    "broker_outbox_messages": {"state"},
    "broker_outbox_oldest_seconds": set(),
    "broker_outbox_failing_sinks": set(),
    "broker_open_alerts": {"kind", "severity"},
    "broker_last_batch_timestamp_seconds": {"topic"},
    "broker_last_batch_latency_seconds": {"topic", "quantile"},
}
"""Names and labels that dashboards rely on, of a site whose Kafka is away and that has no telemetry."""


def samples(text: str, families: Any = text_string_to_metric_families) -> dict[str, dict[tuple[str, ...], float]]:
    """Value by name and by the values of the labels."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families(text):
        assert family.documentation
        for sample in family.samples:
            assert tuple(sample.labels.values()) not in found.setdefault(sample.name, {}), sample
            found[sample.name][tuple(sample.labels.values())] = sample.value
    return found


def test_metrics_are_in_the_format_of_prometheus(site: Any) -> None:
    answer = site.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = samples(answer.text)
    assert found["broker_healthy"] == {(): 0.0}
    assert found["broker_stored_total"] == {(): len(site.alerts)}
    assert found["broker_quarantine_waiting"] == {("rubin-alerts",): 3.0}
    assert found["broker_service_up"] == {("database",): 1.0, ("Kafka",): 0.0}
    totals = site.client.get("/api/status").json()["totals"]
    assert {name: found[f"broker_{name}_total"][()] for name in totals} == totals


def test_names_labels_and_types_stay(site: Any) -> None:
    families = list(text_string_to_metric_families(site.client.get("/metrics").text))
    labels = {sample.name: set(sample.labels) for family in families for sample in family.samples}
    assert {name: labels.get(name) for name in LABELS} == LABELS
    assert labels.keys() - LABELS.keys() <= {"broker_lag", "broker_position"}
    for family in families:
        assert family.type == ("counter" if f"{family.name}_total" in LABELS else "gauge"), family.name


def test_openmetrics_for_those_who_ask(site: Any) -> None:
    answer = site.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    plain = samples(site.client.get("/metrics").text)
    assert samples(answer.text, openmetrics_families).keys() == plain.keys()


def test_each_request_has_its_own_registry(site: Any) -> None:
    first, second = (samples(site.client.get("/metrics").text) for _ in range(2))
    assert first.keys() == second.keys()


def test_without_a_database(tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]) -> None:
    with serve(Settings(home=tmp_path)) as url, httpx.Client(base_url=url, timeout=30) as client:
        answer = client.get("/metrics")
    assert answer.status_code == 200
    found = samples(answer.text)
    assert found["broker_healthy"] == {(): 0.0}
    # A total of 0 would be a reset, and the next one an increase by everything there ever was.
    unknown = {name for name in LABELS if name.endswith("_total")} | {"broker_stale_artefacts", "broker_open_alerts"}
    assert not unknown & found.keys()
    assert not {"broker_lag", "broker_position"} & found.keys()


def test_alerts_are_counted_by_kind_and_asset(site_with_alerts: Any) -> None:
    found = samples(site_with_alerts.get("/metrics").text)
    assert found["broker_healthy"] == {(): 0.0}
    assert {labels: value for labels, value in found["broker_open_alerts"].items() if value} == {
        ("check", "error"): 1.0,
        ("sensor", "warning"): 1.0,
    }
    assert found["broker_failed_check"] == {("sources", "ledger_balances", "2024-05-01"): 1.0}
    assert found["broker_failing_sensor"] == {("kafka_lag", "", ""): 1.0}
    assert found["broker_watched_timestamp_seconds"][()] > 1.7e9


def test_what_is_hidden_gives_no_sample_twice() -> None:
    """Names of annotators may be private; Prometheus drops samples with the same labels, and parsers refuse them."""
    now = datetime.datetime.now(datetime.UTC)
    fields = {
        "partition": "",
        "detail": "fresh",
        "severity": "error",
        "subject": "",
        "body": "",
        "link": "",
        "event": None,
    }
    times = {"first_at": now, "last_at": now, "sent_at": None, "failure": None}
    alerts = [
        OpenAlert(number=name, kind="check", asset=f"annotator.{name}", count=count, **fields, **times)  # type: ignore[arg-type]
        for count, name in ((2, "ann"), (3, "bob"), (4, "…"))
    ]
    shown = [alert.model_copy(update={"asset": without_private(alert.asset)}) for alert in alerts]
    registry = CollectorRegistry()
    registry.register(StatusCollector(Status(at=now, alerts=shown)))
    assert samples(generate_latest(registry).decode())["broker_failed_check"] == {("annotator.…", "fresh", ""): 9.0}
