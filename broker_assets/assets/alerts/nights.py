"""The alert stream by night: archived packets, and the rows made from them.

The assets are `packet_archive` and, derived from it, `sources`, `forced_sources` and `objects`. They are built in two
ways with the same result: live, by drain runs (`broker_assets.jobs.drain`), and from the archive, by materialising a
night here. Both use the same functions of `broker_assets.stream`; the shells select the night and report to Dagster.

A night is one transaction and a few minutes of work, so a backfill has a run for each. That is what Dagster does for
assets *without* a backfill policy; with one, even if it sets a single partition per run, runs carry a range instead of
a partition, and the evaluations of their checks are stored without partition and shown as skipped.

(No ``from __future__ import annotations`` here and in the other modules of assets and checks: Dagster inspects the
annotation of `context` when the function is defined.)
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, cast

import psycopg
from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    FreshnessPolicy,
    MaterializeResult,
    ResourceParam,
    asset,
    multi_asset,
)

from broker_assets.accounting import ledger
from broker_assets.accounting.facts import FactInput
from broker_assets.assets.alerts.reports import artefacts, code_version, fact_entries, input_entries, input_entry
from broker_assets.assets.alerts.streams import stream_key
from broker_assets.assets.labels import ALL_SURVEYS, DRAIN, FACT_INPUT_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.database.tables import diaforcedsources, diasources, objects
from broker_assets.monitoring.alerts import NEXT_STEP
from broker_assets.packets import archive
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.settings import StreamSettings
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions
from broker_assets.stream.enrichment import Enrichment, EnrichmentPlan
from broker_assets.stream.reprocess import ReprocessReport, reprocess_night

LATE = FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
"""No observatory is closed longer than this unnoticed; evaluated by `broker_assets.sensors.alerting`."""

LISTS_TAG, LISTS_NOW = "broker/lists", "now"
"""Tag of a run that computes facts with today's lists instead of those of their time."""
MARKED_TAG, MARKED_ONLY = "broker/marked", "only"
"""Tag of a run that computes only the facts of alerts that are marked as stale, if nothing else is stale."""

ROWS = {
    "sources": (diasources, "Detections on difference images: those of the alerts and of their histories."),
    "forced_sources": (diaforcedsources, "Forced photometry contained in the alerts of the night."),
    "objects": (objects, "Objects as the last alert of the night left them."),
}
"""Table and description of each asset that consists of rows."""


def build_alert_assets(streams: Sequence[StreamSettings], plan: EnrichmentPlan) -> list[AssetsDefinition]:
    """The assets of the stream: those of `streams`, and the facts of all enrichments of the plan."""
    surveys = {stream.name: stream.survey for stream in streams}

    @asset(
        name=ARCHIVE_ASSET,
        partitions_def=nights,
        deps=[stream_key(stream.name) for stream in streams],
        group_name="alerts",
        code_version=code_version(ARCHIVE_ASSET),
        kinds={"avro", "file"},
        freshness_policy=LATE,
        **labels(STREAM_OPERATORS, survey=_surveys(streams), level="archive", family="alerts", store="files"),
        **about(
            "Every alert packet as received, exactly once. Materialising a night reads all its files and verifies "
            "their checksums.",
            DRAIN,
        ),
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
            raise Failure(
                f"{len(damaged)} of {len(files)} archive files of {night} are damaged",
                {
                    "damaged": damaged,
                    NEXT_STEP: f"restore the files from the backup, then materialise packet_archive of {night} again",
                },
            )
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
                code_version=code_version(name),
                kinds={"postgres"},
                freshness_policy=LATE,
                **labels(STREAM_OPERATORS, survey=_surveys(streams), level="rows", family="alerts", store="postgres"),
                **about(
                    f"{meaning} Materialising a night rebuilds its rows from the archive.", DRAIN, table_metadata(table)
                ),
            )
            for name, (table, meaning) in ROWS.items()
        ],
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
        rebuilt = fact_entries(database, plan, entries, report.counts)
        for event in (
            *reporter.report(input_entries(plan)),
            *reporter.report(rebuilt, partitions=nights, new_inputs=True),
        ):
            context.log_event(event)

    return [
        packet_archive,
        night_from_archive,
        *(_fact_input(item) for item in plan.inputs.values()),
        *(_facts_of_night(item, plan, surveys) for item in plan.enrichments),
    ]


