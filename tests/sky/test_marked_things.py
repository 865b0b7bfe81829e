"""Maps of what is stored: objects near each other, cones, and what has no position."""

from __future__ import annotations

import numpy as np
import pytest
from stored_points import connect, store

from broker_assets.database.tables import objects
from broker_assets.sky.cells import cells_at
from broker_assets.sky.marked_things import NoPosition, cone_field, object_field

pytestmark = pytest.mark.database


def put(url: str, number: int, ra: float, dec: float) -> None:
    """An object at a position."""
    store(url, objects, diaobjectid=number, ra=ra, decl=dec, healpix=int(cells_at(np.array([ra]), np.array([dec]))[0]))


def test_an_object_its_neighbours_and_a_cone(database_url: str) -> None:
    for number, ra in ((1, 359.9999), (2, 0.0001), (3, 0.01), (4, 1.0)):
        put(database_url, number, ra, 0.0)
    with connect(database_url) as connection:
        field = object_field(connection, 1)
        assert [(one.kind, one.name) for one in field.points] == [("centre", "1"), ("object", "2"), ("object", "3")]
        assert field.points[1].detail == "0.72″"
        assert (field.ra, field.dec, field.width, field.circles) == (359.9999, 0.0, 30.0 / 3600.0, ())
        cone = cone_field(connection, 0.0, 0.0, 10.0)
        assert {one.name for one in cone.points} == {"searched position", "1", "2"}
        assert cone.circles[0].arcsec == 10.0
        with pytest.raises(NoPosition):
            object_field(connection, 9)
