"""Failed backfills: the alert lasts until everything that the backfill lacks has been materialised."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance

from broker_assets.dagster_internals import BulkActionsFilter, BulkActionStatus, PartitionBackfill
from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.resources.notifier import Notifier
from broker_assets.sensors.watch.findings import Findings, Links
from broker_assets.sensors.watch.runs import is_whole

LOOKED_AT = 20
"""Number of newest failed backfills that are examined."""
NAMED = 5
"""Partitions named in an alert."""
MATERIALISATIONS = 5000
"""Number of newest materialisations of an asset that are compared with what a backfill lacks."""
FAILED = (BulkActionStatus.COMPLETED_FAILED, BulkActionStatus.FAILED)


def read_backfills(instance: DagsterInstance, notifier: Notifier, links: Links, *, since: float) -> Findings:
    """Backfills that failed since a time (Unix), and those that are complete by now."""
    failed = instance.get_backfills(
        filters=BulkActionsFilter(statuses=list(FAILED), created_after=datetime.fromtimestamp(since, UTC)),
        limit=LOOKED_AT,
    )
    causes = {cause_of(backfill): backfill for backfill in failed}
    found = Findings()
    known = {alert.cause for alert in notifier.lasting(["backfill"])}
    over = notifier.ended(causes) if causes else set()
    for cause, backfill in causes.items():
        if cause in over:
            continue
        lacking = list(_lacking(instance, backfill))
        if lacking:
            if cause not in known:
                found.alerts.append(_alert(cause, backfill, links, lacking))
        elif backfill.asset_backfill_data is not None:
            found.ended[cause] = "all of its partitions have been materialised since"
    return found


def cause_of(backfill: PartitionBackfill) -> Cause:
    """The cause: the assets and the backfill itself, since two backfills of an asset may lack different partitions."""
    assets = sorted(key.to_user_string() for key in backfill.asset_selection or ())
    return Cause("backfill", ", ".join(assets) or backfill.job_name or "", "", backfill.backfill_id)


def _lacking(instance: DagsterInstance, backfill: PartitionBackfill) -> Iterator[tuple[str, str]]:
    """Assets and partitions that the backfill did not make and nobody has made since it began."""
    data = backfill.asset_backfill_data
    if data is None:
        yield backfill.job_name or "", ""
        return
    wanted, made = data.target_subset, data.materialized_subset
    for key in sorted(wanted.asset_keys):
        places = wanted.partitions_subsets_by_asset_key.get(key)
        done = made.partitions_subsets_by_asset_key.get(key)
        if places is not None:
            lacks = set(places.get_partition_keys()) - set(done.get_partition_keys() if done is not None else ())
        else:
            lacks = {""} - ({""} if key in made.non_partitioned_asset_keys else set())
        if lacks:
            lacks -= _made_since(instance, key, lacks, backfill.backfill_timestamp)
        for partition in sorted(lacks):
            yield key.to_user_string(), partition


def _made_since(instance: DagsterInstance, key: AssetKey, partitions: set[str], begun: float) -> set[str]:
    """Return which partitions were made, not only added to, after a time (Unix); an unpartitioned asset has the empty
    key."""
    wanted = AssetRecordsFilter(key, asset_partitions=sorted(partitions - {""}) or None, after_timestamp=begun)
    records = instance.fetch_materializations(wanted, limit=MATERIALISATIONS).records
    return {record.partition_key or "" for record in records if is_whole(record)}


def _alert(cause: Cause, backfill: PartitionBackfill, links: Links, lacking: list[tuple[str, str]]) -> Alert:
    partitions = sorted({partition for _, partition in lacking if partition})
    shown = ", ".join(partitions[:NAMED]) + (f" and {len(partitions) - NAMED} more" if len(partitions) > NAMED else "")
    what = f"backfill failed: {shown or cause.asset} not made"
    error = backfill.error.message.strip() if backfill.error is not None else ""
    title = f"{backfill.title}. " if backfill.title else ""
    assets = ", ".join(sorted({asset for asset, _ in lacking}))
    number = f"{len(partitions)} partitions of " if len(partitions) > 1 else ""
    body = f"{title}Not made: {number}{assets}{f' of {shown}' if len(partitions) == 1 else ''}. {error}".rstrip()
    if len(partitions) > 1:
        body += f"\n\nPartitions: {shown}"
    step = "open its failed runs from the page of the backfill; after the fix, `Re-execute` it from failure there"
    return Alert(cause, what, "error", body, step, links.backfill(backfill.backfill_id))
