"""The register of telemetry files: what arrived, from all folders, and its state.

Its rows are written by the ingest run and the sensor that starts it (`telemetry.reception.register`); here it is an
asset so that checks of the arrival have a place.
"""

from collections.abc import Iterable

from dagster import AssetKey, AssetSpec

from broker_assets.assets.metadata import table_metadata
from broker_assets.database.tables import telemetry_file
from broker_assets.monitoring.telemetry.judgements import INCOMING


def telemetry_register(folders: Iterable[AssetKey] = ()) -> AssetSpec:
    """The external asset; `folders` are those in which files arrive."""
    return AssetSpec(
        INCOMING,
        deps=list(folders),
        description="Register of telemetry files: state, tries and reasons, one row per content that arrived.",
        group_name="telemetry",
        kinds={"postgres"},
        owners=["team:broker"],
        metadata=table_metadata(telemetry_file),
    )
