"""The check `up_to_date` of every asset: nothing of it is stale.

Dagster shows the staleness of a partitioned asset only for partitions that are selected one by one, so that the effect
of a deployment would stay invisible. This check shows at once what is stale and why, and what automation does about it.
Provenance decides (`provenance.versions.stale`). The check applies to the asset as a whole: an event for each of
thousands of nights would take minutes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from dagster import (
    AssetCheckEvaluation,
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    MetadataValue,
    ResourceParam,
    TableRecord,
    multi_asset_check,
)

from broker_assets.checks.definition import Verdict
from broker_assets.provenance import versions
from broker_assets.provenance.stale_groups import StaleGroup, automation_notes, described, stale_groups
from broker_assets.resources.database import Database

CHECK = "up_to_date"


def verdict(groups: Sequence[StaleGroup], automation: str | None) -> Verdict:
    """The verdict on an asset.

    Parameters
    ----------
    groups : sequence of StaleGroup
        What is stale of it.
    automation : str or None
        What automation does about it.
    """
    if not groups:
        return Verdict(True, "everything is up to date", metadata={"stale": 0})
    records = [
        TableRecord({"why": group.reason, "number": group.count, "partitions": ", ".join(group.partitions)})
        for group in groups
    ]
    sentences = [described(groups), automation]
    return Verdict(
        False,
        ". ".join(filter(None, sentences)),
        AssetCheckSeverity.WARN,
        {"stale": sum(group.count for group in groups), "reasons": MetadataValue.table(records)},
    )


def by_asset(groups: Collection[StaleGroup]) -> dict[str, list[StaleGroup]]:
    """Groups of each asset."""
    return {asset: [group for group in groups if group.asset == asset] for asset in {group.asset for group in groups}}


def evaluations(
    assets: Collection[str], groups: Collection[StaleGroup], notes: Mapping[str, str]
) -> Iterator[AssetCheckEvaluation]:
    """The check of some assets, to be reported without a run."""
    found = by_asset(groups)
    for asset in sorted(assets):
        judged = verdict(found.get(asset, ()), notes.get(asset))
        yield AssetCheckEvaluation(
            asset_key=AssetKey.from_user_string(asset),
            check_name=CHECK,
            passed=judged.passed,
            severity=judged.severity,
            description=judged.description,
            metadata=dict(judged.metadata),
            blocking=False,
        )


def build_up_to_date(assets: Collection[str]) -> AssetChecksDefinition:
    """The check of these assets, as run by operators and by runs that make some of them: one step for all."""
    specs = [
        AssetCheckSpec(
            CHECK,
            asset=AssetKey.from_user_string(asset),
            description="Everything was made by the deployed code from the current versions of its inputs.",
        )
        for asset in sorted(assets)
    ]

    @multi_asset_check(name=CHECK, specs=specs, can_subset=True)
    def checked(context: AssetCheckExecutionContext, database: ResourceParam[Database]) -> Iterator[AssetCheckResult]:
        with database.transaction() as connection:
            found = by_asset(stale_groups(versions.stale(connection)))
            notes = automation_notes(connection)
        for key in sorted(context.selected_asset_check_keys, key=lambda key: key.asset_key):
            asset = key.asset_key.to_user_string()
            judged = verdict(found.get(asset, ()), notes.get(asset))
            yield AssetCheckResult(
                asset_key=key.asset_key,
                check_name=CHECK,
                passed=judged.passed,
                severity=judged.severity,
                description=judged.description,
                metadata=dict(judged.metadata),
            )

    return checked
