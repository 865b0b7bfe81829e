"""Finding charts: where marks are, what is left out, and that texts are escaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from broker_assets.sky.finder_svg import finder_svg
from broker_assets.sky.marked_field import Circle, MarkedField, Point


def places(text: str, kind: str) -> list[tuple[float, float]]:
    """Where the marks of a kind are."""
    found = re.findall(rf'd="M(-?[\d.]+) (-?[\d.]+)[^"]*" class="point {kind}"', text)
    return [(float(x), float(y)) for x, y in found]


def test_north_is_up_east_to_the_left_and_the_middle_in_the_middle() -> None:
    points = (
        Point(359.999, 20.0, "o", "centre"), Point(0.001, 20.0, "east"), Point(359.999, 20.001, "north"),
        Point(10.0, 20.0, "outside"), Point(180.0, -20.0, "behind"),
    )  # fmt: skip
    text = finder_svg(MarkedField(359.999, 20.0, 0.01, points), summary="s", size=280)
    assert places(text, "centre") == [(140.0, 140.0)]
    (east, level), (middle, north) = places(text, "object")
    assert (round(level), round(middle)) == (140, 140)
    assert east < 140
    assert north < 140
    assert 'text-anchor="middle">10″</text>' in text


def test_it_is_well_formed_and_texts_are_escaped() -> None:
    points = (Point(10.0, 0.0, '<b>"&', "context"),)
    field = MarkedField(10.0, 0.0, 0.1, points, (Circle(10.0, 0.0, 30.0, "<i>"),))
    text = finder_svg(field, summary='"<u>')
    root = ElementTree.fromstring(text)  # noqa: S314 (our own)
    assert root.attrib["aria-label"] == '"<u>'
    assert "<b>" not in text
    assert "<i>" not in text
    assert float(re.search(r' r="([\d.]+)"', text)[1]) > 20  # type: ignore[index]
