"""A run that applies the notices of gravitational-wave events that wait on their topic.

The notices become rows of `mma_areas`; the sensor `lists` sees new rows and has them matched and made into files.
"""

from collections.abc import Iterator

from dagster import (
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import LIMITS, AttemptSettings, InputLimits
from broker_assets.stream.notices import read_notices

NOT_CONFIGURED = "no topic for notices is configured: set BROKER_NOTICES__TOPIC (igwn.gwalert at GCN)"


def build_read_notices(
    name: str | None, limits: InputLimits = LIMITS, attempts: AttemptSettings | None = None
) -> JobDefinition:
    """The job: applies what waits on the stream of this name."""

    @op(name="apply_notices", out={})
    def apply(
        context: OpExecutionContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> Iterator[None]:
        if name is None:
            raise ValueError(NOT_CONFIGURED)
        source = kafka.source(name)
        try:
            done = read_notices(source, database.url, name, run_id=context.run_id, limits=limits, attempts=attempts)
        finally:
            source.close()
        for effect in done.effects:
            context.log.info(effect)
        context.log.info(f"{done.stored} stored, {done.duplicate} known, {done.quarantined} quarantined")
        yield from ()

    @job(
        name="read_notices",
        executor_def=in_process_executor,
        description="Applies waiting notices of gravitational-wave events, each exactly once.",
    )
    def read() -> None:
        apply()

    return read