def _facts_of_night(enrichment: Enrichment, plan: EnrichmentPlan, surveys: Mapping[str, str]) -> AssetsDefinition:
    """The facts of one enrichment, from its specification."""
    assets = [table.asset for table in enrichment.facts]
    chosen = plan.chosen(assets)

    @multi_asset(
        name=f"{enrichment.name}_facts_of_night",
        partitions_def=nights,
        group_name="facts",
        specs=[
            AssetSpec(
                table.asset,
                deps=[*plan.parents(enrichment, table), *table.parents, *(item.asset for item in table.inputs)],
                code_version=enrichment.version,
                kinds={"postgres"},
                **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="facts", family="alerts", store="postgres"),
                **about(
                    f"{table.description} Drain runs write them in the transaction of each batch. Materialising a "
                    "night computes them again, with the lists in force when each alert was stored.",
                    DRAIN,
                    table_metadata(table.table),
                ),
            )
            for table in enrichment.facts
        ],
    )
    def facts_of_night(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        night = context.partition_key
        report = reprocess_night(
            database.url,
            night,
            surveys=surveys,
            plan=chosen,
            run_id=context.run.run_id,
            facts_only=True,
            marked_only=context.run.tags.get(MARKED_TAG) == MARKED_ONLY,
            lists_now=context.run.tags.get(LISTS_TAG) == LISTS_NOW,
        )
        with database.transaction() as connection:
            entries = artefacts(
                connection, plan, [night], report.data_versions, run_id=context.run.run_id, ingestid=_newest(connection)
            )
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        for event in reporter.report(input_entries(chosen)):
            context.log_event(event)
        rebuilt = fact_entries(database, chosen, entries, report.counts)
        # Facts on which these depend were rebuilt with them.
        others = [item for item in rebuilt if item.artefact.asset not in assets]
        for event in reporter.report(others, partitions=nights, new_inputs=True):
            context.log_event(event)
        yield from reporter.made(*(item for item in rebuilt if item.artefact.asset in assets))

    return facts_of_night


def input_files(plan: EnrichmentPlan) -> list[AssetSpec]:
    """External assets: the files from which inputs of facts are read."""
    return [
        AssetSpec(
            f"{item.asset}_files",
            group_name="facts",
            kinds={"file"},
            **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="input", family="alerts", store="files"),
            **about(item.files, FACT_INPUT_OBSERVER),
        )
        for item in plan.inputs.values()
        if not item.parents
    ]


def _fact_input(item: FactInput) -> AssetsDefinition:
    """An input of facts other than alerts and lists, from its specification."""

    @asset(
        name=item.asset,
        deps=list(item.parents) or [f"{item.asset}_files"],
        group_name="facts",
        code_version=item.code_version,
        kinds={"file"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="input", family="alerts", store="files"),
        **about(
            f"{item.description} A new version makes the facts of "
            f"{'affected objects' if item.partial else 'all nights'} "
            "that were made with another one stale.",
            FACT_INPUT_OBSERVER,
        ),
    )
    def fact_input(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(input_entry(item))

    return cast(AssetsDefinition, fact_input)


def _surveys(streams: Sequence[StreamSettings]) -> str:
    """Value of the tag: the survey of the streams, if they have the same one."""
    found = {stream.survey for stream in streams}
    return found.pop() if len(found) == 1 else ALL_SURVEYS


def _newest(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
    return 0 if row is None else int(row[0])


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
