"""A past night again: its packets from the archive, through the same code as the stream, in one transaction.

The rows that the packets of the night brought are deleted and made again, in the order in which the packets came.
Nothing of later nights is looked at: an object's watermark is the newest point that this or an earlier night brought.
Readers see the old rows until the commit and the new ones after it.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from broker_assets.accounting import ledger
from broker_assets.database import alerts
from broker_assets.database.engine import connect
from broker_assets.database.tables import SURVEYS
from broker_assets.packets import archive
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.named_types import AvroSchema
from broker_assets.stream.commit import CODE_VERSION, ArchivedGroup, write_rows
from broker_assets.stream.data_versions import data_versions
from broker_assets.stream.decode import DecodedBatch, decode_batch
from broker_assets.stream.errors import DrainFailedError
from broker_assets.stream.matching import SkyMatcher
from broker_assets.stream.messages import Message
from broker_assets.stream.night_locks import own_night
from broker_assets.stream.report import NightCounts


@dataclass
class ReprocessReport:
    """What a reprocessing did with a night."""

    night: str
    run_id: str | None
    topics: list[str] = field(default_factory=list)
    files: int = 0
    received: int = 0
    """Packets read from the archive."""
    stored: int = 0
    duplicate: int = 0
    quarantined: int = 0
    """Packets that this code cannot read although the one that archived them could; they have no rows now."""
    reasons: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, int] = field(default_factory=dict)
    """Rows deleted, by table."""
    counts: NightCounts = field(default_factory=NightCounts)
    """Rows written."""
    seconds: float = 0.0
    data_versions: dict[tuple[str, str], str] = field(default_factory=dict)

    def metadata(self) -> dict[str, Any]:
        """The report as plain values."""
        names = ("night", "topics", "files", "received", "stored", "duplicate", "quarantined", "reasons", "deleted")
        rows = {"sources": self.counts.sources, "forced_sources": self.counts.forced_sources}
        return {name: getattr(self, name) for name in names} | rows | {"seconds": round(self.seconds, 3)}


def reprocess_night(
    database_url: str,
    night: str | datetime.date,
    *,
    surveys: Mapping[str, str],
    run_id: str | None = None,
    progress: Callable[[int], None] = lambda packets: None,
    matcher: SkyMatcher | None = None,
) -> ReprocessReport:
    """Make the rows of a night again from its archived packets.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    night : str or date
        Key `YYYY-MM-DD`.
    surveys : mapping of str to str
        Survey of each topic.
    run_id : str, optional
        Goes into the ledger.
    progress : callable
        Told how many packets have been read so far.
    matcher : SkyMatcher, optional
        Finds and writes the hits of the night's objects.

    Returns
    -------
    ReprocessReport

    Raises
    ------
    KeyError
        If the night has packets of a topic that `surveys` does not name; nothing is changed.
    DrainFailedError
        If a file of the archive is missing or damaged; nothing is changed.
    """
    day = night if isinstance(night, datetime.date) else datetime.date.fromisoformat(night)
    report = ReprocessReport(day.isoformat(), run_id)
    began = time.monotonic()
    with connect(database_url, application="broker-assets reprocess", autocommit=True) as connection:
        with connection.transaction():
            own_night(connection, report.night)
            files = ledger.archive_files(connection, night=day)
            report.topics = sorted({entry.topic for _, _, entry in files})
            unknown = [topic for topic in report.topics if topic not in surveys]
            if unknown:
                raise KeyError(f"no survey is configured for topic {', '.join(unknown)} of night {report.night}")
            for survey in sorted({surveys[topic] for topic in report.topics}):
                chosen = [item for item in files if surveys[item[2].topic] == survey]
                _Reprocessing(connection, day, survey, report, progress, matcher).run(chosen)
        report.data_versions = data_versions(connection, [report.night])
    report.seconds = time.monotonic() - began
    return report


@dataclass
class _Reprocessing:
    """One survey's packets of a night."""

    connection: psycopg.Connection[Any]
    night: datetime.date
    survey: str
    report: ReprocessReport
    progress: Callable[[int], None]
    matcher: SkyMatcher | None

    def run(self, files: Sequence[tuple[int, int, ledger.ArchiveFileEntry]]) -> None:
        self._remember_oldest()
        deleted = alerts.delete_night(self.connection, self.night, SURVEYS[self.survey])
        for table, count in deleted.items():
            self.report.deleted[table] = self.report.deleted.get(table, 0) + count
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
        for archivefileid, _, entry in files:
            decoded, group = self._decode(entry, decoders)
            written = write_rows(
                self.connection,
                batches[entry.topic],
                decoded,
                [group],
                archivefileids=[archivefileid],
                replace=True,
                matcher=self.matcher,
            )
            totals[entry.topic].add(decoded, written, self.night)
            self.report.files += 1
            for reason in decoded.failed.values():
                self.report.reasons[reason.reason] = self.report.reasons.get(reason.reason, 0) + 1
            self.report.received += len(decoded.messages)
            self.progress(self.report.received)
        for topic, ingestid in batches.items():
            total = totals[topic]
            ledger.close_batch(self.connection, ingestid, total.entry(), nights={self.night: total.counts})
            self.report.stored += total.counts.stored
            self.report.duplicate += total.counts.duplicate
            self.report.quarantined += total.failed
            self.report.counts += NightCounts(
                total.counts.stored, total.counts.duplicate, total.counts.sources, total.counts.forced_sources,
                total.counts.objects,
            )  # fmt: skip

    def _remember_oldest(self) -> None:
        """Keep the oldest point of each object that is going to be deleted.

        A packet that came late gives its night to a row that a later night had brought. The newest point of earlier
        nights may then be newer than points that only the night itself can give back.
        """
        for kind, table in (("source", "diasources"), ("forced", "diaforcedsources")):
            self.connection.execute(f"DROP TABLE IF EXISTS pg_temp.oldest_{kind}")
            self.connection.execute(
                f"CREATE TEMPORARY TABLE oldest_{kind} ON COMMIT DROP AS"  # noqa: S608 (names from the line above)
                f" SELECT diaobjectid, min(midpointmjdtai) AS oldest FROM {table}"
                " WHERE night = %s AND survey = %s GROUP BY diaobjectid",
                (self.night, SURVEYS[self.survey]),
            )
            self.connection.execute(f"CREATE INDEX ON oldest_{kind} (diaobjectid)")
            self.connection.execute(f"ANALYZE oldest_{kind}")

    def _watermarks(self, objects: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self._newest(objects, "source", "diasources"), self._newest(objects, "forced", "diaforcedsources")

    def _newest(self, objects: NDArray[np.int64], kind: str, table: str) -> NDArray[np.float64]:
        known = np.unique(objects[objects != alerts.NO_OBJECT])
        rows = self.connection.execute(
            f"""
            SELECT wanted.diaobjectid, newest.midpoint, oldest.oldest
              FROM unnest(%s::bigint[]) AS wanted (diaobjectid)
              CROSS JOIN LATERAL (SELECT max(midpointmjdtai) AS midpoint FROM {table} AS point
                                   WHERE point.diaobjectid = wanted.diaobjectid AND point.night <= %s) AS newest
              LEFT JOIN pg_temp.oldest_{kind} AS oldest USING (diaobjectid)
             WHERE newest.midpoint IS NOT NULL
            """,  # noqa: S608 (names of our own tables)
            (known.tolist(), self.night),
        ).fetchall()
        found = {
            diaobjectid: midpoint if oldest is None else min(midpoint, np.nextafter(oldest, -np.inf))
            for diaobjectid, midpoint, oldest in rows
        }
        return np.array([found.get(number, -np.inf) for number in objects.tolist()], np.float64)

    def _decode(
        self, entry: ledger.ArchiveFileEntry, decoders: dict[tuple[str, str], AlertDecoder]
    ) -> tuple[DecodedBatch, ArchivedGroup]:
        try:
            packets = list(archive.read_file(entry.url))
        except (archive.ArchiveError, OSError) as error:
            raise DrainFailedError(f"night {self.report.night} cannot be made again: {error}") from error
        if len(packets) != entry.packets:
            raise DrainFailedError(f"{entry.url} has {len(packets)} packets, the ledger says {entry.packets}")
        schema, framing = packets[0].schema, packets[0].framing
        key = (framing, schema.fingerprint)
        if key not in decoders:
            decoders[key] = AlertDecoder(self.survey, framing, FileSchema(schema.schema), topic=entry.topic)
        messages = [Message(p.partition, p.offset, p.timestamp_ms, p.key, p.value) for p in packets]
        decoded = decode_batch(messages, decoders[key], self._watermarks)
        group = ArchivedGroup(
            entry,
            np.arange(len(packets)),
            np.array([packet.position for packet in packets], np.int64),
            np.array([packet.length for packet in packets], np.int64),
        )
        return decoded, group


@dataclass(frozen=True)
class FileSchema:
    """The schema that an archive file carries, as a source of schemas: archived packets need no registry."""

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

    def add(self, decoded: DecodedBatch, written: alerts.WriteCounts, night: datetime.date) -> None:
        self.received += len(decoded.messages)
        self.received_bytes += sum(len(message.value) for message in decoded.messages)
        self.failed += len(decoded.failed)
        more = written.nights.get(night, alerts.NightCounts())
        self.counts = alerts.NightCounts(
            **{name: getattr(self.counts, name) + getattr(more, name) for name in vars(self.counts)}
        )

    def entry(self) -> ledger.BatchEntry:
        return ledger.BatchEntry(
            received=self.received,
            stored=self.counts.stored,
            duplicate=self.counts.duplicate,
            quarantined=self.failed,
            bytes=self.received_bytes,
        )
