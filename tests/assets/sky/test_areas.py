"""Areas: their index, and the MOC of each as a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import astropy.units as u
import pytest
from mocpy import MOC

from broker_assets.database import engine
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sky.lists import ListSettings, change_list, create_area
from broker_assets.sky.regions import cone_area
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database


def test_an_area_has_an_index_and_a_file_as_long_as_it_is_matched(
    platform: Any, follow: Callable[[], list[str]]
) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        area = create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
        other = create_area(connection, "ann", "other", cone_area(20.0, 40.0, 1.0, order=8))
        assert follow() == ["match_lists", f"area:{area}", f"area:{other}"]
        index = platform.versions("area_index")
        place = ObjectStore.of(platform.settings).path("areas", f"ar_{area}")
        version, files = read_published(place)
        assert version == platform.versions("area")[str(area)]
        moc = MOC.from_fits(io.BytesIO(files["moc000.fits"]))
        inside = moc.contains_lonlat([200.0, 203.0] * u.deg, [-40.0, -40.0] * u.deg)
        assert inside.tolist() == [True, False]
        metadata = platform.materialisations("area_index")[0].asset_materialization.metadata
        assert metadata["areas"].value == 2
        uses = platform.query("SELECT input_asset FROM artefact_input WHERE asset = 'area' ORDER BY input_partition")
        assert uses == [("areas",), ("areas",)]

        # switched off: no file, another index; the other area is left alone
        before = platform.versions("area")[str(other)]
        change_list(connection, "ann", "area", area, ListSettings(active=False))
        follow()
        assert not place.exists()
        assert platform.versions("area_index") != index
        assert platform.versions("area")[str(other)] == before
        assert follow() == []


def test_nothing_to_index(platform: Any) -> None:
    platform.make("area_index")
    metadata = platform.materialisations("area_index")[0].asset_materialization.metadata
    assert metadata["areas"].value == 0
    assert metadata["lists"].value == 0
