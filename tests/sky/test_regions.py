"""Regions as areas."""

from __future__ import annotations

import json
import time
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given, settings
from hypothesis import strategies as st
from regions import PixCoord, Regions

from broker_assets.settings import InputLimits
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.regions import cone_area, polygon_area, region_area
from broker_assets.sky.separation import separation


def test_cone_covers_its_circle() -> None:
    random = np.random.default_rng(0)
    ra, dec = random.uniform(0, 360, 200_000), np.degrees(np.arcsin(random.uniform(-1, 1, 200_000)))
    inside = cone_area(0.1, 89.0, 3.0, order=10).contains_lonlat(ra * u.deg, dec * u.deg)
    distance = separation(0.1, 89.0, ra, dec) / 3600
    assert inside[distance <= 3.0].all()
    assert not inside[distance > 3.1].any()


def test_polygon_across_the_wrap_and_in_either_sense() -> None:
    ra, dec = [359.0, 1.0, 1.0, 359.0], [-1.0, -1.0, 1.0, 1.0]
    moc = polygon_area(ra, dec, order=10)
    assert moc.contains_lonlat([0.0, 359.5, 2.0, 180.0] * u.deg, [0.0, 0.5, 0.0, 0.0] * u.deg).tolist() == [
        True,
        True,
        False,
        False,
    ]
    assert polygon_area(ra[::-1], dec[::-1], order=10) == moc


@pytest.mark.parametrize(
    "text",
    [
        "CIRCLE ICRS 10.0 20.0 1.0",
        "icrs; circle(10d, 20d, 1d)",
        'fk5; circle(10d, 20d, 3600")',
        "# Region file format: DS9\nicrs\ncircle(10d,20d,1d)\ncircle(10.1d,20d,0.1d)",
    ],
)
def test_forms_of_one_circle(text: str) -> None:
    moc = region_area(text, order=9)
    assert moc.contains_lonlat([10.0, 12.0] * u.deg, [20.0, 20.0] * u.deg).tolist() == [True, False]


def test_excluded_regions_are_taken_away() -> None:
    moc = region_area("icrs\ncircle(10d,20d,2d)\n-circle(10d,20d,1d)", order=9)
    assert moc.contains_lonlat([10.0, 11.6] * u.deg, [20.0, 20.0] * u.deg).tolist() == [False, True]


@pytest.mark.parametrize("order", [6, 9, 12])
@pytest.mark.parametrize("shape", ["CIRCLE ICRS 359.5 88 1.5", "BOX ICRS 359.5 -20 2 3", "POLYGON ICRS 359 1 2 -1 1 3"])
@pytest.mark.parametrize("form", ["NOT ({})", "DIFFERENCE (ALLSKY {})", "DIFFERENCE (ALLSKY INTERSECTION ({0} {0}))"])
def test_nothing_outside_an_excluded_shape_is_excluded(order: int, shape: str, form: str) -> None:
    excluded, rest = region_area(shape, order=order), region_area(form.format(shape), order=order)
    # The cells along the border of a MOC may lie outside its shape in part; all others lie inside.
    assert excluded.difference(excluded.contracted()).difference(rest).empty()
    deepest = region_area(shape, order=order + 2)
    assert deepest.complement().intersection(rest.complement()).empty()
    assert rest.complement().difference(excluded).empty()
    assert order < 9 or not rest.complement().empty()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty text"),
        ("hello", "not understood"),
        ("CIRCLE ICRS ten", "STC-S"),
        ("image; circle(10, 20, 5)", "pixels"),
        ("circle(10, 20, 1)", "coordinate frame was not found"),
        ("icrs\ncircle(10d,20d,1d)\nrubbish(1d,2d)", r'unable to parse line "rubbish\(1d,2d\)"'),
        ("icrs\ncircle(10d,20d,1d)\n-circle(10d,20d,2d)", "covers nothing"),
    ],
)
def test_refuses(text: str, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        region_area(text, order=9)


def test_refuses_impossible_shapes() -> None:
    with pytest.raises(NotAnArea, match="radius"):
        cone_area(0.0, 0.0, 0.0, order=9)
    with pytest.raises(NotAnArea, match="declination"):
        cone_area(0.0, 100.0, 1.0, order=9)
    with pytest.raises(NotAnArea, match="three different corners"):
        polygon_area([1.0, 2.0, 1.0], [1.0, 2.0, 1.0], order=9)


FIELD = "data/sky/field/region"


@pytest.mark.shared
@pytest.mark.parametrize("name", ["colinear", "greatcircle"])
def test_polygons_of_the_field_without_inside(shared_folder: Path, name: str) -> None:
    corners = json.loads((shared_folder / FIELD / f"{name}.json").read_text())
    with pytest.raises(NotAnArea, match="one great circle"):
        polygon_area(corners["ra"], corners["dec"], order=9)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("panda_mixed.reg", "panda"),
        ("text_polygon_2.stcs", "POLYGON has 4 numbers"),
        ("odd.stcs", "POLYGON has 7 numbers"),
    ],
)
def test_regions_of_the_field_that_are_refused(shared_folder: Path, name: str, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        region_area((shared_folder / FIELD / name).read_text(), order=9)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [f"{shape}_galactic_{angle}" for shape in ("box", "ellipse") for angle in (0, 30)]
    + ["box_icrs_90", "box_icrs_120", "ell_270"],
)
def test_regions_of_the_field_cover_what_astropy_regions_contains(shared_folder: Path, name: str) -> None:
    covers_as_astropy_regions((shared_folder / FIELD / f"{name}.reg").read_text())


