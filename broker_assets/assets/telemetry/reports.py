"""Reports of the inputs of products, day by day, by the ingest job, the sensor of inputs and their assets."""

import datetime
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import psycopg
from dagster import AssetMaterialization

from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.assets.telemetry.folders import input_files_key
from broker_assets.partitions import observation_days
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.day_products import changed_inputs
from broker_assets.telemetry.archive.days import FAMILIES, days_with_packets, requests_of_day
from broker_assets.telemetry.archive.input_versions import InputVersions
from broker_assets.telemetry.reception.packet_store import PacketStore


def input_days(store: PacketStore) -> list[datetime.date]:
    """Every day for which products are made, ascending."""
    return sorted({day for family in FAMILIES for day in days_with_packets(store, family)})


def look_at_inputs(
    telemetry: Telemetry, store: PacketStore, days: Iterable[datetime.date]
) -> dict[datetime.date, dict[str, str]]:
    """Current versions of the inputs for some days.

    Raises
    ------
    OSError, ValueError
        If an input cannot be read, for example while it is being delivered.
    """
    inputs = InputVersions(telemetry.inputs())
    return {day: inputs.of(day, requests_of_day(store, day)) for day in days}


def report_inputs(
    reporter: Reporter,
    database: Database,
    found: Mapping[datetime.date, Mapping[str, str]],
    *,
    most: int | None = None,
) -> Iterator[AssetMaterialization]:
    """One materialisation per input and day whose version has changed, then the same in provenance; consume all of it.

    Parameters
    ----------
    reporter : Reporter
    database : Database
    found : mapping
        Versions by day and name of the input.
    most : int, optional
        Most days that are reported, newest first; the others are found again next time.
    """
    with database.transaction() as connection:
        changed = changed_inputs(connection, found)
        files = _observed_files(connection, {artefact.asset for artefact in changed})
    days = set(sorted({artefact.partition for artefact in changed}, reverse=True)[:most])
    entries = [input_entry(artefact, files.get(artefact.asset)) for artefact in changed if artefact.partition in days]
    yield from reporter.report(entries, partitions=observation_days)


def _observed_files(connection: psycopg.Connection[Any], inputs: Iterable[str]) -> dict[str, versions.Input]:
    """The files of some inputs as they were last observed."""
    found = {}
    for name in inputs:
        asset = input_files_key(name).to_user_string()
        version = versions.data_versions(connection, asset, [""]).get("")
        if version is not None:
            found[name] = versions.Input(asset=asset, data_version=version)
    return found


def input_entry(artefact: versions.Artefact, files: versions.Input | None = None) -> Entry:
    """The entry that reports an input for a day; other files make it stale only if its content for the day changes."""
    return Entry(
        artefact,
        description=f"for this day it says: {artefact.data_version}",
        metadata={"says for the day": artefact.data_version},
        shown_inputs=() if files is None else (files,),
    )
