"""A run that works on queued SQL of users: one query after the other until none waits."""

import time
from collections.abc import Iterator

from dagster import JobDefinition, OpExecutionContext, ResourceParam, in_process_executor, job, op

from broker_assets.dagster_internals import capture_interrupts, pop_captured_interrupt
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.tom.queries.worker import QueryWorker

BUDGET_SECONDS = 300.0
"""After this time a run takes no further query; the sensor starts the next run."""


def build_run_queries(settings: Settings) -> JobDefinition:
    """The job that the sensor `queries` starts."""

    @op(name="run_queued_sql", out={})
    def run_queued(context: OpExecutionContext, database: ResourceParam[Database]) -> Iterator[None]:
        ends = time.monotonic() + BUDGET_SECONDS
        # An interrupt would otherwise be raised while a result is written.
        with capture_interrupts():
            worker = QueryWorker(database.url, settings, stop=pop_captured_interrupt)
            while time.monotonic() < ends and (done := worker.run_next()) is not None:
                asked = f"query {done.query.queryid} ({len(done.query.queries)} statements, {done.query.format})"
                if done.failure:
                    context.log.warning(f"{asked}: {done.failure}")
                else:
                    context.log.info(f"{asked}: {done.rows} rows, {done.size} bytes")
        yield from ()

    @job(
        name="run_queries",
        executor_def=in_process_executor,
        description="Runs SQL queries that users have queued, each with a read-only role.",
    )
    def run_queries() -> None:
        run_queued()

    return run_queries
