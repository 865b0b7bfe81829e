"""The version of the dust map is recorded without a run, and only when it is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from dagster import AssetKey, DagsterInstance, SensorResult, SkipReason, build_sensor_context

from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ObjectContext
from broker_assets.context.rules import read_rules
from broker_assets.lightcurves.dust import NotADustMap
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors.fact_inputs import build_fact_inputs
from broker_assets.stream.enrichment import EnrichmentPlan

NOWHERE = Path("no catalogue")
pytestmark = pytest.mark.database


def tick(instance: DagsterInstance, url: str, *files: Path) -> Any:
    """A tick with the dust map of some files."""
    sensor = build_fact_inputs(EnrichmentPlan([ObjectContext(CataloguesInForce(NOWHERE)), ObjectFeatures(files)]))
    context = build_sensor_context(instance=instance, resources={"database": Database(url)})
    return sensor(context)


def recorded(url: str, asset: str = "dust_map") -> str | None:
    """Version of an input in provenance."""
    with Database(url).transaction() as connection:
        found = versions.current(connection, asset)
    return found.data_version if found else None


def test_another_map_is_recorded_once(database_url: str, tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("EBV", "E", array=np.full(12, 0.5))])
    table.header["ORDERING"] = "NESTED"
    table.writeto(tmp_path / "flat.fits")
    with DagsterInstance.ephemeral() as instance:
        for files in ((), (tmp_path / "flat.fits",)):
            result = tick(instance, database_url, *files)
            assert isinstance(result, SensorResult)
            assert AssetKey("dust_map") in {event.asset_key for event in result.asset_events}
            assert recorded(database_url, "context_rules") == read_rules().version
            assert recorded(database_url) == ObjectFeatures(files).dust.version
            assert isinstance(tick(instance, database_url, *files), SkipReason)


def test_a_map_that_cannot_be_read_fails_the_tick(database_url: str, tmp_path: Path) -> None:
    with DagsterInstance.ephemeral() as instance, pytest.raises(NotADustMap, match="nowhere"):
        tick(instance, database_url, tmp_path / "nowhere.fits")


def test_a_database_that_is_away_is_tried_again() -> None:
    with DagsterInstance.ephemeral() as instance:
        result = tick(instance, "postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert isinstance(result, SkipReason)
    assert "tries again" in str(result.skip_message)
