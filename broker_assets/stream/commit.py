"""One transaction per batch: rows, archive files, quarantine, ledger and position, all or nothing."""

from __future__ import annotations

import dataclasses
import datetime
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from upath import UPath

from broker_assets.accounting import ledger, quarantine
from broker_assets.database import alerts, partitions
from broker_assets.database.alerts import NightCounts
from broker_assets.packets.decoder import DECODER_VERSION
from broker_assets.stream.decode import INGEST_VERSION, DecodedBatch, Locations, Reason, alert_rows
from broker_assets.stream.enrichment import Enriched, EnrichmentPlan, FactCounts, with_state
from broker_assets.stream.messages import Message
from broker_assets.stream.night_locks import share_nights
from broker_assets.stream.progress import Committed
from broker_assets.stream.report import QuarantineFlood
from broker_assets.stream.spent import Spent, Stopwatch

CODE_VERSION = f"ingest {INGEST_VERSION}, decoder {DECODER_VERSION}"
"""Version of the code that turns packets into rows, for the ledger."""

FLOOD_MESSAGES = 20
FLOOD_FRACTION = 0.5
"""Operators are notified if at least this number and this fraction of the messages of a batch fail for one reason."""

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")

_MJD_TAI_OF_UNIX_EPOCH = 40_587.0
_TAI_MINUS_UTC_SECONDS = 37.0
"""Since 2017; an error of a second in the latency of older packets does not matter."""


@dataclass
class ArchivedGroup:
    """Packets of a batch in one archive file."""

    entry: ledger.ArchiveFileEntry
    packets: NDArray[np.int64]
    """Their message indices."""
    positions: NDArray[np.int64]
    lengths: NDArray[np.int64]


@dataclass
class PreparedBatch:
    """A batch that is decoded and archived, but not yet in the database."""

    decoded: DecodedBatch
    groups: list[ArchivedGroup]
    ranges: list[ledger.Range]
    received_bytes: int
    note: UPath | None = None
    """Says which archive files were written, see `orphaned_files`."""
    spent: dict[str, Spent] = field(default_factory=dict)
    """Time spent, by stage."""
    started_at: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))


def write_batch(
    connection: psycopg.Connection[Any],
    batch: PreparedBatch,
    enriched: Enriched,
    *,
    topic: str,
    run_id: str | None,
    plan: EnrichmentPlan,
) -> Committed:
    """Write a batch of the stream in one transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection outside a transaction. Missing partitions are created first, in separate transactions.
    batch, enriched : PreparedBatch, Enriched
        The batch to write, and what was computed for its alerts.
    topic, run_id : str
        For the ledger.
    plan : EnrichmentPlan
        Writes what was computed for the alerts.

    Raises
    ------
    StaleStreamPosition
        If another process moved the position meanwhile; nothing is written.
    """
    watch = Stopwatch()
    decoded, messages = batch.decoded, batch.decoded.messages
    ensure_partitions(connection, decoded)
    with connection.transaction():
        share_nights(connection, np.unique(decoded.nights))
        ingestid = ledger.open_batch(
            connection, topic=topic, kind="stream", code_version=CODE_VERSION, started_at=batch.started_at,
            run_id=run_id,
        )  # fmt: skip
        # First, so that a run that is not the only one detects this before it writes anything.
        ledger.advance(connection, ingestid, topic, batch.ranges)
        written, counts = write_rows(connection, ingestid, decoded, batch.groups, plan=plan, enriched=enriched)
        quarantine.add(
            connection, ingestid, [quarantined(topic, messages[n], r) for n, r in sorted(decoded.failed.items())]
        )
        now = time.time()
        latency = commit_latency(messages, now)
        batch.spent |= decoded.spent
        batch.spent["enrich"] = enriched.spent
        batch.spent["write"] = watch.lap()
        took = {stage: spent.seconds for stage, spent in batch.spent.items()}
        ledger.close_batch(
            connection,
            ingestid,
            ledger.BatchEntry(
                received=len(messages),
                stored=written.stored,
                duplicate=written.duplicate,
                quarantined=len(decoded.failed),
                bytes=batch.received_bytes,
                read_seconds=took.get("consume"),
                decode_seconds=sum(took.get(stage, 0.0) for stage in ("identify", "compare", "decode")),
                archive_seconds=took.get("archive"),
                enrich_seconds=took["enrich"],
                write_seconds=took["write"],
                **latency_columns(latency),
            ),
            nights=written.nights,
        )
        watch.lap()
    batch.spent["commit"] = watch.lap()
    return Committed(
        ingestid=ingestid,
        ranges={item.partition: (item.first_offset, item.next_offset) for item in batch.ranges},
        received=len(messages),
        stored=written.stored,
        duplicate=written.duplicate,
        quarantined=len(decoded.failed),
        received_bytes=batch.received_bytes,
        nights=night_counts(written, batch.groups, counts),
        reasons=Counter(reason.reason for reason in decoded.failed.values()),
        omitted=decoded.tables.omitted,
        commit_latency=latency,
        observation_latency=observation_latency(decoded, now),
        spent=batch.spent,
        flood=_flood(batch),
    )


def ensure_partitions(connection: psycopg.Connection[Any], decoded: DecodedBatch) -> None:
    """Create the partitions needed for the rows of a batch."""
    tables = decoded.tables
    times = [part["midpointmjdtai"].to_numpy() for part in (tables.source, tables.forced_source, tables.nondetection)]
    partitions.ensure(connection, np.concatenate(times))


