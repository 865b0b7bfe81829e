"""What must hold of telemetry, as asset checks: the judgements of `broker_assets.monitoring.telemetry.judgements`.

One job evaluates all of them at once, with one look at the database; the schedule starts it every hour, so that what is
wrong becomes an alert (`broker_assets.sensors.alerting`) without anybody pressing a button.
"""

from collections.abc import Iterator, Sequence

from dagster import (
    MAX_RUNTIME_SECONDS_TAG,
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    asset_check,
    in_process_executor,
    job,
    op,
)

from broker_assets.checks.definition import Verdict, evidence
from broker_assets.checks.publication import RECEIPTS, receipts_hold
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import JUDGEMENTS, PUBLISHED, Finding, Judgement, ask
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.settings import Settings

SEVERITIES = {"warning": AssetCheckSeverity.WARN, "error": AssetCheckSeverity.ERROR}


def verdict_of(finding: Finding) -> Verdict:
    """A finding as a verdict of this house."""
    return Verdict(finding.passed, finding.text, SEVERITIES[finding.severity], finding.numbers)


def build_telemetry_checks(
    settings: Settings, judgements: Sequence[Judgement] = JUDGEMENTS
) -> list[AssetChecksDefinition]:
    """The checks, one by one, as operators run them."""
    return [_check(settings, judgement) for judgement in judgements]


def _check(settings: Settings, judgement: Judgement) -> AssetChecksDefinition:
    @asset_check(asset=AssetKey(judgement.asset), name=judgement.name, description=judgement.description)
    def checked(database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]) -> AssetCheckResult:
        with evidence(database, object_store) as found:
            verdict = verdict_of(ask(judgement, Look(found.driver, settings)))
        return verdict.result()

    return checked


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
        context.log.info(f"{len(found_all)} judgements, failed: {', '.join(failed) or 'none'}")
        for (asset, name), verdict in found_all.items():
            yield _evaluation(AssetKey(asset), name, verdict)

    @job(
        name="check_telemetry",
        executor_def=in_process_executor,
        description="Runs every check of telemetry and of its publication: backlog, gaps, freshness, deliveries.",
        tags={MAX_RUNTIME_SECONDS_TAG: "1800"},
    )
    def check_telemetry() -> None:
        judge_telemetry()

    return check_telemetry


def _evaluation(asset: AssetKey, name: str, verdict: Verdict) -> AssetCheckEvaluation:
    """A verdict as an event of a run."""
    return AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=verdict.passed,
        severity=verdict.severity,
        description=verdict.description,
        metadata=dict(verdict.metadata),
        blocking=False,
    )
