"""A job with which operators acknowledge that lost offsets are accounted for."""

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from dagster import (
    Config,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)
from pydantic import Field

from broker_assets.database.tables import stream_gap
from broker_assets.resources.database import Database


class AcknowledgeConfig(Config):
    """The gaps to acknowledge, and the note to record."""

    topic: str = Field(description="Kafka topic")
    note: str = Field(min_length=1, description="who acknowledges the lost offsets, and why")


def build_acknowledge_gaps(mark: str) -> JobDefinition:
    """A job with which operators acknowledge gaps; `mark` is what the check looks for."""

    @op(name="mark_gaps", out={})
    def acknowledge(
        context: OpExecutionContext, config: AcknowledgeConfig, database: ResourceParam[Database]
    ) -> Iterator[None]:
        note = f"{mark} {datetime.now(UTC):%Y-%m-%d}: {config.note}"
        statement = (
            sa.update(stream_gap)
            .where(stream_gap.c.topic == config.topic, stream_gap.c.reason.not_like(f"%{mark}%"))
            .values(reason=stream_gap.c.reason + note)
        )
        with database.engine.begin() as connection:
            changed = connection.execute(statement).rowcount
        context.log.info(f"{changed} gaps of {config.topic} acknowledged")
        yield from ()

    @job(
        name="acknowledge_gaps",
        executor_def=in_process_executor,
        description="Acknowledges offsets that Kafka deleted before they were read; the warning then ends.",
    )
    def acknowledge_gaps() -> None:
        acknowledge()

    return acknowledge_gaps
