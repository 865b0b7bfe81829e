"""STC-S: words, frames and operators; what is not understood is named."""

from __future__ import annotations

import pytest
from mocpy import MOC

from broker_assets.settings import InputLimits
from broker_assets.sky.areas import NotAnArea
from broker_assets.sky.shapes import Shapes, without
from broker_assets.sky.stcs import read_stcs

ORDER = 8


def read(text: str, deepest: int = 8) -> MOC:
    return read_stcs(text, Shapes(ORDER), deepest=deepest)


SHAPES = Shapes(ORDER)
CIRCLE, OTHER = SHAPES.circle("ICRS", 10, 20, 2), SHAPES.circle("ICRS", 11, 20, 2)
EVERYTHING = MOC.new_empty(ORDER).complement()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CIRCLE ICRS 10 20 2", CIRCLE),
        ("circle 10 20 2", CIRCLE),
        ("Circle ICRS GEOCENTER SPHERICAL2 10.0 2e1 +2.", CIRCLE),
        ("CIRCLE ICRS 10 20 2 unit deg", CIRCLE),
        ("CIRCLE GALACTIC 10 20 2", SHAPES.circle("GALACTIC", 10, 20, 2)),
        ("ELLIPSE FK5 10 20 2 1 120", SHAPES.ellipse("FK5", 10, 20, 2, 1, 120)),
        ("BOX ICRS 100 20 2 0.5", SHAPES.box("ICRS", 100, 20, 2, 0.5)),
        ("BOX ICRS 100 20 0.5 2", SHAPES.box("ICRS", 100, 20, 0.5, 2)),
        ("POLYGON ICRS 10 0 20 0 20 10", SHAPES.polygon("ICRS", [10, 20, 20], [0, 0, 10])),
        ("ALLSKY", EVERYTHING),
        ("UNION ICRS (CIRCLE 10 20 2 CIRCLE 11 20 2)", CIRCLE.union(OTHER)),
        ("UNION(CIRCLE ICRS 10 20 2 CIRCLE ICRS 11 20 2)", CIRCLE.union(OTHER)),
        ("INTERSECTION ICRS (CIRCLE 10 20 2 CIRCLE 11 20 2)", CIRCLE.intersection(OTHER)),
        ("DIFFERENCE ICRS (CIRCLE 10 20 2 CIRCLE 11 20 2)", without(CIRCLE, OTHER)),
        ("NOT (CIRCLE ICRS 10 20 2)", without(EVERYTHING, CIRCLE)),
        ("UNION GALACTIC (CIRCLE 10 20 2 CIRCLE ICRS 11 20 2)", SHAPES.circle("GALACTIC", 10, 20, 2).union(OTHER)),
        ("UNION ICRS (CIRCLE 10 20 2 NOT (NOT (CIRCLE 11 20 2)))", CIRCLE.union(OTHER)),
    ],
)
def test_regions(text: str, expected: MOC) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CIRCLE ICRS 10 20", "CIRCLE has 2 numbers; it takes longitude, latitude, radius"),
        ("CIRCLE ICRS 10 20 2 3", "CIRCLE has 4 numbers"),
        ("CIRCLE ICRS 10,20,2", "CIRCLE has 0 numbers"),
        ("CIRCLE ICRS 10 20 nan", 'CIRCLE has 2 numbers, then "nan"; it takes'),
        ("UNION ICRS (CIRCLE 10 20 CIRCLE 10 20 2)", "CIRCLE has 2 numbers; it takes"),
        ("CIRCLE ICRS 1_0 20 2", "CIRCLE has 0 numbers"),
        ("CIRCLE ICRS ١ 20 2", "CIRCLE has 0 numbers"),
        ("ELLIPSE ICRS 10 20 2 1", "ELLIPSE has 4 numbers"),
        ("BOX ICRS 100 20 2 0.5 30", "BOX has 5 numbers"),
        ("POLYGON ICRS 10 0 20 0", "POLYGON has 4 numbers"),
        ("POLYGON ICRS 10 0 20 0 20 10 15", "POLYGON has 7 numbers"),
        ("ALLSKY ICRS 5", "ALLSKY has 1 numbers"),
        ("POSITION ICRS 10 20", "POSITION covers no area"),
        ("CONVEX ICRS 1 2 3 4", "CONVEX covers no area, or is not read"),
        ("CIRCLE SUPERGALACTIC 10 20 2", "CIRCLE has 0 numbers"),
        ("CIRCLE ICRS 10 20 2 unit arcmin", "'unit' follows"),
        ("CIRCLE ICRS 10 20 2 CIRCLE 1 2 3", "'CIRCLE' follows"),
        ("UNION ICRS CIRCLE 10 20 2", "in parentheses"),
        ("UNION ICRS (CIRCLE 10 20 2", "ends too early"),
        ("UNION ICRS (CIRCLE 10 20 2)", "UNION takes two regions or more"),
        ("UNION ICRS ()", "UNION takes two"),
        ("NOT ICRS ()", "NOT takes one"),
        ("NOT ICRS (CIRCLE 1 2 3 CIRCLE 1 2 3)", "NOT takes one"),
        ("DIFFERENCE ICRS (CIRCLE 1 2 3 CIRCLE 1 2 3 CIRCLE 1 2 3)", "DIFFERENCE takes two"),
        ("UNION ICRS (CIRCLE 1 2 3 rubbish)", "'RUBBISH' is not a shape"),
        ("CIRCLE", "CIRCLE has 0 numbers"),
        ("NOT ICRS (NOT (NOT (NOT (CIRCLE 1 2 3))))", "BROKER_LIMITS__REGION_DEPTH"),
    ],
)
def test_what_is_not_understood_is_refused(text: str, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        read(text, deepest=3)


def test_operators_count_as_shapes() -> None:
    text = "UNION ICRS (NOT (CIRCLE 1 2 3) CIRCLE 1 2 3)"
    read_stcs(text, Shapes(ORDER, InputLimits(region_shapes=5)), deepest=3)
    with pytest.raises(NotAnArea, match="BROKER_LIMITS__REGION_SHAPES"):
        read_stcs(text, Shapes(ORDER, InputLimits(region_shapes=4)), deepest=3)
