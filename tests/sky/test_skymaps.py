"""Sky maps: values of a real map, and a small map computed by hand."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.sky.skymaps import NotASkyMap, match_sky_map, read_sky_map


def map_bytes(density: np.ndarray, *, order: int = 0, **columns: np.ndarray) -> bytes:
    """A map of the whole sky at one order."""
    pixels = np.arange(12 * 4**order)
    table = [fits.Column("UNIQ", "K", array=pixels + 4 * 4**order), fits.Column("PROBDENSITY", "D", array=density)]
    table += [fits.Column(name, "D", array=values) for name, values in columns.items()]
    buffer = io.BytesIO()
    hdu = fits.BinTableHDU.from_columns(table)
    hdu.header.update(COORDSYS="C", OBJECT="S1", **{"MJD-OBS": 60000.5})
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(buffer)
    return buffer.getvalue()


AREA = np.pi / 3  # of a base pixel, steradian


def test_contours_are_cumulated_from_the_densest() -> None:
    probability = np.array([0.5, 0.25, 0.125, 0.125, 0, 0, 0, 0, 0, 0, 0, 0])
    sky_map = read_sky_map(map_bytes(probability / AREA))
    assert sky_map.contour[:4] == pytest.approx([50, 75, 100, 100])
    assert sky_map.contour_moc(75).sky_fraction == pytest.approx(2 / 12)
    assert sky_map.name == "S1"
    assert sky_map.mjd == 60000.5


def test_distance_compatibility() -> None:
    probability = np.full(12, 1 / 12)
    mean, sigma = np.full(12, 100.0), np.full(12, 20.0)
    mean[4], sigma[4] = np.inf, 1.0
    content = map_bytes(probability / AREA, DISTMU=mean, DISTSIGMA=sigma)
    # (45, 45) lies in base pixel 0, (0, 0) in base pixel 4, where the map's distance is unknown
    hits = match_sky_map(
        read_sky_map(content), [45.0, 0.0, 45.0], [45.0, 0.0, 45.0], distance=[140.0, 140.0, np.nan], level=100
    )
    assert hits.distance_deviation[0] == pytest.approx(2.0)
    assert hits.volume_density[0] == pytest.approx(probability[0] / AREA * np.exp(-2.0))
    assert hits.distance_deviation[1] == -100.0
    assert hits.volume_density[1] == 0.0
    assert np.isnan(hits.volume_density[2])


def test_level_bounds_the_hits() -> None:
    probability = np.array([0.6, 0.4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    sky_map = read_sky_map(map_bytes(probability / AREA))
    inside, outside = ([45.0], [45.0]), ([135.0], [45.0])
    assert len(match_sky_map(sky_map, *inside, level=60.01)) == 1
    assert len(match_sky_map(sky_map, *outside, level=90)) == 0
    assert len(match_sky_map(sky_map, *outside, level=100)) == 1


@pytest.mark.shared
def test_real_map(shared_folder: Path) -> None:
    folder = shared_folder / "data/lasair/tests/unit/common/src/skymapdata"
    sky_map = read_sky_map((folder / "map.fits").read_bytes())
    assert sky_map.most_probable() == pytest.approx((194.304, -17.857), abs=1e-3)
    hits = match_sky_map(sky_map, [194.0], [-19.0])
    assert hits.contour[0] == pytest.approx(66.307, abs=1e-3)
    assert hits.probability_density[0] == pytest.approx(85.0601, abs=1e-4)
    from broker_assets.sky.areas import moc_version, read_moc

    assert moc_version(sky_map.contour_moc(90)) == moc_version(read_moc((folder / "90.moc").read_bytes()))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"plain text", "damaged"),
        (map_bytes(np.full(12, 5.0)), "is 62.8, not 1"),
        (map_bytes(np.full(12, -1.0)), "negative"),
        (map_bytes(np.full(12, np.nan)), "non-finite"),
        (map_bytes(np.full(12, 1 / 12 / AREA))[:2000], "damaged|no table"),
    ],
)
def test_refuses(content: bytes, reason: str) -> None:
    with pytest.raises(NotASkyMap, match=reason):
        read_sky_map(content)


def test_refuses_overlapping_cells() -> None:
    table = [fits.Column("UNIQ", "K", array=[4, 16]), fits.Column("PROBDENSITY", "D", array=[0.5, 0.5])]
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(table)]).writeto(buffer)
    with pytest.raises(NotASkyMap, match="overlap"):
        read_sky_map(buffer.getvalue())
