"""A run that reads the messages of the survey's brokers, on all their topics."""

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from broker_assets.dagster_internals import capture_interrupts, pop_captured_interrupt
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.pubsub import ender, opener
from broker_assets.settings import Settings
from broker_assets.stream.broker_message_run import run_brokers

GRACE_SECONDS = 300.0
"""Additional time after the budget, for the last batches; then Dagster ends the run."""


def build_read_broker_messages(settings: Settings) -> JobDefinition:
    """The job that the sensor `broker_messages` starts."""

    @op(name="store_messages")
    def store(context: OpExecutionContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]) -> None:
        # An interrupt would otherwise be raised in the middle of a batch.
        with capture_interrupts():
            run = run_brokers(
                database.url, settings, opener(kafka.source_at), ender(kafka.ends_at), kafka.topics_at,
                run_id=context.run_id, stop=pop_captured_interrupt,
            )  # fmt: skip
        for name, read in sorted(run.read.items()):
            context.log.info(
                f"{name}: {read.received} received = {read.stored} stored + {read.duplicate} known + "
                f"{read.quarantined} quarantined"
            )
        for name, problem in sorted(run.problems.items()):
            context.log.warning(f"{name}: {problem}")

    @job(
        name="read_broker_messages",
        executor_def=in_process_executor,
        description="Stores what waits on the topics of brokers of the survey, each message exactly once.",
        tags={MAX_RUNTIME_SECONDS_TAG: str(round(settings.survey.budget_seconds + GRACE_SECONDS))},
    )
    def read() -> None:
        store()

    return read
