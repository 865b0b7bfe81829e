"""Areas: what is taken and refused, and the index against each MOC alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC, TimeMOC

from broker_assets.sky.areas import (
    NotAnArea,
    build_area_index,
    match_areas,
    moc_bytes,
    moc_version,
    read_moc,
    update_area_index,
)


def random_moc(random: np.random.Generator) -> MOC:
    order = int(random.integers(0, 11))
    pixels = random.integers(0, 12 * 4**order, int(random.integers(1, 40)))
    return MOC.from_healpix_cells(pixels.astype(np.uint64), np.full(len(pixels), order, np.uint8), max_depth=10)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_index_equals_each_moc(seed: int) -> None:
    random = np.random.default_rng(seed)
    areas = {int(random.integers(1, 10**12)): random_moc(random) for _ in range(8)}
    ra = random.uniform(0, 360, 2000)
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, 2000)))
    hits = match_areas(build_area_index(areas), ra, dec)
    for area, moc in areas.items():
        assert np.array_equal(
            hits.position[hits.area == area], np.flatnonzero(moc.contains_lonlat(ra * u.deg, dec * u.deg))
        )
    assert np.array_equal(np.lexsort((hits.area, hits.position)), np.arange(len(hits)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_update_equals_a_new_build(seed: int) -> None:
    random = np.random.default_rng(seed)
    areas = {number: random_moc(random) for number in range(10)}
    changed = {number: random_moc(random) for number in (3, 12)}
    updated = update_area_index(build_area_index(areas), removed={1, 5}, added=changed)
    wanted = {number: moc for number, moc in areas.items() if number not in {1, 5}} | changed
    rebuilt = build_area_index(wanted)
    assert updated.version == rebuilt.version
    ra, dec = random.uniform(0, 360, 500), np.degrees(np.arcsin(random.uniform(-1, 1, 500)))
    assert np.array_equal(match_areas(updated, ra, dec).area, match_areas(rebuilt, ra, dec).area)


def test_an_object_may_lie_in_any_number_of_areas() -> None:
    everywhere = MOC.from_str("0/0-11")
    hits = match_areas(build_area_index(dict.fromkeys(range(100), everywhere)), [1.0, 2.0], [3.0, 90.0])
    assert len(hits) == 200


def test_no_areas() -> None:
    assert len(match_areas(build_area_index({}), [1.0], [2.0])) == 0


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("unit/pipeline/filter/sample_areas/ar_1.fits", (11, 53.346)),
        ("system/sample_area.fits", (11, 10.1)),
        ("unit/common/src/bad_fits_test_files/orion.fits", (9, 0.7606)),
        ("unit/pipeline/filter/sample_areas/ar_2.fits", "not a FITS file"),
        ("unit/pipeline/filter/sample_areas/not_a_moc.txt", "not a FITS file"),
        ("unit/common/src/bad_fits_test_files/orion29.fits", "order 29"),
        ("unit/common/src/skymapdata/map.fits", "5 columns"),
        ("unit/common/src/sample_cutout.fits", "not a binary table"),
    ],
)
def test_files_of_lasair(shared_folder: Path, path: str, outcome: Any) -> None:
    content = (shared_folder / "data/lasair/tests" / path).read_bytes()
    if isinstance(outcome, str):
        with pytest.raises(NotAnArea, match=outcome):
            read_moc(content)
    else:
        moc = read_moc(content)
        assert moc.max_order == outcome[0]
        assert moc.sky_fraction * 41252.96 == pytest.approx(outcome[1], rel=1e-2)


def test_refuses_what_is_no_area() -> None:
    with pytest.raises(NotAnArea, match="empty"):
        read_moc(moc_bytes(MOC.new_empty(5)))
    with pytest.raises(NotAnArea, match="order 15"):
        read_moc(moc_bytes(MOC.from_str("15/7")))
    whole = moc_bytes(MOC.from_str("8/" + " ".join(str(cell) for cell in range(0, 4000, 10))))
    with pytest.raises(NotAnArea, match=r"damaged|cannot be read"):
        read_moc(whole[:5800])
    buffer = io.BytesIO()
    TimeMOC.from_str("20/1").serialize(format="fits").writeto(buffer)
    with pytest.raises(NotAnArea, match=r"MOCDIM|ORDERING"):
        read_moc(buffer.getvalue())
    galactic = fits.open(io.BytesIO(whole))
    galactic[1].header["COORDSYS"] = "G"
    buffer = io.BytesIO()
    galactic.writeto(buffer)
    with pytest.raises(NotAnArea, match="COORDSYS"):
        read_moc(buffer.getvalue())


@given(data=st.binary(max_size=400), at=st.integers(0, 5700))
@settings(max_examples=40, deadline=None)
def test_damaged_bytes_are_refused_or_read_but_never_crash(data: bytes, at: int) -> None:
    whole = bytearray(moc_bytes(MOC.from_str("8/100-120 9/77")))
    whole[at : at + len(data)] = data
    try:
        moc = read_moc(bytes(whole))
    except NotAnArea:
        return
    assert not moc.empty()
    assert moc.max_order <= 12


def test_version_is_that_of_the_cells() -> None:
    moc = MOC.from_str("3/5 4/100-103")
    assert moc_version(moc) == moc_version(read_moc(moc_bytes(moc)))
    assert moc_version(moc) != moc_version(MOC.from_str("3/5"))
