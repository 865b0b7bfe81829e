"""Canaries that take too long, and those that do not come."""

from __future__ import annotations

from dataclasses import dataclass

from broker_assets.assets.alerts.streams import stream_key
from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.sensors.watch.findings import Findings, Links, minutes
from broker_assets.stream.canary import Canary


@dataclass(frozen=True)
class CanaryLimits:
    """Limits beyond which a canary raises an alert, in seconds."""

    latency: float = 60.0
    """Time from Kafka to the committed row."""
    absent: float = 900.0
    """Time since the last canary that arrived."""


def read_canary(
    name: str, last: Canary | None, links: Links, limits: CanaryLimits, *, since: float, now: float
) -> Findings:
    """Judge the last canary.

    Parameters
    ----------
    name, last
        The canary's name, and the last one that arrived.
    links, limits
        Addresses of Dagster's pages; limits beyond which an alert is raised.
    since, now : float
        Since when canaries have been awaited, and now, Unix time.
    """
    asset = stream_key(name).to_user_string()
    absent, late = Cause("canary", asset, "", "comes"), Cause("canary", asset, "", "in time")
    findings = Findings()
    silent = now - max(since, last.at.timestamp() if last is not None else 0.0)
    link = links.runs(f"tag:broker/topic={name}")
    if silent > limits.absent:
        what = f"no canary has come through the stream for {minutes(silent)}"
        step = (
            "alerts of the surveys are probably not stored either: look at the ticks of the sensors canary and "
            "kafka_lag and at the runs of drain"
        )
        findings.alerts.append(Alert(absent, what, "error", what, step, link))
    else:
        findings.ended[absent] = "canaries come again"
    if last is not None and last.latency > limits.latency:
        what = f"the last canary took {last.latency:.0f} s from Kafka to the committed row (limit {limits.latency:.0f})"
        step = "look for runs that wait in the queue, for a full disk and for a slow database"
        findings.alerts.append(Alert(late, what, "error", what, step, link))
    elif last is not None:
        findings.ended[late] = f"the last canary took {last.latency:.0f} s"
    undelivered = Cause("canary", asset, "", "delivered")
    if last is not None and last.waiting > limits.absent:
        what = f"a canary has waited for its sink for {minutes(last.waiting)}"
        step = "messages of filters are probably not sent either: see `broker-assets delivery backlog`"
        findings.alerts.append(Alert(undelivered, what, "error", what, step, link))
    elif last is not None:
        findings.ended[undelivered] = "canaries reach their sink"
    return findings
