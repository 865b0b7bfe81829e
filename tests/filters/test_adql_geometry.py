"""Geometry becomes arithmetic; what cannot be translated exactly is refused."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.filters.adql import translate
from broker_assets.filters.adql_geometry import near_arrays
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.sky.cells import cells_at
from broker_assets.sky.separation import separation


@pytest.mark.parametrize(
    ("region", "says"),
    [
        ("POLYGON(0, 0, 120, 10, 240, 0, 300, 40)", "half of the sky"),
        ("POLYGON(0, 0, 10, 0, 20, 0)", "one great circle"),
        ("POLYGON(0, 0, 10, 0)", "3 to 100"),
        ("POLYGON(0, 0, 0, 0, 5, 5)", "same"),
        ("POLYGON(0, 0, 10, 0, 5, 95)", "declination"),
        ("POLYGON(ra, 0, 10, 0, 5, 9)", "numbers"),
        ("POLYGON('GALACTIC', 0, 0, 10, 0, 5, 9)", "ICRS"),
        ("CIRCLE(1, 2)", "not a point"),
        ("CIRCLE(1)", "CIRCLE takes"),
        ("BOX(1, 2, 3)", "not a point"),
        ("BOX(1, 2)", "BOX takes"),
        ("BOX(1, 2, 180, 3)", "below 180"),
        ("BOX(1, 92, 1, 3)", "declination"),
        ("REGION('CIRCLE ICRS 1 2 3')", "deprecates"),
    ],
)
def test_regions_that_are_refused(region: str, says: str) -> None:
    with pytest.raises(AdqlError, match=says):
        translate(f"SELECT 1 FROM objects WHERE 1 = CONTAINS(POINT(ra, decl), {region})", limit=1)


def test_a_polygon_over_the_edge_of_right_ascension() -> None:
    found = translate(
        "SELECT 1 FROM objects WHERE 1 = CONTAINS(POINT(ra, decl), POLYGON(359, -1, 1, -1, 1, 1, 359, 1))", limit=1
    )
    assert "healpix >=" in found.statement


@pytest.mark.parametrize("radius", [1e-5, 0.003, 0.2, 5.0])
def test_cells_around_positions_hold_every_circle(radius: float) -> None:
    random = np.random.default_rng(5)
    dec = np.concatenate([np.degrees(np.arcsin(random.uniform(-1, 1, 200))), [90.0, -90.0, 41.8103, np.nan, 95.0]])
    ra = np.concatenate([random.uniform(0, 360, 200), [0.0, 10.0, 45.0, 1.0, 1.0]])
    at_ra, at_dec, low, high = near_arrays(ra, dec, radius)
    assert len({*zip(at_ra, at_dec, strict=True)}) == 203
    ranges: dict[tuple[float, float], list[tuple[int, int]]] = {}
    for one, other, first, last in zip(at_ra, at_dec, low, high, strict=True):
        ranges.setdefault((one, other), []).append((first, last))
    for (one, other), cells in ranges.items():
        angle = random.uniform(0, 2 * np.pi, 50)
        new_dec = np.clip(other + 0.999 * radius * np.sin(angle), -90, 90)
        new_ra = one + 0.999 * radius * np.cos(angle) / max(np.cos(np.radians(other)), 1e-9)
        inside = separation(one, other, new_ra % 360, new_dec) <= radius * 3600
        for cell in cells_at(new_ra[inside] % 360, new_dec[inside]).tolist():
            assert any(first <= cell < last for first, last in cells)
