"""Reports of a drain run to Dagster and provenance: one materialisation per asset and night with new content."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from logging import Logger
from typing import Any

import psycopg
from dagster import AssetMaterialization, DagsterInstance

from broker_assets.accounting import facts
from broker_assets.assets.metadata import rate_plot
from broker_assets.assets.metadata import shown as shown_values
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.database.alerts import NightCounts
from broker_assets.packets.archive import FORMAT_VERSION
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.stream.commit import CODE_VERSION
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions, row_code_versions
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.report import DrainReport

PLOTTED_NIGHTS = 3
"""The plot of the run is added to the nights with most of its alerts; a replay touches hundreds."""


def unreported_nights(connection: psycopg.Connection[Any]) -> list[str]:
    """Nights with batches in the ledger but not in provenance: those of runs that died before reporting."""
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
    """One materialisation per asset and night that has new content, then the same in provenance."""
    with database.transaction() as connection:
        newest = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
        touched = set(unreported_nights(connection)) | set(report.nights)
        current = data_versions(connection, touched)
        found = artefacts(connection, plan, touched, current, run_id=report.run_id, ingestid=newest[0] if newest else 0)
    plotted = set(sorted(report.nights, key=lambda night: -report.nights[night].stored)[:PLOTTED_NIGHTS])
    described = {table.asset: table.describe for _, table in plan.facts if table.describe is not None}

    # Drawn once, and only if a night is new.
    plot = functools.cache(lambda: rate_plot(report.rates, report.commit_latency.quantiles()))

    def metadata(artefact: versions.Artefact) -> dict[str, Any]:
        rate = plot() if artefact.partition in plotted else None
        return {
            **_night_metadata(artefact.asset, report.nights.get(artefact.partition)),
            **run_metadata(report),
            **({"rate": rate} if rate is not None else {}),
            **(
                night_description(database, described[artefact.asset], artefact.partition)
                if artefact.asset in described and artefact.partition in plotted
                else {}
            ),
        }

    def entry(artefact: versions.Artefact) -> Entry:
        description = _description(artefact.asset, report.nights.get(artefact.partition), report)
        uses = shown.get(artefact.asset, ())
        return Entry(artefact, description, functools.partial(metadata, artefact), uses, adds=True)

    shown = shown_inputs(plan)
    reporter = Reporter(instance, database, log, run_id=report.run_id)
    yield from reporter.report(input_entries(plan))
    yield from reporter.report(map(entry, found), partitions=nights)


def night_description(
    database: Database, describe: Callable[[psycopg.Connection[Any], str], Mapping[str, Any]], night: str
) -> dict[str, Any]:
    """Metadata about the facts of a night."""
    with database.transaction() as connection:
        return shown_values(describe(connection, night))


def input_entries(plan: EnrichmentPlan) -> list[Entry]:
    """The present inputs of facts other than alerts, such as dust maps."""
    return [input_entry(item) for item in plan.inputs.values()]


def input_entry(item: facts.FactInput) -> Entry:
    """The entry of one input."""
    made = versions.Artefact(asset=item.asset, data_version=item.version(), code_version=item.code_version)
    return Entry(made, metadata=lambda: shown_values(item.describe()))


def shown_inputs(plan: EnrichmentPlan) -> dict[str, tuple[versions.Input, ...]]:
    """Versions of inputs without nights, for each table of facts: shown to Dagster, but not causing staleness."""
    return {
        table.asset: tuple(
            versions.Input(asset=name, data_version=version)
            for name, version in _by_asset(enrichment.inputs()).items()
            if name in table.parents or name in {item.asset for item in table.inputs if item.partial}
        )
        for enrichment, table in plan.facts
    }


def _by_asset(inputs: Mapping[str, str]) -> dict[str, str]:
    """One version for each asset; for several partitions (`ASSET:KEY`), a hash of their versions."""
    parts: dict[str, dict[str, str]] = {}
    for name, version in inputs.items():
        asset, _, key = name.partition(":")
        parts.setdefault(asset, {})[key] = version
    return {
        asset: of_asset[""]
        if "" in of_asset
        else hashlib.sha256(repr(sorted(of_asset.items())).encode()).hexdigest()[:16]
        for asset, of_asset in parts.items()
    }


def fact_entries(
    database: Database, plan: EnrichmentPlan, entries: Iterable[versions.Artefact], counts: NightCounts
) -> list[Entry]:
    """Reports of the entries of a rebuilt night that are facts of the enrichments of a plan."""
    tables = {table.asset: table for _, table in plan.facts}

    def metadata(item: versions.Artefact) -> dict[str, Any]:
        describe = tables[item.asset].describe
        more = night_description(database, describe, item.partition) if describe is not None else {}
        return {"dagster/row_count": counts.facts.get(item.asset, 0), **more}

    return [Entry(item, metadata=functools.partial(metadata, item)) for item in entries if item.asset in tables]


def artefacts(
    connection: psycopg.Connection[Any],
    plan: EnrichmentPlan,
    keys: Iterable[str],
    current: Mapping[tuple[str, str], str],
    *,
    run_id: str | None,
    ingestid: int | None,
) -> list[versions.Artefact]:
    """The provenance entries of some nights: the archive, the rows made from it, and the facts of its alerts.

    They are ordered by asset, parents before children, and by night.

    Among assets without nights, `FactTable.inputs` are inputs of facts here, with the versions that their batches used,
    except those whose changes affect only some objects; the indices are not inputs: changed lists never make a night
    stale.
    """
    ordered = sorted(set(keys))
    computed = facts.nights(connection, ordered)
    # Alerts that are added to a night do not renew the rows that were there before.
    made_by = row_code_versions(connection, ordered, without=CODE_VERSION)
    entries = [
        versions.Artefact(
            asset=asset,
            partition=night,
            data_version=current[asset, night],
            code_version=code_version(asset) if asset == ARCHIVE_ASSET else made_by[night],
            run_id=run_id,
            ingestid=ingestid,
            inputs=() if asset == ARCHIVE_ASSET else (_archived(night, current),),
        )
        for asset in (ARCHIVE_ASSET, *ROW_ASSETS)
        for night in ordered
    ]
    for enrichment, table in plan.facts:
        parents = plan.parents(enrichment, table)
        whole = {item.asset for item in table.inputs if not item.partial}
        entries += [
            versions.Artefact(
                asset=table.asset,
                partition=night,
                data_version=computed[table.asset, night].data_version,
                code_version=computed[table.asset, night].code_version,
                run_id=run_id,
                ingestid=ingestid,
                inputs=(
                    *(
                        versions.Input(asset=parent, partition=night, data_version=current[parent, night])
                        for parent in parents
                        if (parent, night) in current  # facts from before an enrichment existed have no version of it
                    ),
                    *(
                        versions.Input(asset=asset, data_version=version)
                        for asset, version in computed[table.asset, night].inputs.items()
                        if asset in whole
                    ),
                ),
            )
            for night in ordered
            if (table.asset, night) in computed
        ]
    return entries


def _archived(night: str, current: Mapping[tuple[str, str], str]) -> versions.Input:
    return versions.Input(asset=ARCHIVE_ASSET, partition=night, data_version=current[ARCHIVE_ASSET, night])


def code_version(asset: str) -> str:
    """Version of the code that builds an asset of the stream."""
    return FORMAT_VERSION if asset == ARCHIVE_ASSET else CODE_VERSION


def run_metadata(report: DrainReport) -> dict[str, Any]:
    """Metadata of a run, added to every materialisation that it reports."""
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
        **({"left out of stored alerts": said["omitted"]} if report.omitted else {}),
        **({"gaps": said["gaps"]} if report.gaps else {}),
        **({"interruptions": said["interruptions"]} if report.interruptions else {}),
    }


def _night_metadata(asset: str, counts: NightCounts | None) -> dict[str, Any]:
    if counts is None:
        return {"note": "written by an earlier run that ended before it could report"}
    if asset == ARCHIVE_ASSET:
        return {"packets": counts.archived, "bytes": counts.archived_bytes}
    rows = {"sources": counts.sources, "forced_sources": counts.forced_sources, "objects": counts.objects}
    rows |= counts.facts
    return {"rows written": rows.get(asset, 0), "alerts stored": counts.stored, "alerts duplicate": counts.duplicate}


def _description(asset: str, counts: NightCounts | None, report: DrainReport) -> str:
    if counts is None:
        return "found in the ledger; the run that wrote it ended before it could report"
    if asset == ARCHIVE_ASSET:
        return f"{counts.archived} packets from {report.topic}"
    return f"{counts.stored} new alerts from {report.topic}"
