"""What a drain run tells Dagster and provenance: one materialisation per asset and night with new content."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from logging import Logger
from typing import Any

import psycopg
from dagster import AssetKey, AssetMaterialization, DagsterEventType, DagsterInstance

from broker_assets.accounting import facts
from broker_assets.assets.metadata import rate_plot
from broker_assets.packets.archive import FORMAT_VERSION
from broker_assets.partitions import known_nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.stream.commit import CODE_VERSION
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.report import DrainReport, NightCounts

PLOTTED_NIGHTS = 3
"""The plot of the run goes to the nights with most of its alerts; a replay touches hundreds."""


def unreported_nights(connection: psycopg.Connection[Any]) -> list[str]:
    """Nights with batches in the ledger that provenance does not know of: those of runs that died before reporting."""
    rows = connection.execute(
        """
        WITH brought AS (
            SELECT night::text AS night, max(ingestid) AS ingestid
            FROM ingest_batch_night JOIN ingest_batch USING (ingestid) WHERE kind <> 'reprocess' GROUP BY night
        )
        SELECT brought.night FROM brought
        LEFT JOIN artefact ON artefact.asset = %s AND artefact."partition" = brought.night
        WHERE brought.ingestid > coalesce(artefact.ingestid, 0) ORDER BY brought.night
        """,
        (ROW_ASSETS[0],),
    )
    return [night for (night,) in rows]


def report_run(
    instance: DagsterInstance, database: Database, report: DrainReport, plan: EnrichmentPlan, log: Logger
) -> Iterator[AssetMaterialization]:
    """One materialisation per asset and night that has new content, then the same in provenance.

    In this order: a run that dies in between has told Dagster twice in the end, and never too little.
    """
    with database.transaction() as connection:
        newest = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
        touched = set(unreported_nights(connection)) | set(report.nights)
        current = data_versions(connection, touched)
        recorded = versions.data_versions(connection, ROW_ASSETS[0], sorted(touched))
        pending = {night for night in touched if current[ROW_ASSETS[0], night] != recorded.get(night)}
        entries = artefacts(
            connection, plan, pending, current, run_id=report.run_id, ingestid=newest[0] if newest else 0
        )
    known, unknown = known_nights(pending)
    if unknown:
        log.warning(f"stored, but no partitions of Dagster: {len(unknown)} nights from {unknown[0]} to {unknown[-1]}")
    if not pending:
        return
    plot = rate_plot(report.rates, report.commit_latency.quantiles())
    plotted = sorted(report.nights, key=lambda night: -report.nights[night].stored)[:PLOTTED_NIGHTS]
    pointers: Mapping[str, int] = {}
    for asset in (ARCHIVE_ASSET, *ROW_ASSETS):
        for night in known:
            counts = report.nights.get(night)
            yield AssetMaterialization(
                asset_key=asset,
                partition=night,
                description=_description(asset, night, counts, report),
                metadata={
                    **_night_metadata(asset, counts),
                    **run_metadata(report),
                    **({"rate": plot} if plot is not None and night in plotted else {}),
                },
                tags=version_tags(asset, night, current, pointers),
            )
        if asset == ARCHIVE_ASSET and known:
            pointers = instance.get_latest_storage_id_by_partition(
                AssetKey(ARCHIVE_ASSET), DagsterEventType.ASSET_MATERIALIZATION, set(known)
            )
    shown = set(known)
    yield from fact_materialisations(
        instance, [entry for entry in entries if entry.partition in shown], plan, report.nights
    )
    with database.transaction() as connection:
        versions.record(connection, entries)


def fact_materialisations(
    instance: DagsterInstance,
    entries: Sequence[versions.Artefact],
    plan: EnrichmentPlan,
    counts: Mapping[str, NightCounts],
) -> Iterator[AssetMaterialization]:
    """What Dagster is to know of facts that were written with the rows of their nights.

    Their parents must have been reported before: without the events of these Dagster holds the facts for stale.
    """
    for enrichment, table in plan.facts:
        chosen = [entry for entry in entries if entry.asset == table.asset]
        pointers = {
            parent: instance.get_latest_storage_id_by_partition(
                AssetKey(parent), DagsterEventType.ASSET_MATERIALIZATION, {entry.partition for entry in chosen}
            )
            for parent in plan.parents(enrichment, table)
            if chosen
        }
        for entry in chosen:
            tags = {"dagster/data_version": entry.data_version, "dagster/code_version": entry.code_version}
            for used in entry.inputs:
                tags[f"dagster/input_data_version/{used.asset}"] = used.data_version
                pointer = pointers[used.asset].get(entry.partition, "NULL")
                tags[f"dagster/input_event_pointer/{used.asset}"] = str(pointer)
            found = counts.get(entry.partition, NightCounts()).facts
            yield AssetMaterialization(
                asset_key=entry.asset,
                partition=entry.partition,
                metadata={"rows written": found.get(entry.asset, 0)},
                tags=tags,
            )


def artefacts(
    connection: psycopg.Connection[Any],
    plan: EnrichmentPlan,
    nights: Iterable[str],
    current: Mapping[tuple[str, str], str],
    *,
    run_id: str | None,
    ingestid: int | None,
) -> list[versions.Artefact]:
    """The provenance entries of some nights: the archive, the rows made from it, and the facts of its alerts.

    Indices and other inputs without nights are no inputs of facts here: lists that change never make a night stale.
    """
    nights = sorted(set(nights))
    computed = facts.nights(connection, nights)
    entries = [
        versions.Artefact(
            asset=asset,
            partition=night,
            data_version=current[asset, night],
            code_version=code_version(asset),
            run_id=run_id,
            ingestid=ingestid,
            inputs=() if asset == ARCHIVE_ASSET else (_archived(night, current),),
        )
        for night in nights
        for asset in (ARCHIVE_ASSET, *ROW_ASSETS)
    ]
    for enrichment, table in plan.facts:
        parents = plan.parents(enrichment, table)
        entries += [
            versions.Artefact(
                asset=table.asset,
                partition=night,
                data_version=computed[table.asset, night].data_version,
                code_version=computed[table.asset, night].code_version,
                run_id=run_id,
                ingestid=ingestid,
                inputs=tuple(
                    versions.Input(asset=parent, partition=night, data_version=current[parent, night])
                    for parent in parents
                ),
            )
            for night in nights
            if (table.asset, night) in computed
        ]
    return entries


def _archived(night: str, current: Mapping[tuple[str, str], str]) -> versions.Input:
    return versions.Input(asset=ARCHIVE_ASSET, partition=night, data_version=current[ARCHIVE_ASSET, night])


def code_version(asset: str) -> str:
    """Version of the code that makes an asset of the stream."""
    return FORMAT_VERSION if asset == ARCHIVE_ASSET else CODE_VERSION


def version_tags(
    asset: str, night: str, current: Mapping[tuple[str, str], str], pointers: Mapping[str, int]
) -> dict[str, str]:
    """The tags by which Dagster knows what a materialisation is and what it was made from.

    `pointers` are the storage ids of the materialisations of the archive, by night: without them Dagster holds the
    rows for stale from the beginning.
    """
    tags = {"dagster/data_version": current[asset, night], "dagster/code_version": code_version(asset)}
    if asset != ARCHIVE_ASSET:
        tags[f"dagster/input_data_version/{ARCHIVE_ASSET}"] = current[ARCHIVE_ASSET, night]
        tags[f"dagster/input_event_pointer/{ARCHIVE_ASSET}"] = str(pointers.get(night, "NULL"))
    return tags


def run_metadata(report: DrainReport) -> dict[str, Any]:
    """What is said of a run on every materialisation that it reports."""
    said = report.metadata()
    latency = {f"latency {name} (s)": seconds for name, seconds in said["commit_latency_seconds"].items()}
    return {
        "topic": report.topic,
        "outcome": said["outcome"],
        "messages per second": said["messages_per_second"],
        "megabytes per second": said["megabytes_per_second"],
        "lag": report.total_lag,
        **latency,
        "offsets": ", ".join(f"{p}: {first}-{end - 1}" for p, (first, end) in sorted(report.offsets.items())),
        "batches": {"number": said["batches"], "ingestid": said["ingest_ids"]},
        "received": report.received,
        "quarantined": report.quarantined,
        **({"gaps": said["gaps"]} if report.gaps else {}),
        **({"interruptions": said["interruptions"]} if report.interruptions else {}),
    }


def _night_metadata(asset: str, counts: NightCounts | None) -> dict[str, Any]:
    if counts is None:
        return {"note": "written by an earlier run that ended before it could report"}
    if asset == ARCHIVE_ASSET:
        return {"packets": counts.archived, "bytes": counts.archived_bytes}
    rows = {"sources": counts.sources, "forced_sources": counts.forced_sources, "objects": counts.objects}
    return {"rows written": rows[asset], "alerts stored": counts.stored, "alerts duplicate": counts.duplicate}


def _description(asset: str, night: str, counts: NightCounts | None, report: DrainReport) -> str:
    if counts is None:
        return "found in the ledger; the run that wrote it ended before it could report"
    if asset == ARCHIVE_ASSET:
        return f"{counts.archived} packets from {report.topic}"
    return f"{counts.stored} new alerts from {report.topic}"
