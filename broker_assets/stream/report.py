"""Report of a drain run, for its Dagster materialisations, the checks and the command line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from broker_assets.database.alerts import NightCounts, added
from broker_assets.stream.latency import LatencyHistogram
from broker_assets.stream.spent import Spent


class Outcome(StrEnum):
    """Why a run ended."""

    IDLE = "idle"
    """Nothing had arrived for `idle_seconds`: the stream is drained."""
    BUDGET = "budget"
    """The time of the run was up; there may be more messages."""
    STOPPED = "stopped"
    """It was requested to stop."""
    BUSY = "busy"
    """Another run holds one of the partitions; nothing was written."""
    SUPERSEDED = "superseded"
    """Another run moved the position of the stream meanwhile; what this one had not committed was not written."""


@dataclass
class QuarantineFlood:
    """A batch in which most messages failed for one reason: more likely a broken adapter or schema than bad packets."""

    reason: str
    failed: int
    received: int
    first_offsets: dict[int, int]


@dataclass
class StreamGap:
    """Offsets lost to retention before they could be read."""

    partition: int
    first_offset: int
    next_offset: int

    @property
    def offsets(self) -> int:
        """Number of offsets lost."""
        return self.next_offset - self.first_offset


@dataclass
class DrainReport:
    """Report of one drain run.

    Counts refer to what was committed: a batch that was rolled back and repeated counts once.
    """

    topic: str
    run_id: str
    partitions: list[int]
    outcome: Outcome = Outcome.IDLE
    seconds: float = 0.0
    """Length of the run."""
    busy_seconds: float = 0.0
    """From the first message of the run to its last commit, including pauses of the stream."""
    batches: int = 0
    received: int = 0
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    received_bytes: int = 0
    archived_bytes: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Quarantined messages by reason."""
    omitted: Counter[str] = field(default_factory=Counter)
    """Values and auxiliary records left out of messages that were stored, by reason."""
    offsets: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Half-open range of offsets committed, per partition that had messages."""
    lag: dict[int, int] = field(default_factory=dict)
    """Messages remaining at the end, per partition."""
    gaps: list[StreamGap] = field(default_factory=list)
    floods: list[QuarantineFlood] = field(default_factory=list)
    nights: dict[str, NightCounts] = field(default_factory=dict)
    """By key `YYYY-MM-DD`."""
    ingest_ids: list[int] = field(default_factory=list)
    """First and last batch of the run in `ingest_batch`."""
    commit_latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    """From the timestamp of the Kafka message to the commit."""
    observation_latency: LatencyHistogram = field(default_factory=LatencyHistogram)
    """From the mid-point of the exposure to the commit; large in replays."""
    stages: dict[str, Spent] = field(default_factory=dict)
    """Time spent per stage, summed over threads."""
    rates: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start of the run and messages per second, per batch; for the plot."""
    interruptions: list[str] = field(default_factory=list)
    """Failures of database, broker, registry or store that the run recovered from."""
    orphans_removed: int = 0
    """Archive files of a crashed run, removed at the start."""
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)
    """Hash of what determines the content, by asset and night."""

    @property
    def facts(self) -> dict[str, int]:
        """Facts that enrichments wrote, by asset."""
        total: dict[str, int] = {}
        for counts in self.nights.values():
            total = added(total, counts.facts)
        return total

    @property
    def messages_per_second(self) -> float:
        """Mean rate while there was something to do."""
        return self.received / self.busy_seconds if self.busy_seconds > 0 else 0.0

    @property
    def bytes_per_second(self) -> float:
        """Mean rate of message bytes while there was something to do."""
        return self.received_bytes / self.busy_seconds if self.busy_seconds > 0 else 0.0

    @property
    def total_lag(self) -> int:
        """Messages remaining at the end."""
        return sum(self.lag.values())

    def metadata(self) -> dict[str, Any]:
        """The report as plain values (JSON types), for materialisation metadata and the command line."""
        return {
            "topic": self.topic,
            "run_id": self.run_id,
            "outcome": self.outcome.value,
            "seconds": round(self.seconds, 3),
            "batches": self.batches,
            "received": self.received,
            "stored": self.stored,
            "duplicate": self.duplicate,
            "quarantined": self.quarantined,
            "quarantine_reasons": dict(self.reasons.most_common(20)),
            "omitted": dict(self.omitted.most_common(20)),
            "received_bytes": self.received_bytes,
            "archived_bytes": self.archived_bytes,
            "messages_per_second": round(self.messages_per_second, 1),
            "megabytes_per_second": round(self.bytes_per_second / 1e6, 3),
            "offsets": {str(partition): list(span) for partition, span in sorted(self.offsets.items())},
            "lag": {str(partition): lag for partition, lag in sorted(self.lag.items())},
            "gaps": [[gap.partition, gap.first_offset, gap.next_offset] for gap in self.gaps],
            "quarantine_floods": [vars(flood) for flood in self.floods],
            "commit_latency_seconds": _rounded(self.commit_latency.quantiles()),
            "observation_latency_seconds": _rounded(self.observation_latency.quantiles()),
            "stage_seconds": _rounded({name: spent.seconds for name, spent in self.stages.items()}),
            "stage_processor_seconds": _rounded({name: one.processor_seconds for name, one in self.stages.items()}),
            "facts": self.facts,
            "ingest_ids": self.ingest_ids,
            "interruptions": self.interruptions,
            "orphans_removed": self.orphans_removed,
        }


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}
