"""Dust maps: the small SFD map, HEALPix tables, and the polar images of the original."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from cdshealpix import ring, to_ring
from cdshealpix.nested import bilinear_interpolation, healpix_to_lonlat

from broker_assets.lightcurves.dust import NotADustMap, read_dust_map

PIXELS = np.arange(12 * 4**5)


def _field(longitude: Any, latitude: Any) -> Any:
    """A smooth map of all the sky."""
    return 2.0 + np.sin(np.radians(latitude)) + 0.5 * np.cos(np.radians(longitude)) * np.cos(np.radians(latitude))


def _positions(count: int = 500) -> SkyCoord:
    random = np.random.default_rng(2)
    latitude = np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return SkyCoord(random.uniform(0, 360, count), latitude, unit="deg", frame="galactic")


def _healpix(path: Path, columns: dict[str, np.ndarray], **cards: Any) -> Path:
    table = fits.BinTableHDU.from_columns([fits.Column(name, "E", array=values) for name, values in columns.items()])
    table.header.update(cards)
    table.writeto(path)
    return path


def _polar(folder: Path, *, size: int = 512, **south: Any) -> list[Path]:
    paths = []
    for sign, name in ((1, "ngp"), (-1, "sgp")):
        y, x = np.mgrid[0:size, 0:size] - (size - 1) / 2
        radius = np.hypot(x, y) / (size / 2)
        latitude = np.degrees(np.arcsin(np.clip(sign * (1 - radius**2), -1, 1)))
        longitude = np.degrees(np.arctan2(-sign * y, x))
        image = fits.PrimaryHDU(_field(longitude, latitude).astype(np.float32))
        centre = (size + 1) / 2
        image.header.update({"LAM_NSGP": sign, "LAM_SCAL": size / 2, "CRPIX1": centre, "CRPIX2": centre})
        if sign < 0:
            image.header.update(south)
        image.writeto(folder / f"dust_{name}.fits")
        paths.append(folder / f"dust_{name}.fits")
    return paths


def test_the_small_map_needs_no_file_and_knows_the_sky() -> None:
    dust = read_dust_map()
    assert dust.resolution == pytest.approx(0.916, abs=1e-3)
    assert dust.version == read_dust_map().version
    pole, plane = dust.ebv([192.85948], [27.1283])[0], dust.ebv([266.405], [-28.936])[0]
    assert 0.005 < pole < 0.03  # the clearest direction
    assert plane > 10.0
    # Means of pixels of the map, so positions at their centres are near them.
    longitude, latitude = ring.healpix_to_lonlat(PIXELS, 32)
    where = SkyCoord(longitude, latitude, frame="galactic").icrs
    assert np.isfinite(dust.ebv(where.ra.deg, where.dec.deg)).all()


def test_errors_of_the_small_map_are_as_documented() -> None:
    """Half its resolution differs from it by what `docs/features.md` gives as its error."""
    dust = read_dust_map()
    pixels: np.ndarray = dust.geometry.values  # type: ignore[attr-defined]
    longitude, latitude = healpix_to_lonlat(np.arange(len(pixels)), 6)
    neighbours, weights = bilinear_interpolation(longitude, latitude, 5)
    coarse = (pixels.reshape(-1, 4).mean(axis=1)[np.asarray(neighbours)] * np.asarray(weights)).sum(axis=1)
    error = np.abs(coarse / pixels - 1)
    height = np.abs(latitude.deg)
    for low, high, documented in ((20, 90, 0.10), (5, 20, 0.11), (0, 5, 0.19)):
        chosen = (height >= low) & (height < high)
        assert np.percentile(error[chosen], 68) == pytest.approx(documented, abs=0.01)


@pytest.mark.parametrize("column", ["EBV", "E(B-V)", "TEMPERATURE", "dust"])
def test_healpix_tables_in_either_order(tmp_path: Path, column: str) -> None:
    longitude, latitude = healpix_to_lonlat(PIXELS, 5)
    nested = _field(longitude.deg, latitude.deg)
    in_rings = np.empty_like(nested)
    in_rings[np.asarray(to_ring(PIXELS, 5), np.int64)] = nested
    one = read_dust_map([_healpix(tmp_path / "nested.fits", {column: nested}, ORDERING="NESTED", COORDSYS="GALACTIC")])
    other = read_dust_map([_healpix(tmp_path / "ring.fits", {column: in_rings}, ORDERING="RING", COORDSYS="G")])
    assert one.version == other.version
    where = _positions()
    found = one.ebv(where.icrs.ra.deg, where.icrs.dec.deg)
    np.testing.assert_allclose(found, _field(where.l.deg, where.b.deg), atol=0.01)
    scaled = read_dust_map([tmp_path / "ring.fits"], scale=1 / 0.86)
    assert scaled.version != one.version
    np.testing.assert_allclose(scaled.ebv([10.0], [20.0]), one.ebv([10.0], [20.0]) / 0.86)


def test_the_original_images(tmp_path: Path) -> None:
    dust = read_dust_map(_polar(tmp_path)[::-1])
    where = _positions()
    found = dust.ebv(where.icrs.ra.deg, where.icrs.dec.deg)
    np.testing.assert_allclose(found, _field(where.l.deg, where.b.deg), atol=0.03)
    assert dust.name == "dust_ngp.fits, dust_sgp.fits"
    assert dust.resolution == pytest.approx(np.degrees(np.sqrt(2) / 256))


def test_no_value_where_there_is_no_position_or_no_map(tmp_path: Path) -> None:
    values = np.full(12, 0.5)
    values[3] = -1.6375e30
    dust = read_dust_map([_healpix(tmp_path / "hole.fits", {"EBV": values}, ORDERING="NESTED")])
    assert np.isnan(dust.ebv([np.nan, 0.0, np.inf], [0.0, 91.0, 0.0])).all()
    hole = SkyCoord(*healpix_to_lonlat(np.array([3]), 0), frame="galactic").icrs
    assert np.isnan(dust.ebv(hole.ra.deg, hole.dec.deg)).all()
    assert dust.ebv([], []).shape == (0,)


@pytest.mark.parametrize(
    ("columns", "cards", "reason"),
    [
        ({"EBV": np.ones(12)}, {"ORDERING": "NESTED", "COORDSYS": "C"}, "not in galactic coordinates"),
        ({"EBV": np.ones(12)}, {}, "how its pixels are ordered"),
        ({"EBV": np.ones(13)}, {"ORDERING": "RING"}, "does not cover the whole sky"),
        ({"A": np.ones(12), "B": np.ones(12)}, {"ORDERING": "RING"}, "no column EBV; it has A, B"),
        ({"I": np.ones(12)}, {"ORDERING": "RING", "TUNIT1": "K_CMB"}, "in K_CMB, which is not a unit of E"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, columns: Any, cards: Any, reason: str) -> None:
    with pytest.raises(NotADustMap, match=reason):
        read_dust_map([_healpix(tmp_path / "map.fits", columns, **cards)])


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.fits").write_text("no map")
    north, south = _polar(tmp_path, size=64, LAM_SCAL=31.0)
    unreadable = tmp_path / "unreadable.fits"
    unreadable.write_bytes(re.sub(rb"(CRPIX1  = ).{20}", rb"\g<1>          thirty two", north.read_bytes()))
    for paths, reason in (
        ([unreadable, south], "unreadable.fits, .*CRPIX1"),
        ([tmp_path / "text.fits"], "text.fits"),
        ([tmp_path / "missing.fits"], "missing.fits"),
        ([north], "no table"),
        ([north, north], "two hemispheres"),
        ([north, south], "two hemispheres"),
        ([north] * 3, "one file or two"),
    ):
        with pytest.raises(NotADustMap, match=reason):
            read_dust_map(paths)
    with pytest.raises(NotADustMap, match="cannot be scaled"):
        read_dust_map(scale=0.0)


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker_assets.lightcurves.dust.SMALL_MAP", ("no_such_package", "map.fits"))
    with pytest.raises(NotADustMap, match="install no_such_package, or set BROKER_FEATURES__DUST_MAP"):
        read_dust_map()
