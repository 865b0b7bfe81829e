"""Nights in the cold store, and the months that leave the database once they are there.

`cold_night` overwrites a night in tables of Apache Iceberg. `proven_months` compares the months that should leave with
these tables; `detached_months`, which a failed comparison blocks, detaches them.
"""

import datetime
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetsDefinition,
    MaterializeResult,
    ResourceParam,
    asset,
)

from broker_assets.assets.labels import ALL_SURVEYS, STREAM_OPERATORS, Writer, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.automation import on_new_versions_after_the_night
from broker_assets.cold import months as leaving
from broker_assets.cold.months import Proof
from broker_assets.cold.nights import CODE_VERSION, TABLES, ColdTable, WrittenTable, write_night
from broker_assets.database.engine import connect
from broker_assets.database.tables import PARTITIONED
from broker_assets.monitoring.alerts import NEXT_STEP
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.cold import Cold
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.stream.objects_of_night import SCHEMA as OBJECTS
from broker_assets.stream.objects_of_night import objects_of_night

NIGHT: Final = "cold_night"
PROVEN: Final = "proven_months"
DETACHED: Final = "detached_months"
CHECK: Final = "months_are_equal"
PARENTS: Final = (
    *("sources", "forced_sources", "objects"),
    *("object_features", "context_matches", "filter_matches"),
)
_READER: Final = "broker-assets cold"


def build_cold_assets(settings: Settings) -> list[AssetsDefinition]:
    """The assets of the cold store."""
    surveys = {stream.name: stream.survey for stream in settings.streams}
    tables = tables_of_night(surveys)
    chosen = settings.cold
    moved_by = Writer("move_months", schedule="move_months")
    named = labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="archive", family="alerts", store="files")

    @asset(
        name=NIGHT,
        partitions_def=nights,
        deps=list(PARENTS),
        group_name="cold",
        code_version=CODE_VERSION,
        kinds={"iceberg"},
        automation_condition=on_new_versions_after_the_night() if chosen.nightly else None,
        **named,
        **about(
            "The rows of a night in tables of Apache Iceberg: sources, forced photometry and limits from its packets, "
            "objects as it left them, features, context and matches. Each materialisation overwrites the "
            "night; the snapshot number of a table identifies its content at that time.",
            None if chosen.nightly else moved_by,
        ),
    )
    def cold_night(
        context: AssetExecutionContext, database: ResourceParam[Database], cold: ResourceParam[Cold]
    ) -> Iterator[MaterializeResult[Any]]:
        entry = write(database, cold, context.partition_key, tables, chosen.chunk_rows)
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)

    @asset(
        name=PROVEN,
        deps=[NIGHT],
        group_name="cold",
        code_version=CODE_VERSION,
        kinds={"postgres", "iceberg"},
        check_specs=[
            AssetCheckSpec(
                CHECK,
                asset=PROVEN,
                blocking=True,
                description="The cold store has the same rows of the months that are due to leave the database: equal "
                "numbers and checksums, by night.",
            )
        ],
        **named,
        **about(
            f"Months older than {chosen.hot_months} months, compared row by row with the cold store. Nights that "
            f"differ there are rewritten first.",
            moved_by,
        ),
    )
    def proven_months(
        context: AssetExecutionContext, database: ResourceParam[Database], cold: ResourceParam[Cold]
    ) -> Iterator[MaterializeResult[Any]]:
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        proofs = prove(database, chosen.hot_months)
        written = leaving.stale_nights(proofs)
        entries = [write(database, cold, night, tables, chosen.chunk_rows) for night in written if night[:1].isdigit()]
        for event in reporter.report(entries, partitions=nights):
            context.log_event(event)
        if entries:
            proofs = prove(database, chosen.hot_months)
        yield from reporter.made(_proven(proofs, written), check_results=[judge(proofs)])

    @asset(
        name=DETACHED,
        deps=[PROVEN],
        group_name="cold",
        code_version=CODE_VERSION,
        kinds={"postgres"},
        **named,
        **about(
            "Months whose points have left the database. Their partitions are exchanged for empty ones after another "
            f"comparison under a lock, and dropped {chosen.keep_detached_days:g} days later.",
            moved_by,
        ),
    )
    def detached_months(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        with connect(database.url, application=_READER, autocommit=True) as connection:
            dropped = leaving.drop_detached(connection, days=chosen.keep_detached_days)
            done = leaving.detach(connection, leaving.due(connection, today(), chosen.hot_months))
            held = connection.execute("SELECT name, month::text, checksum FROM cold_months ORDER BY 1, 2").fetchall()
        artefact = versions.Artefact(
            asset=DETACHED, data_version=_digest(held), code_version=CODE_VERSION, inputs=_input(database, PROVEN)
        )
        metadata = {
            "months": sorted({proof.month for proof in done}),
            "dagster/row_count": sum(proof.rows for proof in done),
            "tables dropped": dropped,
        }
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(artefact, metadata=metadata))

    return [cold_night, proven_months, detached_months]


