"""The numbers of the status page for Prometheus: `/metrics`.

Each request collects the state that the page shows into a registry of its own: counters are totals of the database,
which survive restarts and are the same whichever process answers. What the numbers mean is decided in
`monitoring.status` and `monitoring.telemetry.overview`; names, labels and help texts are here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from broker_assets.api.disclosure import Disclosure
from broker_assets.monitoring.alerts import KINDS, Kind
from broker_assets.monitoring.status import Status
from broker_assets.monitoring.telemetry.overview import Overview

router = APIRouter(tags=["platform"])

PREFIX = "broker_"

Samples = Iterable[tuple[Sequence[str | int], float | None]]
"""Values of the labels, and the number; unknown numbers are left out."""

TOTALS = {
    "batches": "Batches committed.",
    "received": "Messages received.",
    "stored": "Messages that became rows.",
    "duplicate": "Messages whose rows were stored already.",
    "quarantined": "Messages that could not be read.",
    "lost": "Messages that Kafka dropped before they were read.",
}
"""Counters of the ledger, and their help texts."""

BY_ASSET: tuple[tuple[Kind, str, str], ...] = (
    ("check", "failed_check", "Failed evaluations of a check whose last one failed."),
    ("run", "failing_runs", "Failed runs of what has not been made since."),
    ("backfill", "failed_backfill", "1 for a backfill that lacks partitions."),
    ("sensor", "failing_sensor", "Looks at which a sensor or schedule failed or was stopped."),
    ("stream", "stalled", "Looks at which a partition did not move or a cluster did not answer."),
)
"""Kinds of operator alerts that have a metric family of their own, with its name and help text."""


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Lag, ledger, quarantine, telemetry and publication in the text formats of Prometheus."""
    registry = CollectorRegistry()
    observer = request.app.state.observer
    disclosure: Disclosure = request.app.state.disclosure
    registry.register(StatusCollector(disclosure.shown(request, observer.status())))
    registry.register(TelemetryCollector(disclosure.shown(request, observer.telemetry())))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": media_type, "Cache-Control": "no-store"})


