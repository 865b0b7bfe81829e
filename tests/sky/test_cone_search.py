"""Objects near a position, against all distances."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at
from broker_assets.sky.cone_search import BadCone, objects_near
from broker_assets.sky.separation import separation

pytestmark = pytest.mark.database
FIELD = 3000


@pytest.fixture(scope="module")
def stored(module_database_url: str) -> Any:
    """Objects all over the sky, many of them at the poles, at RA 0 and close to one another."""
    generator = np.random.default_rng(11)
    ra = generator.uniform(0, 360, FIELD)
    dec = np.degrees(np.arcsin(generator.uniform(-1, 1, FIELD)))
    ra[:400], dec[:400] = generator.uniform(-0.2, 0.2, 400) % 360, generator.uniform(-0.2, 0.2, 400)
    dec[400:600] = 90 - generator.exponential(0.05, 200)
    dec[600:800] = -90 + generator.exponential(0.05, 200)
    ra[800:1000] = 150 + generator.normal(0, 1e-3, 200)
    dec[800:1000] = 2 + generator.normal(0, 1e-3, 200)
    ra[0], dec[0], dec[400], dec[600] = 0.0, 0.0, 90.0, -90.0
    with engine.connect(module_database_url, autocommit=True) as connection:
        with connection.cursor().copy(
            "COPY objects (diaobjectid, ra, decl, healpix, survey, night) FROM STDIN"
        ) as rows:
            for number, cell in enumerate(cells_at(ra, dec)):
                rows.write_row((number + 1, float(ra[number]), float(dec[number]), int(cell), 1, "2026-01-01"))
        yield connection, ra, dec


def _cases() -> list[tuple[float, float, float]]:
    generator = np.random.default_rng(12)
    centres = [(0.0, 0.0), (359.99, 0.05), (0.0, 90.0), (123.0, -90.0), (150.0, 2.0), (10.0, 41.0), (360.0, 89.99)]
    radii = [0.0, 1e-6, 0.5, 5.0, 60.0, 1000.0, 3600.0, 36000.0]
    random = zip(generator.uniform(0, 360, 30), generator.uniform(-90, 90, 30), strict=True)
    return [(float(ra), float(dec), radius) for ra, dec in [*centres, *random] for radius in radii]


def test_every_object_in_the_cone_and_no_other(stored: Any) -> None:
    connection, ra, dec = stored
    found = 0
    for centre_ra, centre_dec, radius in _cases():
        near = objects_near(connection, centre_ra, centre_dec, radius)
        distance = separation(centre_ra, centre_dec, ra, dec)
        wanted = np.flatnonzero(distance <= radius) + 1
        assert sorted(near.diaobjectid) == sorted(wanted), (centre_ra, centre_dec, radius)
        assert (np.diff(near.arcsec) >= 0).all()
        np.testing.assert_allclose(near.arcsec, distance[near.diaobjectid - 1])
        found += len(near)
    assert found > 2000


@pytest.mark.parametrize(
    ("ra", "dec", "radius", "why"),
    [
        (-1, 0, 1, "ra"),
        (361, 0, 1, "ra"),
        (0, 91, 1, "dec"),
        (0, 0, -1, "radius"),
        (0, 0, 1e6, "radius"),
        (float("nan"), 0, 1, "ra"),
    ],
)
def test_a_cone_that_cannot_be(stored: Any, ra: float, dec: float, radius: float, why: str) -> None:
    with pytest.raises(BadCone, match=why):
        objects_near(stored[0], ra, dec, radius)


def test_the_index_is_used(stored: Any) -> None:
    connection: psycopg.Connection[Any] = stored[0]
    connection.execute("ANALYZE objects")
    connection.execute("SET enable_seqscan = off")
    plan = connection.execute(
        "EXPLAIN SELECT diaobjectid FROM unnest(ARRAY[1::bigint], ARRAY[2::bigint]) AS range (low, high)"
        " JOIN objects ON healpix >= low AND healpix < high"
    ).fetchall()
    assert "objects_healpix" in str(plan)
