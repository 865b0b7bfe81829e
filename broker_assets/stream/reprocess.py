"""Reprocesses a past night: its packets from the archive, through the same code as the stream, in one transaction.

The rows from the packets of the night are deleted and written again, in the order in which the packets arrived. A point
that came from its own or an earlier packet keeps that row, whatever the order, and facts are computed with the lists
that were in force when each packet was stored. Readers see the old rows until the commit and the new ones after it. If
only facts are stale, only they are computed again, and if only the facts of some alerts are, only those.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
)

from broker_assets import backoff
from broker_assets.accounting import facts, ledger
from broker_assets.database import alerts, border
from broker_assets.database.border_sql import MOST_BEYOND, across
from broker_assets.database.engine import CONFLICTS, connect, is_lost
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.database.stored_points import compare
from broker_assets.database.tables import SURVEYS, diasources
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.schema import MAXIMUM_TEXT
from broker_assets.provenance import stale_facts, versions
from broker_assets.provenance.revisions import current_revision
from broker_assets.stream.commit import CODE_VERSION, ArchivedGroup, write_rows
from broker_assets.stream.data_versions import ROW_ASSETS, data_versions
from broker_assets.stream.decode import Compare, DecodedBatch, decode_batch
from broker_assets.stream.enrichment import Enriched, EnrichmentPlan, FactCounts
from broker_assets.stream.errors import DrainFailedError
from broker_assets.stream.messages import Message
from broker_assets.stream.night_locks import own_night, own_retries

logger = logging.getLogger(__name__)

ATTEMPTS = 10
"""Attempts at a night that PostgreSQL rolls back because of other writers; after the first, one night at a time."""
LOST_SECONDS = 300.0
"""For how long a night is begun once more after PostgreSQL was lost in the middle: it needs minutes to recover from a
crash after hours of load."""


@dataclass
class ReprocessReport:
    """Result of reprocessing a night."""

    night: str
    run_id: str | None
    topics: list[str] = field(default_factory=list)
    files: int = 0
    received: int = 0
    """Packets read from the archive."""
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    """Packets that this code cannot read although the code that archived them could; they now have no rows."""
    reasons: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    """Rows deleted, by table."""
    counts: alerts.NightCounts = field(default_factory=alerts.NightCounts)
    """Rows written."""
    seconds: float = 0.0
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The report as plain values."""
        names = ("night", "topics", "files", "received", "stored", "duplicate", "quarantined", "reasons", "deleted")
        rows = {
            "sources": self.counts.sources,
            "forced_sources": self.counts.forced_sources,
            "facts": self.counts.facts,
        }
        return {name: getattr(self, name) for name in names} | rows | {"seconds": round(self.seconds, 3)}


