"""Catalogues on disk as Dagster sees them: observed when they are loaded or change, gone when they are removed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, RunRequest, SkipReason, build_sensor_context

from broker_assets.automation import BACKGROUND
from broker_assets.context.comparison import compare
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.store import CatalogueStore
from broker_assets.database.engine import connect
from broker_assets.jobs.compare_catalogues import build_compare_catalogues
from broker_assets.partitions import catalogues
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors.catalogues import build_catalogues_sensor, observe_catalogues

pytestmark = pytest.mark.database
LOG = logging.getLogger("catalogues")


def load(folder: Path, name: str, ra: float) -> str:
    path = folder.parent / f"{name}.csv"
    path.write_text(f"identifier,ra,dec\nA,{ra},20.0\n")
    return CatalogueStore(folder).add(name, path).version


def test_what_is_loaded_changed_and_removed(database_url: str, tmp_path: Path) -> None:
    database, folder = Database(database_url), tmp_path / "catalogues"

    def recorded() -> dict[str, str]:
        with database.transaction() as connection:
            return versions.data_versions(connection, "catalogues")

    with DagsterInstance.ephemeral() as instance:

        def tick() -> int:
            return observe_catalogues(instance, database, LOG, folder)

        assert tick() == 0
        first = {name: load(folder, name, ra) for name, ra in (("vsx", 1.0), ("galaxies", 2.0))}
        assert tick() == 2
        assert recorded() == first
        assert tick() == 0
        second = load(folder, "vsx", 1.5)
        assert tick() == 1
        assert recorded() == first | {"vsx": second}
        events = instance.fetch_observations(AssetKey("catalogues"), limit=10).records
        assert [record.partition_key for record in events] == ["vsx", "vsx", "galaxies"]
        CatalogueStore(folder).remove("galaxies")
        assert tick() == 1
        assert recorded() == {"vsx": second}
        assert instance.get_dynamic_partitions(str(catalogues.name)) == ["vsx"]


def sensor_of(folder: Path) -> Any:
    in_force = CataloguesInForce(folder)
    return build_catalogues_sensor(folder, in_force, build_compare_catalogues(in_force, ()))


def test_what_has_not_been_compared_is_given_to_a_run(database_url: str, tmp_path: Path) -> None:
    database, folder = Database(database_url), tmp_path / "catalogues"
    load(folder, "vsx", 1.0)
    with DagsterInstance.ephemeral() as instance:
        context = build_sensor_context(instance=instance, resources={"database": database})
        asked = sensor_of(folder)(context)
        assert isinstance(asked, RunRequest)
        assert asked.tags["broker/reason"] == "(rules), vsx"
        # before everything that automation has asked for, however long the queue is
        assert int(asked.tags["dagster/priority"]) > int(BACKGROUND["dagster/priority"])
        with connect(database_url, autocommit=True) as connection:
            compare(connection, CataloguesInForce(folder))
        assert isinstance(sensor_of(folder)(context), SkipReason)


def test_a_database_that_is_away_is_tried_again(tmp_path: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
        result = sensor_of(tmp_path)(build_sensor_context(instance=instance, resources={"database": away}))
    assert isinstance(result, SkipReason)
    assert "tries again" in str(result.skip_message)