class StatusCollector(Collector):
    """Metrics of services, streams and the ledger."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def describe(self) -> Iterable[Metric]:
        """Every family, also those without a sample: what dashboards and rules may ask for."""
        return self._families()

    def collect(self) -> Iterator[Metric]:
        """Every family that has a sample."""
        return _filled(self._families())

    def _families(self) -> Iterator[Metric]:
        status = self._status
        yield _gauge("healthy", "1 if nothing is wrong.", (), [((), int(status.healthy))])
        services = [((one.name,), int(one.state == "running")) for one in status.services]
        yield _gauge("service_up", "1 if the service runs.", ("service",), services)
        partitions = [((stream.topic, one.partition), one) for stream in status.streams for one in stream.partitions]
        labels = ("topic", "partition")
        yield _gauge("lag", "Messages waiting in Kafka.", labels, [(at, one.lag) for at, one in partitions])
        yield _gauge(
            "position", "First message not in the tables.", labels, [(at, one.position) for at, one in partitions]
        )
        for name, meaning in TOTALS.items():
            # Without the database no number is better than zero, after which every total would be an increase.
            yield CounterMetricFamily(PREFIX + name, meaning, value=getattr(status.totals, name, None))
        waiting: dict[str, int] = {}
        for reason in status.quarantine:
            waiting[reason.topic] = waiting.get(reason.topic, 0) + reason.waiting
        by_topic = [((topic,), count) for topic, count in waiting.items()]
        yield _gauge("quarantine_waiting", "Messages in quarantine.", ("topic",), by_topic)
        if (outbox := status.outbox) is not None:
            counts = {
                "waiting": outbox.waiting,
                "due": outbox.due,
                "dead": outbox.dead,
                "over_quota": outbox.over_quota,
            }
            by_state = [((state,), count) for state, count in counts.items()]
            yield _gauge("outbox_messages", "Messages of filters in the outbox.", ("state",), by_state)
            yield _gauge(
                "outbox_oldest_seconds", "Time for which the oldest has been due.", (), [((), outbox.oldest_due)]
            )
            yield _gauge("outbox_failing_sinks", "Sinks that failed last time.", (), [((), outbox.failing)])
        stale = status.stale_count if status.totals is not None else None
        yield _gauge("stale_artefacts", "Artefacts to be rebuilt.", (), [((), stale)])
        yield from self._alerts()
        newest = {batch.topic: batch for batch in status.newest_by_topic}
        yield _gauge(
            "last_batch_timestamp_seconds",
            "Time at which the last batch was committed.",
            ("topic",),
            [((topic,), one.finished_at.timestamp() if one.finished_at else None) for topic, one in newest.items()],
        )
        yield _gauge(
            "last_batch_latency_seconds",
            "Time from Kafka timestamp to committed row in the last batch.",
            ("topic", "quantile"),
            [
                ((topic, quantile), value)
                for topic, one in newest.items()
                for quantile, value in (("0.5", one.latency_p50), ("0.9", one.latency_p90), ("0.99", one.latency_p99))
            ],
        )

    def _alerts(self) -> Iterator[Metric]:
        """Findings of the sensor `alerting`: all kinds together, and the failed checks and runs by asset."""
        status = self._status
        counts = Counter((alert.kind, alert.severity) for alert in status.alerts)
        known = {(kind, severity): 0 for kind in KINDS for severity in ("warning", "error")} | counts
        looked = known.items() if status.totals is not None else ()
        yield _gauge("open_alerts", "Causes of alerts that last.", ("kind", "severity"), looked)
        for kind, name, meaning in BY_ASSET:
            found = [alert for alert in status.alerts if alert.kind == kind]
            labels = ("asset", "partition", "detail")
            samples = [((one.asset, one.partition, one.detail), one.count) for one in found]
            yield _gauge(name, meaning, labels, samples)
        yield _gauge(
            "canary_latency_seconds", "Time that the last canary took to a row.", (), [((), status.canary_latency)]
        )
        came = status.canary_at.timestamp() if status.canary_at is not None else None
        yield _gauge("canary_timestamp_seconds", "Time at which the last canary came through.", (), [((), came)])
        at = status.watched_at.timestamp() if status.watched_at is not None else None
        yield _gauge("watched_timestamp_seconds", "Time at which alerts were last looked for.", (), [((), at)])


class TelemetryCollector(Collector):
    """Metrics of telemetry and publication; none where no telemetry is configured."""

    def __init__(self, telemetry: Overview) -> None:
        self._telemetry = telemetry

    def describe(self) -> Iterable[Metric]:
        """As of `StatusCollector`."""
        return self._families()

    def collect(self) -> Iterator[Metric]:
        """Every family that has a sample."""
        return _filled(self._families()) if self._telemetry.configured else iter(())

    def _families(self) -> Iterator[Metric]:
        found = self._telemetry
        yield _gauge("telemetry_healthy", "1 if nothing in telemetry needs attention.", (), [((), int(found.healthy))])
        files: Counter[tuple[str, str]] = Counter()  # folders may be shown under the same name
        for folder in found.folders:
            for state in ("new", "staged", "processed", "failed", "quarantined"):
                files[folder.folder, state] += getattr(folder, state)
        yield _gauge("telemetry_files", "Telemetry files by state.", ("folder", "state"), files.items())
        packets = [((one.family,), one.packets) for one in found.families]
        yield _gauge("telemetry_packets", "Packets in the packet store.", ("family",), packets)
        levels = [((level.level, level.family), level) for level in found.levels]
        labels = ("level", "family")
        yield _gauge("product_files", "Current product files.", labels, [(at, one.files) for at, one in levels])
        yield _gauge(
            "product_files_stale", "Product files to be rebuilt.", labels, [(at, one.stale) for at, one in levels]
        )
        yield _gauge(
            "publication_files",
            "Files by target and state.",
            ("target", "state"),
            [
                ((target.target, state), getattr(target, state))
                for target in found.targets
                for state in ("published", "supplements", "waiting", "held", "errors")
            ],
        )


def _gauge(name: str, meaning: str, labels: Sequence[str], samples: Samples) -> Metric:
    """A family; numbers with the same labels are added: private names, such as those of annotators, are hidden."""
    totals: dict[tuple[str, ...], float] = {}
    for values, number in samples:
        if number is not None:
            key = tuple(map(str, values))
            totals[key] = totals.get(key, 0) + number
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for key, number in totals.items():
        family.add_metric(key, number)
    return family


def _filled(families: Iterable[Metric]) -> Iterator[Metric]:
    return (family for family in families if family.samples)
