"""A run that reads the topics of all active annotators and runs the filters that depend on their annotations."""

from collections.abc import Iterator

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetMaterialization,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from broker_assets.assets.annotations import report_annotations
from broker_assets.dagster_internals import capture_interrupts, pop_captured_interrupt
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings
from broker_assets.stream.annotation_followup import Triggered
from broker_assets.stream.annotation_run import run_annotations
from broker_assets.stream.sending import Sending, make_sender

GRACE_SECONDS = 300.0
"""Additional time after the budget, for the last batches and filters; then Dagster ends the run."""


def build_read_annotations(settings: Settings, triggered: Triggered | None = None) -> JobDefinition:
    """The job that the sensor `annotations` starts.

    Parameters
    ----------
    settings : Settings
        Clusters and limits.
    triggered : callable, optional
        Runs the filters that depend on annotations, for new ones.
    """

    @op(name="apply_annotations", out={})
    def apply(
        context: OpExecutionContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> Iterator[AssetMaterialization]:
        # An interrupt would otherwise be raised in the middle of a batch.
        with capture_interrupts(), Sending(make_sender(settings, database.url)) as sending:
            run = run_annotations(
                database.url,
                settings,
                kafka.source_at,
                kafka.ends_at,
                triggered=triggered,
                run_id=context.run_id,
                stop=pop_captured_interrupt,
                matched=sending.committed,
            )
        for name, read in sorted(run.read.items()):
            context.log.info(
                f"{name}: {read.received} received = {read.stored} stored + {read.duplicate} known + "
                f"{read.quarantined} quarantined, {read.waiting} wait for their objects"
            )
        for name, problem in sorted(run.problems.items()):
            context.log.warning(f"{name}: {problem}")
        context.log.info(
            f"{run.matches} matches of filters, {run.released} released, {run.given_up} given up after "
            f"{settings.annotations.wait_hours:g} h"
        )
        yield from report_annotations(context.instance, database, context.log, run)

    @job(
        name="read_annotations",
        executor_def=in_process_executor,
        description="Applies the annotations waiting on the topics of annotators, each exactly once, and runs the "
        "filters that ask for them.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(round(settings.annotations.budget_seconds + GRACE_SECONDS))},
    )
    def read() -> None:
        apply()

    return read