def tables_of_night(surveys: Mapping[str, str]) -> tuple[ColdTable, ...]:
    """Every table of the cold store; `surveys` has the survey of each topic."""
    objects = ColdTable("objects", OBJECTS, lambda connection, night, _: objects_of_night(connection, night, surveys))
    # Last: its features may come from the cold store.
    return (*TABLES, objects)


def write(database: Database, cold: Cold, night: str, tables: Sequence[ColdTable], chunk_rows: int) -> Entry:
    """Write a night, and return the entry that reports it with its inputs."""
    with database.transaction() as connection:
        # Read first: rows that arrive meanwhile belong to a version that makes the night stale again.
        known = versions.recorded(connection, [(parent, night) for parent in PARENTS])
    store = cold.store(database)
    written = write_night(store, datetime.date.fromisoformat(night), tables, chunk_rows=chunk_rows)
    inputs = tuple(
        versions.Input(asset=parent, partition=night, data_version=found.data_version)
        for (parent, _), found in known.items()
    )
    version = _digest((item.name, item.night.data_version) for item in written)
    artefact = versions.Artefact(
        asset=NIGHT, partition=night, data_version=version, code_version=CODE_VERSION, inputs=inputs
    )
    return Entry(artefact, metadata=_described(written))


def prove(database: Database, hot_months: int) -> list[Proof]:
    """Compare all months that should leave, in one snapshot."""
    with connect(database.url, application=_READER, autocommit=True) as connection:
        connection.execute("SET default_transaction_isolation = 'repeatable read'")
        with connection.transaction():
            months = leaving.due(connection, today(), hot_months)
            return [leaving.prove(connection, table, month) for month in months for table in PARTITIONED]


def judge(proofs: Sequence[Proof]) -> AssetCheckResult:
    """Whether all months may leave."""
    failed = [proof for proof in proofs if not proof.equal]
    described = {
        f"{proof.table} {proof.month}": f"{proof.rows:,} and {proof.cold_rows:,} rows; {', '.join(proof.nights)}"
        for proof in failed
    }
    step = {NEXT_STEP: f"look at the runs of {NIGHT} of these nights, and materialise {PROVEN} again"} if failed else {}
    return AssetCheckResult(
        check_name=CHECK,
        passed=not failed,
        description=f"{len(proofs) - len(failed)} of {len(proofs)} months of tables are equal in the cold store",
        metadata={**step, **described},
    )


def today() -> datetime.date:
    """The date in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def _proven(proofs: Sequence[Proof], written: Sequence[str]) -> Entry:
    version = _digest((proof.table, proof.month, proof.rows, proof.checksum) for proof in proofs if proof.equal)
    metadata = {
        "months": sorted({proof.month for proof in proofs}),
        "dagster/row_count": sum(proof.rows for proof in proofs),
        "nights written again": list(written),
    }
    return Entry(versions.Artefact(asset=PROVEN, data_version=version, code_version=CODE_VERSION), metadata=metadata)


def _input(database: Database, parent: str) -> tuple[versions.Input, ...]:
    with database.transaction() as connection:
        found = versions.recorded(connection, [(parent, "")])
    return tuple(versions.Input(asset=parent, data_version=item.data_version) for item in found.values())


def _described(written: Sequence[WrittenTable]) -> dict[str, Any]:
    rows = {f"rows of {item.name}": item.night.rows for item in written}
    snapshots = {f"snapshot of {item.name}": str(item.snapshot.identifier) for item in written}
    return {"dagster/row_count": sum(rows.values()), **rows, **snapshots}


def _digest(lines: Any) -> str:
    return hashlib.sha256("\n".join(str(line) for line in lines).encode()).hexdigest()[:32]