def write_rows(
    connection: psycopg.Connection[Any],
    ingestid: int,
    decoded: DecodedBatch,
    groups: Sequence[ArchivedGroup],
    *,
    plan: EnrichmentPlan,
    enriched: Enriched,
    archivefileids: Sequence[int] | None = None,
    replace: bool = False,
    as_of: int | None = None,
) -> tuple[alerts.WriteCounts, FactCounts]:
    """Write archive files, rows and facts of a batch in the caller's transaction.

    Parameters
    ----------
    connection, ingestid : psycopg.Connection, int
        Connection to use, and id of the batch.
    decoded, groups : DecodedBatch, sequence of ArchivedGroup
        The rows, and the archive files of their packets.
    plan, enriched : EnrichmentPlan, Enriched
        What was computed for the alerts, and the plan that writes it.
    archivefileids : sequence of int, optional
        Identifiers of the files of `groups` that are already in the database; None records them as new files.
    replace : bool
        Update objects even if the stored row is as new.
    as_of : int, optional
        Number of the change counter for which the facts must hold; default: the newest.
    """
    if archivefileids is None:
        archivefileids = ledger.add_archive_files(connection, ingestid, [group.entry for group in groups])
    locations = Locations.empty(len(decoded.messages))
    for group, archivefileid in zip(groups, archivefileids, strict=True):
        locations.archivefileid[group.packets] = archivefileid
        locations.position[group.packets] = group.positions
        locations.length[group.packets] = group.lengths
    rows = alert_rows(decoded, locations)
    enriched = plan.renewed(enriched, connection)
    if rows.objects is not None:
        packets = decoded.tables.object["packet"].to_numpy()
        rows = dataclasses.replace(rows, objects=with_state(rows.objects, packets, enriched))
    written = alerts.write(connection, rows, ingestid, comparison=decoded.comparison, replace=replace)
    counts = plan.write(
        enriched,
        connection,
        ingestid,
        # The rows of `sources` are those of the packets in their order, those of `objects` as they were decoded.
        stored=decoded.packets[written.stored_packets],
        newest=np.sort(decoded.tables.object["packet"].to_numpy()[written.newest_objects].astype(np.int64)),
        nights=[night.isoformat() for night in written.nights],
        as_of=as_of,
    )
    return written, counts


def quarantined(topic: str, message: Message, reason: Reason) -> quarantine.QuarantinedMessage:
    """The quarantine entry of a message."""
    return quarantine.QuarantinedMessage(
        topic=topic, partition=message.partition, offset=message.offset, kafka_timestamp=message.time, key=message.key,
        payload=message.value, reason=reason.reason, traceback=reason.traceback or None,
    )  # fmt: skip


def night_counts(
    written: alerts.WriteCounts, groups: Sequence[ArchivedGroup], facts: FactCounts
) -> dict[str, NightCounts]:
    """Rows, facts and archived messages by night."""
    nights = {
        night.isoformat(): counts + NightCounts(facts=facts.get(night.isoformat(), {}))
        for night, counts in written.nights.items()
    }
    for group in groups:
        counts = nights.setdefault(group.entry.night.isoformat(), NightCounts())
        counts.archived += group.entry.packets
        counts.archived_bytes += group.entry.bytes
    return nights


def commit_latency(messages: Sequence[Message], now: float) -> NDArray[np.float64]:
    """Seconds from the timestamp of each message to `now` (Unix time, s); NaN if it has none."""
    stamps = np.fromiter((message.timestamp_ms for message in messages), np.float64, len(messages))
    return np.where(stamps >= 0, now - stamps / 1000.0, np.nan)


def observation_latency(decoded: DecodedBatch, now: float) -> NDArray[np.float64]:
    """Seconds from the mid-point of the exposure of each packet to `now` (Unix time, s)."""
    midpoints: NDArray[np.float64] = decoded.tables.packet["midpointmjdtai"].to_numpy()
    return now - ((midpoints - _MJD_TAI_OF_UNIX_EPOCH) * 86_400.0 - _TAI_MINUS_UTC_SECONDS)


def latency_columns(latency: NDArray[np.float64]) -> Mapping[str, Any]:
    """Quantiles of a batch's latencies (s, NaN where unknown) as fields of `BatchEntry`; empty if none is known."""
    known = latency[np.isfinite(latency)]
    if known.size == 0:
        return {}
    p50, p90, p99 = (float(value) for value in np.quantile(known, [0.5, 0.9, 0.99]))
    return {"latency_p50": p50, "latency_p90": p90, "latency_p99": p99, "latency_max": float(known.max())}


def _flood(batch: PreparedBatch) -> QuarantineFlood | None:
    """The reason for which most of a batch failed, if it did."""
    failed, received = batch.decoded.failed, len(batch.decoded.messages)
    if not failed:
        return None
    # Reasons contain positions and values, which differ from packet to packet.
    kinds = Counter(_NUMBERS.sub("#", reason.reason) for reason in failed.values())
    kind, count = kinds.most_common(1)[0]
    if count < FLOOD_MESSAGES or count <= FLOOD_FRACTION * received:
        return None
    return QuarantineFlood(
        reason=kind,
        failed=count,
        received=received,
        first_offsets={item.partition: item.first_offset for item in batch.ranges},
    )
