"""The alert stream by night: archived packets, and the rows made from them.

The assets are `packet_archive` and, derived from it, `sources`, `forced_sources` and `objects`. They are made in two
ways with the same result: live, by drain runs (`broker_assets.jobs.drain`), and from the archive, by materialising
a night here. Both use the same functions of `broker_assets.stream`; the shells select the night and report to Dagster.

(No ``from __future__ import annotations`` here and in the other modules of assets and checks: Dagster inspects the
annotation of `context` when the function is defined.)
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    ResourceParam,
    asset,
    multi_asset,
)

from broker_assets.accounting import ledger
from broker_assets.assets.alerts.reports import artefacts, code_version, fact_entries
from broker_assets.assets.alerts.streams import stream_key
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.database.tables import diaforcedsources, diasources, objects
from broker_assets.packets import archive
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.settings import StreamSettings
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions
from broker_assets.stream.enrichment import Enrichment, EnrichmentPlan
from broker_assets.stream.reprocess import ReprocessReport, reprocess_night

OWNERS = ["team:broker"]

ONE_NIGHT_PER_RUN = BackfillPolicy.multi_run(max_partitions_per_run=1)
"""A night is one transaction and a few minutes of work: a failure must not affect other nights."""

LATE = FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
"""No observatory closes for longer unnoticed; evaluated by `broker_assets.sensors.alerting`."""

LISTS_TAG, LISTS_NOW = "broker/lists", "now"
"""Tag of a run that computes facts with the lists of today instead of those of their time."""

ROWS = {
    "sources": (diasources, "Detections on difference images: those of the alerts and of their histories."),
    "forced_sources": (diaforcedsources, "Forced photometry contained in the alerts of the night."),
    "objects": (objects, "Objects as the last alert of the night left them."),
}
"""Table and description of each asset that consists of rows."""


def build_alert_assets(streams: Sequence[StreamSettings], plan: EnrichmentPlan) -> list[AssetsDefinition]:
    """The assets of the stream: of `streams`, and the facts of all enrichments of the plan."""
    surveys = {stream.name: stream.survey for stream in streams}

    @asset(
        name=ARCHIVE_ASSET,
        partitions_def=nights,
        deps=[stream_key(stream.name) for stream in streams],
        group_name="alerts",
        code_version=code_version(ARCHIVE_ASSET),
        kinds={"avro", "file"},
        owners=OWNERS,
        backfill_policy=ONE_NIGHT_PER_RUN,
        freshness_policy=LATE,
        description="Every alert packet as received, exactly once. Materialising a night reads all its files and "
        "verifies their checksums.",
    )
    def packet_archive(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        with database.transaction() as connection:
            files = ledger.archive_files(connection, night=date.fromisoformat(night))
            version = data_versions(connection, [night])
        damaged = []
        for _, _, entry in files:
            try:
                archive.verify(entry.url, sha256=entry.sha256, packets=entry.packets)
            except (archive.ArchiveError, OSError) as error:
                damaged.append(str(error))
        if damaged:
            raise Failure(f"{len(damaged)} of {len(files)} archive files of {night} are damaged", {"damaged": damaged})
        with database.transaction() as connection:
            newest = _newest(connection)
            entries = artefacts(connection, plan, [night], version, run_id=context.run.run_id, ingestid=newest)
        metadata = {
            "packets": sum(entry.packets for _, _, entry in files),
            "files": len(files),
            "bytes": sum(entry.bytes for _, _, entry in files),
            "topics": sorted({entry.topic for _, _, entry in files}),
        }
        [made] = [entry for entry in entries if entry.asset == ARCHIVE_ASSET]
        yield from Reporter(context.instance, database, context.log).made(Entry(made, metadata=metadata))

    @multi_asset(
        name="night_from_archive",
        partitions_def=nights,
        group_name="alerts",
        specs=[
            AssetSpec(
                name,
                deps=[ARCHIVE_ASSET],
                description=f"{meaning} Materialising a night rebuilds its rows from the archive.",
                code_version=code_version(name),
                metadata=table_metadata(table),
                kinds={"postgres"},
                owners=OWNERS,
                freshness_policy=LATE,
            )
            for name, (table, meaning) in ROWS.items()
        ],
        backfill_policy=ONE_NIGHT_PER_RUN,
    )
    def night_from_archive(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        report = reprocess_night(
            database.url,
            night,
            surveys=surveys,
            plan=plan,
            run_id=context.run.run_id,
            lists_now=context.run.tags.get(LISTS_TAG) == LISTS_NOW,
        )
        context.log.info(f"{report.received} packets in {report.seconds:.1f} s: {report.stored} alerts stored")
        with database.transaction() as connection:
            entries = artefacts(
                connection, plan, [night], report.data_versions, run_id=context.run.run_id, ingestid=_newest(connection)
            )
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(
            *(Entry(made, metadata=_reprocessed(made.asset, report)) for made in entries if made.asset in ROW_ASSETS)
        )
        # The facts were rebuilt in the same transaction.
        rebuilt = fact_entries(entries, [table.asset for _, table in plan.facts], report.counts)
        for event in reporter.report(rebuilt, partitions=nights, new_inputs=True):
            context.log_event(event)

    return [packet_archive, night_from_archive, *(_facts_of_night(item, plan, surveys) for item in plan.enrichments)]


def _facts_of_night(enrichment: Enrichment, plan: EnrichmentPlan, surveys: Mapping[str, str]) -> AssetsDefinition:
    """The facts of one enrichment, as its specification says."""
    assets = [table.asset for table in enrichment.facts]

    @multi_asset(
        name=f"{enrichment.name}_facts_of_night",
        partitions_def=nights,
        group_name="facts",
        specs=[
            AssetSpec(
                table.asset,
                deps=[*plan.parents(enrichment, table), *table.parents],
                description=f"{table.description} Drain runs write them in the transaction of each batch. "
                "Materialising a night computes them again, with the lists in force when each alert was stored.",
                code_version=enrichment.version,
                metadata=table_metadata(table.table),
                kinds={"postgres"},
                owners=OWNERS,
            )
            for table in enrichment.facts
        ],
        backfill_policy=ONE_NIGHT_PER_RUN,
    )
    def facts_of_night(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        report = reprocess_night(
            database.url,
            night,
            surveys=surveys,
            plan=plan.chosen(assets),
            run_id=context.run.run_id,
            facts_only=True,
            lists_now=context.run.tags.get(LISTS_TAG) == LISTS_NOW,
        )
        with database.transaction() as connection:
            entries = artefacts(
                connection, plan, [night], report.data_versions, run_id=context.run.run_id, ingestid=_newest(connection)
            )
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(*fact_entries(entries, assets, report.counts))

    return facts_of_night


def _newest(connection: Any) -> int:
    row = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
    return int(row[0])


def _reprocessed(name: str, report: ReprocessReport) -> dict[str, Any]:
    rows = {
        "sources": report.counts.sources,
        "forced_sources": report.counts.forced_sources,
        "objects": report.counts.objects,
    }
    return {
        "outcome": "rebuilt from the archive",
        "rows written": rows[name],
        "dagster/row_count": rows[name],
        "alerts stored": report.stored,
        "alerts duplicate": report.duplicate,
        "packets": report.received,
        "packets quarantined": report.quarantined,
        "files": report.files,
        "seconds": round(report.seconds, 1),
    }
