"""Sky maps: values of a real map, and a small map computed by hand."""

from __future__ import annotations

import gzip
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given

from broker_assets.settings import InputLimits
from broker_assets.sky.skymaps import NotASkyMap, match_sky_map, read_sky_map, stored_sky_map


def map_bytes(
    density: np.ndarray, *, order: int = 0, unit: str | None = None, uniq: str = "K", frame: str = "COORDSYS",
    density_unit: str | None = "sr-1", **columns: np.ndarray,
) -> bytes:  # fmt: skip
    """A map of the whole sky at one order."""
    pixels = np.arange(12 * 4**order)
    table = [
        fits.Column("UNIQ", uniq, array=pixels + 4 * 4**order),
        fits.Column("PROBDENSITY", "D", array=density, unit=density_unit),
    ]
    table += [fits.Column(name, "D", array=values, unit=unit) for name, values in columns.items()]
    buffer = io.BytesIO()
    hdu = fits.BinTableHDU.from_columns(table)
    hdu.header.update(OBJECT="S1", **{"MJD-OBS": 60000.5, frame: "C" if frame == "COORDSYS" else "GALACTIC"})
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


@pytest.mark.parametrize(
    ("unit", "megaparsecs"), [("Mpc", 1.0), (None, 1.0), ("kpc", 1e-3), ("Gpc", 1e3), ("m", 3.24e-23)]
)
def test_distances_have_units(unit: str | None, megaparsecs: float) -> None:
    values = np.full(12, 40.0)
    sky_map = read_sky_map(map_bytes(np.full(12, 1 / 12) / AREA, unit=unit, DISTMU=values, DISTSIGMA=values / 8))
    assert sky_map.distance_mean == pytest.approx(np.full(12, 40.0 * megaparsecs), rel=1e-3)
    assert sky_map.distance_sigma == pytest.approx(np.full(12, 5.0 * megaparsecs), rel=1e-3)


@pytest.mark.parametrize("name", ["probdensity", "ProbDensity"])
@pytest.mark.parametrize(("unit", "factor"), [("sr-1", 1.0), (None, 1.0), ("1/sr", 1.0), ("deg-2", 3282.80635)])
def test_densities_have_units_and_columns_any_case(unit: str | None, factor: float, name: str) -> None:
    content = map_bytes(np.full(12, 1 / 12) / AREA / factor, density_unit=unit, DISTMU=np.full(12, 40.0))
    for old, new in ((b"'PROBDENSITY'", f"'{name}'".encode()), (b"'UNIQ", b"'uniq"), (b"'DISTMU", b"'distmu")):
        assert old in content
        content = content.replace(old, new)
    sky_map = read_sky_map(content)
    assert sky_map.probability_density * AREA == pytest.approx(np.full(12, 1 / 12))
    assert sky_map.distance_mean.tolist() == [40.0] * 12


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"density_unit": "pix-1"}, "not a probability per solid angle"),
        ({"unit": "deg", "DISTMU": np.full(12, 40.0)}, "not a unit of length"),
        ({"unit": "parsnip", "DISTMU": np.full(12, 40.0)}, "not a unit of length"),
        ({"uniq": "E"}, "32-bit floating-point"),
        ({"frame": "RADESYS"}, "COORDSYS is 'GALACTIC'"),
    ],
)
def test_columns_that_mean_something_else_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotASkyMap, match=reason):
        read_sky_map(map_bytes(np.full(12, 1 / 12) / AREA, **options))


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


@pytest.mark.shared
@pytest.mark.parametrize("name", ["gz.fits.gz", "icrs.fits", "equatorial.fits"])
def test_maps_of_the_field_are_read(shared_folder: Path, name: str) -> None:
    sky_map = read_sky_map((shared_folder / "data/sky/field/skymap" / name).read_bytes())
    assert (sky_map.probability_density * sky_map.area).sum() == pytest.approx(1.0, abs=0.01)


@pytest.mark.shared
def test_a_flat_map_is_named_as_flat(shared_folder: Path) -> None:
    content = (shared_folder / "data/sky/field/skymap/flat_gz.fits.gz").read_bytes()
    with pytest.raises(NotASkyMap, match=r"flat HEALPix map \(NSIDE 128\)"):
        read_sky_map(content)


UNIFORM = np.full(12, 1 / (4 * np.pi))


@pytest.mark.parametrize("keyword", ["OBJECT", "MJD-OBS", "DISTMEAN", "DISTSTD", "COORDSYS"])
@pytest.mark.parametrize("value", ["", " 'far'", "                    T", " 'icrs'", "           (1.0, 2.0)"])
def test_undefined_and_odd_keywords_are_missing_values(keyword: str, value: str) -> None:
    content = map_bytes(UNIFORM)
    start = content.find(f"{keyword:8}=".encode())
    written = f"{keyword:8}={value}".ljust(80).encode()
    if start >= 0:
        content = content[:start] + written + content[start + 80 :]
    else:
        end = content.rindex(b"END" + b" " * 77)
        content = content[:end] + written + content[end : end + 80] + content[end + 160 :]
    if keyword == "COORDSYS" and value.strip("' ") in {"far", "T", "(1.0, 2.0)"}:
        with pytest.raises(NotASkyMap, match="COORDSYS is"):
            read_sky_map(content)
        return
    sky_map = read_sky_map(content)
    assert isinstance(sky_map.name, str)
    assert isinstance(sky_map.mjd, float)
    assert all(np.isnan(sky_map.overall_distance))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (InputLimits(sky_map_rows=11), "12 cells, more than 11 .BROKER_LIMITS__SKY_MAP_ROWS"),
        (InputLimits(sky_map_bytes=8639), "BROKER_LIMITS__SKY_MAP_BYTES"),
    ],
)
def test_larger_maps_are_refused_but_kept_ones_are_read(limits: InputLimits, reason: str) -> None:
    content = map_bytes(UNIFORM)
    for sent in (content, gzip.compress(content)):
        with pytest.raises(NotASkyMap, match=reason):
            read_sky_map(sent, limits=limits)
        assert stored_sky_map(sent).version == read_sky_map(content).version


@pytest.mark.parametrize("rows", [13, 2**31, 2**62, -1])
def test_rows_that_the_file_does_not_have_are_not_made_room_for(rows: int) -> None:
    content = re.sub(rb"NAXIS2  = +12", f"NAXIS2  = {rows:20d}".encode(), map_bytes(UNIFORM))
    with memory_below(4 * 1024**2), pytest.raises(NotASkyMap):
        read_sky_map(content[:5840] if rows == 13 else content, limits=InputLimits(sky_map_rows=2**63))


@given(damaged([map_bytes(UNIFORM, DISTMU=UNIFORM, DISTSIGMA=UNIFORM), gzip.compress(map_bytes(UNIFORM), mtime=0)]))
def test_damaged_maps_are_maps_or_say_why(content: bytes) -> None:
    with memory_below(8 * 1024**2), refused_with_reason(NotASkyMap):
        sky_map = read_sky_map(content)
        assert np.isfinite(sky_map.contour).all()
        assert sky_map.contour_moc(90).max_order <= 29
        sky_map.most_probable()
