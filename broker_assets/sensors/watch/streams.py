"""Streams that do not move although messages wait, and clusters that do not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from broker_assets.assets.alerts.streams import stream_key
from broker_assets.monitoring.alerts import Alert, Cause, OpenAlert
from broker_assets.sensors.watch.findings import Findings, Links, minutes
from broker_assets.stream.messages import SourceError, StreamEnds, TopicAbsentError

PATIENCE = 2.0
"""Time limit for the answer of a broker, seconds."""

Waiting = Mapping[str, tuple[int, float]]
"""By partition (`name:number`), or by stream that does not answer: its position, and since when it has not moved."""


class KafkaEnds(Protocol):
    """Interface to the clusters, implemented by `resources.kafka.Kafka`."""

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        """Return where every partition of a stream ends; raise `SourceError` where Kafka does not answer."""


@dataclass(frozen=True)
class Limits:
    """Time after which waiting raises an alert, in seconds."""

    stalled: float = 900.0
    """A partition with waiting messages has not moved for this long."""
    unreachable: float = 120.0
    """A cluster has not answered for this long."""


@dataclass(frozen=True)
class Look:
    """Result of examining the streams."""

    findings: Findings = field(default_factory=Findings)
    waiting: dict[str, tuple[int, float]] = field(default_factory=dict)
    """What is waiting, for the next sweep."""


def read_streams(
    kafka: KafkaEnds,
    positions: Mapping[str, Mapping[int, int]],
    links: Links,
    before: Waiting,
    limits: Limits,
    lasting: Sequence[OpenAlert],
    *,
    now: float,
) -> Look:
    """Compare positions with those of the previous sweep.

    Parameters
    ----------
    kafka, positions
        The clusters, and the positions of each stream by partition.
    links
        Addresses of Dagster's pages.
    before : mapping
        What was waiting at the previous sweep, and since when.
    limits, lasting
        Times after which waiting raises an alert; alerts that have not ended.
    now : float
        Unix time.
    """

    def ask(name: str) -> StreamEnds | SourceError:
        try:
            return kafka.ends(name, positions[name], timeout=PATIENCE)
        except SourceError as error:
            return error

    with ThreadPoolExecutor(max_workers=max(len(positions), 1)) as pool:
        answers = dict(zip(positions, pool.map(ask, positions), strict=True))
    look = Look()
    for name, answer in answers.items():
        asset = stream_key(name).to_user_string()
        gone = isinstance(answer, TopicAbsentError)
        if gone and not positions[name]:
            continue
        if isinstance(answer, SourceError):
            since = before.get(name, (0, now))[1]
            look.waiting[name] = (0, since)
            if now - since >= limits.unreachable:
                found = _gone if gone else _unreachable
                look.findings.alerts.append(found(asset, str(answer), links, now - since))
            continue
        look.findings.ended[Cause("stream", asset, "", "answers")] = "the cluster answers again"
        for partition, lag in answer.lag(positions[name]).items():
            cause = Cause("stream", asset, str(partition), "moves")
            if not lag:
                look.findings.ended[cause] = "nothing is waiting any longer"
                continue
            position = positions[name].get(partition, -1)
            known = before.get(f"{name}:{partition}")
            since = known[1] if known is not None and known[0] == position else now
            look.waiting[f"{name}:{partition}"] = (position, since)
            if now - since >= limits.stalled:
                look.findings.alerts.append(_stalled(cause, lag, links, now - since))
            elif known is not None and known[0] != position:
                look.findings.ended[cause] = "the position moves again"
    known_assets = {stream_key(name).to_user_string() for name in positions}
    for alert in lasting:
        if alert.kind == "stream" and alert.asset not in known_assets:
            look.findings.ended[alert.cause] = "the stream is no longer configured"
    return look


def _unreachable(asset: str, error: str, links: Links, seconds: float) -> Alert:
    step = "check the cluster and the network; reading goes on by itself once it answers"
    what = f"the Kafka cluster has not answered for {minutes(seconds)}"
    return Alert(Cause("stream", asset, "", "answers"), what, "error", f"{what}: {error}", step, links.asset(asset))


def _gone(asset: str, error: str, links: Links, seconds: float) -> Alert:
    step = "check whether the survey renamed or deleted it, and the settings of the stream; nothing is read meanwhile"
    what = f"the topic has been gone for {minutes(seconds)}"
    return Alert(Cause("stream", asset, "", "answers"), what, "error", f"{what}: {error}", step, links.asset(asset))


def _stalled(cause: Cause, lag: int, links: Links, seconds: float) -> Alert:
    what = f"{lag:,} messages wait, and the position has not moved for {minutes(seconds)}"
    step = "look at the runs of drain (failed, queued behind others, or none) and at the ticks of the sensor kafka_lag"
    return Alert(cause, what, "error", f"Partition {cause.partition}: {what}.", step, links.asset(cause.asset))
