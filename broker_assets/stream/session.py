"""One attempt of a drain run to read its partitions: connections, locks, positions."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
import psycopg
from numpy.typing import NDArray

from broker_assets.accounting import attempts, ledger
from broker_assets.accounting.attempts import Suspect
from broker_assets.database.alerts import NightCounts
from broker_assets.database.engine import connect
from broker_assets.database.point_selection import Listed, Triggers
from broker_assets.database.stored_points import Comparison, compare
from broker_assets.settings import AttemptSettings
from broker_assets.stream.decode import INGEST_VERSION
from broker_assets.stream.errors import StreamResetError
from broker_assets.stream.messages import MessageSource, OffsetOutOfRangeError
from broker_assets.stream.orphaned_files import PendingFiles
from broker_assets.stream.progress import Committed
from broker_assets.stream.report import StreamGap

logger = logging.getLogger(__name__)

BeginAttempt = Callable[[Mapping[int, tuple[int, int]]], None]
"""Records that the messages in ranges of offsets, by partition, are about to be decoded."""

LOCK_SECONDS = 60.0
"""Seconds; a writer that waits longer for a row or a table gives up, and the batch is retried."""


def starting_positions(
    connection: psycopg.Connection[Any], source: MessageSource, topic: str, partitions: Sequence[int]
) -> tuple[dict[int, int], list[StreamGap]]:
    """The committed positions of partitions, or the first offset that the broker still has; the source is assigned.

    Returns
    -------
    positions : dict of int to int
        By partition; one that was never read begins where the broker begins.
    gaps : list of StreamGap
        Offsets that the broker deleted before they were read.
    """
    stored = {p: o for p, o in ledger.positions(connection, topic).items() if p in partitions}
    source.assign({partition: stored.get(partition, 0) for partition in partitions})
    beginnings = source.beginning_offsets()
    gaps = [
        StreamGap(partition, position, beginnings[partition])
        for partition, position in stored.items()
        if position < beginnings[partition]
    ]
    return {p: max(stored.get(p, 0), beginnings[p]) for p in partitions}, gaps


class DrainSession:
    """Context manager that holds the locks of some Kafka partitions.

    Locks and writes share one connection: a session that has lost its locks has also lost the connection on which it
    could write. Points are compared and attempts counted on a second connection; the threads that begin and complete
    enrichments read on two more.

    Parameters
    ----------
    database_url, topic, partitions : str, str, sequence of int
        Database, and the partitions to lock.

    Raises
    ------
    StreamBusy
        On entering, if another session holds one of the partitions.
    """

    def __init__(self, database_url: str, topic: str, partitions: Sequence[int]) -> None:
        self._url = database_url
        self.topic = topic
        self.partitions = sorted(partitions)
        self.positions: dict[int, int] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.writer: psycopg.Connection[Any] = connect(
                self._url, application="broker-assets drain", autocommit=True, lock_timeout=LOCK_SECONDS
            )
            stack.callback(self.writer.close)
            # A server process whose client has died holds the locks until it notices.
            self.writer.execute("SET client_connection_check_interval = '2s'")
            self.reader: psycopg.Connection[Any] = connect(
                self._url, application="broker-assets drain comparison", autocommit=True
            )
            stack.callback(self.reader.close)
            # It only writes attempts, which must survive the end of our process, but not that of the server.
            self.reader.execute("SET synchronous_commit = off")
            self.enricher: psycopg.Connection[Any] = connect(
                self._url, application="broker-assets drain enrichments", autocommit=True
            )
            stack.callback(self.enricher.close)
            self.completer: psycopg.Connection[Any] = connect(
                self._url, application="broker-assets drain last enrichments", autocommit=True
            )
            stack.callback(self.completer.close)
            stack.enter_context(ledger.lock_partitions(self.writer, self.topic, self.partitions))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.close()
        except psycopg.Error as closing:
            # The connection is lost and the locks with it; the original error is more informative.
            logger.debug("closing the session: %s", closing)

    def compare(self, triggers: Triggers, points: Listed) -> tuple[NDArray[np.bool_], Comparison]:
        """Determine which points of the histories of packets must be written; see `stored_points.compare`."""
        return compare(self.reader, triggers, points)

    @contextmanager
    def attempts(self, run_id: str) -> Iterator[BeginAttempt]:
        """Count attempts at messages, until the block is left in any way that the process survives.

        Yields
        ------
        callable
            Must be called before messages are decoded, with their offsets, by the thread that compares points.
        """

        def begin(ranges: Mapping[int, tuple[int, int]]) -> None:
            with self.reader.transaction():
                attempts.begin(self.reader, self.topic, ranges, run_id)

        try:
            yield begin
        finally:
            try:
                with self.writer.transaction():
                    attempts.release(self.writer, self.topic, run_id)
            except psycopg.Error as error:
                # Without a connection they remain, and count as one run that died.
                logger.debug("attempts of %s are not released: %s", run_id, error)

    def suspects(self, settings: AttemptSettings) -> dict[int, Suspect]:
        """Attempts at the positions of the partitions that were left by runs that died."""
        return attempts.suspects(self.writer, self.topic, self.positions, settings)

    def sweep(self, pending: PendingFiles) -> int:
        """Remove archive files without a row left by an earlier run of these partitions."""
        return pending.sweep(self.partitions, lambda urls: ledger.known_archive_urls(self.writer, urls))

    def settle(self, source: MessageSource, run_id: str) -> list[StreamGap]:
        """Assign the committed positions to the source, or the first existing offset after retention.

        Offsets that the broker deleted before they were read are recorded in `stream_gap`; a partition that was never
        read begins where the broker begins, which is not a gap.

        Returns
        -------
        list of StreamGap
            Newly detected gaps.
        """
        self.positions, gaps = starting_positions(self.writer, source, self.topic, self.partitions)
        if gaps:
            self._record(gaps, run_id)
        source.assign(self.positions)
        return gaps

    def unreported(self, run_id: str, after: int) -> list[Committed]:
        """Batches of a run that were committed without the run being notified: the connection broke at the end.

        Parameters
        ----------
        run_id : str
            The run.
        after : int
            The last batch known to it.
        """
        found = []
        for ingestid, received, stored, duplicate, quarantined, received_bytes in self.writer.execute(
            "SELECT ingestid, received, stored, duplicate, quarantined, bytes FROM ingest_batch"
            " WHERE run_id = %s AND topic = %s AND kind = 'stream' AND ingestid > %s AND received > 0"
            " ORDER BY ingestid",
            (run_id, self.topic, after),
        ).fetchall():
            ranges = self.writer.execute(
                'SELECT "partition", first_offset, next_offset FROM ingest_batch_range WHERE ingestid = %s', (ingestid,)
            ).fetchall()
            nights = self.writer.execute(
                "SELECT night.night, night.stored, night.duplicate, sources, forced_sources, objects,"
                " coalesce(sum(packets), 0), coalesce(sum(file.bytes), 0) FROM ingest_batch_night AS night"
                " LEFT JOIN archive_file AS file USING (ingestid, night) WHERE ingestid = %s"
                " GROUP BY night.ingestid, night.night",
                (ingestid,),
            ).fetchall()
            counts = {
                night.isoformat(): NightCounts(
                    stored=stored,
                    duplicate=duplicate,
                    sources=sources,
                    forced_sources=forced,
                    objects=objects,
                    archived=int(packets),
                    archived_bytes=int(size),
                )
                for night, stored, duplicate, sources, forced, objects, packets, size in nights
            }
            for night, asset, rows in self.writer.execute(
                "SELECT night, asset, rows FROM ingest_batch_facts WHERE ingestid = %s", (ingestid,)
            ).fetchall():
                counts.setdefault(night.isoformat(), NightCounts()).facts[asset] = rows
            reasons = self.writer.execute("SELECT reason FROM quarantine WHERE ingestid = %s", (ingestid,)).fetchall()
            found.append(
                Committed(
                    ingestid=ingestid,
                    ranges={partition: (first, end) for partition, first, end in ranges},
                    received=received,
                    stored=stored,
                    duplicate=duplicate,
                    quarantined=quarantined,
                    received_bytes=received_bytes,
                    nights=counts,
                    reasons=Counter(reason for (reason,) in reasons),
                    commit_latency=np.zeros(0),
                    observation_latency=np.zeros(0),
                    spent={},
                )
            )
        return found

    def explain(self, error: OffsetOutOfRangeError, source: MessageSource) -> None:
        """Distinguish retention, after which `settle` helps, from a topic that ends before our position.

        Raises
        ------
        StreamResetError
            If the offset is beyond the end.
        """
        if error.partition not in self.positions:
            return
        beginning = source.beginning_offsets().get(error.partition, 0)
        if error.offset >= beginning:
            raise StreamResetError(
                f"partition {error.partition} of {self.topic} has no offset {error.offset}, although it begins at "
                f"{beginning}: the topic was recreated, or this is another broker. To read it from its beginning, "
                f"delete its rows from stream_offset; to keep them separate, give the new stream another topic name."
            ) from error

    def _record(self, gaps: Sequence[StreamGap], run_id: str) -> None:
        with self.writer.transaction():
            ingestid = ledger.open_batch(
                self.writer,
                topic=self.topic,
                kind="stream",
                code_version=INGEST_VERSION,
                started_at=datetime.now(UTC),
                run_id=run_id,
            )
            for gap in gaps:
                logger.error(
                    "partition %d of %s: %d messages from offset %d on were deleted by Kafka before they were read",
                    gap.partition, self.topic, gap.offsets, gap.first_offset,
                )  # fmt: skip
                ledger.record_gap(
                    self.writer,
                    self.topic,
                    gap.partition,
                    gap.first_offset,
                    gap.next_offset,
                    reason="deleted by Kafka (retention) before it was read",
                    ingestid=ingestid,
                )
            ledger.close_batch(
                self.writer, ingestid, ledger.BatchEntry(received=0, stored=0, duplicate=0, quarantined=0)
            )
