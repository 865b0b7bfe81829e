"""A run that applies the notices of events that are waiting on their topics, one topic after the other.

Notices of gravitational-wave events become rows of `mma_areas`; those of events with an error circle become cones of
moving watchlists. The sensor `lists` sees the new rows and has them matched and written to files.
"""

from collections.abc import Iterator, Mapping

from dagster import (
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from broker_assets.accounting import ledger
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import AttemptSettings
from broker_assets.stream.messages import SourceError
from broker_assets.stream.notices import read_notices
from broker_assets.stream.one_by_one import Topic

NOT_CONFIGURED = (
    "no topic of notices is configured: set BROKER_NOTICES__TOPIC (igwn.gwalert at GCN) or moving lists (notices.lists)"
)


class TopicsFailed(RuntimeError):
    """Some topics could not be read; the others were."""


def waiting(database: Database, kafka: Kafka, name: str) -> int:
    """Return the number of messages that wait on a topic.

    Raises
    ------
    SourceError
        If the broker does not answer.
    """
    with database.transaction() as connection:
        positions = ledger.positions(connection, name)
    return sum(kafka.ends(name, positions).lag(positions).values())


def build_read_notices(topics: Mapping[str, Topic], attempts: AttemptSettings | None = None) -> JobDefinition:
    """Build the job that applies the notices that wait on these topics (by name)."""

    @op(name="apply_notices", out={})
    def apply(
        context: OpExecutionContext, database: ResourceParam[Database], kafka: ResourceParam[Kafka]
    ) -> Iterator[None]:
        if not topics:
            raise ValueError(NOT_CONFIGURED)
        failed: dict[str, str] = {}
        for name, topic in topics.items():
            try:
                if not waiting(database, kafka, name):
                    continue
                source = kafka.source(name)
                try:
                    done = read_notices(source, database.url, topic, run_id=context.run_id, attempts=attempts)
                finally:
                    source.close()
            except SourceError as error:
                failed[name] = str(error)
                continue
            for effect in done.effects:
                context.log.info(effect)
            context.log.info(f"{name}: {done.stored} stored, {done.duplicate} known, {done.quarantined} quarantined")
        if failed:
            raise TopicsFailed("; ".join(f"{name}: {reason}" for name, reason in failed.items()))
        yield from ()

    @job(
        name="read_notices",
        executor_def=in_process_executor,
        description="Applies waiting notices of events, each exactly once: sky maps, and cones of moving lists.",
    )
    def read() -> None:
        apply()

    return read
