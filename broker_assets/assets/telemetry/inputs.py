"""Inputs of telemetry products besides packets, by day.

Nothing is built here: a materialisation records which version of an input is valid for a day. The sensor
``telemetry_inputs`` and the ingest job report those that changed; an operator's materialisation determines it again.
"""

import datetime
from collections.abc import Iterator
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    MaterializeResult,
    ResourceParam,
    multi_asset,
)

from broker_assets.assets.labels import INPUT_OBSERVER, INSTRUMENT, INSTRUMENT_OPERATORS, about, labels
from broker_assets.assets.reporter import Reporter
from broker_assets.assets.telemetry.folders import INPUT_GROUP, input_files_key
from broker_assets.assets.telemetry.reports import input_entry, look_at_inputs
from broker_assets.partitions import observation_days
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.telemetry.archive.day_products import input_artefacts
from broker_assets.telemetry.archive.input_versions import CONFIGURATION, DATABASE, KERNELS, PLAN, REQUESTS

DESCRIPTIONS = {
    DATABASE: "Instrument databases valid on the day: version and digest.",
    CONFIGURATION: "Tables of the instrument's configuration valid on the day: energy channels, energy look-up tables, "
    "configuration of the energy calibration.",
    KERNELS: "SPICE kernels: clock, positions and pointing of the day, and whether they are flown. A day that no "
    "kernel covers has none, and its products of level L1 wait.",
    REQUESTS: "Rows of the table of science requests that are answered by data of the day.",
    PLAN: "Campaigns and observations planned for the day.",
}
"""Description of each input."""


def build_telemetry_inputs() -> AssetsDefinition:
    """The five inputs."""

    @multi_asset(
        name="telemetry_inputs",
        partitions_def=observation_days,
        group_name=INPUT_GROUP,
        specs=[
            AssetSpec(
                name,
                deps=[input_files_key(name)],
                kinds={"file"},
                skippable=True,
                **labels(INSTRUMENT_OPERATORS, survey=INSTRUMENT, level="input", family="inputs", store="files"),
                **about(text, INPUT_OBSERVER),
            )
            for name, text in DESCRIPTIONS.items()
        ],
        can_subset=True,
    )
    def telemetry_inputs(
        context: AssetExecutionContext, database: ResourceParam[Database], telemetry: ResourceParam[Telemetry]
    ) -> Iterator[MaterializeResult[Any]]:
        day = datetime.date.fromisoformat(context.partition_key)
        with telemetry.store() as store:
            found = look_at_inputs(telemetry, store, [day])[day]
        chosen = {name.to_user_string() for name in context.selected_asset_keys}
        for name in sorted(chosen - found.keys()):
            context.log.warning(f"{name} has no version for {day}: products that need it wait")
        made = input_artefacts({day: {name: found[name] for name in chosen & found.keys()}})
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(*map(input_entry, made))

    return telemetry_inputs
