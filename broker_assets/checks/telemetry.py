"""Asset checks of telemetry: the findings of `broker_assets.monitoring.telemetry.judgements`.

Here each can be run by itself; `jobs.check_telemetry` evaluates all of them at once.
"""

from collections.abc import Sequence

from dagster import (
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetKey,
    ResourceParam,
    asset_check,
)

from broker_assets.checks.definition import Verdict, evidence
from broker_assets.monitoring.telemetry.facts import Look
from broker_assets.monitoring.telemetry.judgements import JUDGEMENTS, Finding, Judgement, ask
from broker_assets.resources.database import Database
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import Settings

SEVERITIES = {"warning": AssetCheckSeverity.WARN, "error": AssetCheckSeverity.ERROR}


def verdict_of(finding: Finding) -> Verdict:
    """Convert a finding to a verdict."""
    return Verdict(finding.passed, finding.sentence, SEVERITIES[finding.severity], finding.numbers, finding.next_step)


def build_telemetry_checks(
    settings: Settings, judgements: Sequence[Judgement] = JUDGEMENTS
) -> list[AssetChecksDefinition]:
    """The individual checks, as run by operators."""
    return [_check(settings, judgement) for judgement in judgements]


def _check(settings: Settings, judgement: Judgement) -> AssetChecksDefinition:
    @asset_check(asset=AssetKey(judgement.asset), name=judgement.name, description=judgement.description)
    def checked(database: ResourceParam[Database], object_store: ResourceParam[ObjectStore]) -> AssetCheckResult:
        with evidence(database, object_store) as found:
            verdict = verdict_of(ask(judgement, Look(found.driver, settings)))
        return verdict.result()

    return checked
