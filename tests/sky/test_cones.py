"""The cone index against brute force over the whole sphere."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates.angles import offset_by
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.sky.cones import build_cone_index, cell_radius, match_cones, update_cone_index
from broker_assets.sky.separation import separation

POLAR_CAP = float(np.degrees(np.arcsin(2 / 3)))


def positions(random: np.random.Generator, where: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions where spherical geometry goes wrong first."""
    ra, dec = random.uniform(0, 360, count), np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    if where == "poles":
        dec = random.choice([-1.0, 1.0], count) * (90.0 - 10.0 ** random.uniform(-6, 0.7, count))
    elif where == "wrap":
        ra = np.mod(random.normal(0.0, 0.01, count), 360.0)
    elif where == "base pixel borders":
        ra = np.mod(random.integers(0, 8, count) * 45.0 + random.normal(0, 0.01, count), 360.0)
        dec = np.clip(random.choice([-POLAR_CAP, 0.0, POLAR_CAP], count) + random.normal(0, 0.02, count), -90, 90)
    return ra, dec


def around(
    random: np.random.Generator, ra: np.ndarray, dec: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Positions at a distance (arcsec) in random directions."""
    angle = random.uniform(0, 360, len(ra)) * u.deg
    longitude, latitude = offset_by(ra * u.deg, dec * u.deg, angle, distance * u.arcsec)
    return np.mod(longitude.to_value("deg"), 360.0), latitude.to_value("deg")


@pytest.mark.parametrize("where", ["sky", "poles", "wrap", "base pixel borders"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=12, deadline=None)
def test_hits_equal_brute_force(where: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    ra, dec = positions(random, where, 150)
    radius = 10.0 ** random.uniform(-1.0, np.log10(5 * 3600.0), 150)
    chosen = random.integers(0, 150, 3000)
    at_ra, at_dec = around(random, ra[chosen], dec[chosen], radius[chosen] * random.uniform(0.0, 1.3, 3000))
    hits = match_cones(build_cone_index(ra, dec, radius), at_ra, at_dec, chunk=1000)
    expected = np.nonzero(separation(at_ra[:, None], at_dec[:, None], ra, dec) <= radius)
    assert np.array_equal(hits.position, expected[0])
    assert np.array_equal(hits.cone, expected[1])
    assert np.allclose(
        hits.separation, separation(at_ra[hits.position], at_dec[hits.position], ra[hits.cone], dec[hits.cone])
    )


@pytest.mark.parametrize("radius", [20.0 * 3600, 100.0 * 3600, 180.0 * 3600])
def test_very_wide_cones(radius: float) -> None:
    random = np.random.default_rng(5)
    ra, dec = positions(random, "sky", 20)
    at_ra, at_dec = positions(random, "sky", 500)
    hits = match_cones(build_cone_index(ra, dec, np.full(20, radius)), at_ra, at_dec)
    assert len(hits) == np.count_nonzero(separation(at_ra[:, None], at_dec[:, None], ra, dec) <= radius)


def test_many_cones_at_one_place_grow_the_buffer() -> None:
    index = build_cone_index(np.full(30_000, 10.0), np.full(30_000, -5.0), np.full(30_000, 2.0))
    hits = match_cones(index, [10.0, 10.0], [-5.0, -5.0])
    assert np.array_equal(hits.position, np.repeat([0, 1], 30_000))
    assert np.array_equal(hits.cone, np.tile(np.arange(30_000), 2))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_update_equals_a_new_build(seed: int) -> None:
    random = np.random.default_rng(seed)
    ra, dec = positions(random, "sky", 300)
    radius = 10.0 ** random.uniform(0, 4, 300)
    identifier = np.arange(300)
    names = pa.array([f"cone {number}" if number % 3 else None for number in range(300)], pa.string())
    old, new = slice(0, 200), slice(200, 300)
    removed = random.random(200) < random.choice([0.0, 0.3, 1.0])
    before = build_cone_index(ra[old], dec[old], radius[old], cone=identifier[old], name=names[:200])
    added = build_cone_index(ra[new], dec[new], radius[new], cone=identifier[new], name=names[200:])
    updated = update_cone_index(before, removed=removed, added=added)
    stays = np.concatenate([~removed, np.ones(100, bool)])
    rebuilt = build_cone_index(
        ra[stays], dec[stays], radius[stays], cone=identifier[stays], name=names.filter(pa.array(stays))
    )
    assert updated.version == rebuilt.version
    assert updated.name.equals(rebuilt.name)
    at_ra, at_dec = around(random, ra, dec, radius * random.uniform(0, 1.2, 300))
    first, second = match_cones(updated, at_ra, at_dec), match_cones(rebuilt, at_ra, at_dec)
    assert np.array_equal(updated.cone[first.cone], rebuilt.cone[second.cone])


def test_version_ignores_order_and_sees_every_field() -> None:
    names = pa.array(["a", "b"])
    index = build_cone_index([1.0, 2.0], [3.0, 4.0], [5.0, 6.0], cone=[7, 8], name=names)
    turned = build_cone_index([2.0, 1.0], [4.0, 3.0], [6.0, 5.0], cone=[8, 7], name=names.take(pa.array([1, 0])))
    assert index.version == turned.version
    for change in (
        {"ra": [1.0, 2.5]}, {"dec": [3.0, 4.5]}, {"radius": [5.0, 6.5]}, {"cone": [7, 9]},
        {"watchlist": [0, 1]}, {"name": pa.array(["a", "c"])}, {"name": pa.array(["a", None])},
    ):  # fmt: skip
        fields = {"ra": [1.0, 2.0], "dec": [3.0, 4.0], "radius": [5.0, 6.0], "cone": [7, 8], "name": names} | change
        assert build_cone_index(**fields).version != index.version, change


def test_refuses_impossible_cones() -> None:
    with pytest.raises(ValueError, match=r"radius of cone 1 .* -3"):
        build_cone_index([1.0, 2.0], [0.0, 0.0], [1.0, -3.0])
    with pytest.raises(ValueError, match=r"declination in row 0 .* 91"):
        build_cone_index([1.0], [91.0], [1.0])
    with pytest.raises(ValueError, match="row 1 is not finite"):
        match_cones(build_cone_index([1.0], [1.0], [1.0]), [0.0, np.nan], [0.0, 0.0])


def test_no_cones_no_positions() -> None:
    empty = build_cone_index([], [], [])
    assert len(match_cones(empty, [1.0], [1.0])) == 0
    assert len(match_cones(build_cone_index([1.0], [1.0], [1.0]), [], [])) == 0


@pytest.mark.parametrize("order", range(7))
def test_cell_radius_bounds_every_cell(order: int) -> None:
    import cdshealpix

    pixels = np.arange(12 * 4**order, dtype=np.uint64)
    longitude, latitude = cdshealpix.healpix_to_lonlat(pixels, order)
    corner_ra, corner_dec = cdshealpix.vertices(pixels, order)
    distance = separation(longitude.deg[:, None], latitude.deg[:, None], corner_ra.deg, corner_dec.deg) / 3600
    assert distance.max() <= np.degrees(cell_radius(order)) + 1e-6