def reprocess_night(
    database_url: str,
    night: str | datetime.date,
    *,
    surveys: Mapping[str, str],
    plan: EnrichmentPlan,
    run_id: str | None = None,
    progress: Callable[[int], None] = lambda packets: None,
    lists_now: bool = False,
    facts_only: bool = False,
    marked_only: bool = False,
) -> ReprocessReport:
    """Rebuild the rows and facts of a night from its archived packets.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    night : str or date
        Key `YYYY-MM-DD`.
    surveys : mapping of str to str
        Survey of each topic.
    plan : EnrichmentPlan
        What is computed for the alerts; the facts of other enrichments are kept.
    run_id : str, optional
        Goes into the ledger.
    progress : callable
        Called with the number of packets read so far.
    lists_now : bool
        Compute facts with the lists that are in force now, instead of those that each batch recorded.
    facts_only : bool
        Leave the rows as they are and compute only the facts of the plan.
    marked_only : bool
        With `facts_only`: if nothing else of the night is stale, compute only the facts of the alerts that are marked
        (`stale_facts`); all others are kept.

    Returns
    -------
    ReprocessReport

    Raises
    ------
    KeyError
        If the night has packets of a topic that is not in `surveys`; nothing is changed.
    DrainFailedError
        If a file of the archive is missing or damaged; nothing is changed.
    """
    day = night if isinstance(night, datetime.date) else datetime.date.fromisoformat(night)
    began = time.monotonic()
    plan.load()

    def rebuild() -> ReprocessReport:
        report = ReprocessReport(day.isoformat(), run_id)
        with connect(database_url, application="broker-assets reprocess", autocommit=True) as connection:
            with connection.transaction():
                if again.statistics["attempt_number"] > 1:
                    own_retries(connection)
                own_night(connection, report.night)
                files = ledger.archive_files(connection, night=day)
                report.topics = sorted({entry.topic for _, _, entry in files})
                unknown = [topic for topic in report.topics if topic not in surveys]
                if unknown:
                    raise KeyError(f"no survey is configured for topic {', '.join(unknown)} of night {report.night}")
                rebuilt = _FactRebuild(plan, facts_only, current_revision(connection) if lists_now else None)
                tables = [table for _, table in plan.facts]
                marked = None
                if facts_only and marked_only and not lists_now:
                    marked = _marked(connection, [table.asset for table in tables], report.night)
                gone: list[facts.FactCount] = []
                if marked is None:
                    facts.delete_night(connection, tables, report.night)
                else:
                    rebuilt.choose(connection, day, marked)
                    files = [item for item in files if item[0] in rebuilt.positions]
                    report.topics = sorted({entry.topic for _, _, entry in files})
                    gone = facts.delete_alerts(connection, tables, report.night, *marked)
                for survey in sorted({surveys[topic] for topic in report.topics}):
                    chosen = [item for item in files if surveys[item[2].topic] == survey]
                    _Reprocessing(connection, day, survey, report, progress, rebuilt).run(chosen)
                rebuilt.book(connection, report.night, gone)
                stale_facts.clear(connection, [table.asset for _, table in plan.facts], report.night)
            report.data_versions = data_versions(connection, [report.night])
        return report

    # New rows cannot be locked beforehand, so two transactions may wait for each other's.
    again = Retrying(
        retry=retry_if_exception_type(CONFLICTS),
        wait=backoff.CONFLICT,
        stop=stop_after_attempt(ATTEMPTS),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )
    report: ReprocessReport = Retrying(
        retry=retry_if_exception(is_lost),
        wait=backoff.DRAIN,
        stop=stop_after_delay(LOST_SECONDS),
        before_sleep=before_sleep_log(logger, logging.WARNING),
        reraise=True,
    )(again, rebuild)
    report.seconds = time.monotonic() - began
    return report


def _marked(connection: psycopg.Connection[Any], assets: Sequence[str], night: str) -> stale_facts.Alerts | None:
    """The alerts of a night whose facts are stale, if nothing else is; None if the whole night must be computed."""
    stale = [item for item in versions.stale(connection) if item.partition == night]
    rows = any(item.asset in ROW_ASSETS for item in stale)
    causes = {item.cause for item in stale if item.asset in assets}
    return None if rows or causes - {"objects", "upstream"} else stale_facts.marked(connection, assets, night)


@dataclass
class _FactRebuild:
    """Recomputes the facts of a night."""

    plan: EnrichmentPlan
    facts_only: bool
    now: int | None
    """Number of the change counter to compute with; None for that of each batch."""
    batches: set[int] = field(default_factory=set)
    """Batches of the reprocessing."""
    positions: dict[int, NDArray[np.int64]] = field(default_factory=dict)
    """Positions of the packets whose facts are computed, by file, if not those of the whole night."""
    chosen: bool = False
    """Whether only the facts of chosen alerts are computed."""
    _recorded: dict[int, int] = field(default_factory=dict)

    def choose(self, connection: psycopg.Connection[Any], night: datetime.date, alerts: stale_facts.Alerts) -> None:
        """Choose alerts of the night, so that only their facts are computed."""
        query = across(
            connection,
            "SELECT archivefileid, archiveposition FROM diasources JOIN unnest(%s::bigint[], %s::bigint[])"
            " AS alert (diaobjectid, diasourceid) USING (diaobjectid, diasourceid)"
            " WHERE night = %s AND archivefileid IS NOT NULL ORDER BY 1, 2",
            {diasources: [[("night", "=", night)], [("diasourceid", "in", alerts[1])]]},
            most=MOST_BEYOND,
            has_values=True,
        )
        rows = connection.execute(query, (alerts[0].tolist(), alerts[1].tolist(), night)).fetchall()  # type: ignore[call-overload]
        found: dict[int, list[int]] = {}
        for archivefileid, position in rows:
            found.setdefault(archivefileid, []).append(position)
        self.positions = {file: np.array(places, np.int64) for file, places in found.items()}
        self.chosen = True

    def revision_of(self, connection: psycopg.Connection[Any], ingestid: int) -> int:
        """The number of the change counter for which the facts of a batch's packets must hold."""
        if self.now is not None:
            return self.now
        if ingestid not in self._recorded:
            row = connection.execute("SELECT revision FROM ingest_batch WHERE ingestid = %s", (ingestid,)).fetchone()
            # A batch without a number is older than the counter: there were no numbered changes before it.
            self._recorded[ingestid] = int(row[0]) if row and row[0] is not None else 0
        return self._recorded[ingestid]

    def write(
        self,
        connection: psycopg.Connection[Any],
        ingestid: int,
        archivefileid: int,
        decoded: DecodedBatch,
        group: ArchivedGroup,
        enriched: Enriched,
        as_of: int,
    ) -> FactCounts:
        """Write only the facts of the packets of a file whose source is stored from it."""
        held = np.isin(group.positions, stored_positions(connection, group.entry.night, archivefileid))
        return self.plan.write(
            self.plan.renewed(enriched, connection),
            connection,
            ingestid,
            stored=np.intersect1d(group.packets[held], decoded.packets),
            newest=np.zeros(0, np.int64),
            nights=[group.entry.night.isoformat()],
            as_of=as_of,
        )

    def book(self, connection: psycopg.Connection[Any], night: str, gone: Sequence[facts.FactCount]) -> None:
        """Record that the facts of the night, or of the chosen alerts, were replaced; `gone` counts the old facts."""
        if self.chosen and self.batches:
            facts.take_back(connection, max(self.batches), gone)
        elif self.batches:
            facts.replace(connection, night, [table.asset for _, table in self.plan.facts], self.batches)


