"""Canaries that take too long, and those that do not come."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from broker_assets.sensors.watch.canary import CanaryLimits, read_canary
from broker_assets.sensors.watch.findings import Findings, Links
from broker_assets.settings import CanarySettings
from broker_assets.stream.canary import Canary

START = 1_900_000_000.0
LIMITS = CanaryLimits(CanarySettings().latency_seconds, CanarySettings().absent_minutes * 60.0)


def judge(came: float | None, latency: float = 3.0, *, now: float) -> Findings:
    """With the last canary so many seconds after the start."""
    last = None if came is None else Canary(datetime.fromtimestamp(START + came, UTC), latency)
    return read_canary("canary", last, Links("http://host"), LIMITS, since=START, now=START + now)


@pytest.mark.parametrize(
    ("came", "latency", "now", "what"),
    [
        (None, 0.0, 899.0, []),
        (None, 0.0, 901.0, ["no canary has come through the stream for 15 minutes"]),
        (100.0, 3.0, 999.0, []),
        (100.0, 3.0, 1300.0, ["no canary has come through the stream for 20 minutes"]),
        (100.0, 59.0, 200.0, []),
        (100.0, 300.0, 200.0, ["the last canary took 300 s from Kafka to the committed row (limit 60)"]),
    ],
)
def test_absence_and_latency_are_errors(came: float | None, latency: float, now: float, what: list[str]) -> None:
    found = judge(came, latency, now=now)
    assert [alert.what for alert in found.alerts] == what
    assert all(alert.severity == "error" and alert.next_step and alert.link for alert in found.alerts)


def test_what_ends_an_alert() -> None:
    (alert,) = judge(None, now=1000.0).alerts
    assert alert.cause in judge(1001.0, now=1002.0).ended
    (alert,) = judge(100.0, 300.0, now=200.0).alerts
    assert alert.cause not in judge(None, now=200.0).ended
    assert alert.cause in judge(500.0, 3.0, now=501.0).ended
