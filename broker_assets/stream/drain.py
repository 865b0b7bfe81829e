"""The drain run: from a Kafka topic to committed rows, exactly once, until the stream is idle or time is up.

`decode`, `archive` and `commit` process a batch; this module decides when: locks and positions first, then batch after
batch, and what happens when something fails. Everything not committed is then discarded, and the run continues from the
positions in the database, which are authoritative. After a failure of the environment (database, broker, registry,
store), the work is retried for a while; a failure that depends on a batch is traced to the message that causes it,
which goes to quarantine (`isolation`), even if it ends the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker_assets import tracing
from broker_assets.accounting.ledger import StaleStreamPosition, StreamBusy
from broker_assets.backoff import DRAIN, pause_after
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.settings import AttemptSettings, DrainSettings
from broker_assets.stream.archive import BatchPreparer
from broker_assets.stream.commit import PreparedBatch, write_batch
from broker_assets.stream.consume import BatchPoller
from broker_assets.stream.data_versions import data_versions
from broker_assets.stream.decode import DecodedBatch
from broker_assets.stream.enrichment import Enriched, EnrichmentPlan
from broker_assets.stream.errors import BatchError, DrainFailedError, is_transient
from broker_assets.stream.isolation import Isolation
from broker_assets.stream.memory import spare_collector
from broker_assets.stream.messages import (
    LATE_FETCH_SECONDS,
    MessageSource,
    OffsetOutOfRangeError,
    SourceError,
    SourceRefusedError,
)
from broker_assets.stream.orphaned_files import PendingFiles
from broker_assets.stream.pipeline import IN_FLIGHT_BATCHES, Pipeline
from broker_assets.stream.progress import Accounts, Committed, Progress
from broker_assets.stream.report import DrainReport, Outcome
from broker_assets.stream.session import DrainSession
from broker_assets.stream.spent import Stopwatch
from broker_assets.stream.traces import batch_committed
from broker_assets.stream.trial import any_passes

logger = logging.getLogger(__name__)

RETRY_SECONDS = 120.0
"""How long a run keeps trying while nothing can be committed."""

HEARTBEAT_SECONDS = 5.0
"""Maximum interval between progress reports, even if nothing arrives."""


def drain(
    source: MessageSource,
    database_url: str,
    archive_url: str,
    decoder: Callable[[], AlertDecoder],
    settings: DrainSettings,
    *,
    topic: str,
    partitions: Sequence[int],
    run_id: str,
    plan: EnrichmentPlan,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda progress: None,
    retry_seconds: float = RETRY_SECONDS,
    attempts: AttemptSettings | None = None,
) -> DrainReport:
    """Store every message of some partitions of a topic, exactly once.

    Parameters
    ----------
    source : MessageSource
        Source of the messages; used by one thread, left open.
    database_url, archive_url : str
        SQLAlchemy URL of the broker's database; fsspec URL of the packet archive.
    decoder : callable
        Creates the `AlertDecoder` of the stream; called at the start and after a failure.
    settings : DrainSettings
        Limits of the run and of its batches.
    topic, partitions : str, sequence of int
        Topic and partitions to read; no other run reads these partitions meanwhile.
    run_id : str
        Goes into the ledger.
    plan : EnrichmentPlan
        What is computed for the alerts of each batch.
    stop : callable
        Called several times a second; if true, the run finishes what it has read and ends.
    progress : callable
        Called for each batch and every few seconds, in this thread.
    retry_seconds : float
        How long to keep trying while nothing can be committed.
    attempts : AttemptSettings, optional
        When to blame messages for runs that died.

    Returns
    -------
    DrainReport
        What was committed, and why the run ended. `Outcome.BUSY`: another run owns a partition and nothing was
        written.

    Raises
    ------
    DrainFailedError
        If external systems stay unavailable, or the code fails on all messages. What was committed stays, everything
        else will be read again: nothing is lost.
    """
    spare_collector()
    plan.load()
    run = _Drain(
        source, database_url, archive_url, decoder, settings, topic, tuple(partitions), stop, retry_seconds,
        Accounts(DrainReport(topic=topic, run_id=run_id, partitions=sorted(partitions)), progress), plan,
        attempts or AttemptSettings(),
    )  # fmt: skip
    return run.run()


@dataclass
class _Drain:
    source: MessageSource
    database_url: str
    archive_url: str
    decoder: Callable[[], AlertDecoder]
    settings: DrainSettings
    topic: str
    partitions: tuple[int, ...]
    stop: Callable[[], bool]
    retry_seconds: float
    accounts: Accounts
    plan: EnrichmentPlan
    attempts: AttemptSettings

    def __post_init__(self) -> None:
        self.started = time.monotonic()
        self.failing_since: float | None = None
        self.failures = 0
        self.isolation = Isolation(self.settings.batch_max)

    def run(self) -> DrainReport:
        report = self.accounts.report
        while True:
            try:
                report.outcome = self._attempt()
                break
            except StreamBusy as error:
                if not report.interruptions:
                    logger.info("%s", error)
                    report.outcome = Outcome.BUSY
                    break
                # The server has not yet noticed that the lost connection, which holds the locks, is dead.
                outcome = self._pause(error)
            except StaleStreamPosition as error:
                logger.warning("%s", error)
                report.outcome = Outcome.SUPERSEDED
                break
            except BatchError as error:
                self.isolation.narrow(error)
                outcome = None
            except Exception as error:
                if not is_transient(error) and not self._is_just_restarting(error):
                    raise
                outcome = self._pause(error)
            if outcome is not None:
                report.outcome = outcome
                break
        return self.accounts.close()

    def _attempt(self) -> Outcome:
        """Continue from the committed positions until the run ends or something fails."""
        report = self.accounts.report
        with (
            DrainSession(self.database_url, self.topic, self.partitions) as session,
            session.attempts(report.run_id) as begin,
        ):
            if report.interruptions:
                last = report.ingest_ids[-1] if report.ingest_ids else 0
                for committed in session.unreported(report.run_id, last):
                    self.accounts.add(committed)
            pending = PendingFiles(self.archive_url, self.topic)
            report.orphans_removed += session.sweep(pending)
            report.gaps += session.settle(self.source, report.run_id)
            self.accounts.positions = dict(session.positions)
            self.isolation.add(session.suspects(self.attempts))
            decoder = self.decoder()
            if self.isolation.doubtful:
                self._require_that_others_pass(session, decoder)
            preparer = BatchPreparer(
                decoder,
                archive_url=self.archive_url,
                topic=self.topic,
                positions=session.positions,
                compare=session.compare,
                pending=pending,
                condemned=self.isolation.condemned,
                begin=begin,
            )

            def enrich(batch: DecodedBatch) -> Enriched:
                return self.plan.begin(batch.tables, session.enricher, stamps=batch.stamps)

            def complete(batch: DecodedBatch, begun: Enriched) -> Enriched:
                try:
                    return self.plan.complete(begun, session.completer)
                finally:
                    batch.stamps.release()

            def commit(batch: PreparedBatch, enriched: Enriched) -> Committed:
                committed = write_batch(
                    session.writer, batch, enriched, topic=self.topic, run_id=report.run_id, plan=self.plan
                )
                pending.settle(batch.note)
                if tracing.active():
                    batch_committed(batch.decoded, committed, topic=self.topic, run_id=report.run_id)
                return committed

            try:
                with Pipeline(preparer.decode, preparer.archive, enrich, complete, commit) as pipeline:
                    outcome = self._pump(pipeline)
            except OffsetOutOfRangeError as error:
                session.explain(error, self.source)
                raise
            report.data_versions = data_versions(session.writer, report.nights)
            return outcome

    def _require_that_others_pass(self, session: DrainSession, decoder: AlertDecoder) -> None:
        condemned = self.isolation.condemned
        if not any_passes(session, self.source, decoder, self.plan, failed=condemned):
            reason = next(reversed(condemned.values())).reason
            raise DrainFailedError(f"the code fails on every message of {self.topic} that was tried: {reason}")
        self.isolation.trust()

    def _pump(self, pipeline: Pipeline) -> Outcome:
        poller = BatchPoller(
            self.source, self.isolation.batch_max, self.settings.batch_bytes, self.settings.batch_seconds
        )
        last_message = time.monotonic()
        while True:
            outcome = self._asked_to_end()
            if outcome is None:
                poller.max_messages = self.isolation.batch_max
                watch = Stopwatch()
                messages = poller.poll(lambda: self._asked_to_end() is not None)
                if messages:
                    last_message = time.monotonic()
                    self.accounts.began()
                    pipeline.submit(messages, watch.lap())
                    del messages  # saves the memory of a batch while the next one is collected
                elif not pipeline and self._is_idle(time.monotonic() - last_message):
                    outcome = Outcome.IDLE
            for committed in pipeline.completed(leave=0 if outcome else self._in_flight()):
                self.failing_since, self.failures = None, 0
                self.isolation.passed(committed.ranges)
                self.accounts.add(committed)
            if outcome is not None:
                self._look_at_lag()
                return outcome
            if self.accounts.silent_for() >= HEARTBEAT_SECONDS:
                self._look_at_lag()
                self.accounts.beat()

    def _is_idle(self, silent: float) -> bool:
        """Whether no more messages are expected after this many seconds without any."""
        if silent < self.settings.idle_seconds:
            return False
        if silent >= self.settings.idle_seconds + LATE_FETCH_SECONDS:
            return True
        self._look_at_lag()
        return not any(self.accounts.lag().values())

    def _is_just_restarting(self, error: Exception) -> bool:
        """Whether a refusal may be temporary: a restarted broker knows its topics only after a moment."""
        return isinstance(error, SourceRefusedError) and (
            self.failing_since is not None or self.accounts.report.batches > 0
        )

    def _in_flight(self) -> int:
        # During the search for a poison message, batches behind a failing one would be decoded unnecessarily.
        return 0 if self.isolation.searching else IN_FLIGHT_BATCHES

    def _asked_to_end(self) -> Outcome | None:
        if self.stop():
            return Outcome.STOPPED
        return Outcome.BUDGET if time.monotonic() - self.started >= self.settings.budget_seconds else None

    def _look_at_lag(self) -> None:
        try:
            self.accounts.ends = self.source.end_offsets()
        except SourceError as error:
            logger.warning("the end of %s is not known: %s", self.topic, error)

    def _pause(self, error: Exception) -> Outcome | None:
        """Wait after a failure of an external system; return the outcome if the run is requested to end meanwhile."""
        now = time.monotonic()
        self.failing_since = now if self.failing_since is None else self.failing_since
        self.failures += 1
        pause = pause_after(self.failures, DRAIN)
        if now - self.failing_since + pause > self.retry_seconds:
            raise DrainFailedError(
                f"{self.topic} could not be drained for {now - self.failing_since:.0f} s and the run gives up; "
                f"nothing is lost, the next run continues from the committed positions. Last cause: {error}"
            ) from error
        logger.warning("%s is interrupted, retrying in %.1f s: %s", self.topic, pause, error)
        self.accounts.interrupted(f"{type(error).__name__}: {error}")
        ends = now + pause
        while time.monotonic() < ends:
            outcome = self._asked_to_end()
            if outcome is not None:
                return outcome
            time.sleep(0.1)
            if self.accounts.silent_for() >= HEARTBEAT_SECONDS:
                self.accounts.beat()
        return None