@dataclass
class _Reprocessing:
    """One survey's packets of a night."""

    connection: psycopg.Connection[Any]
    night: datetime.date
    survey: str
    report: ReprocessReport
    progress: Callable[[int], None]
    rebuild: _FactRebuild

    def run(self, files: Sequence[tuple[int, int, ledger.ArchiveFileEntry]]) -> None:
        deleted = None
        if not self.rebuild.facts_only:
            deleted = alerts.delete_night(self.connection, self.night, SURVEYS[self.survey])
            self.report.deleted = alerts.added(self.report.deleted, deleted.counts)
        started = datetime.datetime.now(datetime.UTC)
        batches = {
            topic: ledger.open_batch(
                self.connection, topic=topic, kind="reprocess", code_version=CODE_VERSION, started_at=started,
                run_id=self.report.run_id,
            )
            for topic in sorted({entry.topic for _, _, entry in files})
        }  # fmt: skip
        totals = {topic: _Total() for topic in batches}
        decoders: dict[tuple[str, str], AlertDecoder] = {}
        for archivefileid, brought_by, entry in files:
            decoded, group = self._decode(entry, decoders, self.rebuild.positions.get(archivefileid))
            as_of = self.rebuild.revision_of(self.connection, brought_by)
            enriched = self.rebuild.plan.compute(decoded.tables, self.connection, revision=as_of, stamps=decoded.stamps)
            if self.rebuild.facts_only:
                written = _all_duplicates(decoded, self.night)
                found = self.rebuild.write(
                    self.connection, batches[entry.topic], archivefileid, decoded, group, enriched, as_of
                )
            else:
                written, found = write_rows(
                    self.connection,
                    batches[entry.topic],
                    decoded,
                    [group],
                    plan=self.rebuild.plan,
                    enriched=enriched,
                    archivefileids=[archivefileid],
                    replace=True,
                    as_of=as_of,
                )
            self.rebuild.batches.add(batches[entry.topic])
            totals[entry.topic].add(decoded, written, found, self.night)
            self.report.files += 1
            for reason in decoded.failed.values():
                self.report.reasons[reason.reason] = self.report.reasons.get(reason.reason, 0) + 1
            self.report.received += len(decoded.messages)
            self.progress(self.report.received)
        if deleted is not None:
            deleted.points.mark_again(self.connection)
        for topic, ingestid in batches.items():
            total = totals[topic]
            ledger.close_batch(self.connection, ingestid, total.entry(), nights={self.night: total.counts})
            self.report.stored += total.counts.stored
            self.report.duplicate += total.counts.duplicate
            self.report.quarantined += total.failed
            self.report.counts += total.counts

    def _decode(
        self,
        entry: ledger.ArchiveFileEntry,
        decoders: dict[tuple[str, str], AlertDecoder],
        positions: NDArray[np.int64] | None,
    ) -> tuple[DecodedBatch, ArchivedGroup]:
        needed = no_points if self.rebuild.facts_only else partial(compare, self.connection)
        return decode_archived(entry, self.survey, decoders, needed, positions)


