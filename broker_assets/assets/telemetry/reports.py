"""What Dagster and provenance are told of the inputs of products, day by day.

The ingest job and the sensor of inputs use these; an operator's materialisation of an asset tells by itself.
"""

import datetime
from collections.abc import Iterable, Iterator, Mapping

from dagster import AssetMaterialization

from broker_assets.partitions import known_days
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.day_products import changed_inputs
from broker_assets.telemetry.archive.days import FAMILIES, days_with_packets, requests_of_day
from broker_assets.telemetry.archive.input_versions import InputVersions
from broker_assets.telemetry.reception.packet_store import PacketStore


def input_days(store: PacketStore) -> list[datetime.date]:
    """Every day that any product is made for, ascending."""
    return sorted({day for family in FAMILIES for day in days_with_packets(store, family)})


def look_at_inputs(
    telemetry: Telemetry, store: PacketStore, days: Iterable[datetime.date]
) -> dict[datetime.date, dict[str, str]]:
    """What inputs say for some days at present.

    Raises
    ------
    OSError, ValueError
        If an input cannot be read, as while it is being delivered.
    """
    inputs = InputVersions(telemetry.inputs())
    return {day: inputs.of(day, requests_of_day(store, day)) for day in days}


def report_inputs(
    database: Database,
    found: Mapping[datetime.date, Mapping[str, str]],
    *,
    run_id: str | None = None,
    most: int | None = None,
) -> Iterator[AssetMaterialization]:
    """One materialisation per input and day whose version has changed, then the same in provenance.

    In this order: whoever dies in between has told Dagster twice in the end, and never too little. So take all that is
    yielded.

    Parameters
    ----------
    database : Database
    found : mapping
        Versions by day and name of the input.
    run_id : str, optional
    most : int, optional
        Days told of at most, newest first; the others are found again next time.
    """
    with database.transaction() as connection:
        changed = changed_inputs(connection, found)
    days = sorted({artefact.partition for artefact in changed}, reverse=True)[:most]
    chosen = [artefact for artefact in changed if artefact.partition in set(days)]
    known = {day.isoformat() for day in known_days(map(datetime.date.fromisoformat, days))[0]}
    for artefact in chosen:
        if artefact.partition in known:
            yield AssetMaterialization(
                asset_key=artefact.asset,
                partition=artefact.partition,
                description=f"for this day it says: {artefact.data_version}",
                tags={"dagster/data_version": artefact.data_version},
            )
    if chosen:
        made = [artefact.model_copy(update={"run_id": run_id}) for artefact in chosen]
        with database.transaction() as connection:
            versions.record(connection, made)
