"""The register of telemetry files: what arrived, from all folders, and its state.

Its rows are written by the ingest run and the sensor that starts it (`telemetry.reception.register`); here it is an
asset so that checks of the arrival have a place.
"""

from collections.abc import Iterable

from dagster import AssetKey, AssetSpec

from broker_assets.assets.labels import INSTRUMENT, INSTRUMENT_OPERATORS, Writer, about, labels
from broker_assets.assets.metadata import table_metadata
from broker_assets.assets.telemetry.folders import RECEPTION_GROUP
from broker_assets.database.tables import telemetry_file
from broker_assets.monitoring.telemetry.judgements import INCOMING


def telemetry_register(folders: Iterable[AssetKey] = (), writer: Writer | None = None) -> AssetSpec:
    """The external asset; `folders` are those in which files arrive, `writer` what receives them."""
    return AssetSpec(
        INCOMING,
        deps=list(folders),
        group_name=RECEPTION_GROUP,
        kinds={"postgres"},
        **labels(INSTRUMENT_OPERATORS, survey=INSTRUMENT, level="raw", family="packets", store="postgres"),
        **about(
            "Register of telemetry files: state, attempts and reasons, one row per distinct content that arrived.",
            writer,
            table_metadata(telemetry_file),
        ),
    )
