"""Stamps are north up and east left, whatever way their images were taken."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from broker_assets.packets.cutouts import CutoutError
from broker_assets.packets.stamp_pictures import limits, oriented, stamp_png, stamps_png

SIZE = 41
STAR = (150.0, 2.0)
ARCSEC = 0.5


def stamp(angle: float, *, mirrored: bool = False, neighbour: tuple[float, float] = (5.0, 5.0)) -> bytes:
    """An image rotated by an angle, with a star in the middle and one east and north of it by these arcsec."""
    sky = WCS(naxis=2)
    sky.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    sky.wcs.crval = STAR
    sky.wcs.crpix = [(SIZE + 1) / 2, (SIZE + 1) / 2]
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cosine, -sine], [sine, cosine]])
    flip = np.diag([1.0 if mirrored else -1.0, 1.0])
    sky.wcs.cd = flip @ turn * ARCSEC / 3600
    pixels = np.zeros((SIZE, SIZE), np.float32)
    pixels[SIZE // 2, SIZE // 2] = 100.0
    ra = STAR[0] + neighbour[0] / 3600 / np.cos(np.radians(STAR[1]))
    column, row = sky.wcs_world2pix([[ra, STAR[1] + neighbour[1] / 3600]], 0)[0]
    pixels[round(row), round(column)] = 50.0
    buffer = io.BytesIO()
    astropy_fits.PrimaryHDU(pixels, sky.to_header()).writeto(buffer)
    return buffer.getvalue()


@given(st.floats(0, 360), st.booleans())
@settings(max_examples=12)
def test_a_known_pair_has_north_up_and_east_left(angle: float, mirrored: bool) -> None:
    found = oriented(stamp(angle, mirrored=mirrored), STAR)
    assert found.arcsec == pytest.approx(ARCSEC, rel=1e-3)
    assert found.target == pytest.approx(((SIZE - 1) / 2, (SIZE - 1) / 2), abs=1e-3)
    # The neighbour, 5 arcsec east and 5 north, is 10 pixels left of the middle and 10 above it; resampling may lose it.
    middle, around = SIZE // 2, slice(SIZE // 2 - 12, SIZE // 2 - 8)
    assert found.pixels[middle, middle] == 100.0
    away = np.argwhere(found.pixels == 50.0)
    assert all(around.start <= row < around.stop and around.start <= column < around.stop for row, column in away)


def test_an_upright_image_stays_as_it_is() -> None:
    found = oriented(stamp(0.0))
    assert found.pixels[SIZE // 2 - 10, SIZE // 2 - 10] == 50.0


def test_without_world_coordinates_the_image_is_shown_as_it_is() -> None:
    buffer = io.BytesIO()
    astropy_fits.PrimaryHDU(np.arange(6, dtype=np.float32).reshape(2, 3)).writeto(buffer)
    found = oriented(buffer.getvalue(), STAR)
    assert (found.arcsec, found.target, found.pixels.shape) == (None, None, (3, 3))
    assert stamp_png(found, 0, 5, stretched=True).startswith(b"\x89PNG")
    with pytest.raises(CutoutError):
        oriented(b"SIMPLE  = nonsense")


def test_limits_are_symmetric_about_zero_for_differences() -> None:
    pixels = np.array([np.nan, -2.0, 0.0, 5.0])
    low, high = limits(pixels, difference=True)
    assert low == -high
    assert limits(pixels, difference=False)[0] < 0 < limits(pixels, difference=False)[1]
    assert limits(np.array([np.nan]), difference=False) == (0.0, 1.0)
    assert limits(np.zeros(3), difference=False) == (0.0, 1.0)


def test_pictures_are_equally_large_and_missing_pixels_are_hatched() -> None:
    found = oriented(stamp(45.0), STAR)
    assert np.isnan(found.pixels).any()
    with Image.open(io.BytesIO(stamp_png(found, 0.0, 100.0, stretched=False))) as picture:
        assert picture.size == (SIZE * 6, SIZE * 6)
        assert {96, 160} <= set(picture.convert("L").crop((SIZE * 6 - 20, SIZE * 6 - 20, SIZE * 6, SIZE * 6)).tobytes())


def test_small_pictures_are_side_by_side_with_only_the_pixels() -> None:
    drawn = oriented(stamp(0.0), None)
    with Image.open(io.BytesIO(stamps_png([(drawn, (0.0, 100.0), False), (drawn, (0.0, 50.0), True)]))) as picture:
        grey, opaque = (np.asarray(part) for part in picture.split())
    gap = SIZE // 13
    assert grey.shape == (SIZE, 2 * SIZE + gap)
    assert opaque.all(axis=0).tolist() == [True] * SIZE + [False] * gap + [True] * SIZE
    for first in (0, SIZE + gap):
        part = grey[:, first : first + SIZE]
        assert part[SIZE // 2, SIZE // 2] == 255
        assert np.count_nonzero(part) == 2
