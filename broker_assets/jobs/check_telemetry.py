"""All checks of telemetry and of its publication in one run.

All of them share one reading of the database; the schedule starts the job every hour, so that anything wrong becomes an
alert (`broker_assets.sensors.alerting`) without manual action.
"""

from collections.abc import Iterator, Sequence

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetKey,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    op,
)

from broker_assets.checks.definition import evidence
from broker_assets.checks.publication import RECEIPTS, receipts_hold
from broker_assets.checks.telemetry import verdict_of
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import JUDGEMENTS, PUBLISHED, Judgement, ask
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.settings import Settings


def build_check_telemetry(settings: Settings, judgements: Sequence[Judgement] = JUDGEMENTS) -> JobDefinition:
    """The job of the hourly schedule: every check in one run."""

    @op(name="judge_telemetry", out={})
    def judge_telemetry(
        context: OpExecutionContext,
        database: ResourceParam[Database],
        object_store: ResourceParam[ObjectStore],
        publisher: ResourceParam[Publisher],
    ) -> Iterator[AssetCheckEvaluation]:
        with evidence(database, object_store) as found:
            look = Look(found.driver, settings)
            verdicts = [(judgement, verdict_of(ask(judgement, look))) for judgement in judgements]
        found_all = {(one.asset, one.name): verdict for one, verdict in verdicts}
        found_all[PUBLISHED, RECEIPTS] = receipts_hold(database, publisher, seed=context.run_id)
        failed = [f"{asset}/{name}" for (asset, name), verdict in found_all.items() if not verdict.passed]
        context.log.info(f"{len(found_all)} findings, failed: {', '.join(failed) or 'none'}")
        for (asset, name), verdict in found_all.items():
            yield verdict.evaluation(AssetKey(asset), name)

    @job(
        name="check_telemetry",
        executor_def=in_process_executor,
        description="Runs every check of telemetry and of its publication: backlog, gaps, freshness, deliveries.",
        tags={MAX_RUNTIME_SECONDS_TAG: "1800"},
    )
    def check_telemetry() -> None:
        judge_telemetry()

    return check_telemetry
