"""Catalogues as observed assets."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, Definitions

from broker_assets.assets.alerts.catalogues import build_catalogues, entry
from broker_assets.context.loading import CatalogueError
from broker_assets.context.store import CatalogueStore
from broker_assets.partitions import catalogues
from broker_assets.resources.database import Database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "stars.csv"
    path.write_text("identifier,ra,dec,magnitude\nVega,279.2347,38.7837,0.03\nnowhere,,,5\n")
    CatalogueStore(tmp_path / "catalogues").add("vsx", path)
    return tmp_path / "catalogues"


def test_a_catalogue_shows_where_its_sources_are(folder: Path) -> None:
    found = entry(CatalogueStore(folder), "vsx")
    assert (found.artefact.asset, found.artefact.partition) == ("catalogues", "vsx")
    assert found.artefact.data_version == CatalogueStore(folder).get("vsx").version
    assert callable(found.metadata)
    said = dict(found.metadata())
    assert (said["sources"], said["rows without a position, left out"]) == (1, 1)
    assert said["columns"] == "identifier, ra, dec, magnitude"
    assert "image/png" in str(said["plot"].value)
    with pytest.raises(CatalogueError, match="there is no catalogue"):
        entry(CatalogueStore(folder), "gaia")


@pytest.mark.database
def test_observing_one_by_hand(folder: Path, database_url: str) -> None:
    made = build_catalogues(folder)
    definitions = Definitions(assets=made, resources={"database": Database(database_url)})
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(catalogues.name), ["vsx", "gaia"])
        job = definitions.resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(instance=instance, partition_key="vsx", asset_selection=[AssetKey("catalogues")])
        assert done.success
        events = instance.fetch_observations(AssetKey("catalogues"), limit=10).records
        assert [record.partition_key for record in events] == ["vsx"]
        failed = job.execute_in_process(
            instance=instance, partition_key="gaia", asset_selection=[AssetKey("catalogues")], raise_on_error=False
        )
        assert not failed.success
