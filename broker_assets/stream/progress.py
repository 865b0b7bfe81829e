"""Collects the report of a run from committed batches, and reports progress."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from broker_assets.database.alerts import NightCounts
from broker_assets.stream.report import DrainReport, QuarantineFlood
from broker_assets.stream.spent import Spent

RATES_KEPT = 2000
"""Maximum number of points of the rate curve in a report; with more, every second one is dropped."""

INTERRUPTIONS_KEPT = 20


@dataclass(frozen=True)
class Committed:
    """One committed batch."""

    ingestid: int
    ranges: dict[int, tuple[int, int]]
    """Half-open range of offsets, per partition."""
    received: int
    stored: int
    duplicate: int
    quarantined: int
    received_bytes: int
    nights: dict[str, NightCounts]
    reasons: Counter[str]
    commit_latency: NDArray[np.float64]
    """Seconds, per message."""
    observation_latency: NDArray[np.float64]
    """Seconds, per decoded packet."""
    spent: dict[str, Spent]
    """Time spent, by stage."""
    flood: QuarantineFlood | None = None
    omitted: Mapping[str, int] = field(default_factory=dict)
    """Values and records left out of stored messages, by reason."""


@dataclass(frozen=True)
class Progress:
    """Progress of a run."""

    seconds: float
    """Time since its start."""
    received: int
    stored: int
    duplicate: int
    quarantined: int
    lag: int
    """Messages waiting at the last check."""
    messages_per_second: float
    """Rate of the last few seconds."""


@dataclass
class Accounts:
    """Maintains the report of a run and notifies the observer."""

    report: DrainReport
    progress: Callable[[Progress], None]
    ends: Mapping[int, int] = field(default_factory=dict)
    """End of each partition at the last check."""
    positions: dict[int, int] = field(default_factory=dict)
    """Committed positions at the start of the current attempt."""

    def __post_init__(self) -> None:
        self._started = self._told = self._last = time.monotonic()
        self._began: float | None = None
        self._recent: list[tuple[float, int]] = []

    def began(self) -> None:
        """Record the arrival of the first message."""
        if self._began is None:
            self._began = time.monotonic()

    def interrupted(self, what: str) -> None:
        """Record a failure of an external system."""
        if len(self.report.interruptions) < INTERRUPTIONS_KEPT:
            self.report.interruptions.append(what)

    def add(self, batch: Committed) -> None:
        """Count a committed batch."""
        report, now = self.report, time.monotonic()
        report.batches += 1
        for name in ("received", "stored", "duplicate", "quarantined", "received_bytes"):
            setattr(report, name, getattr(report, name) + getattr(batch, name))
        report.ingest_ids = [*(report.ingest_ids[:1] or [batch.ingestid]), batch.ingestid]
        report.reasons.update(batch.reasons)
        report.omitted.update(batch.omitted)
        for partition, (first, end) in batch.ranges.items():
            report.offsets[partition] = (report.offsets.get(partition, (first, end))[0], end)
        for night, counts in batch.nights.items():
            report.nights[night] = report.nights.get(night, NightCounts()) + counts
            report.archived_bytes += counts.archived_bytes
        if batch.flood is not None:
            report.floods.append(batch.flood)
        report.commit_latency.add(batch.commit_latency)
        report.observation_latency.add(batch.observation_latency)
        for stage, spent in batch.spent.items():
            report.stages[stage] = report.stages.get(stage, Spent()) + spent
        report.rates.append((now - self._started, batch.received / max(now - max(self._last, self._began or 0), 1e-3)))
        if len(report.rates) > RATES_KEPT:
            report.rates = report.rates[::2]
        report.busy_seconds = now - (self._began or self._started)
        self._last = now
        self._recent = [item for item in self._recent if now - item[0] < 5.0] + [(now, batch.received)]
        self.beat()

    def silent_for(self) -> float:
        """Seconds since the observer was last notified."""
        return time.monotonic() - self._told

    def beat(self) -> None:
        """Notify the observer."""
        now = self._told = time.monotonic()
        recent = [item for item in self._recent if now - item[0] < 5.0]
        window = min(5.0, max(now - (self._began or now), 1e-3))
        self.progress(
            Progress(
                seconds=now - self._started,
                received=self.report.received,
                stored=self.report.stored,
                duplicate=self.report.duplicate,
                quarantined=self.report.quarantined,
                lag=sum(self.lag().values()),
                messages_per_second=sum(count for _, count in recent) / window,
            )
        )

    def close(self) -> DrainReport:
        """The finished report."""
        self.report.seconds = time.monotonic() - self._started
        self.report.lag = self.lag()
        return self.report

    def lag(self) -> dict[int, int]:
        """Messages known to be waiting, per partition."""
        known = self.positions | {partition: end for partition, (_, end) in self.report.offsets.items()}
        return {partition: max(0, end - known[partition]) for partition, end in self.ends.items() if partition in known}
