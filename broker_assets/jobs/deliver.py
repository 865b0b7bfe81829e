"""A run that sends the due messages of the outbox: digests, retries, and those that no drain run has sent."""

import time
from collections.abc import Iterator

from dagster import JobDefinition, OpExecutionContext, ResourceParam, in_process_executor, job, op

from broker_assets.delivery.backlog import backlog
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.stream.sending import make_sender

BUDGET_SECONDS = 300.0
"""The run ends after this time even if messages are waiting; the sensor starts the next one."""


def build_deliver(settings: Settings) -> JobDefinition:
    """Build the job."""

    @op(name="send_due", out={})
    def send_due(context: OpExecutionContext, database: ResourceParam[Database]) -> Iterator[None]:
        ends = time.monotonic() + BUDGET_SECONDS
        sender = make_sender(settings, database.url)
        try:
            report = sender.send_due(lambda: time.monotonic() > ends)
        finally:
            sender.close()
        with database.transaction() as connection:
            left = backlog(connection)
        context.log.info(
            f"{report.delivered} delivered, {report.dead} given up, {report.failures} attempts failed; "
            f"{left.waiting} wait, {left.dead} dead letters"
        )
        yield from ()

    @job(
        name="deliver",
        executor_def=in_process_executor,
        description="Sends what is due in the outbox: digests, retries, and what no drain run has sent.",
    )
    def deliver() -> None:
        send_due()

    return deliver
