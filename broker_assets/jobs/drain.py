"""The drain run: stores the messages waiting on a topic, then reports to Dagster which nights have new content.

A run does not know its nights in advance, so it is a job and not a partitioned asset: its single op calls
`broker_assets.stream.drain` and then yields one materialisation per asset and night touched, with the data version,
and the checks of those nights. Exactly-once processing does not depend on this module: if a run dies before it could
report, the next one reports every night that is in the ledger but not in provenance.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetMaterialization,
    Config,
    DagsterInstance,
    DagsterRunStatus,
    JobDefinition,
    OpDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.assets.alerts.reports import report_run
from broker_assets.assets.alerts.streams import DRAIN_OP
from broker_assets.assets.reporter import Reporter
from broker_assets.dagster_internals import capture_interrupts, pop_captured_interrupt
from broker_assets.monitoring import lasair_statistics
from broker_assets.resources.database import Database
from broker_assets.resources.decoders import Decoders
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings
from broker_assets.stream.canary import SCHEMA
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.progress import Progress
from broker_assets.stream.sending import Sending, make_sender

CANCEL_POLL_SECONDS = 2.0
"""How often a run checks whether it should stop."""

GRACE_SECONDS = 300.0
"""Additional time after the budget, for the last batch and the report; then Dagster ends the run."""

NightChecks = Callable[[DagsterInstance, Database, ObjectStore, str, Sequence[str]], Iterable[AssetCheckEvaluation]]
"""Evaluates the checks of a topic and some nights; passed in by `broker_assets.build`, since checks import assets."""


class DrainConfig(Config):
    """Selects the messages that a run reads."""

    topic: str = Field(description="Name of a configured stream; its topic unless it has a name of its own")
    partitions: list[int] = Field(description="Kafka partitions; empty means all of the topic")


def build_drain_job(
    settings: Settings, plan: EnrichmentPlan, night_checks: NightChecks, canary_plan: EnrichmentPlan | None = None
) -> JobDefinition:
    """The job that the lag sensor starts."""

    @job(
        name="drain",
        description="Stores the messages waiting on some partitions of a topic, exactly once.",
        executor_def=in_process_executor,
        tags={MAX_RUNTIME_SECONDS_TAG: str(round(settings.drain.budget_seconds + GRACE_SECONDS))},
    )
    def drain_job() -> None:
        build_drain_op(settings, plan, night_checks, canary_plan)()

    return drain_job


def build_drain_op(
    settings: Settings, plan: EnrichmentPlan, night_checks: NightChecks, canary_plan: EnrichmentPlan | None = None
) -> OpDefinition:
    """The single op of the job; alerts of the canary, which has its own tables, go through a plan of its own."""

    @op(name=DRAIN_OP, out={})
    def drain_op(
        context: OpExecutionContext,
        config: DrainConfig,
        kafka: ResourceParam[Kafka],
        database: ResourceParam[Database],
        object_store: ResourceParam[ObjectStore],
        decoders: ResourceParam[Decoders],
    ) -> Iterator[AssetMaterialization | AssetCheckEvaluation]:
        stream = settings.stream(config.topic)
        is_canary = settings.canary.stream is not None and config.topic == settings.canary.name
        tables = database.in_schema(SCHEMA) if is_canary else database
        source = kafka.source(config.topic)
        watch = _Watch(context)
        try:
            # An interrupt (termination by an operator, shutdown) would otherwise be raised in the middle of a batch:
            # nothing would be lost, but only the next run would report what this one did.
            with capture_interrupts(), Sending(make_sender(settings, tables.url)) as sending:
                report = drain(
                    source,
                    tables.url,
                    object_store.url,
                    decoders.factory(stream),
                    settings.drain,
                    topic=config.topic,
                    partitions=config.partitions or source.partitions(),
                    run_id=context.run_id,
                    stop=watch.asked_to_stop,
                    progress=partial(_progress, watch, sending),
                    plan=canary_plan if is_canary and canary_plan is not None else plan,
                    attempts=settings.attempts,
                )
            source.mirror({partition: end for partition, (_, end) in report.offsets.items()})
        finally:
            watch.close()
            source.close()
        context.log.info(
            f"{report.outcome.value}: {report.received} received = {report.stored} stored + {report.duplicate} "
            f"duplicate + {report.quarantined} quarantined, {report.messages_per_second:.0f}/s, {report.total_lag} wait"
        )
        if is_canary:
            # The canary's nights are not partitions of assets; the sensor `alerting` sees that it arrived.
            return
        nights = set()
        for event in report_run(context.instance, database, report, plan, context.log):
            if event.partition is not None:
                nights.add(event.partition)
            yield event
        reporter = Reporter(context.instance, database, context.log, run_id=context.run_id)
        stages = {name: (spent.seconds, spent.processor_seconds) for name, spent in report.stages.items()}
        reporter.spent(stages, rows=report.received, size=report.received_bytes)
        with database.transaction() as connection:
            lasair_statistics.refresh(connection, datetime.now(UTC))
        if report.batches or report.gaps or nights:
            yield from night_checks(context.instance, database, object_store, config.topic, sorted(nights))

    return drain_op


def _progress(watch: "_Watch", sending: Sending, progress: Progress) -> None:
    """Called when a batch was committed, and every few seconds."""
    sending.committed()
    watch.progress(progress)


class _Watch:
    """Connects a run to Dagster: logs progress, and checks whether the run should stop."""

    def __init__(self, context: OpExecutionContext) -> None:
        self._context = context
        self._told = time.monotonic()
        self._stop = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="cancellation", daemon=True)
        self._thread.start()

    def asked_to_stop(self) -> bool:
        if pop_captured_interrupt():
            self._stop.set()
        return self._stop.is_set()

    def progress(self, progress: Progress) -> None:
        if time.monotonic() - self._told < 30.0:
            return
        self._told = time.monotonic()
        self._context.log.info(
            f"{progress.received} messages, {progress.messages_per_second:.0f}/s, {progress.lag} waiting, "
            f"{progress.quarantined} quarantined"
        )

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _poll(self) -> None:
        # Termination by an operator first marks the run: it stops between two batches and reports what it did. The
        # check has its own thread, because Dagster's database may be slow and the stream must not wait for it.
        while not self._closed.wait(CANCEL_POLL_SECONDS):
            run = self._context.instance.get_run_by_id(self._context.run_id)
            if run is not None and run.status == DagsterRunStatus.CANCELING:
                self._stop.set()
                return