def decode_archived(
    entry: ledger.ArchiveFileEntry,
    survey: str,
    decoders: dict[tuple[str, str], AlertDecoder],
    needed: Compare,
    positions: NDArray[np.int64] | None = None,
) -> tuple[DecodedBatch, ArchivedGroup]:
    """Decode the packets of an archive file again, or those at some positions in it.

    Parameters
    ----------
    entry : ArchiveFileEntry
        The file.
    survey : str
        Survey of its packets.
    decoders : dict
        Decoders by framing and schema, reused for the next files.
    needed : callable
        Determines which points of the histories must be read.

    Raises
    ------
    DrainFailedError
        If the file is missing or damaged.
    """
    try:
        packets = list(
            archive.read_file(entry.url) if positions is None else archive.read_packets(entry.url, positions)
        )
    except (archive.ArchiveError, OSError) as error:
        raise DrainFailedError(f"the night {entry.night} cannot be read again: {error}") from error
    if positions is None and len(packets) != entry.packets:
        raise DrainFailedError(f"{entry.url} has {len(packets)} packets, but {entry.packets} in the ledger")
    schema, framing = packets[0].schema, packets[0].framing
    key = (framing, schema.fingerprint)
    if key not in decoders:
        # A file is one batch of the stream, whose size and messages were within the limits then.
        decoders[key] = AlertDecoder(
            survey,
            framing,
            FileSchema(schema.schema),
            topic=entry.topic,
            batch_bytes=None,
            message_bytes=archive.DATUM_MAXIMUM + MAXIMUM_TEXT,
        )
    messages = [Message(p.partition, p.offset, p.timestamp_ms, p.key, p.value) for p in packets]
    decoded = decode_batch(messages, decoders[key], needed)
    group = ArchivedGroup(
        entry,
        np.arange(len(packets)),
        np.array([packet.position for packet in packets], np.int64),
        np.array([packet.length for packet in packets], np.int64),
    )
    return decoded, group


def stored_positions(
    connection: psycopg.Connection[Any], night: datetime.date, archivefileid: int
) -> NDArray[np.int64]:
    """Positions in an archive file of a night's packets whose source is stored from it, here or in the cold store."""
    found = border.rows(
        connection, diasources, ["archiveposition"], [[("night", "=", night)], [("archivefileid", "=", archivefileid)]]
    )
    return np.asarray(found["archiveposition"].to_numpy(), np.int64)


def no_points(triggers: Triggers, points: Listed) -> tuple[NDArray[np.bool_], None]:
    """Leave out all points of the histories."""
    return np.zeros(len(points.trigger), bool), None


def _all_duplicates(decoded: DecodedBatch, night: datetime.date) -> alerts.WriteCounts:
    """Counts for packets whose rows are kept."""
    number = len(decoded.packets)
    return alerts.WriteCounts(duplicate=number, nights={night: alerts.NightCounts(duplicate=number)})


@dataclass(frozen=True)
class FileSchema:
    """The schema in an archive file, as a source of schemas: archived packets need no registry."""

    schema: AvroSchema

    def by_id(self, schema_id: int) -> AvroSchema:
        """The schema of the file."""
        return self.schema

    def for_topic(self, topic: str | None) -> AvroSchema:
        """The schema of the file."""
        return self.schema


@dataclass
class _Total:
    """Sums over the files of a topic."""

    received: int = 0
    received_bytes: int = 0
    failed: int = 0
    counts: alerts.NightCounts = field(default_factory=alerts.NightCounts)

    def add(self, decoded: DecodedBatch, written: alerts.WriteCounts, found: FactCounts, night: datetime.date) -> None:
        self.received += len(decoded.messages)
        self.received_bytes += sum(len(message.value) for message in decoded.messages)
        self.failed += len(decoded.failed)
        self.counts += written.nights.get(night, alerts.NightCounts())
        self.counts += alerts.NightCounts(facts=found.get(night.isoformat(), {}))

    def entry(self) -> ledger.BatchEntry:
        return ledger.BatchEntry(
            received=self.received,
            stored=self.counts.stored,
            duplicate=self.counts.duplicate,
            quarantined=self.failed,
            bytes=self.received_bytes,
        )
