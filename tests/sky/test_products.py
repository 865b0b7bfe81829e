"""What is published of watchlists and areas."""

from __future__ import annotations

import io

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Latitude, Longitude
from mocpy import MOC

from broker_assets.database import engine
from broker_assets.settings.sky import MocSettings
from broker_assets.sky.lists import UnknownList, add_cones, create_area, create_watchlist
from broker_assets.sky.products import area_product, watchlist_product
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist


@pytest.mark.database
def test_products_of_lists(database_url: str) -> None:
    mocs = MocSettings(watchlist_cones=4)
    with engine.connect(database_url, autocommit=True) as connection:
        cones = parse_watchlist([*(f"{n}, {n - 5}, n{n}, {n + 1}" for n in range(10)), '359.99, 89.9, "a, b", 300'])
        watchlist = create_watchlist(connection, "ann", "list", cones, radius=3.0)
        product = watchlist_product(connection, watchlist, mocs)
        assert list(product.files) == ["moc000.fits", "moc001.fits", "moc002.fits", "watchlist.csv"]
        first = product.files["watchlist.csv"].decode().splitlines()[0].split(",")
        assert first[1:] == ["0.000000", "-5.000000", "2.778e-04", "n0"]
        assert product.files["watchlist.csv"].decode().splitlines()[10].endswith('8.333e-02,"a, b"')
        moc = MOC.from_fits(io.BytesIO(product.files["moc001.fits"]))
        inside = moc.contains_lonlat(Longitude(np.arange(10.0), u.deg), Latitude(np.arange(10.0) - 5, u.deg))
        assert inside.tolist() == [False] * 4 + [True] * 4 + [False] * 2
        add_cones(connection, "ann", watchlist, parse_watchlist(["30, 30"]))
        again = watchlist_product(connection, watchlist, mocs)
        assert again.version != product.version
        assert int(again.revision) == int(product.revision) + 1
        area = create_area(connection, "ann", "area", cone_area(10.0, 10.0, 1.0, order=8))
        assert area_product(connection, area).about["square degrees"] > 3
        with pytest.raises(UnknownList):
            watchlist_product(connection, 999, mocs)
        with pytest.raises(UnknownList):
            area_product(connection, 999)


@pytest.mark.database
def test_order_and_cones_per_file_are_part_of_the_version(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["1, 1", "2, 2", "3, 3"]), radius=9.0)
        usual = watchlist_product(connection, watchlist, MocSettings())
        assert watchlist_product(connection, watchlist, MocSettings(region_order=9)).version == usual.version
        coarse = watchlist_product(connection, watchlist, MocSettings(watchlist_order=8))
        split = watchlist_product(connection, watchlist, MocSettings(watchlist_cones=2))
    assert len({product.version for product in (usual, coarse, split)}) == 3
    assert len({product.code_version for product in (usual, coarse, split)}) == 3
    assert [moc.max_order for moc in (*usual.mocs, *coarse.mocs)] == [13, 8]
    assert [len(product.mocs) for product in (usual, coarse, split)] == [1, 1, 2]
    assert split.about == {"cones": 3, "order": 13, "cones per file": 2}
