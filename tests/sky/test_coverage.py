"""Coverage: exactly the cells of the objects, at every order."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from mocpy import MOC

from broker_assets.database.engine import connect
from broker_assets.sky.cells import cells_at
from broker_assets.sky.coverage import coverage

pytestmark = pytest.mark.database


@pytest.mark.parametrize("count", [0, 1, 300])
def test_the_cells_of_all_objects(database_url: str, count: int) -> None:
    random = np.random.default_rng(2)
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, healpix) SELECT n, 1, cell FROM"
            " unnest(%s::bigint[]) WITH ORDINALITY AS given (cell, n) UNION ALL SELECT 0, 1, NULL",
            (cells_at(ra, dec).tolist(),),
        )
        for order in (0, 3, 7):
            found = coverage(connection, order)
            assert found.moc == MOC.from_lonlat(ra * u.deg, dec * u.deg, max_norder=order)
            assert found.version == coverage(connection, order).version
        with pytest.raises(ValueError, match="order is 8"):
            coverage(connection, 8)