@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize("frame", ["icrs", "fk5", "fk4", "galactic"])
@given(lon=st.floats(0, 360), lat=st.floats(-80, 80), first=st.floats(0.3, 1), ratio=st.floats(0.3, 3),
       angle=st.floats(-720, 720))  # fmt: skip
@settings(max_examples=10)
def test_turned_shapes_cover_what_astropy_regions_contains(
    shape: str, frame: str, lon: float, lat: float, first: float, ratio: float, angle: float
) -> None:
    covers_as_astropy_regions(f"{frame}\n{shape}({lon:.6f}d,{lat:.6f}d,{first:.6f}d,{first * ratio:.6f}d,{angle:.6f})")


def covers_as_astropy_regions(text: str, order: int = 11) -> None:
    """Compare with the package `regions`, in the tangential plane of the centre in the frame of the region."""
    [reference] = Regions.parse(text, format="ds9")
    centre = reference.center
    names = ("GLON", "GLAT") if centre.frame.name == "galactic" else ("RA--", "DEC-")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"{name}-TAN" for name in names]
    wcs.wcs.crval = [centre.spherical.lon.deg, centre.spherical.lat.deg]
    wcs.wcs.cdelt, wcs.wcs.crpix = [-0.01, 0.01], [1000.0, 1000.0]
    if centre.frame.name != "galactic":
        wcs.wcs.radesys = centre.frame.name.upper()
        wcs.wcs.equinox = 1950.0 if centre.frame.name == "fk4" else 2000.0
    size = max(reference.width.to_value("deg"), reference.height.to_value("deg"))
    random = np.random.default_rng(0)
    x, y = 999 + random.uniform(-120, 120, (2, 4000)) * size
    inside = reference.to_pixel(wcs).contains(PixCoord(x, y))
    lon, lat = wcs.all_pix2world(x, y, 0)
    points = SkyCoord(lon, lat, unit="deg", frame=centre.frame).icrs
    covered = region_area(text, order=order).contains_lonlat(points.ra, points.dec)
    # The plane and the sky differ by a thousandth of the size of these shapes.
    shrunk = [999 + 0.997 * (axis - 999) for axis in (x, y)]
    well_inside = inside & reference.to_pixel(wcs).contains(PixCoord(999 + 1.004 * (x - 999), 999 + 1.004 * (y - 999)))
    assert covered[well_inside].all()
    assert well_inside.sum() > 20
    cell = 58.6 / 2**order / 0.01  # pixels
    far = ~reference.to_pixel(wcs).contains(PixCoord(*shrunk))
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7)):
        moved = PixCoord(shrunk[0] + 3 * cell * dx, shrunk[1] + 3 * cell * dy)
        far &= ~reference.to_pixel(wcs).contains(moved)
    assert not covered[far].any()


SEEDS = (
    b"UNION ICRS (CIRCLE 10 20 1 INTERSECTION (BOX 10 20 2 2 NOT (ELLIPSE 10 20 2 1 30)))",
    b"POLYGON GALACTIC 1 2 3 2 3 5",
    b"# Region file format: DS9\nglobal color=green\nfk5\ncircle(10:20:30,-20:30:10,1')\n-box(10d,20d,1d,2d,30)",
    b"galactic;annulus(10,20,1,2);polygon(1,2,3,2,3,5) # text={a;b}\nellipse(1,2,3,4,5)",
)


@given(damaged(SEEDS))
def test_damaged_regions_are_areas_or_say_why(content: bytes) -> None:
    with memory_below(64 * 1024**2), refused_with_reason(NotAnArea):
        assert not region_area(content.decode("latin-1"), order=6).empty()


@pytest.mark.parametrize(
    "text",
    [
        "UNION ICRS (" * 100_000,
        "NOT ICRS (" * 100_000,
        "CIRCLE ICRS " + "1 " * 200_000,
        "UNION ICRS (" + "CIRCLE 1 2 3 " * 200_000 + ")",
        "POLYGON ICRS " + " ".join(f"{x % 300} {x % 80}" for x in range(100_000)),
        "icrs; " + "circle(1,2,3);" * 200_000,
        "icrs; a" + " " * 200_000 + "(",
        "icrs; circle" + "(" * 200_000,
        "icrs; circle(" + "1" * 200_000 + ",2,3)",
        "icrs; circle(1" + " " * 200_000 + "x,2,3)",
        "icrs; circle(10:" + "1" * 200_000 + ",2,3)",
        "-" * 200_000,
        "icrs; " + "x" * 200_000,
    ],
)
def test_hostile_regions_are_refused_soon(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(NotAnArea):
        region_area(text, order=5, limits=InputLimits(region_shapes=500))
    assert time.monotonic() - began < 5.0
