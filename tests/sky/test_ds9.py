"""DS9 region files: every form of a value, and every line that is not taken is named."""

from __future__ import annotations

import pytest
from mocpy import MOC

from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.ds9 import read_ds9
from broker_assets.sky.shapes import Shapes

ORDER = 8
SHAPES = Shapes(ORDER)


def read(text: str) -> MOC:
    return read_ds9(text, Shapes(ORDER))


CIRCLE = SHAPES.circle("ICRS", 10.5, -20.5, 1.5)


@pytest.mark.parametrize(
    "text",
    [
        "icrs; circle(10.5,-20.5,1.5)",
        "ICRS\nCIRCLE(10.5d, -20.5d, 1.5d)",
        "icrs;circle 10.5 -20.5 1.5",
        "icrs;+circle(10.5,-20.5,90') # color=red text={a; (b}",
        'icrs\r\ncircle(0:42:00, -20:30:00, 5400")',
        "icrs\rcircle(0h42m0s -20d30m0.0s 1.5)",
        "# Region file format: DS9 version 4.1\nglobal color=green dashlist=8 3; font=x\nicrs\ncircle(10.5,-20.5,1.5)",
        "icrs; circle(0.18325957145940461r,-20.5,1.5) ||",
        "global color=green; icrs; circle(10.5,-20.5,1.5)",
        "GLOBAL include=1; font=x; icrs\ncircle(10.5,-20.5,1.5) # text={include=0} tag='include=0'",
        "fk5; galactic; icrs; circle(10.5,-20.5,1.5); # text(1,2) text={no area}",
    ],
)
def test_forms_of_one_circle(text: str) -> None:
    assert read(text) == CIRCLE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("galactic; circle(10:30:00,-20.5,1.5)", SHAPES.circle("GALACTIC", 10.5, -20.5, 1.5)),
        ("icrs; box(10,20,2,1,30)", SHAPES.box("ICRS", 10, 20, 2, 1, 30)),
        ("icrs; box(10,20,2,1)", SHAPES.box("ICRS", 10, 20, 2, 1, 0)),
        ("icrs; ellipse(10,20,2,1,30)", SHAPES.ellipse("ICRS", 10, 20, 2, 1, 120)),
        ("icrs; ellipse(10,20,2,1,390d)", SHAPES.ellipse("ICRS", 10, 20, 2, 1, 120)),
        ("icrs; annulus(10,20,2,3)", SHAPES.ring("ICRS", 10, 20, 2, 3)),
        ("icrs; annulus(10,20,2,2.5,3)", SHAPES.ring("ICRS", 10, 20, 2, 3)),
        ("icrs; polygon(10,0,20,0,20,10)", SHAPES.polygon("ICRS", [10, 20, 20], [0, 0, 10])),
        ("icrs; circle(10,20,2); circle(30,20,2)",
         SHAPES.circle("ICRS", 10, 20, 2).union(SHAPES.circle("ICRS", 30, 20, 2))),
    ],
)  # fmt: skip
def test_shapes(text: str, expected: MOC) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("kind", ["box", "ellipse"])
def test_rings_of_boxes_and_ellipses(kind: str) -> None:
    import astropy.units as u

    moc = read(f"icrs; {kind}(10,20,2,1,8,4,0)")
    half = 0.5 if kind == "box" else 1
    lon = [10.0, 10 + 5 * half, 10 + 12 * half]
    assert moc.contains_lonlat(lon * u.deg, [20.0] * 3 * u.deg).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("icrs; circle(10,20,1); panda(140,20,0,360,4,1,2,1)", 'parse line "panda'),
        ("icrs; circle(10,20,1); epanda(1,2,3)", 'parse line "epanda'),
        ("icrs; rotbox(10,20,1,2,3)", "rotbox"),
        ("icrs; circle(10,20)", "circle"),
        ("icrs; circle(10,20,1,2)", "radius"),
        ("icrs; circle(10)", "circle"),
        ("icrs; circle", "circle"),
        ("icrs; circle()", "circle"),
        ("icrs; circle(10,20,1", "circle"),
        ("icrs; circle(10,20,1))", "circle"),
        ("icrs; circle(10,20,1)x", "circle"),
        ("icrs; circle(10,20,-1)", "radius"),
        ("icrs; circle(10,20,1e999)", "radius"),
        ("icrs; circle(10,20,nan)", "'nan' is not a size"),
        ("icrs; circle(10,95,1)", "declination"),
        ("icrs; circle(10,2h,1)", "hours"),
        ("galactic; circle(1h0m0s,2,1)", "hours"),
        ("icrs; circle(25:00:00,2,1)", "hours of 24"),
        ("icrs; circle(10p,2,1)", "pixels"),
        ("icrs; circle(10,2,1i)", "pixels"),
        ("physical; circle(10,2,1)", "pixels"),
        ("circle(10,2,1)", "frame was not found"),
        ("icrs; ellipse(10,20,1)", "two sizes"),
        ("icrs; ellipse(10,20,1,2,2,1,0)", "increasing pairs"),
        ("icrs; annulus(10,20,2,1)", "increasing radii"),
        ("icrs; annulus(10,20,1)", "increasing radii"),
        ("icrs; annulus(10,20,1,2,n=4)", "'n=4'"),
        ("icrs; polygon(10,0,20,0)", "three corners"),
        ("icrs; polygon(10,0,20,0,20,10,15)", "three corners"),
        ("icrs; point(1,2)", "point covers no area"),
        ("icrs; text(1,2)", "text covers no area"),
        ("icrs; line(1,1,2,2)", "line covers no area"),
        ("icrs; vector(1d,2d,3d,4)", "vector covers no area"),
        ("icrs", "no region"),
        ("wcs; circle(1,2,3)", 'parse line "wcs"'),
        ("icrs; !circle(1,2,3)", "unable to parse"),
        ("icrs; сircle(1,2,3)", "unable to parse"),
        ("-icrs; circle(1,2,3)", "unable to parse"),
        ("global color=green; circle(1,2,3)", "frame was not found"),
        ("global color=green; icrs; panda(1,2,3)", "unable to parse"),
        ("global color=green include=0\nicrs; circle(1,2,3)", "include=0"),
        ("global color=green; include = 0\nicrs; circle(1,2,3)", "include = 0"),
        ("icrs; circle(1,2,3) # color=red include=0", "include=0"),
    ],
)
def test_every_line_is_understood_or_refused(text: str, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        read(text)
